"""The two guarded parts of a WebSocket connection: its socket and its buffer of received messages.

Both bound what a peer can cost: `GuardSock` the time a write may take, `BackBuf` the memory that
messages not yet taken may take. Neither knows a WebSocket frame; `stt_frames` puts them in place.
"""

from __future__ import annotations

import select
import socket
import threading
from contextlib import suppress
from time import monotonic
from typing import SupportsIndex

from stt_in_flight import InFlight

MIB = 1 << 20
LINGER_S = 1.0  # for the peer's FIN after our last frame, so that no RST overtakes it (AE7)
KERNEL_BYTES = MIB // 2  # asked of the kernel for what is not read yet; it may take twice as much
LINGER_BYTES = 2 * MIB  # read and thrown away meanwhile; F-05 allows 8 MB from the wire in all


class BackBuf(list[str | bytes]):
    """The received messages; who reads the socket does not go on while it is full (RT-22, LIB-03).

    Filled and emptied by the thread that reads; `close` may come from any other.
    """

    def __init__(self, in_flight: InFlight, *, messages: int = 64, size: int = 4 * MIB) -> None:
        super().__init__()
        self._in_flight = in_flight
        self._most_messages = messages
        self._most_bytes = size
        self._lock = threading.Lock()
        self._closed = False
        self._bytes = 0
        self._partial = 0

    @property
    def held(self) -> int:
        """Bytes of the waiting messages and of the one still coming in."""
        return self._bytes + self._partial

    @property
    def full(self) -> bool:
        """Whether no more should be read before a message is taken; one read may exceed it."""
        return len(self) >= self._most_messages or self.held >= self._most_bytes

    def append(self, message: str | bytes) -> None:
        """Add a message; dropped when the buffer is closed."""
        with self._lock:
            if not self._closed:
                super().append(message)
                self._count(len(message), 0)

    def pop(self, index: SupportsIndex = -1, /) -> str | bytes:
        """Take a message out. Raises IndexError when there is none."""
        with self._lock:
            message = super().pop(index)
            self._count(-len(message), self._partial)
        return message

    def receiving(self, size: int) -> None:
        """Note how much of an unfinished message has come in."""
        with self._lock:
            self._count(0, 0 if self._closed else size)

    def close(self) -> None:
        """Drop what is here and what may still come. Any thread."""
        with self._lock:
            self._closed = True
            self.clear()
            self._count(-self._bytes, 0)

    def _count(self, by: int, partial_size: int) -> None:
        """Change the sums; ``_lock`` must be held."""
        if change := by + partial_size - self._partial:
            self._in_flight.change(change)
        self._bytes += by
        self._partial = partial_size


class GuardSock:
    """The connection's socket: whole frames, one at a time, never waiting for ever (RT-21)."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self.lock = threading.RLock()
        """Held for each frame; reentrant, so that a frame can be made and sent under it."""
        self._sock = sock
        self._deadline = deadline
        with suppress(OSError):  # a Unix socket has no TCP options
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, KERNEL_BYTES)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # A peer that is gone without a word: the kernel gives up at twice our deadline (LIB-09)
            timeout_ms = int(deadline * 2000)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout_ms)

    def fileno(self) -> int:
        """For the reading thread's poll."""
        return self._sock.fileno()

    def recv(self, size: int) -> bytes:
        """At most ``size`` bytes; empty at the end of the stream. Raises BlockingIOError."""
        return self._sock.recv(size, socket.MSG_DONTWAIT)

    def send(self, data: bytes | bytearray) -> int:
        """Write all of ``data`` (LIB-01), or end the connection and raise OSError."""
        with self.lock:
            due = monotonic() + self._deadline
            view = memoryview(data)
            while view:
                try:
                    view = view[self._sock.send(view, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL) :]
                except BlockingIOError:
                    if not self._poll(select.POLLOUT, due):
                        self.shutdown()
                        raise TimeoutError("the peer does not read") from None
        return len(data)

    def wait_for_end(self, due: float) -> None:
        """Wait until ``due`` (monotonic seconds), a reset or `shutdown`; reads nothing."""
        self._poll(0, due)

    def end(self) -> None:
        """End our side: the peer sees the end of the stream after our last frame."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    def linger(self) -> None:
        """End our side, then read until the peer ends its own, within bounds (AE7)."""
        due, left = monotonic() + LINGER_S, LINGER_BYTES
        self.end()
        with suppress(OSError, ValueError):  # ValueError: closed by its owner
            while left > 0 and self._poll(select.POLLIN, due):
                data = self._sock.recv(65536, socket.MSG_DONTWAIT)
                if not data:
                    return
                left -= len(data)

    def shutdown(self) -> None:
        """Wake every thread that waits on the socket (LIB-08)."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Do nothing: the web server closes what it accepted, when no thread of ours uses it.

        A descriptor closed under a thread that writes may be another connection's by then.
        """

    def _poll(self, event: int, due: float) -> bool:
        poll = select.poll()
        poll.register(self._sock, event)
        return bool(poll.poll(max(0.0, due - monotonic()) * 1000))
