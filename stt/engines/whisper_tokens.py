"""Between text and Whisper's tokens: prompts, forced prefixes, words with their times.

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

from stt.events import UNSPACED_LANGUAGES, Window, Word

# fmt: off
MANY_TOKENS = frozenset({
    "am", "ar", "as", "bn", "bo", "fa", "gu", "he", "hi", "hy", "ka", "km", "kn", "lo",
    "ml", "mr", "my", "ne", "pa", "ps", "sa", "sd", "si", "ta", "te", "th", "ur", "yi",
})
# fmt: on
"""Languages whose letters Whisper writes in one or more tokens each: Hindi takes 10 to 12 tokens a
second where English takes 4."""
MOST_NEW_TOKENS = 220  # recognition REC-15
CONTEXT_TOKENS = 64  # most tokens of previous text and prompt (recognition REC-11)
CONTEXT_CLASSES = (64, 32, 0)
TOKEN_SECONDS = 0.02  # one encoder position, the unit of an alignment
LONGEST_MEDIAN = 0.7  # seconds; no usual word is longer (openai/whisper timing.py)
REPLACEMENT = "�"  # what a character cut in the middle of its bytes decodes to


class Alignment(Protocol):
    """What CTranslate2's ``align`` returns for one text."""

    alignments: Sequence[tuple[int, int]]
    """(text token, encoder position) pairs, both rising."""
    text_token_probs: Sequence[float]


@dataclass(frozen=True, slots=True)
class Prompt:
    """The tokens a window starts its decoding with."""

    context: list[int]
    """Previous text, its start mark included; windows of a batch need equal lengths (API-02)."""
    start: list[int]
    """Start mark, language and task, as ``align`` wants them."""
    no_timestamps: int
    prefix: list[int]
    """Forced: the answer repeats them (API-03)."""

    @property
    def head(self) -> int:
        """How many tokens precede the forced prefix."""
        return len(self.context) + len(self.start) + 1

    @property
    def tokens(self) -> list[int]:
        """All of it, in order."""
        return [*self.context, *self.start, self.no_timestamps, *self.prefix]


def suppressed(tokenizer: Tokenizer) -> list[int]:
    """The tokens never to decode: no sounds in brackets, no marks (openai/whisper decoding.py)."""
    marks = (
        tokenizer.transcribe,
        tokenizer.translate,
        tokenizer.sot,
        tokenizer.sot_prev,
        tokenizer.sot_lm,
        tokenizer.no_speech,
    )
    return sorted({*tokenizer.non_speech_tokens, *(mark for mark in marks if mark is not None)})


def prompt_for(tokenizer: Tokenizer, window: Window, *, context: bool = True) -> Prompt:
    """The prompt of a window; ``context=False`` leaves previous text and client prompt out."""
    before = _context(tokenizer, window) if context else []
    return Prompt(
        context=[tokenizer.sot_prev, *before] if before else [],
        start=tokenizer.sot_sequence,
        no_timestamps=tokenizer.no_timestamps,
        prefix=_encode(tokenizer, window.prefix),
    )


def _translates(tokenizer: Tokenizer) -> bool:
    return tokenizer.task is not None and tokenizer.task == tokenizer.translate


def _spaced(tokenizer: Tokenizer) -> bool:
    """Whether what is decoded has spaces between words; a translation is English."""
    return _translates(tokenizer) or tokenizer.language_code not in UNSPACED_LANGUAGES


def _encode(tokenizer: Tokenizer, text: str) -> list[int]:
    """Tokens of a text as Whisper writes it: a space before the first word, if it has spaces."""
    text = text.strip()
    space = " " if _spaced(tokenizer) else ""
    return list(tokenizer.encode(space + text)) if text else []


def _context(tokenizer: Tokenizer, window: Window) -> list[int]:
    """At most 64 tokens; previous text alone comes in exactly 64, 32 or none (REC-11).

    A client's prompt is never left out for that: it forms a batch class of its own length.
    """
    prompt = _encode(tokenizer, window.prompt)[-CONTEXT_TOKENS:]
    previous = _encode(tokenizer, window.previous)
    if not prompt:
        return previous[-size:] if (size := _context_class(len(previous))) else []
    room = CONTEXT_TOKENS - len(prompt)
    return prompt + (previous[-room:] if room else [])


def _context_class(available: int) -> int:
    return next(size for size in CONTEXT_CLASSES if size <= available)


def most_new_tokens(tokenizer: Tokenizer, seconds: float, *, generous: bool) -> int:
    """Above how many new tokens a text of that many seconds must be a loop (REC-15).

    7 a second, and 20 for the languages that need them; ``generous`` grants all of them 20, so
    that a second decode cuts off no fast speaker.
    """
    many = generous or (tokenizer.language_code in MANY_TOKENS and not _translates(tokenizer))
    return int(min(8 + (20 if many else 7) * seconds, MOST_NEW_TOKENS))


def text_tokens(tokenizer: Tokenizer, tokens: Sequence[int]) -> list[int]:
    """The tokens that are text, without a character that was cut off at the end."""
    kept = [token for token in tokens if token < tokenizer.eot]
    while kept and tokenizer.decode(kept).endswith(REPLACEMENT):
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
    spaced = _spaced(tokenizer)
    cut = tokenizer.split_tokens_on_spaces if spaced else tokenizer.split_tokens_on_unicode
    texts, groups = cut(tokens)
    for text, group in zip(texts, groups, strict=True):
        glued = spaced and not text[:1].isspace()
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
