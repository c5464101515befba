"""What a simulated speaker says: audio for the true VAD, and words for the scripted engine.

The words of a recording are known with their times. ``Recording.hear`` answers a window as a good
recogniser would: it finds the window in the recording by its samples, which the noise makes
unmistakable, and says the words inside. It never looks at what a stream thinks of the audio.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from benchmarks.sessions import voice
from stt.costs import TOKENS_PER_SECOND
from stt.events import SAMPLE_RATE, Hypothesis, Samples, Window, Word

WORD = 1 / 3  # s a word takes
TOKENS = TOKENS_PER_SECOND * WORD  # of a word
NOISE = 0.0005  # of full scale: a quiet room, -66 dBFS
SHORTEST_PAUSE = 1.0  # s; longer than the endpoint, so that each utterance ends by itself
SYLLABLES = ("ba", "de", "fi", "go", "ku", "la", "me", "ni", "po", "ru", "sa", "te", "vi", "zo")
LAST_PHRASE = 3  # words at least that follow a pause inside an utterance
EDGE = 0.01  # s of a word that nobody hears, or misses
PROOF = 8  # samples that must agree to find a place


@dataclass(frozen=True, slots=True)
class Style:
    """How somebody speaks."""

    shortest: float = 2.0
    """s of the shortest utterance."""
    longest: float = 8.0
    share: float = 0.75
    """Of the time that is utterances."""
    phrase: tuple[float, float] | None = (3.0, 8.0)
    """s of speech, at least and at most, after which somebody pauses inside an utterance, as
    one in three of the usual utterances then has it. None: never."""
    rest: tuple[float, float] = (0.2, 0.5)
    """s of such a pause, at least and at most: too short for an endpoint."""

    @property
    def pause(self) -> float:
        """The mean pause in s. Raises ValueError where it would be too short for an endpoint."""
        mean = (self.shortest + self.longest) / 2 * (1 / self.share - 1)
        if mean < SHORTEST_PAUSE:
            raise ValueError(f"pauses of {mean:.2f} s are too short to end an utterance")
        return mean


@dataclass(frozen=True, slots=True)
class Spoken:
    """A word of a recording; times in seconds of it."""

    text: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Heard:
    """What the scripted engine makes of a window."""

    hypothesis: Hypothesis
    steps: int
    """Decoding steps it took: forced prefix, new tokens, end of text (finding 7)."""


class Recording:
    """Speech that goes round and round: after its last sample comes its first.

    ``style``: how it is spoken. ``rng``: what it is made from. Immutable; sessions share it.
    """

    def __init__(self, style: Style, rng: np.random.Generator) -> None:
        cycle = (style.shortest + style.longest) / 2 + style.pause
        parts: list[Samples] = []
        words: list[Spoken] = []
        at = 0.0
        for _ in range(max(6, round(60 / cycle))):
            count = round(rng.uniform(style.shortest, style.longest) / WORD)
            pause = round(rng.uniform(SHORTEST_PAUSE, 2 * style.pause - SHORTEST_PAUSE), 1)
            texts = _sentence(count, rng)
            rests = [*_rests(style, count, rng), (count, pause)]
            for (first, _), (last, rest) in pairwise([(0, 0.0), *rests]):
                words += _phrase(texts[first:last], at)
                speech = voice((last - first) * WORD)
                parts += [speech, np.zeros(round(rest * SAMPLE_RATE), np.float32)]
                at += (len(speech) + len(parts[-1])) / SAMPLE_RATE
        clean = np.concatenate(parts)
        noise = rng.standard_normal(len(clean), np.float32)
        self.samples = np.asarray(clean + np.float32(NOISE) * noise, np.float32)
        """(n,) float32, mono, 16 kHz."""
        self.words = tuple(words)
        self.seconds = len(self.samples) / SAMPLE_RATE
        self._ends = [word.end for word in words]
        self._order = np.argsort(self.samples)
        self._sorted = self.samples[self._order]

    def piece(self, start: int, count: int) -> Samples:
        """``count`` samples from ``start`` on, round the end if need be; a copy."""
        start %= len(self.samples)
        part = self.samples[start : start + count]
        if len(part) == count:
            return part.copy()
        return np.concatenate((part, self.samples[: count - len(part)]))

    def between(self, start: float, end: float) -> list[Spoken]:
        """The words that end after ``start`` and begin before ``end``, times on the same line.

        ``start`` may lie in any round.
        """
        found: list[Spoken] = []
        turn = math.floor(start / self.seconds)
        at = bisect_right(self._ends, start - turn * self.seconds)
        while True:
            if at == len(self.words):
                at, turn = 0, turn + 1
            word, shift = self.words[at], turn * self.seconds
            if word.start + shift >= end:
                return found
            found.append(Spoken(word.text, word.start + shift, word.end + shift))
            at += 1

    def last_end(self, before: float) -> float:
        """When the last word ended that ended by ``before``."""
        turn = math.floor(before / self.seconds)
        at = bisect_right(self._ends, before - turn * self.seconds)
        return self._ends[at - 1] + (turn if at else turn - 1) * self.seconds

    def locate(self, samples: Samples) -> float:
        """Where samples begin, in seconds. Raises ValueError when they are of no place here."""
        proof = samples[:PROOF]
        left, right = (np.searchsorted(self._sorted, proof[0], side) for side in ("left", "right"))
        for at in self._order[left:right].tolist():
            if np.array_equal(self.piece(at, len(proof)), proof):
                return float(at / SAMPLE_RATE)
        raise ValueError("these samples are not of this recording")

    def hear(self, window: Window) -> Heard:
        """The words of a window, the last one half heard where the window ends within it.

        The hypothesis starts with the window's prefix (REC-12), and is the text alone or with the
        times of its words, as the window wants.
        """
        start = self.locate(window.samples)
        end = start + window.seconds
        words = [_cut_off(word, end) for word in self.between(start + EDGE, end - EDGE)]
        prefix = window.prefix.split()
        first = _after(words, prefix)
        if not prefix and words and words[0].start < start - WORD / 2:
            first = 1  # more than half of it came before: nobody would recognise it
        said = [*words[max(0, first - len(prefix)) : first], *words[first:]]
        texts = [*prefix, *(word.text for word in words[first:])]
        tokens = math.ceil(len(texts) * TOKENS)
        return Heard(
            _hypothesis(texts, said if window.word_times else [], window, start), tokens + 1
        )


def _sentence(count: int, rng: np.random.Generator) -> list[str]:
    """``count`` words; the last one ends the sentence."""
    texts = ["".join(rng.choice(SYLLABLES, rng.integers(2, 5))) for _ in range(count)]
    texts[0], texts[-1] = texts[0].capitalize(), f"{texts[-1]}."
    return texts


def _rests(style: Style, count: int, rng: np.random.Generator) -> list[tuple[int, float]]:
    """The pauses inside an utterance: after how many of its words, and for how many seconds."""
    found: list[tuple[int, float]] = []
    if style.phrase is None:
        return found
    at = round(rng.uniform(*style.phrase) / WORD)
    while at <= count - LAST_PHRASE:
        found.append((at, round(rng.uniform(*style.rest), 2)))
        at += round(rng.uniform(*style.phrase) / WORD)
    return found


def _phrase(texts: Sequence[str], start: float) -> list[Spoken]:
    """Words without a pause, from ``start`` on."""
    return [
        Spoken(text, start + at * WORD, start + (at + 1) * WORD) for at, text in enumerate(texts)
    ]


def _cut_off(word: Spoken, end: float) -> Spoken:
    """The word as it is heard when the audio ends at ``end``: the letters that were spoken."""
    if word.end <= end + EDGE:
        return word
    share = (end - word.start) / (word.end - word.start)
    return Spoken(word.text[: max(1, int(share * len(word.text)))], word.start, end)


def _after(words: list[Spoken], prefix: list[str]) -> int:
    """The first word after the prefix, wherever in the words the prefix stands."""
    texts = [word.text for word in words]
    for known in range(len(prefix), 0, -1):  # its first words may have left the window
        for at in range(len(texts) - known + 1):
            if texts[at : at + known] == prefix[-known:]:
                return at + known
    return min(len(prefix), len(words))


def _hypothesis(texts: list[str], timed: list[Spoken], window: Window, start: float) -> Hypothesis:
    words: tuple[Word, ...] = ()
    if len(timed) == len(texts):
        words = tuple(
            Word(
                text if at == 0 else f" {text}",
                max(0.0, word.start - start),
                min(window.seconds, word.end - start),
                0.9,
            )
            for at, (text, word) in enumerate(zip(texts, timed, strict=True))
        )
    return Hypothesis(
        text=" ".join(texts),
        words=words,
        language=window.language or "en",
        language_probability=1.0,
        no_speech_probability=0.0 if texts else 0.9,
        average_logprob=-0.2,
    )
