"""The WebSocket door: the routes, and what a client's handshake means for its session.

It translates and never decides. A further wire protocol is one file in `stt/protocols/` and one
route here; `stt_connection` does the rest.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from flask import Blueprint, g, request
from flask_sock import Sock
from simple_websocket import ConnectionClosed

from session_manager import SessionManager
from stt.audio.stream import decoded_stream
from stt.errors import NotReady, STTError, UnsupportedAudio
from stt.events import SAMPLE_RATE, Abilities
from stt.protocols.native import NativeOptions, NativeProtocol
from stt.protocols.native_query import NativeQuery, read_query
from stt.replies import Problem
from stt_connection import Connection, ConnectionObserver, ConnectionOptions
from stt_intake import ENCODING, Intake
from stt_surroundings import SessionOptions
from stt_websocket import HardServer

log = logging.getLogger("stt.websocket")


@dataclass(frozen=True, slots=True)
class DoorOptions:
    """What every connection starts from."""

    session: SessionOptions = field(default_factory=SessionOptions)
    connection: ConnectionOptions = field(default_factory=ConnectionOptions)
    max_message_bytes: int = 2 * 2**20
    strict_tenant: bool = False
    """Refuse messages that name another tenant (native W20)."""


def blueprint(
    manager: SessionManager,
    options: DoorOptions,
    abilities: Callable[[], Abilities],
    observer: ConnectionObserver,
) -> Blueprint:
    """The routes. ``g.tenant_id``, where set by the gate, outranks the query's tenant (HT-AUTH).

    ``abilities``: what the engine can do, asked at each handshake.
    """
    door = Blueprint("streaming", __name__)

    @Sock(door).route("/stt/stream")  # type: ignore[untyped-decorator]
    def stream(ws: HardServer) -> None:
        """The native protocol (native sections 11 and 12)."""
        code = 1011
        try:
            code = _native(ws, manager, options, abilities(), observer)
        except Exception:
            log.exception("a connection failed")
        finally:
            ws.finish(code)
            observer.session_closed(ws.close_reason or code)

    return door


def _native(
    ws: HardServer,
    manager: SessionManager,
    options: DoorOptions,
    abilities: Abilities,
    observer: ConnectionObserver,
) -> int:
    """One native connection, from its query to its end; the close code that is still to be sent."""
    try:
        query = read_query(request.args, abilities.languages)
        tenant = g.get("tenant_id") or query.tenant_id
        chosen = _chosen(options.session, query, abilities)
        session = manager.open(tenant, chosen, session_id=query.session_id)
    except STTError as error:
        observer.connect(error.code)
        return _refuse(ws, error)
    observer.connect("ok")
    spoken = replace(
        query.native,
        max_message_bytes=options.max_message_bytes,
        only_tenant=tenant if options.strict_tenant else None,
    )
    intake = None
    if chosen.container is not None:
        intake = Intake(session, decoded_stream, rate=chosen.pace.rate)
    try:
        protocol = NativeProtocol(session.id, spoken)
        Connection(ws, protocol, session, options.connection, observer, intake=intake).serve()
    finally:
        if intake is not None:
            intake.close()
        manager.leave(session)
    return 1000


def _chosen(defaults: SessionOptions, query: NativeQuery, abilities: Abilities) -> SessionOptions:
    speech = defaults.speech
    return replace(
        defaults,
        speech=replace(
            speech,
            language=query.language or speech.language,
            task=query.task or speech.task,
            prompt=query.prompt or speech.prompt,
            hotwords=query.hotwords or speech.hotwords,
            final=query.final or speech.final,
            word_times=query.native.words != "none",  # nobody reads them: save the alignment
            interim_words=query.native.words == "interim",
            n_mels=abilities.n_mels,
        ),
        sample_rate=SAMPLE_RATE if query.contained else query.sample_rate,
        encoding=ENCODING if query.contained else query.encoding,
        channels=1 if query.contained else query.channels,
        channel=query.channel,
        container=query.encoding if query.contained else None,
        auto_chunk=query.auto_chunk,
        vad_events=query.vad_events,
        subscribe=query.subscribe,
    )


def _refuse(ws: HardServer, error: STTError) -> int:
    """Say why there is no session; the close code that says so again (native 11.1)."""
    try:
        problem = Problem(error.code, error.message)
        ws.send(NativeProtocol("", NativeOptions()).encode(problem))
    except ConnectionClosed:
        log.debug("a refused client had gone")
    match error:
        case UnsupportedAudio():
            return 1003
        case NotReady():
            return 1012
        case _:
            return 1008
