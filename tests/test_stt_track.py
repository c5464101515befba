"""One stream inside a session: its bytes, its chunks, its silences."""

from __future__ import annotations

import numpy as np
import pytest

from stt.events import Ended, Final, Kind, Request, SpeechStarted
from stt.protocols.base import AudioFormat
from stt.speech.options import SpeechOptions
from stt_track import Track
from tests.service import pcm, silence_pcm
from tests.speech import speech


def track(label: str | None = "7", encoding: str = "linear16", rate: int = 16_000) -> Track:
    """A track with the default speech options."""
    return Track(label, SpeechOptions(), AudioFormat(encoding, rate))


def test_audio_is_decoded_and_heard() -> None:
    """Bytes in, seconds out; the arrival is noted."""
    heard = track()

    assert heard.feed(pcm(speech(0.5)), 10.0) == 0.5
    assert heard.feed(pcm(speech(0.25)), 11.0) == 0.25

    assert heard.stream.received == 0.75
    assert heard.timeline.when(0.6) == 11.0


def test_a_cut_sample_waits_for_its_other_byte() -> None:
    """Odd frames lose nothing; a byte left at the end is dropped (W12)."""
    whole, cut, audio = track(), track(), pcm(speech(1.0))

    whole.feed(audio, 0.0)
    for at in range(0, len(audio), 333):
        cut.feed(audio[at : at + 333], 0.0)
    cut.feed(b"\x01", 0.0)

    for heard in (whole, cut):
        heard.end()
    windows = [heard.stream.window(heard.stream.requests()[-1]) for heard in (whole, cut)]
    assert windows[0] is not None
    assert windows[1] is not None
    np.testing.assert_array_equal(windows[0].samples, windows[1].samples)


@pytest.mark.parametrize("rate", [8000, 24_000, 44_100, 48_000])
def test_other_rates_are_heard_at_16_khz(rate: int) -> None:
    """A second of audio at any rate is a second (W27)."""
    heard = track(rate=rate)

    for _ in range(10):
        heard.feed(bytes(2 * (rate // 10)), 0.0)
    heard.end()

    assert heard.stream.received == pytest.approx(1.0, abs=0.01)


def test_a_labelled_track_is_one_chunk() -> None:
    """All events are about the client's chunk, whatever their utterance."""
    heard = track("7")

    assert heard.chunk is not None
    assert heard.chunk.id == "7"
    assert heard.chunk_of(SpeechStarted(3, 0.0)) is heard.chunk
    assert heard.chunk_of(Ended()) is heard.chunk
    assert heard.chunks == [heard.chunk]


def test_a_minting_track_has_a_chunk_per_utterance() -> None:
    """Events and requests find their utterance's chunk until it has its final (W33)."""
    heard = track(None)
    heard.mint("100", 0)
    heard.mint("101", 1)

    first = heard.chunk_of(Final(0, "x", 0, 1))
    second = heard.chunk_of(Request(5, Kind.INTERIM, 1))

    assert first is not None
    assert second is not None
    assert (first.id, second.id) == ("100", "101")
    assert heard.chunk is None
    assert heard.chunk_of(Ended()) is None
    heard.forget("100")
    assert heard.chunk_of(Final(0, "x", 0, 1)) is None
    assert heard.chunks == [second]
    assert not heard.over


def test_a_track_is_over_with_its_final_or_its_replacement() -> None:
    """Results for it count no more (B3, W25)."""
    ended, replaced = track(), track()
    assert ended.chunk is not None

    ended.chunk.conclude()
    replaced.replaced = True

    assert ended.over
    assert ended.chunks == []
    assert replaced.over


def test_silence_is_told_once_after_a_second() -> None:
    """Each silence is told once, when it has lasted a second (W26)."""
    heard, told = track(), []
    for _ in range(25):
        heard.feed(silence_pcm(0.1), 0.0)
        told.append(heard.falls_silent())
    assert told.index(True) == 9
    assert sum(told) == 1

    heard.heard_boundary(2.0)
    heard.heard_boundary(2.4)
    again = []
    for _ in range(20):
        heard.feed(silence_pcm(0.1), 0.0)
        again.append(heard.falls_silent())

    assert again.index(True) == 8
    assert sum(again) == 1


def test_no_silence_while_someone_speaks() -> None:
    """An open utterance is no silence, however long it pauses (W26)."""
    heard = track()
    heard.feed(pcm(speech(1.0)), 0.0)

    assert not heard.falls_silent()


def test_a_pause_ends_the_utterance_and_not_the_chunk() -> None:
    """The end that a pause brings is nobody's business; that of the chunk is (REC-55, W5)."""
    heard = track()
    heard.feed(pcm(speech(0.5)), 0.0)
    assert heard.stream.speaking

    heard.pause()
    heard.end()

    assert not heard.stream.speaking
    assert heard.pausing is not None
    heard.resume()
    assert heard.pausing is None


def test_a_commit_has_all_audio_that_came_before_it() -> None:
    """Also what the resampler holds back; nothing of it waits for the next one (client S9, RE7)."""
    minting = Track(None, SpeechOptions(), AudioFormat("linear16", 24_000), manual=True)
    minting.feed(bytes(48_000), 0.0)
    minting.mint("1")
    minting.commit(flush=False)

    assert minting.stream.received == 1.0
    minting.configure(SpeechOptions(), AudioFormat("linear16", 8_000), manual=True)


def test_a_track_may_begin_with_commits_that_end_its_chunks() -> None:
    """An utterance ends none then (client RC3)."""
    minting = Track(None, SpeechOptions(), AudioFormat(), manual=True)
    minting.mint("1", 0)

    assert minting.chunks[0].last is None
    assert minting.uncommitted is minting.chunks[0]
