"""Signals for tests: what a voice activity detector takes for speech, silence and noise.

All are (n,) float32, mono, 16 kHz, within [-1, 1], and the same at every call.
"""

from __future__ import annotations

import numpy as np

from stt.events import SAMPLE_RATE, Samples

SYLLABLE = 0.25  # seconds; about the rate of speech


def speech(seconds: float, level: float = 0.3) -> Samples:
    """A voice at 140 Hz with syllables: loud enough to open the gate, dips shorter than 120 ms."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    syllables = 0.05 + 0.95 * np.sin(np.pi * time / SYLLABLE) ** 2
    pitch = 2 * np.pi * (140 * time + 3 * np.sin(2 * np.pi * time / 1.7))
    voice = sum(np.sin(harmonic * pitch) / harmonic for harmonic in range(1, 12))
    return np.asarray(level * syllables * voice / 2, dtype=np.float32)


def silence(seconds: float) -> Samples:
    """Digital silence."""
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


def noise(seconds: float, level: float = 0.001, seed: int = 0) -> Samples:
    """White noise; ``level`` is its root mean square: 0.001 is a quiet room, 0.05 is loud."""
    rng = np.random.default_rng(seed)
    return np.asarray(
        level * rng.standard_normal(round(seconds * SAMPLE_RATE)), dtype=np.float32
    ).clip(-1, 1)
