"""Chunks re-cut at sentence ends: what ``sentences=true`` shows and takes (native section 7).

A chunk ends where a client's buffer ended, in the middle of a sentence. ``merge`` moves each
sentence to the chunk in which it ends. Pure: knows no store and no HTTP, and never raises (SN12).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

WIDE = "。｡？！।॥؟۔"  # end a sentence wherever they stand (SN7)
SPACED = ".!?…"  # end one only before white space, closing quotes or the end of the text (SN6)
QUOTES = "\"'"  # open as well as they close, so they count only before white space or the end
CLOSING = "”’»」』】）)]"

# A run of marks is one end (SN5), and the quotes that close after it belong to it.
SENTENCE_END = re.compile(
    f"[{re.escape(SPACED)}]*[{WIDE}][{re.escape(SPACED + WIDE)}]*"
    f"[{re.escape(CLOSING)}]*(?:[{QUOTES}]+(?=\\s|$))?"
    f"|[{re.escape(SPACED)}]+[{re.escape(CLOSING + QUOTES)}]*(?=\\s|$)"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """The sentences that end in one chunk."""

    chunk_id: str
    text: str
    left: dict[str, str | None] = field(default_factory=dict)
    """What stays of every chunk that gave words, once the entry is taken; None: nothing (SN10)."""


@dataclass(slots=True)
class _Carry:
    """Text whose sentence has not ended, and where it came from."""

    text: str = ""
    left: dict[str, str | None] = field(default_factory=dict)

    def join(self, text: str) -> str:
        """The carried text and ``text`` with one space between (rule 2)."""
        return f"{self.text} {_continued(text)}" if self.text else text


def merge(chunks: Iterable[tuple[str, str]]) -> list[Entry]:
    """Re-cut (chunk id, text) pairs, given in the order of DM9; ids without an end are absent."""
    entries: list[Entry] = []
    carry = _Carry()
    last = None
    for last, raw in chunks:
        text = raw.strip()
        ends = [match.end() for match in SENTENCE_END.finditer(text)]
        cut = ends[-1] if ends else 0
        rest = text[cut:].strip()
        if ends:
            entries.append(_ended(last, text, ends, carry, rest))
            carry = _Carry(rest, {last: text[:cut]} if rest else {})
        elif text:
            carry = _Carry(carry.join(text), carry.left | {last: None})
    if last is not None and carry.text:
        _attach(entries, last, carry)
    return entries


def _ended(chunk_id: str, text: str, ends: list[int], carry: _Carry, rest: str) -> Entry:
    """The entry of a chunk in which at least one sentence ends (rule 3)."""
    starts = [0, *ends[:-1]]
    pieces = [text[start:end].strip() for start, end in zip(starts, ends, strict=True)]
    pieces[0] = carry.join(pieces[0])
    words = " ".join(map(_capitalised, pieces))
    return Entry(chunk_id, words, carry.left | {chunk_id: rest or None})


def _attach(entries: list[Entry], chunk_id: str, carry: _Carry) -> None:
    """Give the rest at the end to the last chunk, not capitalised (rule 4)."""
    if entries and entries[-1].chunk_id == chunk_id:
        whole = entries.pop()
        text, left = f"{whole.text} {carry.text}", whole.left | {chunk_id: None}
        entries.append(Entry(chunk_id, text, left))
    else:
        entries.append(Entry(chunk_id, carry.text, carry.left | {chunk_id: None}))


def _continued(text: str) -> str:
    """Lower-case the first letter where the second is lower case: not NASA, not "I" (SN4)."""
    return text[0].lower() + text[1:] if text[1:2].islower() else text


def _capitalised(text: str) -> str:
    """Upper-case the first letter; one that has no single capital stays."""
    first = text[0].upper()
    return first + text[1:] if len(first) == 1 else text
