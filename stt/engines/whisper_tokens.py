"""From Whisper's tokens to text: words with their times.

Knows the tokenizer, never the model. Token ids are ints of Whisper's vocabulary; ids from ``eot``
on are marks and never text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Protocol

import numpy as np
from faster_whisper.tokenizer import Tokenizer

from stt.engines.whisper_prompt import spaced
from stt.events import UNDECODED, Window, Word

TOKEN_SECONDS = 0.02  # one encoder position, the unit of an alignment
LONGEST_MEDIAN = 0.7  # seconds; no usual word is longer (openai/whisper timing.py)


class Alignment(Protocol):
    """What CTranslate2's ``align`` returns for one text."""

    alignments: Sequence[tuple[int, int]]
    """(text token, encoder position) pairs, both rising."""
    text_token_probs: Sequence[float]


def text_tokens(tokenizer: Tokenizer, tokens: Sequence[int]) -> list[int]:
    """The tokens that are text, without a character that was cut off at the end."""
    kept = [token for token in tokens if token < tokenizer.eot]
    while kept and tokenizer.decode(kept).endswith(UNDECODED):
        kept.pop()
    return kept


@dataclass(frozen=True, slots=True)
class Pieces:
    """A text split into words: the words, and how many tokens each has."""

    words: list[str]
    sizes: list[int]

    @property
    def text(self) -> str:
        """The words, joined."""
        return "".join(self.words)


def split(tokenizer: Tokenizer, window: Window, prefix: list[int], rest: list[int]) -> Pieces:
    """Words of a forced prefix and of what the model wrote behind it.

    The two are split apart, so that a word ends where ``window.prefix`` does: what would glue to
    its last word (a comma, a suffix) is a word without a leading space. Joined, the words of the
    prefix are ``window.prefix``, and a text without a prefix starts without a space.
    """
    forced, free = _words(tokenizer, prefix), _words(tokenizer, rest)
    if forced.words:
        lead = len(window.prefix) - len(window.prefix.lstrip())
        tail = len(window.prefix.rstrip())
        forced.words[0] = window.prefix[:lead] + forced.words[0].lstrip()
        forced.words[-1] += window.prefix[tail:]
    if free.words and free.words[-1].isspace():  # what the model writes for silence
        free.words.pop()
        free.sizes.pop()
    if free.words and (not window.prefix or window.prefix[-1].isspace()):
        free.words[0] = free.words[0].lstrip()
    if free.words:
        free.words[-1] = free.words[-1].rstrip()
    return Pieces(forced.words + free.words, forced.sizes + free.sizes)


def _words(tokenizer: Tokenizer, tokens: list[int]) -> Pieces:
    """Words as the tokenizer splits them, punctuation glued to the word it stands at.

    Only the last can be blank: spaces and line ends are glued to what follows them.
    """
    pieces = Pieces([], [])
    if not tokens:
        return pieces
    by_space = spaced(tokenizer)
    cut = tokenizer.split_tokens_on_spaces if by_space else tokenizer.split_tokens_on_unicode
    texts, groups = cut(tokens)
    for text, group in zip(texts, groups, strict=True):
        glued = by_space and not text[:1].isspace()
        if pieces.words and (glued or pieces.words[-1].isspace()):
            pieces.words[-1] += text
            pieces.sizes[-1] += len(group)
        else:
            pieces.words.append(text)
            pieces.sizes.append(len(group))
    return pieces


def timed(pieces: Pieces, alignment: Alignment, seconds: float) -> tuple[Word, ...]:
    """The words with their times and probabilities, clipped to the ``seconds`` of the window.

    A word begins where the alignment path enters its first token and ends where it enters the
    first token of the next. The silence before speech falls to the first word, which is therefore
    cut to twice the median length of a word (both: openai/whisper timing.py). The alignment of a
    window of less than two frames is empty (API-05): then all times are 0.
    """
    tokens = np.array([pair[0] for pair in alignment.alignments], dtype=np.int64)
    places = np.array([pair[1] for pair in alignment.alignments], dtype=np.int64)
    entered = np.diff(tokens, prepend=-1) > 0
    starts = np.minimum(places[entered] * TOKEN_SECONDS, seconds)
    probabilities = alignment.text_token_probs
    edges = list(accumulate(pieces.sizes, initial=0))
    spans = []
    for first, last in pairwise(edges):
        start = float(starts[first]) if first < len(starts) else 0.0
        spans.append((start, max(start, float(starts[last]) if last < len(starts) else 0.0)))
    if spans:
        typical = min(LONGEST_MEDIAN, float(np.median([end - start for start, end in spans])))
        start, end = spans[0]
        spans[0] = (max(start, end - 2 * typical), end)
    chances = [probabilities[first:last] for first, last in pairwise(edges)]
    return tuple(
        Word(text, round(start, 2), round(end, 2), float(np.mean(some)) if len(some) else None)
        for text, (start, end), some in zip(pieces.words, spans, chances, strict=True)
    )


def untimed(pieces: Pieces) -> tuple[Word, ...]:
    """The words alone."""
    return tuple(Word(text) for text in pieces.words)
