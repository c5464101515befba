"""The final decoded ahead: when its answer counts."""

from __future__ import annotations

import pytest

from stt.events import Hypothesis, Kind, Request
from stt.speech.ahead import Ahead

SPEC = Request(1, Kind.SPEC, 0)
TEXT = Hypothesis("done")


def test_an_answer_to_all_the_speech_is_the_final() -> None:
    """What was read after the last speech is the final at the endpoint (REC-52)."""
    ahead = Ahead(SPEC, asked_after=100)

    ahead.read(100)
    ahead.answer = TEXT

    assert ahead.final(100) is TEXT


def test_an_answer_that_lacks_speech_is_not() -> None:
    """Speech behind the window outdates the answer."""
    ahead = Ahead(None, asked_after=100, heard=100, answer=TEXT)

    assert ahead.final(140) is None


@pytest.mark.parametrize(
    ("request_", "heard", "counts"),
    [(SPEC, None, True), (SPEC, 100, True), (SPEC, 60, False), (None, 100, False)],
)
def test_an_answer_to_come(request_: Request | None, heard: int | None, counts: bool) -> None:
    """A spec that is not read yet, or was read after the last speech, will be the final."""
    ahead = Ahead(request_, asked_after=60, heard=heard)

    assert ahead.becomes_final(100) is counts


def test_under_way() -> None:
    """From being read until it is answered."""
    ahead = Ahead(SPEC, asked_after=60)
    assert not ahead.under_way

    ahead.read(60)
    assert ahead.under_way

    ahead.request = None
    assert not ahead.under_way
