"""What a session says: events as replies, its finals, what it stores and whom it tells.

Its session's lock must be held for every call, so that what is said keeps its order (AC3); every
call it makes is a leaf (AC2): an outbox's put, the store's put, a metric.
"""

from __future__ import annotations

import json
import logging
import time
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import replace

from stt.events import Event, Failed, Final, SpeechEnded, SpeechStarted
from stt.replies import ChunkOpened, Problem, Reply, Speech, Transcript, Usage, problem
from stt.speech.chunk import repeated
from stt.store.base import Stored
from stt_outbox import Outbox
from stt_surroundings import Surroundings
from stt_track import Track

log = logging.getLogger("stt.session")

FINALS_KEPT = 64  # finals of a session that a second finalize can still ask for (native W7)


class Voice:
    """The saying half of a session."""

    def __init__(
        self,
        session_id: str,
        tenant: str,
        around: Surroundings,
        outbox: Outbox,
        *,
        vad_events: bool = False,
    ) -> None:
        self._session_id = session_id
        self._tenant = tenant
        self._around = around
        self._outbox = outbox
        self._vad_events = vad_events
        self._finals: OrderedDict[str, Transcript] = OrderedDict()

    def put(self, reply: Reply) -> None:
        """Send a reply to the client; after the end it is lost, and nobody minds."""
        if isinstance(reply, Problem):
            self._around.observer.error(reply.code)
        if not self._outbox.put(reply):
            log.debug("a reply came after the end", extra={"session_id": self._session_id})

    def tell(self, track: Track, event: Event) -> Transcript | None:
        """Say what an event means beside its text; the transcript that is to be published, if any.

        Where the server names the chunks, speech that starts is given one (native W33).
        """
        if isinstance(event, SpeechStarted):
            if track.label is None and not track.join(event.utterance):
                self.mint(track, event.utterance)
            self._tell_boundary(track, event, started=True, at=event.start)
        elif isinstance(event, SpeechEnded):
            self._tell_boundary(track, event, started=False, at=event.end)
        chunk = track.chunk_of(event)
        if chunk is None:
            return None
        if isinstance(event, Failed):
            self.put(problem(event.error, chunk.id))
        return chunk.say(event)

    def _tell_boundary(self, track: Track, event: Event, *, started: bool, at: float) -> None:
        track.heard_boundary(at)
        chunk = track.chunk_of(event)
        if self._vad_events and chunk is not None:
            self.put(Speech(chunk.id, started, at))

    def mint(self, track: Track, utterance: int | None = None) -> None:
        """Give a track a new chunk: that of an utterance, or of what comes next."""
        chunk_id = self._around.mint()
        track.mint(chunk_id, utterance)
        self.put(ChunkOpened(chunk_id))

    def publish(
        self, track: Track, said: Transcript, utterance: Final | None, usage: Usage
    ) -> None:
        """Stamp a transcript, keep it where it must be kept, send it to whom it concerns.

        ``utterance``: whose end it tells, for the latency. ``usage`` goes with a chunk's final.
        """
        said = replace(said, session_id=self._session_id)
        if utterance is not None:
            self._around.observer.loops_cut(utterance.loops)
            said = self._timed(track, said, utterance)
        elif not said.is_final and said.end is not None:
            self._around.observer.interim_lag(max(0.0, track.stream.received - said.end))
        if said.is_final:
            said = replace(said, usage=usage)
        pause = track.pausing
        ends = said.is_final or said.speech_final
        if pause is not None and pause.flush and pause.last and ends:
            said, pause.answered = replace(said, flushed=True), True
        if ends and said.committed:
            said = replace(said, stored=self._store(track, said))
        self.put(said)
        self._around.publish(self._tenant, said)
        if said.is_final:
            self._remember(said)

    def say_final(self, final: Transcript) -> None:
        """Say the final of a chunk that has no text, and remember it."""
        self.put(final)
        self._remember(final)

    def _remember(self, final: Transcript) -> None:
        self._finals[final.chunk_id] = final
        while len(self._finals) > FINALS_KEPT:
            self._finals.popitem(last=False)

    def has_final(self, chunk_id: str) -> bool:
        """Whether a chunk has its final, as far back as they are kept."""
        return chunk_id in self._finals

    def repeat(self, chunk_id: str | None) -> bool:
        """Say a chunk's final again, or the newest chunk's. False: there is none."""
        newest = next(reversed(self._finals), None) if chunk_id is None else chunk_id
        final = None if newest is None else self._finals.get(newest)
        if final is not None:
            self.put(repeated(final))
        return final is not None

    def _timed(self, track: Track, said: Transcript, utterance: Final) -> Transcript:
        """With the arrival of its end, where it has words, and so an end (client S5, S7)."""
        arrived = track.timeline.when(utterance.end)
        track.timeline.forget(utterance.end)
        if arrived is None:
            return said
        since = time.monotonic() - arrived
        track.ticket = max(track.ticket, time.time_ns() - int(since * 1e9))
        return replace(said, arrived=arrived) if utterance.text else said

    def _store(self, track: Track, said: Transcript) -> Future[None]:
        stored = self._around.store.put(
            Stored(
                tenant=self._tenant,
                chunk_id=said.chunk_id,
                text=said.committed,
                ticket=track.ticket,
                is_final=said.is_final,
                words=json.dumps([w.as_dict() for w in said.words] if said.is_final else []),
            )
        )
        stored.add_done_callback(self._around.observer.stored)
        return stored
