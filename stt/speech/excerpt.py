"""The audio of one utterance as an engine wants it: samples, or log-mel made as it is due.

It reads the stream's tape late and tells it what is still needed. It decides nothing: where the
utterance ends and where its window begins is said to it.
"""

from __future__ import annotations

import numpy as np

from stt.events import SAMPLE_RATE, Features, Samples
from stt.mel import STEP
from stt.speech.features import LogMel
from stt.speech.tape import Tape

_NOTHING: Samples = np.zeros(0, np.float32)


class Excerpt:
    """Audio from ``start`` on. Positions are samples since the stream began. No lock.

    Args:
        n_mels: Mel bands of the features; 0: windows carry samples.
        whole: Keep all of the utterance, for a final that is decoded anew (REC-27).
    """

    def __init__(self, tape: Tape, start: int, *, n_mels: int, whole: bool) -> None:
        self.start = start
        self.window_start = start
        """Where windows begin; `cut` moves it on."""
        self._tape = tape
        self._log_mel = LogMel(n_mels) if n_mels else None
        self._whole = whole

    @property
    def needed(self) -> int:
        """The first sample that the tape must still have."""
        if self._log_mel is not None:
            return self.start + self._log_mel.samples
        return self.start if self._whole else self.window_start

    def window(self, end: int, *, whole: bool = False) -> tuple[Samples, Features | None]:
        """The window's audio up to sample ``end``, or all of the utterance's.

        Computes the features of what is new (REC-01); exactly one of the two holds the audio.
        """
        start = self.start if whole else self.window_start
        if self._log_mel is None:
            return self._tape.read(start, end), None
        self._log_mel.extend(self._tape.read(self.needed, end))
        first, last = (start - self.start) // STEP, (end - self.start) // STEP
        return _NOTHING, self._log_mel.read(first, last)

    def cut(self, seconds: float) -> float:
        """Begin windows that much later, in whole feature frames; the seconds it came to."""
        moved = int(seconds * SAMPLE_RATE) // STEP * STEP
        self.window_start += moved
        if self._log_mel is not None and not self._whole:
            self._log_mel.forget((self.window_start - self.start) // STEP)
        return moved / SAMPLE_RATE
