"""What a session says: recordings one after the other, with pauses, as prebuilt messages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from benchmarks.load import FRAME, audio_frames
from benchmarks.policy.corpus import Recording, Spoken
from stt.events import SAMPLE_RATE, Samples
from stt.speech.endpointing import Closed, Endpointer
from stt.speech.vad import EnergyVAD

PAUSE = 1.5  # s of silence after each recording: longer than the usual endpoints


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """A recording as messages, the pause after it included; sessions share it."""

    recording: Recording
    frames: list[bytes]
    spoken: Sequence[Spoken]
    """Its words; where nobody knows them, its utterances as the service's detector finds them."""

    @property
    def seconds(self) -> float:
        """Its length, with the pause."""
        return len(self.frames) * FRAME


def track(recording: Recording) -> Track:
    """The messages of a recording."""
    pause = np.zeros(round(PAUSE * SAMPLE_RATE), np.float32)
    return Track(
        recording,
        audio_frames(np.concatenate((recording.samples, pause))),
        recording.words or found_speech(recording.samples),
    )


def found_speech(samples: Samples) -> list[Spoken]:
    """Where somebody speaks in (n,) float32 samples, as the service finds it; without words."""
    endpointer = Endpointer()
    boundaries = endpointer.step(EnergyVAD().judge(samples)) + endpointer.finish(len(samples))
    found: list[Spoken] = []
    start = 0
    for boundary in boundaries:
        if isinstance(boundary, Closed):
            found.append(Spoken("", start / SAMPLE_RATE, boundary.end / SAMPLE_RATE))
        else:
            start = boundary.start
    return found


class Playlist:
    """The stream of one session: all tracks, from one of them on and round."""

    def __init__(self, tracks: Sequence[Track], first: int) -> None:
        self.tracks = [*tracks[first:], *tracks[:first]]
        self.starts: list[float] = []
        """When each track begins, in s of the stream."""
        at = 0.0
        for one in self.tracks:
            self.starts.append(at)
            at += one.seconds
        self.seconds = at
        self.clips = sum(one.recording.seconds for one in self.tracks)
        """s of recordings: the stream without our pauses."""

    def frames(self) -> Iterator[bytes]:
        """The messages, one every 100 ms."""
        return chain.from_iterable(one.frames for one in self.tracks)

    def words(self) -> list[Spoken]:
        """Every word, or utterance, in s of the stream."""
        return [
            Spoken(word.text, start + word.start, start + word.end)
            for start, one in zip(self.starts, self.tracks, strict=True)
            for word in one.spoken
        ]

    def at(self, time: float) -> int:
        """The track that plays at a time of the stream."""
        return max(0, sum(start <= time for start in self.starts) - 1)


def playlists(recordings: Sequence[Recording], sessions: int) -> list[Playlist]:
    """One for each session, so that as few as possible say the same at the same time."""
    tracks = [track(recording) for recording in recordings]
    return [Playlist(tracks, at * len(tracks) // sessions % len(tracks)) for at in range(sessions)]
