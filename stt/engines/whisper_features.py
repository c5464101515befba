"""The scaling of each window's features as the encoder was trained on them (REC-02)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stt.events import Features

RANGE = 8.0  # log10: what is more than 80 dB below the loudest band of a window is cut off


def scaled(features: Features) -> NDArray[np.float32]:
    """(n_frames, n_mels) float32 as the encoder wants them, about -1 to 2 (REC-02).

    Padding is 0.0 after this (REC-03). Numbers that are none stay so.
    """
    if not len(features):
        return features
    clipped: NDArray[np.float32] = np.maximum(features, features.max() - np.float32(RANGE))
    clipped += np.float32(4.0)
    clipped *= np.float32(0.25)
    return clipped
