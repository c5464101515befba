"""How many feature frames the encoder gets for a window (recognition section 5).

Whisper was trained on 30 s, so its users pad every window to 3000 frames and pay for that. Shorter
input is many times cheaper; how short it may be is a property of the model. Pure arithmetic.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace

from stt.context_setting import ALLOWED, ContextSetting
from stt.errors import SettingError
from stt.events import FEATURE_RATE, Kind

FULL = 3000  # feature frames of 30 s, Whisper's training length; one more raises (API-08)
MARGIN = 128  # feature frames of padding behind the audio, REC-40; below 64 decoders loop
MIN_INTERIM = 500  # feature frames, REC-43: the safe default without a profile of the model
MIN_FINAL = 1000

GRID: tuple[int, ...] = (*range(50, 501, 50), 600, 700, 800, 1000, 1250, 1500, 2000, FULL)
"""The lengths in use (REC-40). Few, because only windows of one length share a batch."""


def grid(frames: int) -> int:
    """The smallest length in use that is not below ``frames``; never more than 3000."""
    return GRID[min(bisect_left(GRID, frames), len(GRID) - 1)]


@dataclass(frozen=True, slots=True)
class EncoderContext:
    """The rule T = grid(max(minimum of the kind, frames + margin)) with its numbers."""

    min_interim: int = MIN_INTERIM
    min_final: int = MIN_FINAL
    """For finals, what may become one, and files."""
    margin: int = MARGIN

    @classmethod
    def parse(cls, setting: str, auto: EncoderContext | None = None) -> EncoderContext:
        """What a setting means for a model.

        ``auto``: what the model's profile says, or REC-43 without one. ``full``: 30 s (REC-46). A
        number: the least seconds for every kind. ``interim=...,final=...``: each kind its own; one
        that is not named stays as ``auto`` has it. Raises SettingError for anything else.
        """
        auto = auto or cls()
        try:
            least = ContextSetting.parse(setting)
        except ValueError:
            raise SettingError(f"STT_ENCODER_CONTEXT={setting}: must be {ALLOWED}") from None
        return cls(
            auto.min_interim if least.interim is None else round(FEATURE_RATE * least.interim),
            auto.min_final if least.final is None else round(FEATURE_RATE * least.final),
            auto.margin,
        )

    def least(self, kind: Kind) -> int:
        """The minimum of a kind, in feature frames."""
        return self.min_interim if kind is Kind.INTERIM else self.min_final

    def length(self, kind: Kind, frames: int) -> int:
        """Feature frames to encode for a window with ``frames`` feature frames of audio."""
        return grid(max(self.least(kind), frames + self.margin))

    def raised(self, kind: Kind) -> EncoderContext:
        """The same with the minimum of this kind one step of the grid higher (REC-45)."""
        return self._with_least(kind, grid(grid(self.least(kind)) + 1))

    def lowered(self, kind: Kind, floor: EncoderContext) -> EncoderContext:
        """The same with the minimum of this kind one step lower, never below that of ``floor``."""
        step = GRID[max(bisect_left(GRID, self.least(kind)) - 1, 0)]
        least = floor.least(kind)
        return self._with_least(kind, step if step > grid(least) else least)

    def _with_least(self, kind: Kind, frames: int) -> EncoderContext:
        if kind is Kind.INTERIM:
            return replace(self, min_interim=frames)
        return replace(self, min_final=frames)
