"""One client's session: its streams of speech, and what they say.

The lock of a session guards its streams and the order of what it says (AC1, AC3): events are
published under it, requests are submitted after it is released. Commands come from one reader
thread, results from workers, endings from timers and the drain. It knows no socket and no Flask.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import zip_longest

from stt.errors import NotReady, STTError
from stt.events import Ended, Event, Final, SpeechEnded
from stt.pace import Pace
from stt.protocols.base import AppendAudio, AudioFormat, Command, ReplaceAudio
from stt.replies import (
    Committed,
    Flushed,
    Pong,
    Problem,
    Reply,
    Silence,
    Transcript,
    Usage,
    problem,
)
from stt.speech.chunk import Chunk, unknown
from stt.speech.stream import SpeechStream
from stt_chunks import ClientChunks, MintedChunks
from stt_dispatch import Dispatch
from stt_due import Due
from stt_outbox import Outbox
from stt_parting import Parting
from stt_stall import StallWatch
from stt_surroundings import SessionOptions, Surroundings
from stt_track import Pause, Track
from stt_tracks import Tracks
from stt_voice import Voice

log = logging.getLogger("stt.session")


class Session:
    """See the module's docstring. Made by the SessionManager."""

    def __init__(
        self,
        session_id: str,
        tenant: str,
        options: SessionOptions,
        around: Surroundings,
        outbox: Outbox,
    ) -> None:
        self.id = session_id
        self.tenant = tenant
        self.options = options
        self.outbox = outbox
        self.delay = 0.0
        """s to wait before more audio is brought, after a command with audio (runtime RT-27)."""
        self._around = around
        self._lock = threading.Lock()
        self._settled = threading.Condition(self._lock)
        self._dispatch = Dispatch(self, around, self._lock)
        self._tracks = Tracks(self._new_track, minting=options.auto_chunk)
        self._voice = Voice(session_id, tenant, around, outbox, vad_events=options.vad_events)
        self._pace = Pace(options.pace, time.monotonic())
        self._received = 0.0
        self._stopping = False
        self._fed: Track | None = None  # the newest to get audio
        self._due = Due(options.finalize_timeout, timers=around.timers, ring=self._time_out)
        self._stall = StallWatch(options.stall, timers=around.timers, ring=self._stalled)
        self._parting = Parting(outbox, self._voice.put)
        minting = self._tracks.minting
        self._chunks = ClientChunks(self) if minting is None else MintedChunks(self, minting)

    def handle(self, command: Command) -> None:
        """Do what the client asked; the reader thread's one entrance.

        Raises BadInput and NotReady, which leave the session as it was.
        """
        self.delay = 0.0
        self._chunks.handle(command)

    # Operations on chunks, for `stt_chunks`; the reader thread calls them without the lock.

    def track(self, chunk_id: str) -> Track | None:
        """The open track of a chunk, made if need be; None when the chunk takes no more audio."""
        with self._lock:
            self._check_open()
            if self._voice.has_final(chunk_id):
                return None
            track = self._tracks.open(chunk_id)
            return None if track.ending else track

    def feed(self, track: Track, audio: AppendAudio | ReplaceAudio, data: bytes) -> None:
        """Hear new audio, ``data`` of it. Sets `delay`. Raises NotReady while shutting down."""
        now = time.monotonic()
        with self.step(track):
            self._check_open()
            if audio.whole:
                track.realign()
            seconds = track.feed(data, now)
            self._received += seconds
            self._fed = track
            self._stall.heard(seconds, speaking=track.stream.speaking)
            if audio.warning is not None and track.chunk is not None:
                track.chunk.warning = audio.warning
        if self.options.vad_events:
            with self._lock:  # once more: the boundaries have been told now
                if track.falls_silent():
                    self._voice.put(Silence(at=round(track.stream.received, 3)))
        self._around.observer.audio_received(seconds)
        self.delay = self._pace.spend(seconds, now)

    def restart(self, track: Track) -> Track:
        """Forget what a chunk has heard: a snapshot that differs replaces it (native W3, B3).

        Raises NotReady while shutting down: what was heard keeps its final then.
        """
        with self._lock:
            self._check_open()
            fresh = self._tracks.replace(track)
        self.withdraw_interims()
        return fresh

    def end(self, chunk_id: str) -> bool:
        """Nothing more belongs to a chunk: its final follows (native W5). False: nothing to end."""
        with self._lock:
            track = self._tracks.get(chunk_id)
        if track is None:
            return False
        with self.step(track):
            if track.ending:
                return True
            track.end()
        with self._lock:
            for chunk in [] if track.over else track.chunks:
                self._due.expect(track, chunk)
        return True

    def endpoint(self, track: Track) -> bool:
        """End the open utterance now; False when none is open and no final is awaited."""
        with self.step(track):
            return self._pause(track)

    def commit(self, track: Track) -> None:
        """End the uncommitted chunk, which is made if there is none (client RC3)."""
        with self.step(track):
            self._commit(track, flush=True)

    def close(self, code: int = 1000, *, farewell: Problem | None = None) -> None:
        """Take no more audio; close the connection when everything has been said (client S10)."""
        self.finish_all()
        with self._lock:
            self._parting.ask(code, farewell)
            self._part_if_settled()

    def conclude_unheard(self, chunk_id: str) -> None:
        """The final of a chunk without audio; nothing of it comes later (native W5, W6)."""
        with self._lock:
            self._voice.say_final(unknown(chunk_id))

    def repeat(self, chunk_id: str | None) -> bool:
        """Say a chunk's final again, or the newest chunk's (native W7). False: there is none."""
        with self._lock:
            return self._voice.repeat(chunk_id)

    def say(self, reply: Reply) -> None:
        """Send a reply that no stream said."""
        with self._lock:
            self._voice.put(reply)

    def overhear(self, transcript: Transcript) -> None:
        """Send what another session of the tenant said (W29); a leaf call, without lock."""
        self.outbox.put(transcript)

    def pong(self, ping_id: int | str | None) -> None:
        """Answer a ping; never waits for the session's lock."""
        self.outbox.put(Pong(ping_id))

    # Endings.

    def finish_all(self) -> None:
        """Take no more audio; every chunk gets its final (native W23, W31)."""
        with self._lock:
            self._stopping = True
            open_chunks = self._tracks.named
        for chunk_id in open_chunks:
            self.end(chunk_id)
        minting = self._tracks.minting
        if minting is not None:
            with self.step(minting):
                if minting.awaits_commit:
                    self._commit(minting, flush=False)
                else:
                    self._pause(minting)

    def leave(self) -> None:
        """The client is gone: its interims are withdrawn, its finals are still made and stored."""
        self.outbox.abandon()
        self.withdraw_interims()
        self.finish_all()

    def settle(self, timeout: float) -> bool:
        """Wait until every chunk has its final; whether that came in time."""
        with self._settled:
            return self._settled.wait_for(lambda: self._tracks.settled, timeout)

    def conclude(self) -> None:
        """Say of every open chunk what is known: nobody waits any longer (native W31)."""
        with self._lock:
            tracks = list(self._tracks)
        for track in tracks:
            self._time_out(track)

    def usage(self) -> Usage:
        """Seconds of audio and of speech so far."""
        with self._lock:
            return self._tracks.usage(self._received)

    @property
    def is_settled(self) -> bool:
        """Whether every chunk has its final."""
        with self._lock:
            return self._tracks.settled

    def withdraw_interims(self) -> None:
        """Nobody wants the interim that may be waiting in the queue."""
        self._dispatch.withdraw_interims()

    # The heart: lock, feed, publish, release, submit.

    @contextmanager
    def step(self, track: Track) -> Iterator[SpeechStream]:
        """Lock the stream, let the caller feed it, publish what it says, submit what it asks."""
        with self._lock:
            yield track.stream
            events = track.stream.events()
            for event, then in zip_longest(events, events[1:]):
                self._tell(track, event, last=isinstance(event, Ended) or isinstance(then, Ended))
            self._part_if_settled()
            jobs = [self._dispatch.job(track, request) for request in track.stream.requests()]
        for job in jobs:
            self._dispatch.submit(job)

    def complain(self, error: STTError, chunk_id: str) -> None:
        """Tell the client of an interim that was refused; the lock is held."""
        self._voice.put(problem(error, chunk_id, interim=True))

    # Finals that are due, and audio that does not come; the calls come from the timers.

    def _time_out(self, track: Track, late: Chunk | None = None) -> None:
        """Say what is known of a chunk that should have had its final by now (native W8).

        None: of every chunk of the track. What waited for that final waits no more (client S10).
        """
        with self.step(track):
            chunks = track.chunks if late is None else [late]
            for chunk in [] if track.replaced else chunks:
                final = chunk.conclude(timed_out=True)
                if final is not None:
                    log.warning("a final came too late", extra={"session_id": self.id})
                    track.give_up(chunk)
                    self._publish(track, final, None)

    def _stalled(self) -> None:
        """No audio may have come for a while, in mid-utterance."""
        if (track := self._fed) is None:
            return
        with self.step(track) as stream:  # one step: audio after the look would be cut in mid-word
            newest = track is self._fed
            ended = newest and self._stall.rang(speaking=stream.speaking) and self._pause(track)
        if ended:
            log.info("no audio came in mid-utterance", extra={"session_id": self.id})
        elif not newest:  # audio of another chunk came just now: that one is watched
            self._stalled()

    # What needs the lock to be held.

    def _check_open(self) -> None:
        if self._stopping:
            raise NotReady("the service is shutting down; connect again")

    def _pause(self, track: Track) -> bool:
        """Endpoint a track now; False when no final of it can follow, or its end has been told."""
        if track.stream.idle or track.ending or track.over:
            return False
        track.pause()
        return True

    def _commit(self, track: Track, *, flush: bool) -> None:
        if track.uncommitted is None:
            self._voice.mint(track)
        chunk = track.commit(flush=flush)
        self._voice.put(Committed(chunk.id, track.stream.received))
        self._due.expect(track, chunk)

    def _resume(self, track: Track, pause: Pause) -> None:
        """All audio before a pause has been said: so has the chunk that ends with it."""
        final = None if pause.chunk is None else pause.chunk.conclude()
        if final is not None:
            self._publish(track, final, None)
        if pause.flush:
            self._voice.put(Flushed(pause.answered, pause.at))

    def _part_if_settled(self) -> None:
        if self._tracks.settled:
            self._parting.part()

    def _tell(self, track: Track, event: Event, *, last: bool) -> None:
        pause = track.pausing
        if pause is not None:
            pause.last = last
        if isinstance(event, Ended) and pause is not None:
            self._resume(track, pause)
            track.resume()
            return
        said = self._voice.tell(track, event)
        if said is not None:
            self._publish(track, said, event if isinstance(event, Final) else None)
        elif isinstance(event, SpeechEnded) and track.label is None:
            chunk = track.chunk_of(event)
            if chunk is not None and chunk.last is not None:
                self._due.expect(track, chunk)

    def _publish(self, track: Track, said: Transcript, utterance: Final | None) -> None:
        self._voice.publish(track, said, utterance, self._tracks.usage(self._received))
        if said.is_final:
            self._due.said(said.chunk_id)
            self._tracks.forget(track, said.chunk_id)
            self._settled.notify_all()

    def _new_track(self, label: str | None) -> Track:
        given = self.options
        audio = AudioFormat(given.encoding, given.sample_rate, given.channels, given.channel)
        return Track(
            label, given.speech, audio, manual=given.manual, silence_after=given.silence_after
        )
