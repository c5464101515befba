"""The energy gate, on signals and on the recorded clips."""

from __future__ import annotations

import numpy as np
import pytest

from stt.events import SAMPLE_RATE, Samples
from stt.speech.vad import HOP, EnergyVAD
from tests.speech import noise, silence, speech


def onset_seconds(audio: Samples) -> float:
    """How much of the audio can begin speech."""
    return float(EnergyVAD().judge(audio).onset.sum()) * HOP / SAMPLE_RATE


def test_frames_are_20_to_30_ms() -> None:
    """The gate judges frames of 20-30 ms (native W26)."""
    assert 0.02 <= HOP / SAMPLE_RATE <= 0.03


def test_silence_and_speech() -> None:
    """Digital silence is no speech, a voice is."""
    assert onset_seconds(silence(2)) == 0
    assert onset_seconds(np.concatenate((silence(1), speech(2)))) > 1.5


@pytest.mark.parametrize("level", [0.0005, 0.001, 0.005])
def test_steady_noise_is_no_speech(level: float) -> None:
    """Noise that was there from the start never opens the gate (native W26)."""
    assert onset_seconds(noise(5, level)) == 0


@pytest.mark.parametrize("level", [0.03, 0.1])
def test_loud_noise_is_learnt_at_once(level: float) -> None:
    """Loud noise that was there from the start opens the gate for 0.6 s and then never."""
    assert onset_seconds(noise(0.6, level)) == pytest.approx(
        onset_seconds(noise(8, level)), abs=0.05
    )


def test_noise_that_begins_is_learnt() -> None:
    """Noise that begins later opens the gate for no longer than the floor's memory of 3.6 s."""
    verdicts = EnergyVAD().judge(np.concatenate((noise(4, 0.0005), noise(8, 0.05)))).onset
    after = verdicts[round(4 * SAMPLE_RATE / HOP) :]

    assert after[:50].all()
    assert not after[round(3.6 * SAMPLE_RATE / HOP) + 1 :].any()


def test_speech_over_noise() -> None:
    """A voice 20 dB over the noise opens the gate, the noise beside it does not."""
    audio = noise(6, 0.01)
    audio[2 * SAMPLE_RATE : 4 * SAMPLE_RATE] += speech(2, 0.3)

    verdicts = EnergyVAD().judge(audio).onset

    second = SAMPLE_RATE / HOP
    assert verdicts[round(2 * second) : round(4 * second)].mean() > 0.7
    assert not verdicts[: round(2 * second) - 1].any()
    assert not verdicts[round(4 * second) + 1 :].any()


def test_an_offset_has_no_level() -> None:
    """A constant offset of the microphone neither opens the gate nor hides a quiet voice."""
    offset = np.float32(0.2)

    assert onset_seconds(silence(2) + offset) == 0
    assert onset_seconds(np.concatenate((silence(1), speech(2, 0.02))) + offset) > 1.0


def test_speech_from_the_first_sample() -> None:
    """A voice that is there from the start is heard at once, even a word cut out tightly."""
    word = speech(0.75)[round(0.05 * SAMPLE_RATE) : round(0.2 * SAMPLE_RATE)]

    assert EnergyVAD().judge(word).onset.all()


def test_cutting_does_not_matter() -> None:
    """The verdicts and levels are the same, to the last bit, however the audio is cut."""
    audio = np.concatenate((noise(1), speech(1), noise(1.3, 0.01)))
    whole = EnergyVAD().judge(audio)

    for size in (1, 100, 383, 384, 1600, 5000):
        vad = EnergyVAD()
        audio = audio[:20_000] if size == 1 else audio
        frames = [vad.judge(audio[at : at + size]) for at in range(0, len(audio), size)]
        count = sum(len(part.onset) for part in frames)
        for name in ("onset", "speech", "level"):
            expected = getattr(whole, name)[:count]
            np.testing.assert_array_equal(
                expected, np.concatenate([getattr(part, name) for part in frames])
            )
        assert count == len(audio) // HOP
