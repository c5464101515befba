"""The scaling of features (stt/engines/whisper_features.py)."""

from __future__ import annotations

import numpy as np
import pytest

from stt.engines.whisper_features import scaled


@pytest.mark.parametrize("frames", [0, 3])
def test_silence_scales_to_the_floor(frames):
    """Where nothing is loud the floor of -10 becomes -1.5; no frame in, no frame out."""
    features = np.full((frames, 80), -10, np.float32)

    np.testing.assert_allclose(scaled(features), np.full((frames, 80), -1.5), atol=1e-5)


def test_scaling_leaves_what_it_is_given():
    """A stream keeps its features for the next window, whose loudest band is another."""
    features = np.linspace(-10, 2, 80, dtype=np.float32)[np.newaxis]
    before = features.copy()

    shown = scaled(features)

    np.testing.assert_array_equal(features, before)
    assert shown.min() == pytest.approx((2 - 8 + 4) / 4)
    assert shown.max() == pytest.approx((2 + 4) / 4)
