"""The search for a model's profile: lengths first, then the margin, then previous text (REC-42).

It decides on scores; who decodes the windows is its caller's business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeAlias

from benchmarks.policy.windows import Collected, Decoded, Sample, Score, score
from stt.engines.encoder_context import FULL, MARGIN
from stt.engines.profile import CONTEXT_CLASSES, LEAST_MARGIN, ModelProfile
from stt.events import FEATURE_RATE, Window

LENGTHS = (100, 150, 200, 300, 400, 500, 700, 1000, 1500, 2000)  # feature frames, of the grid
MARGINS = (LEAST_MARGIN, MARGIN, 2 * MARGIN)
MOST_WORSE = 1.0  # points of word error rate above the 30 s decode (REC-42)
MOST_RETRIED = 0.02  # of the windows: each costs a decode at 30 s, as much as twenty short ones
AT_30_S = ModelProfile(FULL, FULL, MARGIN, 0)
HEAD = ["what", "value", "windows", "words", "WER %", "above 30 s", "capped", "retried", "holds"]
Decode: TypeAlias = Callable[[ModelProfile, Window], Decoded]


@dataclass(frozen=True, slots=True)
class Trial:
    """A profile, and what it made of the windows it is about."""

    what: str
    value: str
    score: Score
    full: Score
    """The same windows at 30 s."""

    @property
    def worse(self) -> float:
        """Points of word error rate above 30 s."""
        return 100 * (self.score.rate - self.full.rate)

    @property
    def holds(self) -> bool:
        """Whether it is good enough (REC-42)."""
        retried = self.score.retried - self.full.retried
        return (
            self.worse <= MOST_WORSE
            and self.score.capped <= self.full.capped
            and retried <= MOST_RETRIED * self.score.windows
        )

    def cells(self) -> list[str]:
        """Its row of the table."""
        return [
            self.what,
            self.value,
            str(self.score.windows),
            str(self.score.words),
            f"{100 * self.score.rate:.1f}",
            f"{self.worse:+.2f}",
            str(self.score.capped),
            str(self.score.retried),
            "yes" if self.holds else "no",
        ]

    def notes(self) -> dict[str, object]:
        """As the profile's file keeps it."""
        return {
            "what": self.what,
            "value": self.value,
            "windows": self.score.windows,
            "wer": round(self.score.rate, 4),
            "points_above_30_s": round(self.worse, 2),
            "capped": self.score.capped,
            "retried": self.score.retried,
            "holds": self.holds,
        }


@dataclass(slots=True)
class Calibration:
    """The search, and what it has tried."""

    windows: Collected
    decode: Decode
    trials: list[Trial] = field(default_factory=list)

    def profile(self) -> ModelProfile:
        """The cheapest profile that is as good as 30 s."""
        interim = self._shortest("interims", self.windows.interims)
        final = self._shortest("finals", self.windows.finals)
        found = ModelProfile(interim, final, MARGIN, previous_tokens=0)
        found = self._with_margin(found)
        return replace(found, previous_tokens=self._previous(found))

    def _shortest(self, what: str, samples: Sequence[Sample]) -> int:
        """The least frames from which on all longer ones hold, too."""
        least = FULL
        holds = True
        for frames in reversed(LENGTHS):
            trial = self._try(what, f"{frames / FEATURE_RATE:g} s", samples, _at_least(frames))
            holds = holds and trial.holds
            least = frames if holds else least
        return least

    def _with_margin(self, profile: ModelProfile) -> ModelProfile:
        """The least margin that holds for all windows."""
        samples = [*self.windows.interims, *self.windows.finals]
        for margin in MARGINS:
            tried = replace(profile, margin=margin)
            if self._try("margin", f"{margin / FEATURE_RATE:g} s", samples, tried).holds:
                return tried
        return replace(profile, margin=MARGINS[-1])

    def _previous(self, profile: ModelProfile) -> int:
        """The previous text with the fewest errors; the least of equals."""
        if not self.windows.continued:
            return 0
        trials = {
            tokens: self._try(
                "previous text",
                f"{tokens} tokens",
                self.windows.continued,
                replace(profile, previous_tokens=tokens),
            )
            for tokens in sorted(CONTEXT_CLASSES)
        }
        usable = {tokens: trial for tokens, trial in trials.items() if trial.holds} or {
            0: trials[0]
        }
        return min(usable, key=lambda tokens: (usable[tokens].score.errors, tokens))

    def _try(
        self, what: str, value: str, samples: Sequence[Sample], profile: ModelProfile
    ) -> Trial:
        full = partial(self.decode, AT_30_S)
        # first all at 30 s, then all under the profile: the model is loaded once for each
        at_30_s = score(samples, full, full)
        trial = Trial(what, value, score(samples, partial(self.decode, profile), full), at_30_s)
        self.trials.append(trial)
        return trial


def _at_least(frames: int) -> ModelProfile:
    """A profile with one least length for every kind."""
    return ModelProfile(frames, frames, MARGIN, 0)
