"""What may be sent as a delta: whole words, and never a thing twice."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stt.events import Word
from stt.protocols.realtime_deltas import growth, logprobs

WORDS = st.lists(st.text("abcé", min_size=1, max_size=4), max_size=8)


@pytest.mark.parametrize(
    ("sent", "text", "delta"),
    [
        ("", "one two", "one two"),
        ("one", "one two", " two"),
        ("one two", "one two", ""),
        ("one two.", "one two. three", " three"),
        ("one two", "one two.", "."),
        ("one two", "one", ""),
    ],
)
def test_a_delta_is_the_rest_of_the_text(sent: str, text: str, delta: str) -> None:
    """Committed text only grows, so this is nearly always all there is to it (client RQ3)."""
    assert growth(sent, text) == delta


@pytest.mark.parametrize(
    ("sent", "text", "delta"),
    [
        ("hello world", "hello worldly", ""),
        ("hello world", "hello worldly wise", " wise"),
        ("hello world", "hello world's end", " end"),
        ("कर", "करे तो", " तो"),
    ],
)
def test_s17_a_word_that_was_sent_is_never_continued(sent: str, text: str, delta: str) -> None:
    """No fragment "ly" for "world" that becomes "worldly" (client S17)."""
    assert growth(sent, text) == delta


@pytest.mark.parametrize(
    ("sent", "text", "delta"),
    [
        ("hello word", "hello, world again", " again"),
        ("one two three", "uno dos", ""),
        ("one two", "", ""),
    ],
)
def test_another_text_adds_only_the_words_beyond_those_sent(
    sent: str, text: str, delta: str
) -> None:
    """What was sent stands, and is not said again in other words (client S13)."""
    assert growth(sent, text) == delta


@pytest.mark.parametrize(("sent", "text"), [("日本", "日本語です"), ("これはA", "これはAPIです")])
def test_where_words_are_characters_any_character_may_follow(sent: str, text: str) -> None:
    """Scripts without spaces know no fragment of a word (recognition REC-13)."""
    assert sent + growth(sent, text, unspaced=True) == text


def test_a_script_without_spaces_is_known_by_its_letters_too() -> None:
    """A chunk in two languages tells only one of them."""
    assert growth("hello日本", "hello日本語") == "語"


@given(st.lists(WORDS, max_size=6))
def test_whatever_follows_on_whatever_what_was_sent_stays(texts: list[list[str]]) -> None:
    """Deltas append words, whole ones, so that the number of words only grows (client RQ3, S17)."""
    sent = ""
    for words in texts:
        before = sent.split()
        sent += growth(sent, " ".join(words))

        assert sent.split()[: len(before)] == before
        assert len(sent.split()) == max(len(before), len(words))


def test_tokens_are_the_words_as_they_stand_in_the_transcript() -> None:
    """Joined they are the transcript, also over the gap between utterances (client RS8)."""
    words = (Word("One", probability=0.5), Word(" two.", probability=1.0), Word("Three", 0, 1, 0.1))

    entries = logprobs(words, "One two. Three")

    assert [entry["token"] for entry in entries] == ["One", " two.", " Three"]
    assert [bytes(entry["bytes"]).decode() for entry in entries] == ["One", " two.", " Three"]
    assert entries[0]["logprob"] == pytest.approx(math.log(0.5))


@pytest.mark.parametrize(
    "words",
    [(), (Word("One"),), (Word("Uno", probability=0.5),), (Word("One", probability=0.5),) * 2],
)
def test_words_that_do_not_spell_the_transcript_have_no_tokens(words: tuple[Word, ...]) -> None:
    """Better none than wrong ones; a probability that nobody knows is none either."""
    assert logprobs(words, "One two") == []


def test_an_impossible_word_has_a_logarithm() -> None:
    """JSON knows no infinity."""
    assert logprobs((Word("One", probability=0.0),), "One")[0]["logprob"] == pytest.approx(
        -20.7, 0.1
    )
