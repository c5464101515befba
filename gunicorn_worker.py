"""The gunicorn worker: gthread with the repairs that a service open to the network needs.

It closes lingering connections beside the main thread (RT-41), cuts clients that dribble their
headers or bodies (RT-42), and drains the service before it stops (RT-43, RT-44). It never looks at
a request beyond that; how a drain goes is the service's own business.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import SimpleQueue
from time import monotonic
from typing import Any, Protocol

from gunicorn import util
from gunicorn.http import message
from gunicorn.workers.gthread import ThreadWorker

CLOSERS = 8  # threads that wait for lingering clients
LINGER_S = 2.0  # for the client to read the answer and close
LINGER_BYTES = 300_000_000  # of a refused body, read so that the client gets to the answer
MOST_CLOSING = 64  # beyond it the next connection is closed without waiting
TICK_S = 0.25  # how late a deadline may be noticed
BODY_BYTES_PER_S = 32_000  # the pace of live 16 kHz PCM16; a body may go no slower for long
UNSENT_TIMEOUT_MS = 30_000  # an answer that is not taken ends the connection (LIB-09)
EXTENSION = "hark"  # where the Flask app keeps its Service
AFTER_DRAIN_S = 5.0  # of the graceful timeout, for what is left to do (RT-44)
QUICK_DRAIN_S = 1.0  # on SIGINT and SIGQUIT: clients are told, texts may be lost
QUICK_END_S = 0.75  # then; both together below the 2 s that gunicorn waits after a second signal


def allow_request_line(size: int) -> None:
    """Let a request line have ``size`` bytes; gunicorn cuts its own setting down to 8190."""
    message.MAX_REQUEST_LINE = size + 1


class Service(Protocol):
    """What the worker asks of the application, at ``app.extensions["hark"]``."""

    def drain(self, timeout: float) -> None:
        """Refuse new sessions, end the open ones; back after ``timeout`` seconds at the latest.

        May be called again, from another thread, while it runs: by a second signal.
        """

    def close(self) -> None:
        """Stop every thread and close every file. Never raises."""


class Deadlines:
    """Shuts each socket that is late; a thread that waits on it wakes and ends (RT-42)."""

    def __init__(self) -> None:
        self._due: dict[socket.socket, float] = {}
        self._lock = threading.Condition()

    def start(self) -> None:
        """Start the watching thread; after the fork, since threads do not survive it."""
        threading.Thread(target=self._watch, name="deadlines", daemon=True).start()

    def set(self, sock: socket.socket, seconds: float) -> None:
        """Give the socket ``seconds`` from now. Any thread."""
        with self._lock:
            self._due[sock] = monotonic() + seconds
            self._lock.notify()

    def extend(self, sock: socket.socket, seconds: float) -> None:
        """Give a socket that has a deadline more time. Any thread."""
        with self._lock:
            if sock in self._due:
                self._due[sock] += seconds

    def clear(self, sock: socket.socket) -> None:
        """Watch the socket no more; must come before it is closed. Any thread."""
        with self._lock:
            self._due.pop(sock, None)

    def shut_late(self, now: float) -> int:
        """Shut the sockets whose time was up at ``now``; how many."""
        with self._lock:  # held while shutting, so that no socket is closed and reused meanwhile
            late = [sock for sock, due in self._due.items() if due <= now]
            for sock in late:
                del self._due[sock]
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        return len(late)

    def _watch(self) -> None:
        """Sleep until the next deadline; without one, until there is one."""
        while True:
            with self._lock:
                self._lock.wait_for(lambda: self._due)
                wait = min(self._due.values()) - monotonic()
                self._lock.wait(max(TICK_S, wait))
            self.shut_late(monotonic())


class PacedSock:
    """A request body's socket: what comes in buys time, at `BODY_BYTES_PER_S`."""

    def __init__(self, sock: socket.socket, deadlines: Deadlines) -> None:
        self._sock = sock
        self._deadlines = deadlines

    def recv(self, size: int) -> bytes:
        """Read from the socket."""
        data = self._sock.recv(size)
        self._deadlines.extend(self._sock, len(data) / BODY_BYTES_PER_S)
        return data

    def gettimeout(self) -> float | None:
        """The socket's."""
        return self._sock.gettimeout()

    def settimeout(self, seconds: float | None) -> None:
        """The socket's."""
        self._sock.settimeout(seconds)


class WholeBody:
    """A request body's reader that ends the deadline with the body: thinking may take longer."""

    def __init__(self, reader: Any, sock: socket.socket, deadlines: Deadlines) -> None:
        self._reader = reader
        self._sock = sock
        self._deadlines = deadlines

    def read(self, size: int) -> bytes:
        """Read the body."""
        data: bytes = self._reader.read(size)
        if not data or getattr(self._reader, "length", None) == 0:
            self._deadlines.clear(self._sock)
        return data


class HarkWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's gthread worker with RT-41 to RT-44. Subclass it to set the limits."""

    header_timeout = 10.0  # s, from the connection (or the next request) to the end of the headers
    body_timeout = 15.0  # s, and more as the body comes in

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.deadlines = Deadlines()
        self._closing = threading.BoundedSemaphore(MOST_CLOSING)
        self._closed = threading.Lock()  # taken by whoever closes the service, and kept
        self._terms: SimpleQueue[None] = SimpleQueue()
        self._quits: SimpleQueue[None] = SimpleQueue()

    def init_process(self) -> None:
        """Serve until the end, in the worker process; the service is closed last."""
        self._closers = ThreadPoolExecutor(CLOSERS, thread_name_prefix="closing")
        self.deadlines.start()
        for name, target in (("term", self._wait_for_term), ("quit", self._wait_for_quit)):
            threading.Thread(target=target, name=name, daemon=True).start()
        try:
            super().init_process()
        finally:
            self._close_service()

    @property
    def service(self) -> Service | None:
        """The application's, once it is loaded."""
        service: Service | None = getattr(self.app.callable, "extensions", {}).get(EXTENSION)
        return service

    def handle_exit(self, sig: int, frame: Any) -> None:  # noqa: ARG002  # gunicorn's signature
        """SIGTERM: drain, still accepting (new sessions hear 503), then stop. Main thread.

        A signal handler may take no lock: the code it interrupts may hold it. Hence the threads
        that wait, and SimpleQueue, the one queue that is reentrant.
        """
        self._terms.put(None)

    def handle_quit(self, sig: int, frame: Any) -> None:  # noqa: ARG002  # gunicorn's signature
        """SIGINT, SIGQUIT: tell the clients, then stop whatever still runs. Main thread.

        gunicorn's own handler shuts its thread pool here, and hangs if a signal hits a submit.
        """
        self._quits.put(None)

    def handle(self, conn: Any) -> Any:
        """Read and answer one request, the headers within `header_timeout`. Pool thread."""
        self.deadlines.set(conn.sock, self.header_timeout)
        with suppress(OSError):  # a Unix socket has no such option
            conn.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNSENT_TIMEOUT_MS)
        try:
            return super().handle(conn)
        finally:
            self.deadlines.clear(conn.sock)

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Answer a request whose headers are read, its body within `body_timeout`. Pool thread."""
        if _has_body(req):
            self.deadlines.set(conn.sock, self.body_timeout)
            conn.parser.unreader.sock = PacedSock(conn.sock, self.deadlines)
            req.body.reader = WholeBody(req.body.reader, conn.sock, self.deadlines)
        else:
            self.deadlines.clear(conn.sock)  # a WebSocket, above all: its own layer watches it
        return super().handle_request(req, conn)

    def finish_request(self, conn: Any, fs: Future[Any]) -> None:
        """Keep the connection or close it, without waiting for the client here. Main thread."""
        if fs.cancelled() or fs.exception() is not None or fs.result():
            super().finish_request(conn, fs)
            return
        self.nr_conns -= 1
        if self._closing.acquire(blocking=False):
            self._closers.submit(self._close, conn)
        else:
            conn.close()

    def _close(self, conn: Any) -> None:
        """Let the client read the end of the answer, and close. Closer thread."""
        try:
            with suppress(OSError):
                conn.sock.setblocking(True)
                util.close_graceful(conn.sock, LINGER_S, LINGER_BYTES)
        finally:
            self._closing.release()

    def _wait_for_term(self) -> None:
        self._terms.get()
        self._drain(max(1.0, self.cfg.graceful_timeout - AFTER_DRAIN_S))
        super().handle_exit(signal.SIGTERM, None)

    def _wait_for_quit(self) -> None:
        self._quits.get()
        self._drain(QUICK_DRAIN_S)
        super().handle_exit(signal.SIGQUIT, None)
        threading.Event().wait(QUICK_END_S)  # mostly the process is gone before
        self._close_service()
        os._exit(0)

    def _drain(self, timeout: float) -> None:
        service = self.service
        if service is None:
            return
        try:
            service.drain(timeout)
        except Exception:
            self.log.exception("the drain failed")

    def _close_service(self) -> None:
        service = self.service
        if service is not None and self._closed.acquire(blocking=False):
            service.close()


def _has_body(req: Any) -> bool:
    """Whether bytes follow the headers (RFC 9112, section 6.3)."""
    headers = {name.upper(): value for name, value in req.headers}
    if "TRANSFER-ENCODING" in headers:
        return True
    return str(headers.get("CONTENT-LENGTH", "0")).strip() != "0"
