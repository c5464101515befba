"""How many feature frames the encoder gets for a window (recognition section 5).

Whisper was trained on 30 s, so its users pad every window to 3000 frames and pay for that. Shorter
input is many times cheaper; how short it may be is a property of the model. Pure arithmetic.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass

from stt.errors import SettingError
from stt.events import Kind

FRAMES_PER_SECOND = 100  # a feature frame is 10 ms of log-mel
FULL = 3000  # feature frames of 30 s, Whisper's training length; one more raises (API-08)
MARGIN = 128  # feature frames of padding behind the audio, REC-40; below 64 decoders loop
MIN_INTERIM = 500  # feature frames, REC-43: the safe default without a profile of the model
MIN_FINAL = 1000
LEAST = 0.5  # seconds, the shortest length in use

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
    def parse(cls, setting: str) -> EncoderContext:
        """``auto`` (REC-43), ``full`` (REC-46), or the least seconds for every kind of window.

        Raises SettingError for anything else.
        """
        match setting.strip().lower():
            case "auto":
                return cls()
            case "full":
                return cls(FULL, FULL)
        try:
            seconds = float(setting)
        except ValueError:
            seconds = math.nan
        if not LEAST <= seconds <= FULL / FRAMES_PER_SECOND:
            raise SettingError(
                f"STT_ENCODER_CONTEXT={setting}: must be auto, full, or seconds from {LEAST} to 30"
            )
        least = round(seconds * FRAMES_PER_SECOND)
        return cls(least, least)

    def length(self, kind: Kind, frames: int) -> int:
        """Feature frames to encode for a window with ``frames`` feature frames of audio."""
        least = self.min_interim if kind is Kind.INTERIM else self.min_final
        return grid(max(least, frames + self.margin))
