"""Whether a short frame of audio holds speech: an energy gate over a tracked noise floor.

It looks at frames of one hop and at nothing else: no text, no utterances, no clock. Onsets and
hang-over are the business of ``endpointing``. Vectorised: a call may bring 20 ms or 10 minutes.

The defaults were chosen on the clips of ``tests/audio`` (with the defaults of ``endpointing``):

- every word of the 42 spoken clips lies in the audio of an utterance, also at 3 dB SNR and at a
  level of -54 dBFS; in the 27 short clean ones speech starts within 0.03 s of the truth and ends
  0.05-0.1 s after it (the hang-over);
- digital silence and the quiet room open nothing; steady white or pink noise (-20, -26 dBFS) makes
  one utterance of 0.7 s at its start; clicks over noise make three, 2.4 s in all of 8 s;
- of 304 recordings that begin within speech none loses audio; of 238 single words cut out without
  any silence 227 are heard;
- margins of 5/4, 6/4, 6/4.5 and 6/5 dB miss 0, 0, 0 and 2 words (at 3 dB SNR); with 4 dB a pause of
  0.8 s at 20 dB SNR no longer splits.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stt.events import SAMPLE_RATE, Samples

HOP: Final = 384  # samples in a frame: 24 ms (native W26: 20-30 ms); four make the 96 ms of REC-51
_FULL_SCALE: Final = 32768.0
_BUCKET: Final = 25  # frames (0.6 s): the floor is forgotten in steps of this size
_SILENT: Final = -100.0  # dBFS, the level of digital silence


@dataclass(frozen=True, slots=True)
class VadOptions:
    """When a frame counts as speech."""

    onset_margin: float = 6.0
    """dB above the noise floor at which speech may begin."""
    margin: float = 4.5
    """dB above the noise floor at which speech that has begun goes on."""
    lowest_floor: float = -62.0
    """dBFS; the floor is never taken to be lower, so that a quiet room stays quiet."""
    floor_window: float = 3.0
    """Seconds; the floor is the quietest frame in them, so steady noise is learnt in this time."""
    hybrid: bool = False
    """Let a voice detector confirm that what opens the gate is a voice (``stt.speech.hybrid``)."""
    voice: float = 0.7
    """Probability from which one of its frames is a voice."""
    voice_frames: int = 2
    """Such frames in a row, of 32 ms, that confirm one."""
    first_floor: float = -40.0
    """dBFS; the floor is not taken to be higher in the first 0.6 s of a stream, so that a recording
    cut tightly around one word is heard. Louder noise opens the gate for that long, once."""


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """Judged frames, in order."""

    onset: NDArray[np.bool_]
    """(n_frames,) loud enough for speech to begin."""
    speech: NDArray[np.bool_]
    """(n_frames,) loud enough for speech to go on."""
    level: NDArray[np.float64]
    """(n_frames,) dBFS, the mean removed."""
    voiced: NDArray[np.bool_] | None = None
    """(n_frames,) a voice has been heard in the sound that goes on; None: nobody listened."""


class EnergyVAD:
    """The energy gate (recognition REC-50). One per stream, called by whoever owns the stream."""

    def __init__(self, options: VadOptions | None = None) -> None:
        self._options = options or VadOptions()
        self._rest = np.zeros(0, np.float32)
        self._buckets: deque[float] = deque(
            maxlen=max(1, round(self._options.floor_window * SAMPLE_RATE / HOP / _BUCKET))
        )
        self._bucket_frames = 0
        self._bucket_floor = np.inf

    def judge(self, samples: Samples) -> Frames:
        """Judge every frame that is complete now; what is left over waits for the next call.

        ``samples``: (n,) float32, finite. The verdicts do not depend on how the audio was cut.
        """
        audio = np.concatenate((self._rest, samples)) if len(self._rest) else samples
        count = len(audio) // HOP
        self._rest = audio[count * HOP :].copy()
        level = _levels(audio[: count * HOP].reshape(count, HOP))
        over = level - self._floor(level)
        return Frames(over > self._options.onset_margin, over > self._options.margin, level)

    def _floor(self, level: NDArray[np.float64]) -> NDArray[np.float64]:
        """The noise floor at each frame: the lowest level of the last ``floor_window`` seconds.

        Minimum statistics after R. Martin (IEEE Trans. Speech Audio Proc. 9(5), 2001), without the
        bias term: speech dips to the noise between syllables, steady noise has no dips.
        """
        floor = np.empty_like(level)
        done = 0
        while done < len(level):
            part = level[done : done + _BUCKET - self._bucket_frames]
            lowest = np.minimum.accumulate(part)
            past = min((self._bucket_floor, *self._buckets))
            if not self._buckets:
                past = min(past, self._options.first_floor)
            np.minimum(lowest, past, out=floor[done : done + len(part)])
            self._remember(float(lowest[-1]), len(part))
            done += len(part)
        return np.maximum(floor, self._options.lowest_floor, out=floor)

    def _remember(self, lowest: float, frames: int) -> None:
        self._bucket_floor = min(self._bucket_floor, lowest)
        self._bucket_frames += frames
        if self._bucket_frames == _BUCKET:
            self._buckets.append(self._bucket_floor)
            self._bucket_floor, self._bucket_frames = np.inf, 0


def next_onset(onset: list[bool], at: int) -> int:
    """The next frame, from ``at`` on, in which speech may begin; their number if there is none."""
    try:
        return onset.index(True, at)
    except ValueError:
        return len(onset)


def _levels(frames: NDArray[np.float32]) -> NDArray[np.float64]:
    """The level of (n, HOP) samples in dBFS.

    In whole 16-bit steps, so that the sums are exact and do not depend on how many frames a call
    brings. A constant offset has no level.
    """
    # Few calls: over 500 elements each lets the interpreter lock go, and wakes who waits for it.
    steps = np.multiply(frames, _FULL_SCALE, dtype=np.float64)
    np.rint(steps, out=steps)
    total = np.einsum("ij->i", steps)
    squares = np.einsum("ij,ij->i", steps, steps)
    power = (squares - total * total / HOP) / (HOP * _FULL_SCALE**2)
    level: NDArray[np.float64] = 10.0 * np.log10(np.maximum(power, 10.0 ** (_SILENT / 10)))
    return level
