"""The streams of a session: which are open, and what all of them came to."""

from __future__ import annotations

import pytest

from stt.protocols.base import AudioFormat
from stt.speech.options import SpeechOptions
from stt_track import Track
from stt_tracks import Tracks
from tests.service import pcm
from tests.speech import speech


def track(label: str | None) -> Track:
    """A track with the default speech options."""
    return Track(label, SpeechOptions(), AudioFormat())


def tracks(*, minting: bool = False) -> Tracks:
    """A session's tracks."""
    return Tracks(track, minting=minting)


def test_a_chunk_is_opened_once() -> None:
    """Its track is found again until its final, and then it is a new one."""
    all_of_them = tracks()
    first = all_of_them.open("1")

    assert all_of_them.open("1") is first is all_of_them.get("1")
    assert (all_of_them.named, list(all_of_them), all_of_them.settled) == (["1"], [first], False)

    all_of_them.forget(first, "1")

    assert all_of_them.get("1") is None
    assert all_of_them.settled


def test_what_was_heard_stays_counted() -> None:
    """Speech of chunks that are over, or replaced by a snapshot, is in the usage (M9, W3)."""
    all_of_them = tracks()
    for _ in range(2):
        all_of_them.open("1").feed(pcm(speech(1.0)), 0.0)
        fresh = all_of_them.replace(all_of_them.open("1"))
    fresh.feed(pcm(speech(1.0)), 0.0)
    all_of_them.forget(fresh, "1")

    usage = all_of_them.usage(3.0)

    assert usage.received_s == 3.0
    assert usage.speech_s == pytest.approx(3.0, abs=0.3)


def test_the_minting_track_is_always_there() -> None:
    """It is among the tracks and never named; idle, it lets the session be settled (W33)."""
    all_of_them = tracks(minting=True)
    minting = all_of_them.minting
    assert minting is not None

    assert (list(all_of_them), all_of_them.named, all_of_them.settled) == ([minting], [], True)

    minting.feed(pcm(speech(0.5)), 0.0)

    assert not all_of_them.settled
