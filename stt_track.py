"""One stream of speech of a session: bytes in, and the chunks its client knows it by.

Plain state; its session's lock must be held for every call.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

from stt.audio.pcm import PcmDecoder
from stt.errors import InvalidState
from stt.events import Event, Request
from stt.protocols.base import AudioFormat
from stt.speech.chunk import Chunk
from stt.speech.options import SpeechOptions
from stt.speech.stream import SpeechStream
from stt.timeline import ArrivalTimeline


@dataclass(eq=False, slots=True)
class Pause:
    """An endpoint that was asked for and ends no track."""

    flush: bool = False
    """The client is told when everything before it has been said."""
    chunk: Chunk | None = None
    """It ends with the pause."""
    answered: bool = False
    """A transcript has told the client already."""
    last: bool = False
    """What is said now is the last before it."""
    at: float = 0.0
    """How much audio had come."""


class Track:
    """A stream, its decoder, its arrivals, its chunk. ``label`` None: the server mints chunks.

    Such chunks end with their utterances; in a ``manual`` track they end when the client says so.
    """

    def __init__(
        self,
        label: str | None,
        speech: SpeechOptions,
        audio: AudioFormat,
        *,
        manual: bool = False,
        silence_after: float = 1.0,
    ) -> None:
        self.label = label
        self.speech = speech
        self.stream = SpeechStream(speech)
        self.timeline = ArrivalTimeline()
        self.snapshot: bytes | None = b""
        """All audio so far, while it has come as snapshots only; else None (native W4)."""
        self.ticket = time.time_ns()
        """Arrival of the audio whose text was said last (see ``stt.store.base``)."""
        self.ending = False
        self.replaced = False
        self.manual = manual
        self._audio = audio
        self._decoder = _decoder(audio)
        self._chunk = None if label is None else Chunk(label)
        self._minted: dict[int, Chunk] = {}  # by utterance
        self._open: Chunk | None = None  # minted, and awaits the utterance or the commit it ends at
        self._committed = 0.0  # how much audio had come at the last commit
        self._quiet_from = 0.0
        self._quiet_told = False
        self._silence_after = silence_after
        self._pauses: deque[Pause] = deque()  # not said yet

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

    def pause(self, pause: Pause | None = None) -> None:
        """Endpoint now, behind all audio that came; the track stays open, more may follow."""
        pause = pause or Pause()
        self.stream.receive_audio(self._decoder.tail())
        pause.at = self.stream.received
        self._pauses.append(pause)
        self.stream.receive_end()

    @property
    def pausing(self) -> Pause | None:
        """The oldest pause that is not over."""
        return self._pauses[0] if self._pauses else None

    def resume(self) -> None:
        """The oldest pause is over."""
        self._pauses.popleft()

    @property
    def over(self) -> bool:
        """Whether nobody waits for its results any more (native B3, W25)."""
        return self.replaced or (self._chunk is not None and self._chunk.final is not None)

    @property
    def settled(self) -> bool:
        """Of a minting track: whether everything has been said, and nothing awaits a commit."""
        return self.stream.idle and not self.chunks

    @property
    def chunk(self) -> Chunk | None:
        """The client's chunk; None where the server mints them."""
        return self._chunk

    @property
    def chunks(self) -> list[Chunk]:
        """Every chunk that has no final yet."""
        chunks = [self._chunk] if self._chunk is not None else self._all_minted
        return [chunk for chunk in chunks if chunk.final is None]

    @property
    def _all_minted(self) -> list[Chunk]:
        paused = [pause.chunk for pause in self._pauses if pause.chunk is not None]
        waiting = [self._open] if self._open is not None else []
        return list(dict.fromkeys([*self._minted.values(), *paused, *waiting]))

    def chunk_of(self, event: Event | Request) -> Chunk | None:
        """The chunk an event or a request is about; None where it is about none."""
        if self._chunk is not None:
            return self._chunk
        return self._minted.get(getattr(event, "utterance", -1))

    def mint(self, chunk_id: str, utterance: int | None = None) -> None:
        """Give an utterance a chunk of its own (native W33); None: the one that comes next."""
        self._open = Chunk(chunk_id)
        if utterance is not None:
            self.join(utterance)

    def join(self, utterance: int) -> bool:
        """Let an utterance belong to the chunk that waits for one; False: there is none."""
        if self._open is None:
            return False
        self._minted[utterance] = self._open
        if not self.manual:
            self._open.last, self._open = utterance, None
        return True

    def has(self, chunk_id: str) -> bool:
        """Whether a minted chunk is open."""
        return any(chunk.id == chunk_id for chunk in self._all_minted)

    def forget(self, chunk_id: str) -> None:
        """A minted chunk has its final."""
        self._minted = {u: c for u, c in self._minted.items() if c.id != chunk_id}
        if self._open is not None and self._open.id == chunk_id:
            self._open = None

    def give_up(self, chunk: Chunk) -> None:
        """Nobody waits any more for the utterances of a minted chunk that have ended."""
        for utterance, of in self._minted.items():
            if of is chunk:
                self.stream.give_up(utterance)

    # What clients that commit ask of a minting track.

    @property
    def uncommitted(self) -> Chunk | None:
        """The chunk that the next commit ends; None: it must be minted."""
        return self._open or (self._minted.get(self._newest) if self.stream.speaking else None)

    @property
    def _newest(self) -> int:
        return max(self._minted, default=-1)

    @property
    def awaits_commit(self) -> bool:
        """Whether a chunk is open that no utterance ends."""
        return self._open is not None

    def commit(self, *, flush: bool) -> Chunk:
        """End the uncommitted chunk, with everything that came until now.

        ``flush``: the client is told when everything before has been said.
        """
        chunk = self.uncommitted
        assert chunk is not None, "the session mints one before"
        self._open = None
        self.pause(Pause(flush=flush, chunk=chunk))
        self._committed = self.stream.received
        return chunk

    def clear(self) -> None:
        """Nothing is said any more of what came since the last commit (client RC4).

        Nor is it heard with what follows, as the beginning of an utterance might be.
        """
        chunk = self.uncommitted
        self.pause()
        if chunk is not None:
            self.give_up(chunk)
            self.forget(chunk.id)
        self._committed = self.stream.received

    def configure(self, speech: SpeechOptions, audio: AudioFormat, *, manual: bool) -> None:
        """Other wishes from now on. Raises InvalidState: audio in another format waits."""
        if audio != self._audio:
            waits = self.manual and self.stream.received > self._committed
            if waits or self.stream.speaking:
                raise InvalidState("the audio format cannot change while audio waits to be said")
            decoder = _decoder(audio)
            self.stream.receive_audio(self._decoder.flush())
            self._decoder, self._audio = decoder, audio
        if manual != self.manual:
            self._take_turns(manual)
        self.speech = speech
        self.stream.configure(speech)

    def _take_turns(self, manual: bool) -> None:
        """Let chunks end by commits, or with utterances; the open one keeps what it has."""
        self.manual = manual
        chunk = self.uncommitted
        if chunk is not None:
            ends = self.stream.speaking and not manual
            chunk.last = self._newest if ends else None
            self._open = None if ends else chunk

    def heard_boundary(self, at: float) -> None:
        """Speech began or ended: silence counts anew from here."""
        self._quiet_from = at
        self._quiet_told = False

    def falls_silent(self) -> bool:
        """True once in each silence, when it has lasted ``silence_after`` seconds."""
        quiet = self.stream.received - self._quiet_from
        if self._quiet_told or quiet < self._silence_after or self.stream.speaking:
            return False
        self._quiet_told = True
        return True


def _decoder(audio: AudioFormat) -> PcmDecoder:
    return PcmDecoder(
        audio.encoding, audio.sample_rate, channels=audio.channels, channel=audio.channel
    )
