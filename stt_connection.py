"""One WebSocket connection: commands in, replies out, whatever protocol it speaks.

Two threads (runtime RT-05): the reader, which is the request's own thread and never waits for the
engine (AC5), and one writer, the only one that sends messages (AC4). Neither lets an exception out:
Flask would write an HTTP error into the WebSocket (LIB-10).
"""

from __future__ import annotations

import logging
import math
import threading
import time
from concurrent.futures import TimeoutError as NotStoredYet
from dataclasses import dataclass, replace
from typing import Protocol

from simple_websocket import ConnectionClosed

from stt.errors import (
    BadInput,
    IdleTimeout,
    RateLimited,
    SessionExpired,
    STTError,
    TooManyErrors,
)
from stt.protocols.base import AppendAudio, Close, Command, ReplaceAudio, WireProtocol
from stt.replies import Reply, Transcript, problem
from stt_outbox import Closing
from stt_session import Session
from stt_websocket import HardServer

log = logging.getLogger("stt.websocket")

STORE_WAIT = 10.0  # s a final waits for the store before it is sent all the same
STRETCH = 0.25  # s of waiting with audio until it is asked anew how long
LAST_WAIT = 60.0  # s a client may wait in silence for its finals, once it has ended its audio


class ConnectionObserver(Protocol):
    """Where the door reports facts for the metrics; every method is a cheap leaf call."""

    def connect(self, result: str) -> None:
        """A client tried to connect: ``ok``, or the code of the error that refused it."""

    def session_closed(self, code: int) -> None:
        """A connection ended with this close code."""

    def frames_dropped(self, why: str) -> None:
        """A message with audio could not be used."""

    def final_said(self, latency: float) -> None:
        """A final is sent, so many seconds after the audio of its end had come."""


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """How a connection is treated."""

    idle_timeout: float = 300.0
    """s without client data until it is closed (native W18)."""
    idle_close: tuple[int, str] = (1000, IdleTimeout.code)
    """Close code and reason then."""
    longest: float = math.inf
    """s that a connection may last; what is open gets its final then (client RE8)."""
    max_errors: int = 50
    """Bad messages until it is closed (runtime RT-26)."""
    max_wait: float = 10.0
    """s of waiting at a stretch, for audio ahead of real time, until the client is told."""


class Listener(Protocol):
    """Who does what a client asks: the session, or what stands before it."""

    @property
    def delay(self) -> float:
        """s to wait before more audio is brought, after a command with audio (RT-27).

        Asked again while the reader waits: less of it ends the wait sooner, more does not prolong
        it.
        """

    def handle(self, command: Command) -> None:
        """Raises STTError; the session goes on."""


class Connection:
    """A session's wire: `serve` until one side ends it."""

    def __init__(
        self,
        ws: HardServer,
        protocol: WireProtocol,
        session: Session,
        options: ConnectionOptions,
        observer: ConnectionObserver,
        *,
        listener: Listener | None = None,
    ) -> None:
        """``listener``: takes the commands in the session's place."""
        self._ws = ws
        self._protocol = protocol
        self._session = session
        self._listener: Listener = listener or session
        self._expires = time.monotonic() + options.longest
        self._options = options
        self._idle = options.idle_timeout
        self._observer = observer
        self._about = {"session_id": session.id}
        self._next_audio = 0.0  # the clock from which on audio is taken
        self._waited = 0.0  # s, at a stretch

    def serve(self) -> None:
        """Read and write until the end; in the request's thread, which becomes the reader.

        The close code is sent, unless the peer was first. Never raises.
        """
        writer = threading.Thread(target=self._write, name="stt-writer", daemon=True)
        writer.start()
        try:
            self._read()
        except ConnectionClosed:
            self._session.outbox.abandon()
        except Exception:
            log.exception("the reader failed", extra=self._about)
            self._session.outbox.close(1011, "internal error")
        finally:
            writer.join()

    # The reader.

    def _read(self) -> None:
        """Take messages until the end. Raises ConnectionClosed when the peer ends it."""
        options = self._options
        errors = 0
        while True:
            left = self._expires - time.monotonic()
            message = self._ws.receive(max(0.0, min(self._idle, left)))
            if time.monotonic() >= self._expires:
                self._expire()
                return
            if message is None:
                limit = f"no client data for {self._idle:g} s"
                self._give_up(IdleTimeout(limit), *options.idle_close)
                return
            errors += self._take(message)
            if errors >= options.max_errors:
                self._give_up(TooManyErrors(f"{errors} messages could not be used"), 1008)
                return

    def _take(self, message: str | bytes) -> bool:
        """Do what a message says; whether it was a bad one. The session goes on (native W14)."""
        command: Command | None = None
        try:
            for command in self._protocol.decode(message):
                self._do(command)
        except STTError as error:
            self._say(error, error.chunk_id or getattr(command, "chunk_id", None))
            if isinstance(message, bytes) or isinstance(command, AppendAudio | ReplaceAudio):
                self._observer.frames_dropped(error.code)
            return isinstance(error, BadInput) and not error.harmless
        except Exception:
            log.exception("a message failed", extra=self._about)
            self._say(STTError("the server failed on this message"), None)
            return True
        return False

    def _do(self, command: Command) -> None:
        audio = isinstance(command, AppendAudio | ReplaceAudio)
        if audio:
            self._keep_pace()
        self._listener.handle(command)
        if audio:
            self._owe(self._listener.delay)
        elif isinstance(command, Close):  # it has nothing to say any more, and must hear the rest
            self._idle = max(self._idle, LAST_WAIT)

    def _keep_pace(self) -> None:
        """Wait with audio that comes ahead of real time, and only with audio (RT-27, F-12).

        In short stretches: a listener's backlog may be gone long before it seemed it would be.
        """
        wait = self._next_audio - time.monotonic()
        if wait <= 0:
            self._waited = 0.0
        while wait > 0:
            stretch = min(wait, STRETCH)
            self._ws.pause(stretch)
            self._waited += stretch
            wait = min(wait - stretch, self._listener.delay)

    def _owe(self, delay: float) -> None:
        """More audio has to wait so long; for long, at once or at a stretch, the client is told."""
        self._next_audio = time.monotonic() + delay
        if self._waited + delay > self._options.max_wait:
            self._waited = 0.0
            self._say(RateLimited("audio comes faster than it may; it is read slowly"), None)

    def _say(self, error: STTError, chunk_id: str | None) -> None:
        self._session.say(problem(error, chunk_id))

    def _give_up(self, error: STTError, code: int, reason: str = "") -> None:
        self._session.say(problem(error, close_code=code))
        self._session.outbox.close(code, reason or error.code)

    def _expire(self) -> None:
        """The longest time is over: what is open gets its final first (client RE8).

        Raises ConnectionClosed, as `_read` does.
        """
        over = SessionExpired("the session lasted as long as one may")
        self._session.close(1001, farewell=problem(over, close_code=1001))
        while self._ws.receive(LAST_WAIT) is not None:
            pass  # it counts no more, but pings are answered and a close is heard (RQ8, RQ9)

    # The writer.

    def _write(self) -> None:
        """Send replies as they come, then the close."""
        try:
            while not isinstance(reply := self._session.outbox.get(), Closing | None):
                if isinstance(reply, Transcript):
                    self._await_store(reply)
                    reply = self._timed(reply)
                self._send(reply)
            if reply is not None and reply.code != 1006:
                self._send(self._session.usage())  # once more before the close (native M9)
                self._ws.finish(reply.code, reply.reason)
        except ConnectionClosed:
            log.debug("the client went away", extra=self._about)
        except Exception:
            log.exception("the writer failed", extra=self._about)
            self._ws.finish(1011, "internal error")
        finally:
            self._session.outbox.abandon()

    def _timed(self, said: Transcript) -> Transcript:
        """With the utterance's latency; a session's own is exported and logged (client S5, S7)."""
        if said.arrived is None:
            return said
        latency = max(0.0, time.monotonic() - said.arrived)
        if said.session_id == self._session.id:
            self._observer.final_said(latency)
            log.info(
                "final chunk_id=%s utterance_end_latency=%.3f",
                said.chunk_id,
                latency,
                extra=self._about,
            )
        return replace(said, latency_s=latency)

    def _send(self, reply: Reply) -> None:
        for message in self._protocol.encode(reply):
            self._ws.send(message)

    def _await_store(self, said: Transcript) -> None:
        """A final is sent when the store has it: what a client was told survives a crash (DM7)."""
        if said.stored is None:
            return
        try:
            said.stored.result(STORE_WAIT)
        except NotStoredYet:
            log.error("the store is slow; a final is sent unstored", extra=self._about)
        except Exception:
            log.exception("a final could not be stored", extra=self._about)
