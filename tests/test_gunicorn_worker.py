"""The gunicorn worker: deadlines, lingering clients, and how it stops."""

from __future__ import annotations

import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest import mock

import pytest
from sockets import ROOT, TEXT, Frames, Served, served

from gunicorn_worker import Deadlines

WEIGHTY = b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"


@pytest.fixture(name="server", scope="module")
def _server() -> Iterator[Served]:
    with served(SOCKET_APP_THREADS="12", SOCKET_APP_SESSIONS="8") as server:
        yield server


def test_late_socket_is_shut_once() -> None:
    """A socket is shut when its time is up, not before, and then forgotten (RT-42)."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        deadlines = Deadlines()
        deadlines.set(ours, 10)
        deadlines.extend(ours, 5)

        assert deadlines.shut_late(time.monotonic() + 14) == 0
        assert deadlines.shut_late(time.monotonic() + 16) == 1

        assert theirs.recv(1) == b""
        assert deadlines.shut_late(time.monotonic() + 99) == 0


def test_cleared_socket_is_left_alone() -> None:
    """A cleared deadline cannot come back by progress (RT-42)."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        deadlines = Deadlines()
        deadlines.set(ours, 0)
        deadlines.clear(ours)
        deadlines.extend(ours, 0)

        assert deadlines.shut_late(time.monotonic() + 99) == 0


@pytest.mark.parametrize("start", [b"GET /healthz HTTP/1.1\r\nX: ", WEIGHTY], ids=["head", "body"])
def test_dribblers_are_cut_and_the_service_is_back(server: Served, start: bytes) -> None:
    """Clients that send a byte at a time are all cut at their deadline (F-15, RT-42)."""
    count = 16  # more than there are threads
    began = time.monotonic()
    with ExitStack() as stack:
        dribblers = [
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            for _ in range(count)
        ]
        for dribbler in dribblers:
            dribbler.sendall(start)
        with _dribbling(dribblers):
            assert server.ask("GET", "/healthz").status == 200  # queued behind them, then served
            assert time.monotonic() - began < 5
            for dribbler in dribblers:
                dribbler.settimeout(5)
                _read_to_the_end(dribbler)
    server.assert_serves()


@contextmanager
def _dribbling(peers: list[socket.socket]) -> Iterator[None]:
    stop = threading.Event()

    def dribble() -> None:
        left = list(peers)
        while left and not stop.wait(0.1):
            for peer in list(left):
                try:
                    peer.send(b"a")
                except OSError:
                    left.remove(peer)

    thread = threading.Thread(target=dribble)
    thread.start()
    yield
    stop.set()
    thread.join(5)


def _read_to_the_end(peer: socket.socket) -> None:
    try:
        while peer.recv(65536):
            pass
    except ConnectionError:
        pass


def test_thinking_is_not_cut(server: Served) -> None:
    """The body's deadline ends with the body; an answer may take longer (RT-42)."""
    assert server.ask("POST", "/think?s=1.4", body=b"x" * 1000).json == {"bytes": 1000}
    chunked = "POST /think?s=1.4 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert server.raw(chunked + "3\r\nabc\r\n0\r\n\r\n").json == {"bytes": 3}


def test_slow_but_steady_upload_is_not_cut(server: Served) -> None:
    """A body at a live pace may take longer than the deadline (RT-42)."""
    pieces, piece = 6, b"x" * 10_000  # 1.5 s at 40 kB/s, with a deadline of 1 s
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        size = pieces * len(piece)
        head = f"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n"
        sock.sendall(head.encode())
        pace = threading.Event()
        for _ in range(pieces):
            sock.sendall(piece)
            pace.wait(0.25)

        assert sock.recv(65536).startswith(b"HTTP/1.1 200")


def test_websocket_has_no_deadline(server: Served) -> None:
    """An upgraded connection outlives the deadlines of headers and bodies (RT-42)."""
    with server.frames("/echo") as peer:
        threading.Event().wait(1.4)
        peer.send(TEXT, b"hello")
        assert peer.message() == b"hello"


def test_lingering_clients_stall_nobody(server: Served) -> None:
    """Clients that keep a closed connection open do not delay others (F-16, RT-41)."""
    request = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with ExitStack() as stack:
        for _ in range(15):
            peer = socket.create_connection(("127.0.0.1", server.port), timeout=5)
            stack.enter_context(peer)
            peer.sendall(request)
            assert peer.recv(65536).startswith(b"HTTP/1.1 200")
        began = time.monotonic()

        assert server.ask("GET", "/healthz").status == 200

        assert time.monotonic() - began < 2


def test_term_ends_sessions_with_final_and_1012(tmp_path: Path) -> None:
    """SIGTERM: each session gets its final, then 1012; new ones hear 503 (F-19, RT-44, AG7)."""
    closed = tmp_path / "closed"
    with served(SOCKET_APP_CLOSED=str(closed), SOCKET_APP_CLOSE_S="2") as server, ExitStack() as on:
        sessions = [on.enter_context(server.frames("/session")) for _ in range(20)]
        assert {session.message() for session in sessions} == {b"in"}
        began = time.monotonic()

        server.signal(signal.SIGTERM)

        for session in sessions:
            assert session.message() == b"final"
        with server.frames("/session") as late:  # the drain waits for the close replies
            assert late.answer.status == 503
        for session in sessions:
            assert _close_politely(session) == 1012
        assert server.process.wait(8) == 0
        assert time.monotonic() - began < 5
    assert closed.read_text() == "closed"


def _close_politely(session: Frames) -> int | None:
    code = session.close_code()
    session.send(8, b"\x03\xf4")
    return code


def test_interrupt_tells_the_clients_and_is_quick(tmp_path: Path) -> None:
    """SIGINT with open sessions: 1012, the service is closed, the process gone in seconds."""
    closed = tmp_path / "closed"
    with served(SOCKET_APP_CLOSED=str(closed)) as server, server.frames("/session") as session:
        began = time.monotonic()

        server.signal(signal.SIGINT)

        assert session.close_code() == 1012
        server.process.wait(8)
        assert time.monotonic() - began < 6
    assert closed.read_text() == "closed"


@pytest.mark.parametrize(
    ("arguments", "environment", "says"),
    [
        (["-w", "3"], {}, "3 workers are asked for"),
        ([], {"WEB_CONCURRENCY": "2"}, "2 workers are asked for"),
        (["--preload"], {}, "preload_app must stay off"),
        ([], {"STT_PORT": "seventy"}, "STT_PORT"),
    ],
)
def test_bad_start_is_one_line_and_code_2(
    arguments: list[str], environment: dict[str, str], says: str
) -> None:
    """More than one worker (AD10, RT-11, B22), preload (AE3) or a bad setting stops the start."""
    command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", *arguments]
    environment = {"STT_LOG_LEVEL": "WARNING"} | environment

    done = _run(command, environment)

    assert done.returncode == 2
    assert says in done.stderr
    assert done.stderr.startswith("hark: ")
    assert done.stderr.count("\n") == 1


def test_settings_of_the_service() -> None:
    """No preload (AG8), no recycling (RT-12), one worker, no query in the log (RT-55)."""
    command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "--print-config"]
    done = _run(command, {})
    shown = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    config = {name.strip(): value.strip() for name, value in shown.items()}

    assert config["preload_app"] == "False"
    assert config["max_requests"] == "0"
    assert config["workers"] == "1"
    assert int(config["threads"]) > 40
    assert int(config["worker_connections"]) > int(config["threads"])
    assert not {"%(q)s", "%(r)s"} & set(config["access_log_format"].split())  # tickets
    assert config["control_socket_disable"] == "True"


def test_a_second_worker_is_not_started_later() -> None:
    """SIGTTIN, one more worker, is undone while one runs (AD10)."""
    hook = runpy.run_path(str(ROOT / "gunicorn.conf.py"))["nworkers_changed"]
    arbiter = mock.Mock(WORKERS={1: object()}, num_workers=2)

    hook(arbiter, 2, 1)

    assert arbiter.num_workers == 1
    arbiter.log.warning.assert_called_once()


def _run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    environment = os.environ | environment
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=20, check=False
    )
