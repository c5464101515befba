"""The energy gate with a voice detector: voices open it, other sounds do not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faster_whisper.audio import decode_audio
from hypothesis import given, settings
from hypothesis import strategies as st

from stt.events import SAMPLE_RATE, Samples
from stt.speech import hybrid
from stt.speech.endpointing import Closed, Endpointer, Opened
from stt.speech.hybrid import HybridVAD
from stt.speech.vad import EnergyVAD, Frames
from tests.speech import noise, silence, speech

AUDIO = Path(__file__).parent / "audio"
CLIPS: list[dict[str, Any]] = json.loads((AUDIO / "manifest.json").read_text())["files"]


def clip(name: str) -> Samples:
    """A clip, decoded."""
    samples: Samples = decode_audio(str(AUDIO / name))
    return samples


def hum(seconds: float) -> Samples:
    """A mains hum of 50 Hz with its overtones, loud."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    tones = [np.sin(2 * np.pi * 50 * over * time) / over for over in (1, 2, 3, 5)]
    return np.asarray(0.1 * sum(tones), np.float32)


def chords(seconds: float, seed: int) -> Samples:
    """Plucked chords of three notes of a scale, 150 a minute."""
    rng = np.random.default_rng(seed)
    scale = 220 * 2 ** (np.array([0, 2, 4, 5, 7, 9, 11, 12]) / 12)
    time = np.arange(round(0.4 * SAMPLE_RATE)) / SAMPLE_RATE
    fading = 0.1 * np.exp(-5 * time)
    played = [
        fading
        * sum(
            np.sin(2 * np.pi * note * over * time) / over
            for note in rng.choice(scale, 3)
            for over in (1, 2, 3)
        )
        for _ in range(round(seconds / 0.4))
    ]
    return np.asarray(np.concatenate(played), np.float32)


def detect(audio: Samples, vad: HybridVAD | EnergyVAD, piece: int = 1600) -> list[Opened | Closed]:
    """The boundaries of a recording that comes in pieces."""
    endpointer = Endpointer()
    found: list[Opened | Closed] = []
    for at in range(0, len(audio), piece):
        found += endpointer.step(vad.judge(audio[at : at + piece]))
    return found + endpointer.finish(len(audio))


@pytest.mark.parametrize(
    "sound",
    [
        hum(5),
        np.concatenate((hum(2), silence(1), hum(2))),
        noise(5, 0.05),
        chords(20, 1),
        chords(20, 2),
        clip("noise_clicks_8s.flac"),
        clip("noise_pink_15s.flac"),
        clip("noise_white_8s.flac"),
        clip("silence_room_10s.flac"),
    ],
    ids=["hum", "hums", "hiss", "chords", "other chords", "clicks", "pink", "white", "room"],
)
def test_sounds_that_are_no_voice_open_nothing(sound: Samples) -> None:
    """Hum, hiss, music and clicks make no utterance, so no model ever hears them."""
    assert detect(sound, HybridVAD()) == []


@pytest.mark.parametrize(
    "spoken", [one for one in CLIPS if one["utterances"]], ids=lambda it: it["file"]
)
def test_every_word_is_heard(spoken: dict[str, Any]) -> None:
    """Every word of every clip lies in the audio of an utterance, at 3 dB SNR and -54 dBFS too."""
    boundaries = detect(clip(spoken["file"]), HybridVAD())

    opened = [it.audio_start / SAMPLE_RATE for it in boundaries if isinstance(it, Opened)]
    closed = [it.audio_end / SAMPLE_RATE for it in boundaries if isinstance(it, Closed)]
    for utterance in spoken["utterances"]:
        for word in utterance["words"]:
            assert any(
                start - 0.05 <= word["start"] and word["end"] <= end + 0.05
                for start, end in zip(opened, closed, strict=True)
            ), word


def test_speech_begins_where_the_gate_heard_it() -> None:
    """The detector needs a moment; the utterance starts at the onset all the same (REC-51)."""
    audio = clip("en_short_07.flac")

    first, _ = detect(audio, HybridVAD())[:2]

    assert first == detect(audio, EnergyVAD())[0]


def test_a_voice_in_music_is_heard() -> None:
    """Where somebody speaks after music without a pause the utterance begins near the voice."""
    voice = clip("en_short_02.flac")[2400:]
    audio = np.concatenate((0.3 * chords(4, 1), voice)).astype(np.float32)

    (opened, _) = detect(audio, HybridVAD())[:2]

    assert isinstance(opened, Opened)
    assert 3.0 < opened.start / SAMPLE_RATE < 4.3


def test_silence_asks_the_detector_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Below the gate the network never runs; in speech it runs until it has heard a voice."""
    frames = []
    ask = hybrid.Silero.probabilities

    def spy(self: hybrid.Silero, audio: Samples) -> Any:
        found = ask(self, audio)
        frames.append(len(found))
        return found

    monkeypatch.setattr(hybrid.Silero, "probabilities", spy)
    detect(np.concatenate((silence(5), noise(5, 0.0003))), HybridVAD())
    assert frames == []

    detect(clip("en_short_01.flac"), HybridVAD())

    assert 0 < sum(frames) < 40  # of 175 frames of audio


def same(one: Frames, other: list[Frames]) -> bool:
    """Whether frames judged in pieces are those judged at once."""
    assert one.voiced is not None
    voiced = np.concatenate([part.voiced for part in other if part.voiced is not None])
    return np.array_equal(one.voiced, voiced) and np.array_equal(
        one.onset, np.concatenate([part.onset for part in other])
    )


SOUND = np.concatenate((silence(0.4), clip("en_short_08.flac"), hum(0.7), clip("en_short_11.flac")))


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(1, 20_000), max_size=30))
def test_cutting_does_not_matter(cuts: list[int]) -> None:
    """The verdicts do not depend on how the audio was cut."""
    whole, pieces = HybridVAD(), HybridVAD()

    parts = [
        pieces.judge(part) for part in np.split(SOUND, np.minimum(np.cumsum(cuts), len(SOUND)))
    ]

    assert same(whole.judge(SOUND), parts)


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch, probability: float) -> None:
    """Whatever comes, a voice without end too, the detector keeps no more than two seconds."""

    def answer(_: hybrid.Silero, audio: Samples) -> Samples:
        return np.full(len(audio) // 512, probability, np.float32)

    monkeypatch.setattr(hybrid.Silero, "probabilities", answer)
    vad = HybridVAD()

    for _ in range(20):
        vad.judge(speech(3))

    assert vad.kept <= 2 * SAMPLE_RATE
