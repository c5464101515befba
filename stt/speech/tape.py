"""The audio of a stream that is still needed: append at one end, forget at the other.

It cleans what it is given (NaN, infinities, values beyond full scale) and never keeps more than it
was asked to, whatever the length of the stream. Positions are samples since the stream began.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from stt.events import SAMPLE_RATE, Samples

_PIECE = SAMPLE_RATE  # samples; long audio is kept in pieces of this size, so that it can be let go


class Tape:
    """Samples between ``start`` and ``end``. No lock: the owner of the stream calls it."""

    def __init__(self) -> None:
        self.start = 0
        """The first sample still kept."""
        self.end = 0
        """Samples received since the stream began."""
        self._pieces: deque[Samples] = deque()

    def append(self, samples: Samples) -> Samples:
        """Keep (n,) float32 samples, cleaned, and return them; the caller changes them no more."""
        clean = _clean(samples)
        for at in range(0, len(clean), _PIECE):
            piece = clean[at : at + _PIECE]
            self._pieces.append(piece if len(clean) <= _PIECE else piece.copy())
        self.end += len(clean)
        return clean

    def read(self, start: int, end: int) -> Samples:
        """A copy of the samples ``start``..``end``, as far as they are kept."""
        parts: list[Samples] = []
        at = self.start
        for piece in self._pieces:
            if at >= end:
                break
            if at + len(piece) > start:
                parts.append(piece[max(0, start - at) : end - at])
            at += len(piece)
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)

    def forget(self, before: int) -> None:
        """Let go of every piece that ends at or before ``before``."""
        while self._pieces and self.start + len(self._pieces[0]) <= before:
            self.start += len(self._pieces.popleft())


def _clean(samples: Samples) -> Samples:
    """The samples as float32; where any is far beyond full scale or no number, a mended copy.

    In it NaN and infinities are 0 and the rest is within [-1, 1].
    """
    clean = np.asarray(samples, dtype=np.float32).reshape(-1)
    # One call tells, and lets the interpreter lock go once: within full scale no sum of squares is
    # above the count, and with a NaN no comparison holds.
    if not np.vdot(clean, clean) <= len(clean):
        clean = np.clip(np.nan_to_num(clean, nan=0.0, posinf=0.0, neginf=0.0), -1.0, 1.0)
    return clean
