"""Log-mel of one utterance: each feature frame computed once, when a window is due.

A feature frame is 10 ms. Frames are kept as log10 of mel energies, neither clipped nor scaled, as
that depends on the window (recognition REC-02); an engine does it. The values are those of
Whisper's front end (Radford et al. 2022, section 2.2): Hann windows of 25 ms, Slaney's mel scale.
Only numpy; it keeps no audio but the 25 ms that the next frame still needs.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from stt.events import FEATURE_RATE, SAMPLE_RATE, Features, Samples

STEP = SAMPLE_RATE // FEATURE_RATE  # 160 samples from one frame to the next
FFT = 400  # samples of a frame, 25 ms; the frame's time is its middle
_HALF = FFT // 2
_LEAST = 1e-10  # of a mel energy: the logarithm of silence is -10
_LINEAR = 1000.0  # Hz up to which Slaney's scale is linear, 200/3 Hz to a mel
_LOG_STEP = np.log(6.4) / 27.0  # above it 27 mels are a factor of 6.4
_BLOCK = 1000  # frames transformed at once: bounds the memory of a long piece of audio


@cache
def mel_filters(n_mels: int) -> NDArray[np.float32]:
    """(n_mels, 201) float32: how much each frequency of the transform counts in each mel band.

    Triangles of equal area, evenly spaced on Slaney's mel scale from 0 to 8 kHz (Auditory Toolbox,
    1998): each rises from the centre of the band before and falls to that of the band behind.
    """
    highest = _LINEAR * 3 / 200 + np.log(SAMPLE_RATE / 2 / _LINEAR) / _LOG_STEP
    mels = np.linspace(0.0, highest, n_mels + 2)
    over = np.maximum(mels - _LINEAR * 3 / 200, 0.0)
    centres = np.where(over > 0, _LINEAR * np.exp(_LOG_STEP * over), mels * 200 / 3)
    frequencies = np.fft.rfftfreq(FFT, 1 / SAMPLE_RATE)
    widths = np.diff(centres)[:, None]
    rising = (frequencies - centres[:-2, None]) / widths[:-1]
    falling = (centres[2:, None] - frequencies) / widths[1:]
    heights = 2.0 / (centres[2:] - centres[:-2])
    filters = np.maximum(0.0, np.minimum(rising, falling)) * heights[:, None]
    return np.asarray(filters, np.float32)


_HANN = np.hanning(FFT + 1)[:-1].astype(np.float32)


def log_mel(audio: Samples, n_mels: int) -> Features:
    """The frames of (n,) samples: one for each 160, from the first full 400; (n_frames, n_mels)."""
    count = max(0, (len(audio) - FFT) // STEP + 1)
    frames = np.empty((count, n_mels), np.float32)
    filters = mel_filters(n_mels).T
    for at in range(0, count, _BLOCK):
        part = audio[at * STEP : (min(at + _BLOCK, count) - 1) * STEP + FFT]
        windows = np.lib.stride_tricks.sliding_window_view(part, FFT)[::STEP] * _HANN
        spectrum = np.fft.rfft(windows)
        power = spectrum.real**2 + spectrum.imag**2
        energies = np.maximum(power @ filters, _LEAST)
        np.log10(energies, out=frames[at : at + _BLOCK])
    return frames


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
            if self._samples + len(audio) <= _HALF:  # too short to be mirrored: wait for more
                self._rest, self._samples = rest, self._samples + len(audio)
                return
            rest = _mirrored(rest)
        self._samples += len(audio)
        frames = log_mel(rest, self._n_mels)
        if len(frames):
            self._frames.append(frames)
            self._settled += len(frames)
        elif not self._settled:
            rest = rest[_HALF:]  # the mirror image is made again
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
        rest = self._rest if self._settled else _mirrored(self._rest)
        return log_mel(np.pad(rest, (0, FFT)), self._n_mels)[:count]


def _mirrored(audio: Samples) -> Samples:
    """The start of an utterance with its first 200 samples in mirror image before it."""
    if len(audio) <= _HALF:  # an utterance of 12 ms: there is nothing to mirror
        return np.pad(audio, (_HALF, 0))
    return np.pad(audio, (_HALF, 0), mode="reflect")
