"""Whisper's front end: log-mel of audio, from samples alone. Pure functions; floor 0.

Streams compute it piece by piece (``stt.speech.features``), engines for windows that bring samples.
A frame is 10 ms; it holds log10 of mel energies, neither clipped nor scaled, as that depends on the
window (recognition REC-02). The values are those of Radford et al. 2022, section 2.2: Hann windows
of 25 ms, Slaney's mel scale.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from stt.events import FEATURE_RATE, SAMPLE_RATE, Features, Samples

STEP = SAMPLE_RATE // FEATURE_RATE  # 160 samples from one frame to the next
FFT = 400  # samples of a frame, 25 ms; the frame's time is its middle
HALF = FFT // 2
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


def mirrored(audio: Samples) -> Samples:
    """More than 200 samples, with the first 200 in mirror image before them: Whisper's start."""
    return np.pad(audio, (HALF, 0), mode="reflect")


def window_log_mel(audio: Samples, n_mels: int) -> Features:
    """All frames of a window of (n,) samples, (n // 160, n_mels): silence follows it."""
    return log_mel(mirrored(np.pad(audio, (0, FFT))), n_mels)[: len(audio) // STEP]
