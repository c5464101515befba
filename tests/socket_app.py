"""A small application behind the real transport: what a hostile peer meets, without any speech.

Served by gunicorn through `tests/socket_gunicorn.py`. Limits come from the environment, so that a
test need not wait for those of the service.
"""

from __future__ import annotations

import json
import os
import threading
from contextlib import suppress
from pathlib import Path

from flask import Flask, Request, Response, g, jsonify, request
from flask_sock import Sock
from simple_websocket import ConnectionClosed

from api.access import asking, whom
from api.gate import install_gate
from stt.auth import Authenticator, Principal
from stt.errors import BadJSON, QueueFull, Unauthorized
from stt_in_flight import InFlight
from stt_socket import MIB
from stt_websocket import HardServer, SocketOptions, install

SESSIONS = int(os.environ.get("SOCKET_APP_SESSIONS", "50"))
PING_S = float(os.environ.get("SOCKET_APP_PING_S", "20"))
SEND_S = float(os.environ.get("SOCKET_APP_SEND_S", "1"))
CLOSE_S = float(os.environ.get("SOCKET_APP_CLOSE_S", "1"))
MOST_BODY = 4 * MIB
KEYED = ("/v1/realtime", "/v1/listen")


class StubService:
    """Sessions that owe a final; the drain gives it to each and closes with 1012 (F-19)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sessions: set[HardServer] = set()
        self.open = True

    def add(self, ws: HardServer) -> bool:
        """Whether the session is in; the gate may have let it through just before the drain."""
        with self._lock:
            if self.open:
                self._sessions.add(ws)
            return self.open

    def remove(self, ws: HardServer) -> None:
        with self._lock:
            self._sessions.discard(ws)

    def drain(self, timeout: float) -> None:
        with self._lock:
            self.open = False
            sessions = list(self._sessions)
        enders = [threading.Thread(target=self._end, args=(ws,)) for ws in sessions]
        for ender in enders:
            ender.start()
        for ender in enders:
            ender.join(timeout)

    def close(self) -> None:
        if "SOCKET_APP_CLOSED" in os.environ:
            Path(os.environ["SOCKET_APP_CLOSED"]).write_text("closed")

    def _end(self, ws: HardServer) -> None:
        with suppress(ConnectionClosed):
            ws.send("final")
        ws.finish(1012, "restart")


class KeyedDoors:
    """Doors with the key `key`, as other people's clients know them; the time passes when told."""

    def __init__(self) -> None:
        self._now = 0.0
        self._auth = Authenticator([("key", "alice")], clock=lambda: self._now)
        self._ask = asking(self._auth)

    def authenticate(self, asked: Request) -> None:
        if asked.path in KEYED:
            self._ask(asked)
        elif asked.headers.get("Authorization") == "Bearer wrong":
            raise Unauthorized("no valid key")

    def add_to(self, app: Flask, sock: Sock) -> None:
        def introduce(ws: HardServer) -> None:
            """Says who it is and what was configured, then echoes."""
            principal = whom()
            assert principal is not None
            ws.send(json.dumps([principal.tenant_id, principal.session]))
            _echo(ws)

        for path in KEYED:
            sock.route(path, endpoint=path)(introduce)

        @app.post("/secret")
        def secret() -> Response:
            session = {"type": "transcription"}
            return jsonify(self._auth.issue_secret(Principal("bob"), seconds=600, session=session))

        @app.post("/later")
        def later() -> Response:
            self._now += float(request.args["s"])
            return jsonify(now=self._now)


def create_app() -> Flask:
    app = Flask("socket_app")
    service = StubService()
    app.extensions["hark"] = service
    in_flight = InFlight(6 * MIB)
    doors = KeyedDoors()
    quick = {"ping_interval": PING_S, "send_deadline": SEND_S, "close_wait": CLOSE_S}
    install(
        app,
        {
            "/echo": SocketOptions(**quick),
            "/large": SocketOptions(max_message_bytes=8 * MIB, **quick),
            "/stuck": SocketOptions(buffered_messages=8, **quick),
            "/hoard": SocketOptions(max_message_bytes=8 * MIB, **quick),
            "/v1/realtime": SocketOptions(subprotocols=("realtime",), **quick),
            "/v1/listen": SocketOptions(subprotocols=("token", "bearer"), **quick),
        },
        default=SocketOptions(**quick),
        in_flight=in_flight,
    )
    install_gate(
        app,
        allowed_origins=["https://captions.example", "null"],
        capacity=lambda: service.open,
        most_sockets=SESSIONS,
        max_body_bytes=MOST_BODY,
        authenticate=doors.authenticate,
    )
    _count_sockets(app)
    doors.add_to(app, _add_sockets(app, service))
    _add_doors(app, service, in_flight)
    return app


def _count_sockets(app: Flask) -> None:
    """Keep the number of requests in progress that are WebSockets, each of them a thread."""
    lock = threading.Lock()
    app.extensions["sockets"] = 0

    def change(by: int) -> None:
        with lock:
            app.extensions["sockets"] += by

    @app.before_request
    def begin() -> None:
        if "Upgrade" in request.headers:
            g.is_socket = True
            change(1)

    @app.teardown_request
    def end(_: BaseException | None) -> None:
        if g.pop("is_socket", False):
            change(-1)


def _add_sockets(app: Flask, service: StubService) -> Sock:
    sock = Sock(app)
    for path in ("/echo", "/large", "/hoard"):
        sock.route(path, endpoint=path)(_echo)
    sock.route("/flood")(_flood)
    sock.route("/tail/<int:count>")(_tail)
    sock.route("/bye")(_bye)
    _add_session(sock, service)
    _add_stuck(app, sock)
    return sock


def _echo(ws: HardServer) -> None:
    while True:
        ws.send(ws.receive())


def _flood(ws: HardServer) -> None:
    """Sends for ever, whatever the peer does (F-08)."""
    while True:
        ws.send(b"\0" * 65536)


def _tail(ws: HardServer, count: int) -> None:
    """After a first message, sends many and closes, while the peer may still be sending (AE7)."""
    ws.receive()
    for number in range(count):
        ws.send(f"{number} " + "x" * 4000)
    ws.finish(4000, "that was all")


def _bye(ws: HardServer) -> None:
    """Closes as soon as the peer says anything (F-11)."""
    ws.receive()
    ws.finish(4001, "bye")


def _add_session(sock: Sock, service: StubService) -> None:
    @sock.route("/session")
    def session(ws: HardServer) -> None:
        """Owes a final until the drain."""
        if not service.add(ws):
            ws.finish(1012)
            return
        ws.send("in")
        try:
            while True:
                ws.receive(0.5)
        finally:
            service.remove(ws)


def _add_stuck(app: Flask, sock: Sock) -> None:
    release = threading.Event()

    @sock.route("/stuck")
    def stuck(ws: HardServer) -> None:
        """Takes no message until /release is asked for, then counts them up to "end"."""
        while not release.is_set():
            ws.pause(0.05)
        count = 0
        while ws.receive() != "end":
            count += 1
        ws.send(str(count))

    @app.post("/release")
    def let_go() -> Response:
        release.set()
        return jsonify(released=True)


def _add_doors(app: Flask, service: StubService, in_flight: InFlight) -> None:
    @app.get("/healthz")
    def health() -> Response:
        return jsonify(open=service.open)

    @app.get("/stats")
    def stats() -> Response:
        status = Path("/proc/self/status").read_text()
        rss_kb = next(int(line.split()[1]) for line in status.splitlines() if "VmRSS" in line)
        descriptors = len(list(Path("/proc/self/fd").iterdir()))
        return jsonify(
            sockets=app.extensions["sockets"],
            fds=descriptors,
            rss=rss_kb * 1024,
            held=in_flight.held,
        )

    @app.post("/upload")
    def upload() -> Response:
        return jsonify(bytes=len(request.get_data()))

    @app.post("/json")
    def read_json() -> Response:
        try:
            return jsonify(got=json.loads(request.get_data()))
        except ValueError as error:
            raise BadJSON("the body is not JSON") from error

    @app.post("/think")
    def think() -> Response:
        """Reads the body, then thinks for longer than a body may take to come in (RT-42)."""
        size = len(request.get_data())
        threading.Event().wait(float(request.args["s"]))
        return jsonify(bytes=size)

    @app.get("/full")
    @app.get("/v1/full", endpoint="v1_full")
    def full() -> Response:
        raise QueueFull

    @app.get("/broken")
    def broken() -> Response:
        raise RuntimeError("not for the client's eyes")
