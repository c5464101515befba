"""The audio of one utterance: windows of samples or features, and what the tape must keep."""

from __future__ import annotations

import numpy as np
import pytest

from stt.events import SAMPLE_RATE
from stt.speech.excerpt import Excerpt
from stt.speech.tape import Tape
from tests.speech import speech

START = 8000


def tape(seconds: float = 6.0) -> Tape:
    """A tape with speech on it."""
    filled = Tape()
    filled.append(speech(seconds))
    return filled


def test_windows_of_samples() -> None:
    """Without mel bands a window is the samples from the start of the utterance."""
    filled = tape()
    excerpt = Excerpt(filled, START, n_mels=0, whole=False)

    samples, features = excerpt.window(24_000)

    assert features is None
    np.testing.assert_array_equal(samples, filled.read(START, 24_000))
    assert excerpt.needed == START


def test_windows_of_features() -> None:
    """With mel bands a window is the features of the same audio, and holds no samples."""
    excerpt = Excerpt(tape(), START, n_mels=80, whole=False)

    samples, features = excerpt.window(24_000)

    assert len(samples) == 0
    assert features is not None
    assert features.shape == (100, 80)


def test_audio_whose_features_are_known_is_not_needed() -> None:
    """The tape may forget what has become features (REC-04)."""
    filled = tape()
    excerpt = Excerpt(filled, START, n_mels=80, whole=False)
    first = excerpt.window(24_000)[1]

    filled.forget(excerpt.needed)
    again = excerpt.window(40_000)[1]

    assert excerpt.needed == 40_000
    assert first is not None
    assert again is not None
    np.testing.assert_array_equal(first[:98], again[:98])
    assert len(again) == 200


def test_a_window_may_end_before_what_is_known() -> None:
    """An endpoint lies before the audio of an interim; its window is shorter."""
    excerpt = Excerpt(tape(), START, n_mels=80, whole=False)
    excerpt.window(40_000)

    features = excerpt.window(32_000)[1]

    assert features is not None
    assert len(features) == 150


@pytest.mark.parametrize("n_mels", [0, 80])
def test_a_cut_window_begins_later(n_mels: int) -> None:
    """After a cut windows begin later, in whole feature frames (REC-22)."""
    excerpt = Excerpt(tape(), START, n_mels=n_mels, whole=False)
    before = excerpt.window(80_000)

    moved = excerpt.cut(1.2345)

    assert moved == pytest.approx(1.23)
    assert excerpt.window_start == START + round(1.23 * SAMPLE_RATE)
    after = excerpt.window(80_000)
    if n_mels:
        np.testing.assert_array_equal(before[1][123:], after[1])  # type: ignore[index]
    else:
        np.testing.assert_array_equal(before[0][round(1.23 * SAMPLE_RATE) :], after[0])
        assert excerpt.needed == excerpt.window_start


@pytest.mark.parametrize("n_mels", [0, 80])
def test_the_whole_utterance_is_kept_for_a_final_decoded_anew(n_mels: int) -> None:
    """`best` finals hear all of the utterance, whatever was cut (REC-27)."""
    excerpt = Excerpt(tape(), START, n_mels=n_mels, whole=True)
    excerpt.window(40_000)
    excerpt.cut(1.0)

    samples, features = excerpt.window(40_000, whole=True)

    assert len(samples) == (0 if n_mels else 32_000)
    assert features is None or len(features) == 200
