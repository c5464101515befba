"""The two guarded parts of a WebSocket connection: its socket and its buffer of received messages.

Both bound what a peer can cost: `GuardSock` the time a write may take, `BackBuf` the memory that
unread messages may take. Neither knows a WebSocket frame; `stt_websocket` puts them in place.
"""

from __future__ import annotations

import select
import socket
import threading
from contextlib import suppress
from time import monotonic
from typing import SupportsIndex

MIB = 1 << 20
LINGER_S = 1.0  # for the peer's FIN after our last frame, so that no RST overtakes it (AE7)
LINGER_BYTES = 2 * MIB  # read and thrown away meanwhile; F-05 allows 8 MB from the wire in all


class InFlight:
    """Counts the bytes received and not yet taken, of all connections together (RT-28)."""

    def __init__(self, limit: int = 256 * MIB) -> None:
        self.limit = limit
        self.held = 0
        """Bytes; read it without a lock."""
        self._lock = threading.Lock()

    def change(self, by: int) -> None:
        """Add what a connection has got, or take off what it gave away. Any thread."""
        with self._lock:
            self.held += by

    @property
    def full(self) -> bool:
        """Whether a connection above its fair share must go."""
        return self.held > self.limit


class BackBuf(list[str | bytes]):
    """The received messages: a full one makes the reader wait, and so the peer (RT-22, LIB-03)."""

    def __init__(self, in_flight: InFlight, *, messages: int = 64, size: int = 4 * MIB) -> None:
        super().__init__()
        self._in_flight = in_flight
        self._most_messages = messages
        self._most_bytes = size
        self._changed = threading.Condition()
        self._closed = False
        self._bytes = 0
        self._partial = 0

    @property
    def held(self) -> int:
        """Bytes of the waiting messages and of the one still coming in."""
        return self._bytes + self._partial

    def append(self, message: str | bytes) -> None:
        """Add a message, waiting for room; dropped when the buffer is closed. Reader thread."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._fits(len(message)))
            if not self._closed:
                super().append(message)
                self._count(len(message), 0)

    def pop(self, index: SupportsIndex = -1, /) -> str | bytes:
        """Take a message out. Handler thread. Raises IndexError when there is none."""
        with self._changed:
            message = super().pop(index)
            self._count(-len(message), self._partial)
            self._changed.notify_all()
        return message

    def receiving(self, size: int) -> None:
        """Note how much of an unfinished message has come in. Reader thread."""
        with self._changed:
            self._count(0, 0 if self._closed else size)

    def close(self) -> None:
        """Drop what is here and what may still come."""
        with self._changed:
            self._closed = True
            self.clear()
            self._count(-self._bytes, 0)
            self._changed.notify_all()

    def _fits(self, size: int) -> bool:
        if not self:
            return True
        if len(self) >= self._most_messages:
            return False
        return self._bytes + size <= self._most_bytes

    def _count(self, by: int, partial_size: int) -> None:
        """Change the sums; ``_changed`` must be held."""
        self._in_flight.change(by + partial_size - self._partial)
        self._bytes += by
        self._partial = partial_size


class GuardSock:
    """The connection's socket: whole frames, one at a time, never waiting for ever (RT-21)."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self.lock = threading.RLock()
        """Held for each frame; reentrant, so that a frame can be made and sent under it."""
        self._sock = sock
        self._deadline = deadline
        with suppress(OSError):  # a Unix socket has none of these
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # A peer that is gone without a word: the kernel gives up at twice our deadline (LIB-09)
            timeout_ms = int(deadline * 2000)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout_ms)

    def fileno(self) -> int:
        """For the reader's selector."""
        return self._sock.fileno()

    def recv(self, size: int) -> bytes:
        """Wait for at most ``size`` bytes; empty at the end of the stream."""
        return self._sock.recv(size)

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

    def linger(self) -> None:
        """End our side, then read until the peer ends its own, within bounds (AE7)."""
        due, left = monotonic() + LINGER_S, LINGER_BYTES
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)
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
