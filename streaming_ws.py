"""The WebSocket door: messages to commands on the way in, replies to messages on the way out.

It translates and never decides. A connection has two threads here (runtime RT-05): the reader,
which is the request's own thread and never waits for the engine (AC5), and one writer, the only
one that sends messages (AC4). Nothing escapes from the handler: an exception would make Flask
write an HTTP error into the WebSocket (LIB-10).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import TimeoutError as NotStoredYet
from dataclasses import dataclass, replace

from flask import Blueprint, g, request
from flask_sock import Sock
from simple_websocket import ConnectionClosed

from session_manager import SessionManager
from stt.errors import (
    BadInput,
    IdleTimeout,
    NotReady,
    SessionInUse,
    STTError,
    TooManyErrors,
    UnsupportedAudio,
)
from stt.protocols.base import WireProtocol
from stt.protocols.native import NativeOptions, NativeProtocol
from stt.protocols.native_query import NativeQuery, read_query
from stt.replies import Problem, Transcript
from stt_outbox import Closing
from stt_session import Session
from stt_surroundings import SessionOptions
from stt_websocket import HardServer

log = logging.getLogger("stt.websocket")

STORE_WAIT = 10.0  # s a final waits for the store before it is sent all the same


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """How the door treats a connection."""

    idle_timeout: float = 300.0
    """s without client data until the connection is closed (native W18)."""
    max_errors: int = 50
    """Bad messages on one connection until it is closed (runtime RT-26)."""
    max_message_bytes: int = 2 * 2**20
    strict_tenant: bool = False
    max_wait: float = 10.0
    """s of waiting at a stretch, for audio ahead of real time, until the client is told."""


def blueprint(
    manager: SessionManager,
    session_defaults: SessionOptions,
    options: StreamOptions,
    languages: Callable[[], frozenset[str]],
    closed: Callable[[int], None],
) -> Blueprint:
    """The routes. ``g.tenant_id``, where set by the gate, outranks the query's tenant (HT-AUTH)."""
    door = Blueprint("streaming", __name__)

    @Sock(door).route("/stt/stream")  # type: ignore[untyped-decorator]
    def stream(ws: HardServer) -> None:
        """The native protocol (native sections 11 and 12)."""
        code = 1011
        try:
            code = _native(ws, manager, session_defaults, options, languages())
        except Exception:
            log.exception("a connection failed")
        finally:
            ws.finish(code)
            closed(ws.close_reason or code)

    return door


def _native(
    ws: HardServer,
    manager: SessionManager,
    defaults: SessionOptions,
    options: StreamOptions,
    languages: frozenset[str],
) -> int:
    """One native connection, from its query to its end; the close code that is still to be sent."""
    try:
        query = read_query(request.args, languages)
        tenant = g.get("tenant_id") or query.tenant_id
        session = manager.open(tenant, _options(defaults, query), session_id=query.session_id)
    except STTError as error:
        return _refuse(ws, error)
    protocol = NativeProtocol(
        session.id,
        replace(
            query.native,
            max_message_bytes=options.max_message_bytes,
            only_tenant=tenant if options.strict_tenant else None,
        ),
    )
    try:
        return serve(ws, protocol, session, options)
    finally:
        manager.leave(session)


def _options(defaults: SessionOptions, query: NativeQuery) -> SessionOptions:
    speech = defaults.speech
    return replace(
        defaults,
        speech=replace(
            speech,
            language=query.language or speech.language,
            task=query.task or speech.task,
            prompt=query.prompt or speech.prompt,
        ),
        sample_rate=query.sample_rate,
        encoding=query.encoding,
        auto_chunk=query.auto_chunk,
        vad_events=query.vad_events,
        subscribe=query.subscribe,
    )


def _refuse(ws: HardServer, error: STTError) -> int:
    """Say why there is no session, before the close that says so again (native 11.1)."""
    codes: Mapping[type[STTError], int] = {
        UnsupportedAudio: 1003,
        SessionInUse: 1008,
        NotReady: 1012,
    }
    problem = Problem(error.code, error.message)
    try:
        ws.send(NativeProtocol("", NativeOptions()).encode(problem))
    except ConnectionClosed:
        log.debug("a refused client had gone")
    return codes.get(type(error), 1008)


def serve(ws: HardServer, protocol: WireProtocol, session: Session, options: StreamOptions) -> int:
    """Read commands and write replies until one side ends; the close code still to be sent.

    Runs in the request's thread, which becomes the reader. The session is left by the caller.
    """
    gone = threading.Event()
    writer = threading.Thread(
        target=_write, args=(ws, protocol, session, gone), name="stt-writer", daemon=True
    )
    writer.start()
    try:
        _read(ws, protocol, session, options, gone)
    except ConnectionClosed:
        session.outbox.abandon()
    except Exception:
        log.exception("the reader failed", extra={"session_id": session.id})
        session.outbox.close(1011, "internal error")
    finally:
        writer.join()
    return 1000


def _read(
    ws: HardServer,
    protocol: WireProtocol,
    session: Session,
    options: StreamOptions,
    gone: threading.Event,
) -> None:
    """Take messages until the connection ends. Raises ConnectionClosed when the peer ends it."""
    errors = 0
    waited = 0.0
    while True:
        message = ws.receive(options.idle_timeout)
        if message is None:
            limit = f"no client data for {options.idle_timeout:g} s"
            _give_up(session, IdleTimeout(limit), 1000)
            return
        errors += _take(message, protocol, session)
        if errors >= options.max_errors:
            _give_up(session, TooManyErrors(f"{errors} messages could not be used"), 1008)
            return
        waited = waited + session.delay if session.delay else 0.0
        if waited > options.max_wait:
            session.say(
                Problem("rate_limited", "audio comes faster than it may; it is read slowly")
            )
            waited = 0.0
        if session.delay and gone.wait(session.delay):
            return


def _take(message: str | bytes, protocol: WireProtocol, session: Session) -> bool:
    """Do what a message says; whether it was a bad one. The session outlives it (native W14)."""
    command = None
    try:
        command = protocol.decode(message)
        if command is not None:
            session.handle(command)
    except STTError as error:
        chunk_id = error.chunk_id or getattr(command, "chunk_id", None)
        session.say(Problem(error.code, error.message, chunk_id))
        return isinstance(error, BadInput)
    except Exception:
        log.exception("a message failed", extra={"session_id": session.id})
        session.say(Problem("internal_error", "the server failed on this message"))
        return True
    return False


def _give_up(session: Session, error: STTError, code: int) -> None:
    session.say(Problem(error.code, error.message, close_code=code))
    session.outbox.close(code, error.code)


def _write(ws: HardServer, protocol: WireProtocol, session: Session, gone: threading.Event) -> None:
    """Send replies as they come, then the close. Sets ``gone`` when no more can be sent."""
    try:
        while not isinstance(reply := session.outbox.get(), Closing | None):
            if isinstance(reply, Transcript):
                _await_store(reply, session)
            message = protocol.encode(reply)
            if message is not None:
                ws.send(message)
        if reply is not None and reply.code != 1006:
            farewell = protocol.encode(session.usage())
            if farewell is not None:
                ws.send(farewell)  # client-S3: once more before the close
            ws.finish(reply.code, reply.reason)
    except ConnectionClosed:
        log.debug("the client went away", extra={"session_id": session.id})
    except Exception:
        log.exception("the writer failed", extra={"session_id": session.id})
        ws.finish(1011, "internal error")
    finally:
        session.outbox.abandon()
        gone.set()


def _await_store(said: Transcript, session: Session) -> None:
    """A final is sent when the store has it: what a client was told survives a crash (DM7)."""
    if said.stored is None:
        return
    try:
        said.stored.result(STORE_WAIT)
    except NotStoredYet:
        log.error("the store is slow; a final is sent unstored", extra={"session_id": session.id})
    except Exception:
        log.exception("a final could not be stored", extra={"session_id": session.id})
