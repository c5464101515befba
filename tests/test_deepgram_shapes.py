"""What Deepgram's messages and answers are made of."""

from __future__ import annotations

import re

import pytest

from stt.events import Word
from stt.protocols.deepgram_shapes import (
    MAX_HEADER,
    alternative,
    created_now,
    error_body,
    header_line,
    iso,
)

WORDS = (Word("One,", 0.1, 0.5, 0.8), Word(" l'été!", 0.5, 1.2345, 0.4))


def test_a_word_is_shown_bare_and_as_it_is_written() -> None:
    """In small letters, without the punctuation around it; times to the millisecond (DG13)."""
    words = alternative("One, l'été!", WORDS)["words"]

    assert [(word["word"], word["punctuated_word"]) for word in words] == [
        ("one", "One,"),
        ("l'été", "l'été!"),
    ]
    assert (words[1]["start"], words[1]["end"]) == (0.5, 1.234)


def test_confidence_is_the_mean_of_the_words() -> None:
    """0 without any; a word the engine is silent of counts 0 (DG13)."""
    assert alternative("One, l'été!", WORDS)["confidence"] == 0.6
    assert alternative("", ())["confidence"] == 0.0
    assert alternative("a", [Word("a", 0.0, 1.0)])["confidence"] == 0.0


def test_words_keep_within_their_range() -> None:
    """And those without times, or without a letter to show, are left out (DG10)."""
    words = (*WORDS, Word(" lost"), Word(" ", 1.0, 1.1))

    shown = alternative("One, l'été! lost", words, bounds=(0.2, 1.0))["words"]

    assert [(word["start"], word["end"]) for word in shown] == [(0.2, 0.5), (0.5, 1.0)]


def test_punctuation_alone_is_shown_as_it_is() -> None:
    """A word is never empty."""
    [word] = alternative("...", [Word("...", 0.0, 1.0)])["words"]

    assert word["word"] == "..."


def test_languages_by_the_standards_codes() -> None:
    """Whisper's own code for Javanese is another; without any the field is left out."""
    assert iso("jw") == "jv"
    assert alternative("a", (), languages=("jw", "en"))["languages"] == ["jv", "en"]
    assert "languages" not in alternative("a", ())


@pytest.mark.parametrize(
    ("status", "code"), [(400, "Bad Request"), (401, "INVALID_AUTH"), (404, "Bad Request"),
                         (500, "INTERNAL_SERVER_ERROR"), (503, "SERVICE_UNAVAILABLE")],
)  # fmt: skip
def test_a_refusal_has_a_code_by_its_status(status: int, code: str) -> None:
    """DP3."""
    assert error_body(status, "no", "r-1") == {
        "err_code": code,
        "err_msg": "no",
        "request_id": "r-1",
    }


def test_a_header_is_one_line_of_plain_characters() -> None:
    """Whatever a message quotes of a request, it ends no header (DG1)."""
    line = header_line("é\r\nSet-Cookie: x" + "a" * 1000)

    assert line.startswith("?  Set-Cookie: x")
    assert len(line) == MAX_HEADER


def test_the_time_is_written_with_milliseconds_and_z() -> None:
    """As Deepgram writes it."""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", created_now())
