"""Which words of an utterance will not change: hypotheses in, committed text out.

It compares texts; it hears no audio and asks for nothing. A stream makes one for each utterance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from stt.events import UNSPACED_LANGUAGES, Hypothesis
from stt.speech.text import UNDECODED, normalised, split

Commit: TypeAlias = Literal["agreement", "aligned", "hybrid"]


@dataclass(frozen=True, slots=True)
class PolicyOptions:
    """How words become committed."""

    commit: Commit = "agreement"
    """What is committed: what two hypotheses in a row share (``agreement``), words well before the
    end of the window (``aligned``), or either (``hybrid``, recognition section 4.1)."""
    soft: float = 6.0
    """Seconds of window above which it is cut (REC-22)."""
    keep: float = 2.0
    """Seconds of committed audio that stay in a window that is cut."""
    hard: float = 15.0
    """Seconds of window at which words are committed by their age (REC-23)."""


class LocalAgreement:
    """Commits the longest common prefix of two hypotheses in a row (LocalAgreement-2).

    After Macháček, Dabre, Bojar: "Turning Whisper into Real-Time Transcription System" (2023).
    Words are compared without case and punctuation. The last word is held back (REC-20), and so is
    one with half a character in it. ``committed`` only grows (REC-21). No lock: the owner of the
    stream calls it.
    """

    def __init__(self, options: PolicyOptions | None = None) -> None:
        self._options = options or PolicyOptions()
        self._free: list[str] = []  # words of the last hypothesis after the committed ones
        self.committed = ""
        """Words that will not change; the next window forces them as prefix (REC-12)."""

    @property
    def tail(self) -> str:
        """The rest of the newest hypothesis, which may change."""
        return "".join(self._free)

    def update(self, hypothesis: Hypothesis) -> None:
        """Take the next interim hypothesis."""
        free = self._after_committed(hypothesis)
        agreed = 0
        for word, before in zip(free[:-1], self._free, strict=False):
            if normalised(word) != normalised(before) or UNDECODED in word:
                break
            agreed += 1
        self.committed += "".join(free[:agreed])
        self._free = free[agreed:]

    def finish(self, hypothesis: Hypothesis) -> str:
        """The text of the final: what was committed, and the rest of its hypothesis (REC-27)."""
        self.committed += "".join(self._after_committed(hypothesis))
        self._free = []
        return self.committed

    def _after_committed(self, hypothesis: Hypothesis) -> list[str]:
        """The words of a hypothesis after the committed ones."""
        text, language = hypothesis.text.strip(), hypothesis.language
        if not text.startswith(self.committed):
            # An engine that cannot force a prefix: leave out as many words as are committed.
            return split(text, language)[len(split(self.committed, language)) :]
        words = split(text[len(self.committed) :], language)
        if self.committed and language not in UNSPACED_LANGUAGES:
            while words and not words[0][0].isspace() and normalised(words[0]):
                words.pop(0)  # it would glue to the last committed word (REC-13)
        return words
