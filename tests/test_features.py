"""Log-mel: the values of Whisper's front end, each frame computed once."""

from __future__ import annotations

import numpy as np
import pytest
from faster_whisper.feature_extractor import FeatureExtractor
from hypothesis import given, settings
from hypothesis import strategies as st

from stt.events import Features, Samples
from stt.mel import STEP
from stt.speech import features
from stt.speech.features import LogMel
from tests.speech import noise, speech

AUDIO = np.concatenate((noise(0.5, 0.01), speech(2.3), noise(0.517, 0.003)))


def scaled(frames: Features) -> Features:
    """What an engine makes of the frames (REC-02)."""
    return (np.maximum(frames, frames.max() - 8.0) + 4.0) / 4.0


def reference(audio: Samples) -> Features:
    """faster-whisper's features without the frame of its padding, (n_frames, 80)."""
    return FeatureExtractor(80)(audio)[:, : len(audio) // STEP].T


def heard(audio: Samples, *pieces: int) -> LogMel:
    """The features of audio that came in pieces of these sizes, the last size again and again."""
    log_mel, at = LogMel(80), 0
    sizes = list(pieces)
    while at < len(audio):
        size = sizes.pop(0) if len(sizes) > 1 else sizes[0]
        log_mel.extend(audio[at : at + size])
        at += size
    return log_mel


@pytest.mark.parametrize("piece", [len(AUDIO), 16_000, 16_001, 1600, 320, 33])
def test_the_frames_are_those_of_whisper_however_the_audio_came(piece: int) -> None:
    """Computed in pieces, every frame is the reference's, the newest included (REC-01, 2.5)."""
    frames = heard(AUDIO, piece).read(0)

    assert frames.dtype == np.float32
    np.testing.assert_allclose(scaled(frames), reference(AUDIO), atol=1e-6)


@pytest.mark.parametrize("length", [0, 1, 159, 160, 200, 201, 399, 400, 401, 560, 1000])
def test_very_short_audio_has_its_frames(length: int) -> None:
    """One frame for each 10 ms, from the first on; what is too short to be mirrored has silence."""
    frames = heard(AUDIO[9000 : 9000 + length], 100).read(0)

    assert frames.shape == (length // STEP, 80)
    if length > 201:
        expected = reference(AUDIO[9000 : 9000 + length])
        # the reference clips by the loudest frame of its padding too
        np.testing.assert_allclose(scaled(frames), expected, atol=0.02)


def test_each_frame_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A window costs only its new audio and the provisional frame, however long it is (REC-01)."""
    transformed = []
    log_mel_of = features.log_mel

    def spy(audio: Samples, n_mels: int) -> Features:
        frames = log_mel_of(audio, n_mels)
        transformed.append(len(frames))
        return frames

    monkeypatch.setattr(features, "log_mel", spy)
    log_mel = LogMel(80)
    for at in range(0, len(AUDIO), 16_000):
        log_mel.extend(AUDIO[at : at + 16_000])
        log_mel.read(0)

    windows = -(-len(AUDIO) // 16_000)
    assert sum(transformed) <= len(AUDIO) // STEP + 5 * windows


def test_the_newest_frame_is_provisional() -> None:
    """It is replaced when the audio behind it is known; the others never change."""
    log_mel = LogMel(80)
    log_mel.extend(AUDIO[:16_000])
    before = log_mel.read(0)

    log_mel.extend(AUDIO[16_000:])
    after = log_mel.read(0, 100)

    np.testing.assert_array_equal(before[:98], after[:98])
    assert np.abs(before[99] - after[99]).max() > 0


def test_a_part_is_read() -> None:
    """Frames are read by their numbers."""
    log_mel = heard(AUDIO, 1600)
    whole = log_mel.read(0)

    np.testing.assert_array_equal(log_mel.read(100, 150), whole[100:150])
    np.testing.assert_array_equal(log_mel.read(300), whole[300:])


@settings(max_examples=50, deadline=None)
@given(before=st.integers(0, 400), first=st.integers(0, 400), pieces=st.lists(st.integers(1, 9000)))
def test_what_is_forgotten_is_gone_and_nothing_else(
    before: int, first: int, pieces: list[int]
) -> None:
    """Frames before a number are let go; the rest keeps its numbers (REC-04)."""
    whole = heard(AUDIO, 1600).read(0)
    log_mel = heard(AUDIO, *pieces, 1600)

    log_mel.forget(before)

    start = max(first, min(before, len(whole)))
    np.testing.assert_allclose(
        log_mel.read(first)[-len(whole[start:]) or 9999 :], whole[start:], atol=1e-5
    )
    assert sum(map(len, log_mel._frames)) <= max(0, len(whole) - before)
