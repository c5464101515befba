"""Text as the stream needs it: words, their comparison, and the filter of what nobody said.

Pure functions of strings. It never changes a text, it only splits it or turns it down.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import accumulate
from math import isfinite

from stt.events import (
    GARBLED_RATIO,
    LOW_LOGPROB,
    NO_SPEECH_PROBABILITY,
    UNSPACED_LANGUAGES,
    Hypothesis,
)

REJECTED_PARTS = ("thanks for watching", "click, click", "click click", "cough cough")  # native FI1
REJECTED_TEXTS = frozenset({"eh.", "bye.", "it's fine"})  # native FI2
LONGEST_WORD = 40  # characters (native FI4)

# A text repeats itself (native FI5) when one phrase, said REPEATS times or more in a row and in all
# LEAST_REPEATED words or characters long, is REPEATED_SHARE of it. So "no, no, no" and "nine nine
# nine nine" pass; "thank you" four times and nothing besides does not.
REPEATS = 4
LEAST_REPEATED = 8
REPEATED_SHARE = 0.8

_PIECE = re.compile(r"\s*\S+")
_LETTERS_WITHOUT_SPACES = re.compile(
    # Thai, Lao, Myanmar, Khmer; kana; CJK and its extensions and compatibility forms; Tibetan
    r"[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff"
    r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9d\U00020000-\U0003ffff]"
)


def split(text: str, language: str | None) -> list[str]:
    """The words of a text, each with the space before it; characters where there are no spaces.

    Joined, they are the text (less its trailing space).
    """
    if language not in UNSPACED_LANGUAGES:
        return _PIECE.findall(text)
    pieces: list[str] = []
    for character in text.rstrip():
        # A space, or a mark that belongs to the letter before, is no piece of its own.
        if pieces and (pieces[-1].isspace() or unicodedata.combining(character)):
            pieces[-1] += character
        else:
            pieces.append(character)
    return pieces


def normalised(word: str) -> str:
    """A word without case and punctuation, for comparison."""
    folded = unicodedata.normalize("NFC", word).casefold()
    return "".join(letter for letter in folded if not _is_punctuation(letter))


def _is_punctuation(letter: str) -> bool:
    return letter.isspace() or unicodedata.category(letter)[0] == "P"


def is_rejected(text: str) -> bool:
    """Whether the text filter turns this text down (native FI1-FI5)."""
    lowered = text.strip().lower().replace("\u2019", "'")
    return (
        not lowered
        or lowered in REJECTED_TEXTS
        or any(part in lowered for part in REJECTED_PARTS)
        or any(_is_too_long(word) for word in lowered.split())
        or is_repetition(lowered)
    )


def is_unspoken(hypothesis: Hypothesis) -> bool:
    """Whether a hypothesis is no speech, or text that the filter turns down (native W28)."""
    silent = (
        hypothesis.no_speech_probability > NO_SPEECH_PROBABILITY
        and hypothesis.average_logprob < LOW_LOGPROB
    )
    return silent or is_rejected(hypothesis.text)


def is_garbled(hypothesis: Hypothesis) -> bool:
    """Whether a hypothesis is no ground to commit words on (recognition REC-14)."""
    return (
        hypothesis.capped
        or hypothesis.compression_ratio > GARBLED_RATIO
        or not isfinite(hypothesis.average_logprob)
    )


def _is_too_long(word: str) -> bool:
    return len(word) > LONGEST_WORD and not _LETTERS_WITHOUT_SPACES.search(word)


def is_repetition(text: str) -> bool:
    """Whether one phrase, over and over, makes up the text (native FI5)."""
    words = [word for word in map(normalised, text.split()) if word]
    if _repeats(words):
        return True
    letters = normalised(text)
    return bool(_LETTERS_WITHOUT_SPACES.search(letters)) and _repeats(list(letters))


def loops(text: str, language: str | None) -> list[tuple[int, int]]:
    """What to leave out of a text so that no phrase is said over and over (REC-14).

    A loop is a phrase said ``REPEATS`` times or more in a row, in all ``LEAST_REPEATED`` words (or
    characters without spaces) or more; all but the first go. Spans of characters, in order.
    """
    pieces = split(text, language)
    units = [normalised(piece) for piece in pieces]
    ends = list(accumulate(map(len, pieces), initial=0))
    spans, at = [], 0
    while at < len(units):
        length, count = _longest_loop(units, at)
        if count >= REPEATS and length * count >= LEAST_REPEATED:
            spans.append((ends[at + length], ends[at + length * count]))
            at += length * count
        else:
            at += 1
    return spans


def without(text: str, spans: list[tuple[int, int]]) -> str:
    """A text without some of its spans."""
    kept, at = [], 0
    for start, end in spans:
        kept.append(text[at:start])
        at = end
    return "".join(kept) + text[at:]


def _longest_loop(units: list[str], at: int) -> tuple[int, int]:
    """The phrase at a place that covers most by being repeated: its length, how often it comes."""
    best = (1, 1)
    for length in range(1, (len(units) - at) // REPEATS + 1):
        count = 1
        phrase = units[at : at + length]
        while units[at + count * length : at + (count + 1) * length] == phrase:
            count += 1
        if count >= REPEATS and length * count > best[0] * best[1]:
            best = (length, count)
    return best


def _repeats(units: list[str]) -> bool:
    """Whether some phrase of the units, ``REPEATS`` times or more in a row, is most of them."""
    for length in range(1, len(units) // REPEATS + 1):
        run = length
        for at in range(length, len(units)):
            run = run + 1 if units[at] == units[at - length] else length
            if run >= max(REPEATS * length, LEAST_REPEATED, REPEATED_SHARE * len(units)):
                return True
    return False
