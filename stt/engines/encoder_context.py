"""How many feature frames the encoder gets for a window (recognition section 5).

Whisper was trained on 30 s, so its users pad every window to 3000 frames and pay for that. Shorter
input is many times cheaper; how short it may be is a property of the model. Pure arithmetic.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass, replace

from stt.errors import SettingError
from stt.events import FEATURE_RATE, Kind

FULL = 3000  # feature frames of 30 s, Whisper's training length; one more raises (API-08)
MARGIN = 128  # feature frames of padding behind the audio, REC-40; below 64 decoders loop
MIN_INTERIM = 500  # feature frames, REC-43: the safe default without a profile of the model
MIN_FINAL = 1000
GRID: tuple[int, ...] = (*range(50, 501, 50), 600, 700, 800, 1000, 1250, 1500, 2000, FULL)
"""The lengths in use (REC-40). Few, because only windows of one length share a batch."""
LEAST = GRID[0] / FEATURE_RATE  # seconds

ALLOWED = f"auto, full, seconds from {LEAST} to 30, or interim=SECONDS,final=SECONDS"


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
            least = _kinds(setting)
        except ValueError:
            raise SettingError(f"STT_ENCODER_CONTEXT={setting}: must be {ALLOWED}") from None
        interim = least.get("interim") or auto.min_interim
        return cls(interim, least.get("final") or auto.min_final, auto.margin)

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


def _kinds(setting: str) -> dict[str, int | None]:
    """The minima a setting names, by kind; None: as the profile has it. Raises ValueError."""
    text = setting.strip().lower()
    if "=" not in text:
        return dict.fromkeys(("interim", "final"), _least(text))
    least: dict[str, int | None] = {}
    for part in text.split(","):
        kind, _, value = (field.strip() for field in part.partition("="))
        if kind not in ("interim", "final") or kind in least:
            raise ValueError(part)
        least[kind] = _least(value)
    return least


def _least(text: str) -> int | None:
    """The minimum one value means, in feature frames. Raises ValueError."""
    match text:
        case "auto":
            return None
        case "full":
            return FULL
    seconds = float(text)
    if not (math.isfinite(seconds) and LEAST <= seconds <= FULL / FEATURE_RATE):
        raise ValueError(text)
    return round(seconds * FEATURE_RATE)
