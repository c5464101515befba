"""Real sockets for the tests of the doors: a gunicorn process, raw requests and raw frames."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
KEY = base64.b64encode(b"0123456789abcdef").decode()
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def until(condition: Callable[[], Any], seconds: float = 5.0) -> Any:
    """What the condition gives once it is true; fails after ``seconds``."""
    due = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < due, "the condition did not come true in time"
        time.sleep(0.02)


@dataclass
class Answer:
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Frames:
    """A WebSocket client that sends any bytes, legal or not, and reads one frame at a time."""

    def __init__(self, port: int, path: str, *, headers: str = "", window: int = 0) -> None:
        self.sock = socket.socket()
        if window:  # bytes; a small one makes the server's writes partial
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self.sock.settimeout(10)
        self.sock.connect(("127.0.0.1", port))
        self.sock.sendall(handshake(path, headers).encode())
        self._read = self.sock.makefile("rb")
        self.answer = read_answer(self._read)

    def send(
        self, opcode: int, payload: bytes = b"", *, fin: bool = True, mask: bool = True
    ) -> None:
        self.sock.sendall(frame(opcode, payload, fin=fin, mask=mask))

    def read(self) -> tuple[int, bytes] | None:
        """The next frame's opcode and payload; None at the end of the stream."""
        try:
            head = self._read.read(2)
            if len(head) < 2:
                return None
            size = head[1] & 127
            if size == 126:
                size = struct.unpack("!H", self._read.read(2))[0]
            elif size == 127:
                size = struct.unpack("!Q", self._read.read(8))[0]
            return head[0] & 15, self._read.read(size)
        except ConnectionError:
            return None

    def message(self) -> bytes | None:
        """The next text or binary message; None at a close or the end."""
        while (got := self.read()) is not None and got[0] != CLOSE:
            if got[0] in (TEXT, BINARY):
                return got[1]
        return None

    def close_code(self) -> int | None:
        """The code of the close frame to come; None where the stream just ends."""
        while (got := self.read()) is not None:
            if got[0] == CLOSE:
                return struct.unpack("!H", got[1][:2])[0] if got[1] else 1005
        return None

    def at_end(self) -> bool:
        """Whether the stream ends now."""
        return self.read() is None

    def reset(self) -> None:
        """Vanish with a TCP reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        self._read.close()
        self.sock.close()

    def __enter__(self) -> Frames:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, mask: bool = True) -> bytes:
    """A WebSocket frame; bits above the opcode's four go into the reserved ones."""
    head = bytearray([(0x80 if fin else 0) | opcode])
    size, bit = len(payload), 0x80 if mask else 0
    if size < 126:
        head.append(bit | size)
    elif size < 1 << 16:
        head += bytes([bit | 126]) + struct.pack("!H", size)
    else:
        head += bytes([bit | 127]) + struct.pack("!Q", size)
    return bytes(head) + (b"\0\0\0\0" if mask else b"") + payload  # a mask of zeros changes nothing


def handshake(path: str, headers: str = "", *, key: str = KEY, version: str = "13") -> str:
    """A legal opening handshake, with more header lines if wanted."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: {version}\r\n{headers}\r\n"
    )


def read_answer(stream: Any, method: str = "GET") -> Answer:
    """Read one HTTP answer with a Content-Length, or a 101, or one to HEAD."""
    status_line = stream.readline()
    assert status_line, "the stream ended without an answer"
    headers = {}
    while line := stream.readline().strip().decode("latin-1"):
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = b"" if method == "HEAD" else stream.read(int(headers.get("content-length", "0")))
    return Answer(int(status_line.split()[1]), headers, body)


class Served:
    """A running gunicorn with the test application."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port
        self.expected_tracebacks = 0

    def raw(self, request: bytes | str, *, timeout: float = 10) -> Answer:
        """Send these bytes on a new connection and read the answer."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as sock:
            data = request.encode() if isinstance(request, str) else request
            sock.sendall(data)
            with sock.makefile("rb") as stream:
                return read_answer(stream, data.split(b" ", 1)[0].decode())

    def ask(self, method: str, path: str, headers: str = "", body: bytes = b"") -> Answer:
        """One HTTP request on a new connection; ``headers`` are whole lines."""
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        return self.raw(f"{head}{length}{headers}\r\n".encode() + body)

    def frames(self, path: str, **options: Any) -> Frames:
        return Frames(self.port, path, **options)

    def stats(self) -> dict[str, int]:
        return dict(self.ask("GET", "/stats").json)

    def assert_serves(self) -> None:
        """A new session gets its answer, and health is 200: after every fault (section 6)."""
        assert self.ask("GET", "/healthz").status == 200
        with self.frames("/echo") as peer:
            peer.send(TEXT, b"hello")
            assert peer.message() == b"hello"
            peer.send(CLOSE, struct.pack("!H", 1000))
            assert peer.close_code() == 1000

    def signal(self, number: int) -> None:
        self.process.send_signal(number)


@contextmanager
def served(**environment: str) -> Iterator[Served]:
    """Start gunicorn with the test application; ``environment`` is the application's."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "-c", "tests/socket_gunicorn.py",
             "-b", f"fd://{listener.fileno()}"],
            cwd=ROOT, env=os.environ | environment, pass_fds=[listener.fileno()],
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        server = Served(process, listener.getsockname()[1])
        try:
            until(lambda: server.ask("GET", "/healthz").status == 200, 20)
            yield server
        finally:
            process.send_signal(signal.SIGQUIT)
            try:
                _, said = process.communicate(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
    assert said.count("Traceback") == server.expected_tracebacks, said
