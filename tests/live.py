"""The real service in a process of its own, and a client for its doors."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import websocket

from tests.described import check
from tests.sockets import until

ROOT = Path(__file__).parent.parent
START = 30.0  # s; a deadline for the start on a busy machine


@dataclass
class Answer:
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


@dataclass
class Hark:
    """A running service."""

    process: subprocess.Popen[str]
    port: int
    log: Path

    @property
    def url(self) -> str:
        """Of its HTTP doors."""
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """One HTTP request; header names with underscores."""
        request = urllib.request.Request(
            self.url + path,
            body,
            {name.replace("_", "-"): value for name, value in headers.items()},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return Answer(answer.status, dict(answer.headers), answer.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, dict(error.headers), error.read())

    def get(self, path: str) -> Any:
        """A GET's JSON, whatever its status."""
        return self.ask("GET", path).json

    def post(self, path: str, body: object) -> Answer:
        """A POST of JSON."""
        data = json.dumps(body).encode()
        return self.ask("POST", path, data, Content_Type="application/json")

    def connect(self, query: str = "", **options: Any) -> Stream:
        """A native session; its greeting is read."""
        return Stream(self.port, query, **options)

    def terminate(self) -> None:
        """SIGTERM to the process that was started."""
        self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """kill -9 for the whole process group."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)


class Stream:
    """A client of `/stt/stream` that reads one event at a time."""

    def __init__(self, port: int, query: str = "", **options: Any) -> None:
        self.socket = websocket.create_connection(
            f"ws://127.0.0.1:{port}/stt/stream{query}", timeout=60, **options
        )
        self.events: list[dict[str, Any]] = []
        self.close_code: int | None = None
        self.greeting = self.next()

    def send(self, **message: object) -> None:
        """A JSON message."""
        self.socket.send(json.dumps(message))

    def audio(self, data: bytes) -> None:
        """A binary message."""
        self.socket.send_binary(data)

    def next(self) -> dict[str, Any] | None:
        """The next event; None at the close, whose code is then in `close_code`."""
        opcode, data = self.socket.recv_data()
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            self.close_code = int.from_bytes(data[:2], "big") if len(data) >= 2 else 1005
            return None
        event: dict[str, Any] = json.loads(data)
        check("/stt/stream", event)  # whatever the test is about (AG9)
        self.events.append(event)
        return event

    def until(self, condition: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """The first event to come that fits; fails when the connection closes before."""
        while (event := self.next()) is not None:
            if condition(event):
                return event
        raise AssertionError(f"closed with {self.close_code} after {self.events}")

    def final(self, chunk_id: str | None = None) -> dict[str, Any]:
        """The next final, of this chunk."""
        return self.until(lambda e: e.get("is_final") and chunk_id in (None, e["chunk_id"]))

    def error(self) -> dict[str, Any]:
        """The next error event."""
        return self.until(lambda e: e.get("type") == "error")

    def to_the_end(self) -> list[dict[str, Any]]:
        """Everything that still comes, up to the close."""
        rest = []
        while (event := self.next()) is not None:
            rest.append(event)
        return rest

    def close(self) -> None:
        """Close with 1000, unless the service has closed before."""
        self.socket.close()
        self.socket.shutdown()  # type: ignore[no-untyped-call]  # the library keeps its socket where the other side closed first

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def hark(folder: Path, **settings: str) -> Iterator[Hark]:
    """Start the service as `make run` does, ready, with its store in ``folder``."""
    port = free_port()
    log = folder / "log.txt"
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("STT_", "WHISPER_"))}
    environ |= {
        "STT_PORT": str(port),
        "STT_STORE": f"sqlite:///{folder}/hark.db",
        "STT_MODEL": str(ROOT / "models" / "demo"),
        **settings,
    }
    with log.open("a") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py"],
            cwd=ROOT,
            env=environ,
            stdout=output,
            stderr=output,
            text=True,
            start_new_session=True,
        )
    service = Hark(process, port, log)
    try:
        _await_ready(service)
        yield service
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGQUIT)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                service.kill()
                raise


def _await_ready(service: Hark) -> None:
    deadline = time.monotonic() + START

    def ready() -> bool:
        assert service.process.poll() is None, service.log.read_text()
        assert time.monotonic() < deadline, service.log.read_text()
        try:
            return service.ask("GET", "/readyz").status == 200
        except OSError:
            return False

    until(ready, START)
