"""Log-mel features (stt/engines/whisper_features.py)."""

from __future__ import annotations

import numpy as np
import pytest
from faster_whisper.feature_extractor import FeatureExtractor

from benchmarks.wer import load
from stt.engines.whisper_features import log_mel, mel_filters, scaled


@pytest.mark.parametrize("n_mels", [80, 128])
@pytest.mark.parametrize("n_samples", [160, 200, 320, 999, 32_000, 32_159])
def test_features_are_those_of_faster_whisper(n_mels, n_samples):
    """Scaled, they are the extractor's, without its last frame, which is padding (REC-02)."""
    samples = load("en_growing.flac")[40_000 : 40_000 + n_samples]
    expected = FeatureExtractor(feature_size=n_mels)(samples)

    features = scaled(log_mel(samples, mel_filters(n_mels)))

    assert features.dtype == np.float32
    assert features.shape == (n_samples // 160, n_mels)
    np.testing.assert_allclose(features.T, expected[:, :-1], atol=2e-6)


@pytest.mark.parametrize("n_samples", [0, 1, 159])
def test_less_than_a_frame_has_no_features(n_samples):
    """No frame in, no frame out."""
    features = log_mel(np.ones(n_samples, np.float32), mel_filters(80))

    assert features.shape == scaled(features).shape == (0, 80)


def test_silence_is_the_floor():
    """Without any energy the logarithm has a floor, which scales to -1.5."""
    features = log_mel(np.zeros(1600, np.float32), mel_filters(80))

    np.testing.assert_allclose(features, -10, atol=1e-5)
    np.testing.assert_allclose(scaled(features), -1.5, atol=1e-5)


def test_scaling_leaves_what_it_is_given():
    """A stream keeps its features for the next window, whose loudest band is another."""
    features = np.linspace(-10, 2, 80, dtype=np.float32)[np.newaxis]
    before = features.copy()

    shown = scaled(features)

    np.testing.assert_array_equal(features, before)
    assert shown.min() == pytest.approx((2 - 8 + 4) / 4)
    assert shown.max() == pytest.approx((2 + 4) / 4)
