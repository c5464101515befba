"""Which words of an utterance will not change: hypotheses in, committed text out.

It compares texts and word times; it hears no audio and asks for nothing. A stream makes one policy
for each utterance. The committed text has two parts: what lies before the window, and the words
still in it, which the next window forces as its prefix, so that they cannot change (REC-12).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal, TypeAlias

from stt.events import UNDECODED, UNSPACED_LANGUAGES, Hypothesis, Word
from stt.speech.text import normalised, split

Commit: TypeAlias = Literal["agreement", "aligned", "hybrid"]

_SETTLED = 0.5  # s before the end of the window by which a word has ended for `aligned`
_SURE = 0.8  # probability above which `hybrid` takes such a word (recognition section 4.1)
_HELD_BACK = 3  # words that a window at its hard bound leaves uncommitted (REC-23)
_LEAD = 0.1  # s of audio before the first word that stays, as words begin a little early


@dataclass(frozen=True, slots=True)
class PolicyOptions:
    """How words become committed, and how long a window may grow."""

    commit: Commit = "agreement"
    """What is committed: what two hypotheses in a row share (``agreement``), words well before the
    end of the window (``aligned``), or either (``hybrid``, recognition section 4.1)."""
    soft: float = 6.0
    """Seconds of window above which it is cut (REC-22)."""
    keep: float = 2.0
    """Seconds of committed audio that stay in a window that is cut."""
    hard: float = 15.0
    """Seconds of window at which words are committed by their age (REC-23)."""

    @property
    def needs_times(self) -> bool:
        """Whether every interim needs word times."""
        return self.commit != "agreement"


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a window that has become too long begins from now on."""

    at: float
    """Seconds into the window."""
    words: tuple[Word, ...]
    """The words before it; they leave the window. Their times count from the old window."""


class CommitPolicy:
    """Commits words by LocalAgreement-2, by alignment, or by both.

    Agreement after Macháček, Dabre, Bojar: "Turning Whisper into Real-Time Transcription System"
    (2023); alignment after AlignAtt (Papi et al. 2023). Words are compared without case and
    punctuation. The last word is held back (REC-20), and so is one with half a character in it.
    ``committed`` only grows (REC-21). No lock: the owner of the stream calls it.
    """

    def __init__(self, options: PolicyOptions | None = None) -> None:
        self._options = options or PolicyOptions()
        self._free: list[str] = []  # words of the last hypothesis after the committed ones
        self._left = 0  # characters of `committed` that lie before the window
        self.committed = ""
        """Words that will not change."""

    @property
    def prefix(self) -> str:
        """The committed words in the window; the next hypothesis starts with exactly this."""
        return self.committed[self._left :]

    @property
    def before(self) -> str:
        """The committed words before the window."""
        return self.committed[: self._left]

    @property
    def tail(self) -> str:
        """The rest of the newest hypothesis, which may change."""
        return "".join(self._free)

    def update(self, hypothesis: Hypothesis, seconds: float) -> None:
        """Take the next interim hypothesis, of a window of so many seconds."""
        free = self._after_prefix(hypothesis)
        timed = bool(hypothesis.words) and hypothesis.words[-1].end is not None
        count = self._aligned(free, hypothesis.words, seconds) if timed else 0
        if self._options.commit != "aligned" or not timed:  # a model may know no times
            count = max(count, self._agreed(free))
        if seconds > self._options.hard:
            count = max(count, len(free) - _HELD_BACK)
        count = min(count, _decoded(free[:-1]))
        self.committed += "".join(free[:count])
        self._free = free[count:]

    def finish(self, hypothesis: Hypothesis) -> str:
        """The text of the final: what was committed, and the rest of its hypothesis (REC-27)."""
        self.committed += "".join(self._after_prefix(hypothesis))
        self._free = []
        return self.committed

    def cut(self, words: Sequence[Word], seconds: float) -> Cut | None:
        """Where a window of so many seconds is to be cut, if it is (REC-22, REC-23).

        ``words``: of the hypothesis just taken; without times they are taken to be evenly spread.
        """
        if seconds <= self._options.soft:
            return None
        if not words and self.prefix:
            return None  # an engine that gives no words
        if not words:  # what is old can go; where nothing was ever said, soon
            bound = self._options.hard if self.committed or self._free else self._options.soft
            return Cut(seconds - self._options.keep, ()) if seconds > bound else None
        timed, inside = _timed(words, seconds), self.prefix
        if not "".join(word.text for word in timed).strip().startswith(inside.rstrip()):
            return None  # an engine that does not force its prefix
        committed = [
            word for word, end in zip(timed, _ends(timed), strict=True) if end <= len(inside)
        ]
        if not committed:
            return None
        latest = float(committed[-1].end or 0.0) - self._options.keep
        leaving = sum(float(word.end or 0.0) <= latest for word in committed)
        if not 0 < leaving < len(timed):
            return None
        last, first = float(timed[leaving - 1].end or 0.0), float(timed[leaving].start or 0.0)
        self._leave(timed[:leaving])
        return Cut(max(last, first - _LEAD), tuple(timed[:leaving]))

    def _leave(self, words: Sequence[Word]) -> None:
        """These words are not in the window any more; nor is the space behind them."""
        left = self._left + _ends(words)[-1]
        rest = self.committed[left:]
        self._left = left + len(rest) - len(rest.lstrip())

    def _agreed(self, free: list[str]) -> int:
        pairs = zip(free, self._free, strict=False)
        differ = (at for at, (a, b) in enumerate(pairs) if normalised(a) != normalised(b))
        return next(differ, min(len(free), len(self._free)))

    def _aligned(self, free: list[str], words: Sequence[Word], seconds: float) -> int:
        if self._options.commit == "agreement":
            return 0
        behind = words[len(words) - len(free) :] if len(free) <= len(words) else ()
        least = _SURE if self._options.commit == "hybrid" else 0.0
        count = 0
        for word in behind:
            if word.end is None or word.end > seconds - _SETTLED:
                break
            if (word.probability or 0.0) < least:
                break
            count += 1
        return count

    def _after_prefix(self, hypothesis: Hypothesis) -> list[str]:
        """The words of a hypothesis after the committed ones in its window."""
        text, language, prefix = hypothesis.text.strip(), hypothesis.language, self.prefix.strip()
        spaced = language not in UNSPACED_LANGUAGES
        if not text.startswith(prefix):
            # An engine that cannot force a prefix: leave out as many words as are committed.
            words = split(text, language)[len(split(prefix, language)) :]
        else:
            words = split(text[len(prefix) :], language)
            if prefix and spaced:
                while words and not words[0][0].isspace() and normalised(words[0]):
                    words.pop(0)  # it would glue to the last committed word (REC-13)
        if words and spaced and self.committed and not prefix:
            words[0] = " " + words[0].lstrip()  # its window begins behind the committed words
        return words


def _decoded(words: list[str]) -> int:
    """How many words there are before one with half a character in it."""
    return next((at for at, word in enumerate(words) if UNDECODED in word), len(words))


def _ends(words: Sequence[Word]) -> list[int]:
    """Where each word ends in their text, in characters, less the space before the first."""
    lead = len(words[0].text) - len(words[0].text.lstrip())
    return [end - lead for end in accumulate(len(word.text) for word in words)]


def _timed(words: Sequence[Word], seconds: float) -> list[Word]:
    """The words with times; evenly spread where the engine gave none."""
    if all(word.start is not None and word.end is not None for word in words):
        return list(words)
    length = seconds / len(words)
    return [
        Word(word.text, at * length, (at + 1) * length, word.probability)
        for at, word in enumerate(words)
    ]
