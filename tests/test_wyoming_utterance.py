"""What a Wyoming client asks for, in the service's words (stt_wyoming/utterance.py)."""

from __future__ import annotations

import pytest
from wyoming.asr import Transcribe

from stt_wyoming.utterance import MAX_HINT, code_of, hints_of


@pytest.mark.parametrize(
    ("language", "code"), [("en", "en"), ("en-GB", "en"), ("zh_Hant", "zh"), ("DE", "de")]
)
def test_a_language_loses_its_region(language: str, code: str) -> None:
    """Whisper knows languages, Home Assistant regions too."""
    assert code_of(language) == code


def test_names_come_before_terms() -> None:
    """Both are hot words to the service; none where none is given."""
    assert hints_of(Transcribe(transcript_names=["Ada"], transcript_terms=["lamp"])) == "Ada, lamp"
    assert hints_of(Transcribe(transcript_terms=["lamp"])) == "lamp"
    assert hints_of(Transcribe()) is None


def test_only_as_many_hints_as_the_service_takes() -> None:
    """Whole names, of which the first count most."""
    hints = hints_of(Transcribe(transcript_names=["x" * 300] * 9))

    assert hints == ", ".join(["x" * 300] * 3)
    assert len(hints) <= MAX_HINT
