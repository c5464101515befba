"""The WebSocket door: the routes, and one connection from its handshake to its end.

It translates and never decides. A further wire protocol is one codec in `stt/protocols/`, one
handshake in `dialects/` and one entry in the list that the wiring passes here; `stt_connection`
does the rest.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from flask import Blueprint, g, request
from flask_sock import Sock
from simple_websocket import ConnectionClosed

from dialects.base import Accepted, Asked, Dialect
from session_manager import SessionManager
from stt.errors import STTError
from stt.events import Abilities
from stt_connection import Connection, ConnectionObserver
from stt_session import Session
from stt_websocket import ANSWER_HEADERS, HardServer

log = logging.getLogger("stt.websocket")


def blueprint(
    manager: SessionManager,
    dialects: Iterable[Dialect],
    abilities: Callable[[], Abilities],
    observer: ConnectionObserver,
) -> Blueprint:
    """One route for each dialect.

    ``abilities``: what the engine can do, asked at each handshake.
    """
    doors = Blueprint("streaming", __name__)
    for dialect in dialects:
        doors.register_blueprint(_route(dialect, Door(manager, abilities, observer)))
    return doors


def _route(dialect: Dialect, door: Door) -> Blueprint:
    route = Blueprint(dialect.path.strip("/").replace("/", "_"), __name__)

    @Sock(route).route(dialect.path, endpoint="connect")  # type: ignore[untyped-decorator]
    def serve(ws: HardServer) -> None:
        door.serve(ws, dialect)

    if dialect.early:

        @route.before_request
        def accept() -> None:
            g.accepted = accepted = dialect.accept(door.asked())
            request.environ[ANSWER_HEADERS] = accepted.headers

    return route


class Door:
    """Serves connections; any thread may call it."""

    def __init__(
        self,
        manager: SessionManager,
        abilities: Callable[[], Abilities],
        observer: ConnectionObserver,
    ) -> None:
        self._manager = manager
        self._abilities = abilities
        self._observer = observer

    def serve(self, ws: HardServer, dialect: Dialect) -> None:
        """One connection, from its handshake to its close. Never raises (LIB-10)."""
        code, reason = 1011, ""
        try:
            code, reason = self._converse(ws, dialect)
        except Exception:
            log.exception("a connection failed")
        finally:
            ws.finish(code, reason)
            self._observer.session_closed(ws.close_reason or code)

    def _converse(self, ws: HardServer, dialect: Dialect) -> tuple[int, str]:
        """The close code and reason that are still to be sent, if none was."""
        try:
            accepted: Accepted = g.get("accepted") or dialect.accept(self.asked())
            session = self._manager.open(
                accepted.tenant, accepted.session, session_id=accepted.session_id
            )
        except STTError as error:
            self._observer.connect(error.code)
            return _refuse(ws, dialect, error)
        self._observer.connect("ok")
        try:
            self._connect(ws, accepted, session)
        finally:
            self._manager.leave(session)
        return 1000, ""

    def _connect(self, ws: HardServer, accepted: Accepted, session: Session) -> None:
        protocol = accepted.protocol(session)
        listener = accepted.listener(session) if accepted.listener else None
        try:
            Connection(
                ws, protocol, session, accepted.connection, self._observer, listener=listener
            ).serve()
        finally:
            if listener is not None:
                listener.close()

    def asked(self) -> Asked:
        """The handshake of the current request."""
        return Asked(
            pairs=tuple(request.args.items(multi=True)),
            headers={name.lower(): value for name, value in request.headers.items()},
            principal=g.get("principal"),
            abilities=self._abilities(),
            request_id=g.get("request_id", ""),
        )


def _refuse(ws: HardServer, dialect: Dialect, error: STTError) -> tuple[int, str]:
    """Say why there is no session."""
    refusal = dialect.refuse(error)
    log.info("%s: refused with %d: %s", dialect.path, refusal.code, error.message)
    try:
        for message in refusal.messages:
            ws.send(message)
    except ConnectionClosed:
        log.debug("a refused client had gone")
    return refusal.code, refusal.reason
