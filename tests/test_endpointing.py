"""Where utterances begin and end, on frames and on the recorded clips."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faster_whisper.audio import decode_audio

from stt.events import SAMPLE_RATE, Samples
from stt.speech.endpointing import Closed, Endpointer, EndpointingOptions, Opened
from stt.speech.vad import HOP, EnergyVAD, Frames
from tests.speech import silence, speech

AUDIO = Path(__file__).parent / "audio"
CLIPS: dict[str, dict[str, Any]] = {
    clip["file"]: clip for clip in json.loads((AUDIO / "manifest.json").read_text())["files"]
}
FRAME = HOP / SAMPLE_RATE  # seconds


def frames(pattern: str, level: float = -20.0) -> Frames:
    """Frames from letters: S speech, anything else none."""
    speech = np.array([letter == "S" for letter in pattern], np.bool_)
    return Frames(speech, speech, np.where(speech, level, -60.0))


def spans(boundaries: list[Opened | Closed]) -> list[tuple[float, float]]:
    """Start and end of the speech of each utterance, in seconds."""
    opened = [it.start for it in boundaries if isinstance(it, Opened)]
    closed = [it.end for it in boundaries if isinstance(it, Closed)]
    assert len(opened) == len(closed)
    return [
        (start / SAMPLE_RATE, end / SAMPLE_RATE) for start, end in zip(opened, closed, strict=True)
    ]


def detect(audio: Samples, options: EndpointingOptions | None = None) -> list[Opened | Closed]:
    """The boundaries of a whole recording."""
    endpointer = Endpointer(options)
    return endpointer.step(EnergyVAD().judge(audio)) + endpointer.finish(len(audio))


def test_opens_after_96_ms() -> None:
    """Four frames of speech open an utterance, three do not (REC-51)."""
    assert Endpointer().step(frames("...SSS" + "." * 50)) == []

    boundaries = Endpointer().step(frames("." * 20 + "SSSS"))

    assert boundaries == [Opened(start=20 * HOP, audio_start=20 * HOP - 4800)]


def test_clicks_do_not_add_up() -> None:
    """Single loud frames with more than the hang-over between them never open an utterance."""
    assert Endpointer().step(frames("S...." * 40)) == []


def test_a_short_gap_does_not_break_the_onset() -> None:
    """A gap within the hang-over does not interrupt the onset."""
    assert len(Endpointer().step(frames("." * 10 + "SS..SS"))) == 1


def test_preroll_stops_at_the_start_of_the_stream() -> None:
    """There is no audio before the stream."""
    assert Endpointer().step(frames(".SSSS")) == [Opened(start=HOP, audio_start=0)]


def test_closes_after_600_ms() -> None:
    """Silence of 0.6 s ends the utterance; its speech ended before (REC-53)."""
    endpointer = Endpointer()
    endpointer.step(frames("S" * 10))

    assert endpointer.step(frames("." * 24)) == []
    assert endpointer.step(frames(".")) == [
        Closed(13 * HOP, audio_end=10 * HOP + round(0.3 * SAMPLE_RATE), speech_end=10 * HOP)
    ]


def test_another_silence_counts_at_once() -> None:
    """A client may shorten the silence in mid-utterance; what is kept stays as it was (RQ4)."""
    endpointer = Endpointer()
    endpointer.step(frames("S" * 10))

    options = endpointer.configure(EndpointingOptions(silence=0.24, preroll=9.0))

    assert (options.silence, options.preroll) == (0.24, 0.3)
    assert endpointer.step(frames("." * 9)) == []
    assert len(endpointer.step(frames("."))) == 1


def test_a_pause_shorter_than_that_does_not() -> None:
    """A pause of 0.5 s stays within the utterance."""
    boundaries = Endpointer().step(frames("S" * 10 + "." * 20 + "S" * 10))

    assert len(boundaries) == 1


def test_finish_is_an_endpoint_now() -> None:
    """A finalize closes the open utterance at the last sample received (REC-55)."""
    endpointer = Endpointer()
    endpointer.step(frames("S" * 10))

    assert endpointer.finish(10 * HOP + 100) == [
        Closed(end=10 * HOP + 100, audio_end=10 * HOP + 100, speech_end=10 * HOP)
    ]
    assert endpointer.finish(10 * HOP + 100) == []
    assert endpointer.earliest == 10 * HOP + 100


def test_preroll_never_reaches_into_the_utterance_before() -> None:
    """Speech right after a finalize does not take its audio again."""
    endpointer = Endpointer()
    endpointer.step(frames("S" * 10))
    endpointer.finish(10 * HOP)

    assert endpointer.step(frames("SSSS")) == [Opened(start=10 * HOP, audio_start=10 * HOP)]


def test_preroll_never_reaches_before_a_finalize() -> None:
    """Audio of silence before a finalize is not taken for the utterance after it."""
    endpointer = Endpointer()
    endpointer.step(frames("." * 10))
    endpointer.finish(10 * HOP + 100)

    assert endpointer.step(frames("SSSS")) == [
        Opened(start=10 * HOP + 100, audio_start=10 * HOP + 100)
    ]


def test_after_20_s_a_dip_is_enough() -> None:
    """From 20 s on the first dip of 120 ms ends the utterance, before that none does (REC-54)."""
    syllables = ("S" * 20 + "." * 5) * 60  # dips of 120 ms every 0.6 s

    boundaries = Endpointer().step(frames(syllables))

    assert isinstance(boundaries[1], Closed)
    assert 20.0 <= boundaries[1].audio_end / SAMPLE_RATE < 20.7
    assert isinstance(boundaries[2], Opened)
    assert boundaries[2].audio_start == boundaries[1].audio_end


def test_at_28_s_the_quietest_100_ms() -> None:
    """Endless speech is cut in the quietest 100 ms of the last 3 s (REC-54)."""
    endless = frames("S" * 2000)
    endless.level[1100:1104] = -30.0  # 26.4 s

    boundaries = Endpointer().step(endless)

    assert boundaries[1:3] == [
        Closed(end=1102 * HOP, audio_end=1102 * HOP, speech_end=1102 * HOP),
        Opened(start=1102 * HOP, audio_start=1102 * HOP),
    ]


def test_no_audio_is_lost_or_longer_than_28_s() -> None:
    """The pieces of endless speech join without a gap, and none is longer than 28 s (REC-24)."""
    endpointer = Endpointer()
    boundaries = endpointer.step(frames("S" * 5000)) + endpointer.finish(5000 * HOP)

    edges = [it.audio_start if isinstance(it, Opened) else it.audio_end for it in boundaries]
    assert edges[0] == 0
    assert edges[-1] == 5000 * HOP
    assert edges[1:-1:2] == edges[2:-1:2]
    lengths = np.diff(edges)[::2] / SAMPLE_RATE
    assert 24 < lengths[:-1].min() <= lengths.max() <= 28


def test_an_open_utterance_is_never_longer_than_28_s() -> None:
    """At no moment is the open utterance longer than a window may be (REC-24)."""
    endpointer = Endpointer()

    for number in range(1, 1500):
        endpointer.step(frames("S"))
        assert number * HOP - endpointer.earliest <= 28 * SAMPLE_RATE


@pytest.mark.parametrize(
    ("text", "sure", "silence"),
    [
        ("Turn left.", True, 0.35),
        ("घर जाओ।", True, 0.35),
        ("Turn left.", False, 0.6),
        ("turn left at the church", True, 0.6),
        ("Turn left,", True, 1.0),
        ("turn left", True, 1.0),
        ("", True, 2.4),
    ],
)
def test_the_text_decides_the_silence(text: str, sure: bool, silence: float) -> None:
    """With ``by_text`` the text so far says how long a silence ends the utterance (REC-53)."""
    endpointer = Endpointer(EndpointingOptions(by_text=True))
    endpointer.step(frames("S" * 10))
    endpointer.hear_text(text, 10 * HOP, sure=sure)

    waited = 0
    while not endpointer.step(frames(".")):
        waited += 1

    assert waited * FRAME < silence <= (waited + 1) * FRAME + 1e-9


def test_newer_speech_outdates_the_text() -> None:
    """Text of older audio, or text before more speech, leaves the silence as it is."""
    endpointer = Endpointer(EndpointingOptions(by_text=True))
    endpointer.step(frames("S" * 10))
    endpointer.hear_text("Turn left.", 9 * HOP, sure=True)
    assert endpointer.step(frames("." * 20)) == []

    endpointer.hear_text("Turn left.", 30 * HOP, sure=True)
    assert endpointer.step(frames("S" + "." * 24)) == []


def test_by_default_the_text_decides_nothing() -> None:
    """Without ``by_text`` the silence is always 0.6 s."""
    endpointer = Endpointer()
    endpointer.step(frames("S" * 10))
    endpointer.hear_text("Turn left.", 10 * HOP, sure=True)

    assert endpointer.step(frames("." * 24)) == []
    assert len(endpointer.step(frames("."))) == 1


def test_signals() -> None:
    """The voice of the tests is one utterance, and silence none."""
    audio = np.concatenate((silence(1), speech(2.2), silence(1), speech(1.5), silence(2)))

    found = spans(detect(audio))

    assert len(found) == 2
    np.testing.assert_allclose(found, [(1.0, 3.2), (4.2, 5.7)], atol=0.15)


@pytest.mark.parametrize("name", [name for name, clip in CLIPS.items() if clip["utterances"]])
def test_every_spoken_word_is_inside(name: str) -> None:
    """In each clip, every word lies in the audio of an utterance: 50 ms tolerance."""
    boundaries = detect(decode_audio(str(AUDIO / name)))
    audio = [
        (opened.audio_start / SAMPLE_RATE - 0.05, closed.audio_end / SAMPLE_RATE + 0.05)
        for opened, closed in zip(boundaries[::2], boundaries[1::2], strict=True)
        if isinstance(opened, Opened) and isinstance(closed, Closed)
    ]

    for utterance in CLIPS[name]["utterances"]:
        for word in utterance["words"]:
            assert any(start <= word["start"] and word["end"] <= end for start, end in audio), word


@pytest.mark.parametrize("name", [name for name, clip in CLIPS.items() if clip["kind"] == "short"])
def test_speech_begins_and_ends_where_it_does(name: str) -> None:
    """In clean clips, speech starts and ends within 0.15 s of the truth."""
    found = spans(detect(decode_audio(str(AUDIO / name))))
    truth = [(it["start"], it["end"]) for it in CLIPS[name]["utterances"]]

    np.testing.assert_allclose(found, truth, atol=0.15)


def test_pauses_split() -> None:
    """``en_pauses`` splits at its pauses of a second and more, not at that of half a second."""
    truth = CLIPS["en_pauses.flac"]["utterances"]

    found = spans(detect(decode_audio(str(AUDIO / "en_pauses.flac"))))

    starts = [truth[0]["start"]]
    starts += [
        this["start"]
        for before, this in itertools.pairwise(truth)
        if this["start"] - before["end"] > 0.7
    ]
    assert len(starts) == 4
    np.testing.assert_allclose([start for start, _ in found], starts, atol=0.15)


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("silence_digital_10s.flac", 0.0),
        ("silence_room_10s.flac", 0.0),
        ("noise_white_8s.flac", 0.7),
        ("noise_pink_15s.flac", 0.7),
        ("noise_clicks_8s.flac", 2.4),
    ],
)
def test_silence_and_noise(name: str, most: float) -> None:
    """Silence gives no utterance, loud noise a short one at its start, clicks a few (W34)."""
    found = spans(detect(decode_audio(str(AUDIO / name))))

    assert sum(end - start for start, end in found) <= most
