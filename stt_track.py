"""One stream of speech inside a session: bytes in, and the chunk or chunks its client knows it by.

Plain state; its session's lock must be held for every call.
"""

from __future__ import annotations

import time

from stt.audio.pcm import PcmDecoder
from stt.events import Event, Request, SpeechEnded, SpeechStarted
from stt.speech.chunk import Chunk
from stt.speech.options import SpeechOptions
from stt.speech.stream import SpeechStream
from stt.timeline import ArrivalTimeline
from stt_timers import Timer

SILENCE_AFTER = 1.0  # s without speech before a client that asked is told (native W26)


class Track:
    """A stream, its decoder, its arrivals, its chunk. ``label`` None: the server mints chunks."""

    def __init__(
        self, label: str | None, speech: SpeechOptions, encoding: str, sample_rate: int
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
        self._decoder = PcmDecoder(encoding, sample_rate)
        self._chunk = None if label is None else Chunk(label)
        self._minted: dict[int, Chunk] = {}  # by utterance
        self._quiet_from = 0.0
        self._quiet_told = False

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
