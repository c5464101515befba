"""The streams of speech of a session: bytes in, and the chunks its client knows them by.

Plain state; its session's lock must be held for every call.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from stt.audio.pcm import PcmDecoder
from stt.events import Ended, Event, Request, SpeechEnded, SpeechStarted
from stt.replies import Usage
from stt.speech.chunk import Chunk
from stt.speech.options import SpeechOptions
from stt.speech.stream import SpeechStream
from stt.timeline import ArrivalTimeline
from stt_timers import Timer

SILENCE_AFTER = 1.0  # s without speech before a client that asked is told (native W26)


class Track:
    """A stream, its decoder, its arrivals, its chunk. ``label`` None: the server mints chunks."""

    def __init__(
        self,
        label: str | None,
        speech: SpeechOptions,
        encoding: str,
        sample_rate: int,
        *,
        channels: int = 1,
        channel: int | None = None,
    ) -> None:
        self.label = label
        self.stream = SpeechStream(speech)
        self.timeline = ArrivalTimeline()
        self.snapshot: bytes | None = b""
        """All audio so far, while it has come as snapshots only; else None (native W4)."""
        self.ticket = time.time_ns()
        """Arrival of the audio whose text was said last (see ``stt.store.base``)."""
        self.ending = False
        self.replaced = False
        self.timers: dict[str, Timer] = {}
        """For the finals that are due, by chunk (native W8)."""
        self._decoder = PcmDecoder(encoding, sample_rate, channels=channels, channel=channel)
        self._chunk = None if label is None else Chunk(label)
        self._minted: dict[int, Chunk] = {}  # by utterance
        self._quiet_from = 0.0
        self._quiet_told = False
        self._pauses = 0  # endpoints that were asked for and end no chunk, not said yet

    def feed(self, data: bytes, now: float) -> float:
        """Decode and hear new audio; its seconds. ``now`` is the monotonic clock."""
        before = self.stream.received
        self.stream.receive_audio(self._decoder.push(data))
        self.timeline.arrived(self.stream.received, now)
        return self.stream.received - before

    def realign(self) -> None:
        """Audio follows that begins with a whole sample: a spare byte before it is dropped."""
        if self._decoder.realign() and self._chunk is not None:
            self._chunk.warning = "odd_length"

    def end(self) -> None:
        """Nothing more belongs to the chunk: hear what the decoder holds, endpoint now."""
        self.ending = True
        self.stream.receive_audio(self._decoder.flush())
        self.stream.receive_end()

    def pause(self) -> None:
        """Endpoint now; the chunk stays open and more audio may follow."""
        self._pauses += 1
        self.stream.receive_end()

    def goes_on(self, event: Event) -> bool:
        """Whether an event only says that a pause is over, which is nobody's business."""
        if not isinstance(event, Ended) or not self._pauses:
            return False
        self._pauses -= 1
        return True

    @property
    def over(self) -> bool:
        """Whether nobody waits for its results any more (native B3, W25)."""
        return self.replaced or (self._chunk is not None and self._chunk.final is not None)

    @property
    def chunk(self) -> Chunk | None:
        """The client's chunk; None where the server mints them."""
        return self._chunk

    @property
    def chunks(self) -> list[Chunk]:
        """Every chunk that has no final yet."""
        chunks = self._minted.values() if self._chunk is None else [self._chunk]
        return [chunk for chunk in chunks if chunk.final is None]

    def chunk_of(self, event: Event | Request) -> Chunk | None:
        """The chunk an event or a request is about; None where it is about none."""
        if self._chunk is not None:
            return self._chunk
        return self._minted.get(getattr(event, "utterance", -1))

    def mint(self, utterance: int, chunk_id: str) -> None:
        """Give an utterance a chunk of its own (native W33)."""
        self._minted[utterance] = Chunk(chunk_id, single=True)

    def has(self, chunk_id: str) -> bool:
        """Whether a minted chunk is open."""
        return any(chunk.id == chunk_id for chunk in self._minted.values())

    def forget(self, chunk_id: str) -> None:
        """A minted chunk has its final."""
        self._minted = {u: c for u, c in self._minted.items() if c.id != chunk_id}

    def heard_boundary(self, event: SpeechStarted | SpeechEnded) -> None:
        """Speech began or ended: silence counts anew from here."""
        self._quiet_from = event.start if isinstance(event, SpeechStarted) else event.end
        self._quiet_told = False

    def falls_silent(self) -> bool:
        """True once in each silence, when it has lasted a second."""
        quiet = self.stream.received - self._quiet_from
        if self._quiet_told or quiet < SILENCE_AFTER or self.stream.speaking:
            return False
        self._quiet_told = True
        return True


class Tracks:
    """A session's streams that still have something to say, and what all it had came to."""

    def __init__(self, make: Callable[[str | None], Track], *, minting: bool) -> None:
        """``make``: a new track with this label. ``minting``: the server names the chunks."""
        self._make = make
        self.minting = make(None) if minting else None
        """The one stream, where the server mints chunks."""
        self._named: dict[str, Track] = {}  # by the client's chunk
        self._speech_before = 0.0  # s, of the tracks that are over

    def __iter__(self) -> Iterator[Track]:
        yield from self._named.values()
        if self.minting is not None:
            yield self.minting

    @property
    def named(self) -> list[str]:
        """The client's chunks that have no final yet."""
        return list(self._named)

    @property
    def settled(self) -> bool:
        """Whether every chunk has its final."""
        return not self._named and (self.minting is None or self.minting.stream.idle)

    def get(self, chunk_id: str) -> Track | None:
        """The track of a client's chunk that has no final yet."""
        return self._named.get(chunk_id)

    def open(self, chunk_id: str) -> Track:
        """The same, made if need be."""
        if chunk_id not in self._named:
            self._named[chunk_id] = self._make(chunk_id)
        return self._named[chunk_id]

    def replace(self, track: Track) -> Track:
        """A fresh track in place of a client's, whose results count no more (native W3)."""
        track.replaced = True
        self._speech_before += track.stream.speech
        fresh = self._make(track.label)
        self._named[str(track.label)] = fresh
        return fresh

    def forget(self, track: Track, chunk_id: str) -> None:
        """A chunk has its final: nothing else of it is kept."""
        timer = track.timers.pop(chunk_id, None)
        if timer is not None:
            timer.cancel()
        if track.label is None:
            track.forget(chunk_id)
        elif self._named.pop(track.label, None) is not None:
            self._speech_before += track.stream.speech

    def usage(self, received: float) -> Usage:
        """Of ``received`` s of audio, the speech so far."""
        speech = self._speech_before + sum(track.stream.speech for track in self)
        return Usage(round(received, 3), round(speech, 3))
