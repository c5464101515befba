"""Word error rate (benchmarks/wer.py)."""

from __future__ import annotations

import pytest

from benchmarks.wer import WordErrors, edits, manifest, normalise, utterances


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, World!", ["hello", "world"]),
        ("twenty-one — don’t", ["twenty", "one", "dont"]),
        ("¿Por qué? ¡Sí!", ["por", "qué", "sí"]),
        ("यह चाँद बहुत लाल है।", ["यह", "चाँद", "बहुत", "लाल", "है"]),
        ("STRASSE Straße", ["strasse", "strasse"]),
        ("qué", ["qué"]),
        (" … ", []),
    ],
)
def test_normalise_keeps_only_words(text, words):
    """Case, punctuation of any script, hyphens and the way accents are coded do not count."""
    assert normalise(text) == words


@pytest.mark.parametrize(
    ("reference", "hypothesis", "count"),
    [
        ("a b c", "a b c", 0),
        ("a b c", "a x c", 1),
        ("a b c", "a c", 1),
        ("a b c", "a b b c", 1),
        ("a b c", "", 3),
        ("", "a", 1),
        ("a b c d", "b c d a", 2),
    ],
)
def test_edits_count_insertions_deletions_and_replacements(reference, hypothesis, count):
    """The least number of changed words."""
    assert edits(reference.split(), hypothesis.split()) == count


def test_word_errors_add_up():
    """The rate is errors over reference words of all texts, and wrong texts are kept."""
    errors = WordErrors()
    assert errors.rate == 0.0

    assert errors.add("One, two three.", "one two three") == 0
    assert errors.add("four", "five six") == 2

    assert errors.rate == 0.5
    assert str(errors) == "50.0 % (2/4)"
    assert errors.wrong == [("four", "five six")]


def test_utterances_are_cut_with_their_edges():
    """Each utterance of a file comes with 0.3 s of audio on both sides."""
    (file,) = [file for file in manifest() if file["file"] == "en_pauses.flac"]

    cuts = list(utterances(file))

    assert len(cuts) == 5
    for utterance, samples in cuts:
        assert len(samples) / 16_000 == pytest.approx(
            utterance["end"] - utterance["start"] + 0.6, abs=0.01
        )
