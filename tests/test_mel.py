"""Whisper's front end: the values of faster-whisper's extractor."""

from __future__ import annotations

import numpy as np
import pytest
from faster_whisper.feature_extractor import FeatureExtractor

from benchmarks.wer import load
from stt.events import SAMPLE_RATE
from stt.mel import STEP, log_mel, mel_filters, window_log_mel
from tests.speech import speech


@pytest.mark.parametrize("n_mels", [80, 128])
def test_the_filters_are_those_of_whisper(n_mels: int) -> None:
    """The mel filters are faster-whisper's, for 80 bands and for large-v3's 128."""
    expected = FeatureExtractor.get_mel_filters(SAMPLE_RATE, 400, n_mels)

    np.testing.assert_allclose(mel_filters(n_mels), expected, atol=1e-8)


@pytest.mark.parametrize("n_mels", [80, 128])
@pytest.mark.parametrize("n_samples", [160, 200, 320, 999, 32_000, 32_159])
def test_features_are_those_of_faster_whisper(n_mels: int, n_samples: int) -> None:
    """Scaled, they are the extractor's, without its last frame, which is padding (REC-02)."""
    samples = load("en_growing.flac")[40_000 : 40_000 + n_samples]
    expected = FeatureExtractor(feature_size=n_mels)(samples)[:, :-1].T

    frames = window_log_mel(samples, n_mels)

    assert frames.dtype == np.float32
    assert frames.shape == (n_samples // STEP, n_mels)
    scaled = (np.maximum(frames, frames.max() - 8.0) + 4.0) / 4.0
    np.testing.assert_allclose(scaled, expected, atol=2e-6)


@pytest.mark.parametrize("n_samples", [0, 1, 159])
def test_less_than_a_frame_has_no_features(n_samples: int) -> None:
    """No frame in, no frame out."""
    assert window_log_mel(np.ones(n_samples, np.float32), 80).shape == (0, 80)


def test_silence_is_the_floor() -> None:
    """Without any energy the logarithm has a floor."""
    np.testing.assert_allclose(window_log_mel(np.zeros(1600, np.float32), 80), -10, atol=1e-5)


def test_long_audio_is_transformed_in_blocks() -> None:
    """Frames do not depend on the blocks they were computed in."""
    audio = speech(25)

    whole = log_mel(audio, 80)

    np.testing.assert_allclose(whole[1500:1600], log_mel(audio[1500 * STEP :], 80)[:100], atol=1e-4)
