"""The text of a recording, whole and piece by piece."""

from __future__ import annotations

import pytest

from stt.events import Final
from stt.replies import Joining, Transcription


def finals(*texts: str, language: str | None = "en") -> list[Final]:
    """Utterances with these texts."""
    return [Final(n, text, n, n + 1, language=language) for n, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("language", "text"), [("en", "a b c"), (None, "a b c"), ("ja", "abc"), ("yue", "abc")]
)
def test_pieces_are_the_text(language: str | None, text: str) -> None:
    """OS2: joined, whatever their language joins them with; empty utterances add nothing."""
    said = finals("", "a", "", "b", "c", "", language=language)
    joining = Joining()

    assert "".join(joining.piece(final) for final in said) == text
    assert Transcription.of(said, 6.0).text == text


def test_the_language_is_that_of_the_first_utterance_that_has_one() -> None:
    """OF20."""
    said = [*finals("a", language=None), *finals("b", language="de"), *finals("c")]

    assert Transcription.of(said, 3.0).language == "de"
    assert Transcription.of([], 3.0).language is None
