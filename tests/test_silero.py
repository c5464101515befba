"""The voice detector's network: what it says of voices and of other sounds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from faster_whisper.audio import decode_audio
from faster_whisper.vad import get_vad_model

from stt.events import Samples
from stt.speech.silero import CONTEXT, FRAME, Silero
from tests.speech import noise

AUDIO = Path(__file__).parent / "audio"


def clip(name: str, frames: int = 80) -> Samples:
    """The first frames of a clip, with silence as the context before them."""
    samples = decode_audio(str(AUDIO / name))[: frames * FRAME]
    return np.concatenate((np.zeros(CONTEXT, np.float32), samples))


def test_voices_and_noise() -> None:
    """A voice is above 0.9 in most of its frames, noise below 0.3 in all."""
    voice = Silero().probabilities(clip("en_short_02.flac"))
    hiss = Silero().probabilities(noise(CONTEXT / 16_000 + 2.56, 0.05))

    assert len(voice) == len(hiss) == 80
    assert np.median(voice[8:70]) > 0.9
    assert hiss.max() < 0.3


def test_frames_may_come_one_by_one() -> None:
    """Given in pieces, with their context, the frames have the probabilities of one call."""
    audio = clip("en_short_02.flac")
    detector = Silero()

    pieces = [
        detector.probabilities(audio[at : at + CONTEXT + FRAME])
        for at in range(0, 80 * FRAME, FRAME)
    ]

    np.testing.assert_allclose(np.concatenate(pieces), Silero().probabilities(audio), atol=1e-4)


def test_it_is_the_network_of_faster_whisper() -> None:
    """The probabilities are those of the library that brings the file."""
    audio = clip("en_short_03.flac")

    expected = np.asarray(get_vad_model()(audio[CONTEXT:])).reshape(-1)

    # the library lets the first frame have the end of the audio as its context
    np.testing.assert_allclose(Silero().probabilities(audio)[3:], expected[3:], atol=0.05)


def test_reset_forgets() -> None:
    """After a reset the same audio has the same probabilities again."""
    detector = Silero()
    first = detector.probabilities(clip("en_short_02.flac"))

    detector.reset()

    np.testing.assert_array_equal(detector.probabilities(clip("en_short_02.flac")), first)
