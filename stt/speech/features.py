"""Log-mel of one utterance: each feature frame computed once, when a window is due.

It keeps the frames (``stt.mel``) and no audio but the 25 ms that the next frame still needs.
"""

from __future__ import annotations

import numpy as np

from stt.events import Features, Samples
from stt.mel import FFT, HALF, STEP, log_mel, mirrored


class LogMel:
    """The feature frames of audio that grows at one end and is let go at the other.

    Frame i is centred on sample 160 i. Before the first sample the audio is mirrored and behind the
    last it is silent, as in Whisper's front end, so that the newest frame is provisional until 200
    samples behind its middle are known (recognition REC-01). No lock: the owner of the stream.
    """

    def __init__(self, n_mels: int) -> None:
        self._n_mels = n_mels
        self._frames: list[Features] = []  # settled, in pieces
        self._first = 0  # the number of the first frame kept
        self._settled = 0  # frames that will not change
        self._rest: Samples = np.zeros(0, np.float32)  # from 200 samples before frame `_settled` on
        self._samples = 0

    @property
    def samples(self) -> int:
        """Samples taken so far."""
        return self._samples

    def extend(self, audio: Samples) -> None:
        """Take the next (n,) samples and compute the frames that are settled by them."""
        if not len(audio):
            return
        rest = np.concatenate((self._rest, audio))
        if not self._settled:
            if self._samples + len(audio) <= HALF:  # too short to be mirrored: wait for more
                self._rest, self._samples = rest, self._samples + len(audio)
                return
            rest = mirrored(rest)
        self._samples += len(audio)
        frames = log_mel(rest, self._n_mels)
        if len(frames):
            self._frames.append(frames)
            self._settled += len(frames)
        self._rest = rest[len(frames) * STEP :].copy()

    def read(self, first: int, end: int | None = None) -> Features:
        """The frames ``first``..``end`` (all there are), the newest ones provisional; a copy."""
        count = self._samples // STEP
        end = count if end is None else min(end, count)
        parts = list(self._frames)
        if end > self._settled:
            parts.append(self._provisional(count - self._settled))
        if not parts:
            return np.zeros((0, self._n_mels), np.float32)
        kept = np.concatenate(parts)
        return kept[max(0, first - self._first) : max(0, end - self._first)].copy()

    def forget(self, before: int) -> None:
        """Let go of the frames before number ``before``."""
        before = min(before, self._settled)
        while self._frames and self._first + len(self._frames[0]) <= before:
            self._first += len(self._frames.pop(0))
        if before > self._first:
            self._frames[0] = self._frames[0][before - self._first :].copy()
            self._first = before

    def _provisional(self, count: int) -> Features:
        """The newest ``count`` frames, as if silence followed."""
        rest = np.pad(self._rest, (0, FFT))
        return log_mel(rest if self._settled else mirrored(rest), self._n_mels)[:count]
