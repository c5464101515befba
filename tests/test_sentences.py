"""Tests of the re-cutting at sentence ends."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stt.sentences import Entry, merge


def texts(chunks: dict[int, str]) -> dict[int, str]:
    """The merged texts by id, of chunks in the order of their ids."""
    ordered = [(str(number), chunks[number]) for number in sorted(chunks)]
    return {int(entry.chunk_id): entry.text for entry in merge(ordered)}


VECTORS = {
    "SN1": (
        {1: "Hello there. How are", 2: "You doing today? fine"},
        {1: "Hello there.", 2: "How are you doing today? fine"},
    ),
    "SN2": ({1: "one", 2: "two", 3: "three"}, {3: "one two three"}),
    "SN3": ({1: "A. B. c", 2: "", 3: "Done."}, {1: "A. B.", 3: "C done."}),
    "SN4-acronym": ({1: "This is what", 2: "NASA said."}, {2: "This is what NASA said."}),
    "SN4-pronoun": ({1: "and then", 2: "I left."}, {2: "And then I left."}),
    "SN5": ({1: "Wait...", 2: "Go on."}, {1: "Wait...", 2: "Go on."}),
    "SN6": ({1: "It costs 3.5 euros.", 2: "Fine."}, {1: "It costs 3.5 euros.", 2: "Fine."}),
    "SN7": ({1: "नमस्ते। आप", 2: "कैसे हैं?"}, {1: "नमस्ते।", 2: "आप कैसे हैं?"}),
    "SN8": ({10: "three.", 9: "one two"}, {10: "One two three."}),
    "SN9": ({1: "Hello.", 2: "How are you"}, {1: "Hello.", 2: "How are you"}),
}


@pytest.mark.parametrize("name", VECTORS)
def test_vectors_of_the_contract(name: str) -> None:
    """The vectors SN1-SN9 come out as written (native SN1-SN9, C10)."""
    chunks, merged = VECTORS[name]

    assert texts(chunks) == merged


def test_nothing_gives_nothing() -> None:
    """No chunks, and blank chunks, give no entries (native SN12)."""
    assert merge([]) == []
    assert merge([("1", ""), ("2", "  ")]) == []


def test_a_wide_mark_needs_no_space_after_it() -> None:
    """Chinese and Japanese sentences end without white space (native SN7)."""
    assert texts({1: "你好。再", 2: "见！"}) == {1: "你好。", 2: "再 见！"}


def test_quotes_that_close_belong_to_the_sentence() -> None:
    """A mark inside closing quotes ends the sentence after the quotes (native SN6)."""
    assert texts({1: 'He said "go." then', 2: "he left."}) == {
        1: 'He said "go."',
        2: "Then he left.",
    }
    assert texts({1: "「行く。」そう", 2: "言った。"}) == {1: "「行く。」", 2: "そう 言った。"}


def test_a_quote_that_opens_belongs_to_the_next_sentence() -> None:
    """A straight quote right after a wide mark stays with what follows."""
    assert texts({1: '好。"那', 2: "走。"}) == {1: "好。", 2: '"那 走。'}


def test_an_entry_knows_what_it_leaves() -> None:
    """Each entry says what stays of every chunk that gave words (native SN10)."""
    entries = merge([("1", "Hello there. How are"), ("2", "You doing today? fine")])

    assert entries == [
        Entry("1", "Hello there.", {"1": "How are"}),
        Entry("2", "How are you doing today? fine", {"1": "Hello there.", "2": None}),
    ]


def take(chunks: dict[str, str], position: int) -> str:
    """Take the entry at ``position`` from the chunks; its text."""
    entry = merge(chunks.items())[position]
    for chunk_id, text in entry.left.items():
        if text is None:
            del chunks[chunk_id]
        else:
            chunks[chunk_id] = text
    return entry.text


WORD = st.sampled_from(["ab", "Cd", "NASA", "I", "3.5", "ü", "好"])
END = st.sampled_from(["", "", ".", "...", "?!", "。", '."'])
TEXT = st.lists(st.tuples(WORD, END), min_size=1, max_size=6).map(
    lambda words: " ".join(word + end for word, end in words)
)


@settings(max_examples=150, deadline=None)
@given(st.lists(TEXT, max_size=5), st.lists(st.booleans(), min_size=40, max_size=40))
def test_taking_yields_each_word_exactly_once(given_texts: list[str], firsts: list[bool]) -> None:
    """Taken from either end until nothing is left, each word comes exactly once (SN10, B29)."""
    chunks = {str(number): text for number, text in enumerate(given_texts)}
    words = re.findall(r"\S+", " ".join(given_texts).lower())

    taken = []
    for first in firsts:
        if chunks:
            taken.append(take(chunks, 0 if first else -1))

    assert chunks == {}
    assert sorted(re.findall(r"\S+", " ".join(taken).lower())) == sorted(words)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text(max_size=20), max_size=5))
def test_no_text_raises(given_texts: list[str]) -> None:
    """Any text can be merged, and nothing of it is lost (native SN12)."""
    entries = merge([(str(number), text) for number, text in enumerate(given_texts)])

    merged, whole = " ".join(entry.text for entry in entries), " ".join(given_texts)
    assert len(re.sub(r"\s", "", merged)) >= len(re.sub(r"\s", "", whole))
