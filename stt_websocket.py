"""The WebSocket transport: simple_websocket's server, made fit for hostile and unlucky peers.

When to read, when to ping, and a close that waits (but not for ever) until the peer has heard it;
the frames are the business of `stt_frames`. It knows no message, no session and no setting:
`streaming_ws` says what is sent, this file that it arrives or the connection ends.

Thread safety: a connection has two threads, the handler, which reads the socket while it is in
`receive` or `pause`, and one writer (`send`, the only one that sends messages). The library's own
reader is never started: it would cost a thread, and a wake-up for each message. `finish` may be
called from any thread, any number of times. Plain TCP (or a Unix socket) only: TLS ends at the
proxy in front.
"""

from __future__ import annotations

import logging
import math
import select
import threading
from collections.abc import Mapping
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any

import flask_sock
from simple_websocket import ConnectionClosed
from wsproto.events import Ping
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import LocalProtocolError

from stt_frames import ANSWER_HEADERS, FrameServer, SocketOptions
from stt_in_flight import InFlight
from stt_socket import LINGER_S

if TYPE_CHECKING:
    from flask import Flask

__all__ = ["ANSWER_HEADERS", "HardServer", "SocketOptions", "install"]

log = logging.getLogger("stt.websocket")

READ_BYTES = 16384  # taken from the socket at once (RT-28)


class HardServer(FrameServer):
    """One WebSocket connection, as flask-sock hands it to a route's handler (RT-20).

    ``_reading`` is held by the thread that reads, also while it waits for bytes: the handler, or
    whoever calls `finish` while the handler does something else. ``sock.lock`` comes after it.
    """

    def __init__(self, environ: dict[str, Any], **options: Any) -> None:
        """Do the handshake; ``options`` are those of `install`. Raises what the library does."""
        super().__init__(environ, **options)
        self._reading = threading.Lock()
        self._finished = False
        self._ping_interval = self._options.ping_interval or math.inf
        self._ping_due = monotonic() + self._ping_interval
        self._poll = select.poll()
        self._poll.register(self.sock.fileno(), select.POLLIN)

    def receive(self, timeout: float | None = None) -> str | bytes | None:
        """The next message; None after ``timeout`` seconds without one. Handler thread.

        Pings are answered and sent meanwhile. Messages that came before the close are given first
        (LIB-12). Raises ConnectionClosed.
        """
        due = math.inf if timeout is None else monotonic() + timeout
        in_time = True
        with self._reading:
            while not self.input_buffer:
                if not self.connected:
                    raise ConnectionClosed(self.close_reason, self.close_message)
                if not in_time:
                    return None
                in_time = self._attend(due)
            return self.input_buffer.pop(0)

    def pause(self, seconds: float) -> None:
        """Take no message for so long, but answer pings and notice the end. Handler thread.

        What comes is buffered, within bounds; then TCP holds the peer back (RT-22, RT-27). Back
        earlier when the connection has ended.
        """
        due = monotonic() + seconds
        with self._reading:
            while self.connected and not self.input_buffer.full:
                if not self._attend(due):
                    return
        if self.connected:  # `finish` may read now
            self.sock.wait_for_end(due)

    def finish(self, code: int = 1000, reason: str = "") -> None:
        """Close and wait, bounded, until the peer has read all of it; never raises. Any thread.

        Reads on until the peer's close, unless the handler does so already. Takes at most
        ``send_deadline + close_wait + 1`` seconds. When it returns nobody uses the socket. Without
        it a peer that is still sending loses our last messages (AE7), or sees the end of the
        stream instead of the close code (LIB-07).
        """
        self._send_close(code, reason)
        self.input_buffer.close()
        due = monotonic() + self._options.close_wait
        if self._reading.acquire(timeout=self._options.close_wait):
            try:
                while self.connected and not self._finished and self._attend(due):
                    pass
                if not self.connected and not self._finished:
                    self.sock.linger()
                self._finished = True  # the socket may be closed from now on
            finally:
                self._reading.release()
        self.sock.shutdown()
        if self._reading.acquire(timeout=LINGER_S):  # whoever reads has left
            self._reading.release()
        self.connected = False

    def close(self, reason: int | None = None, message: str | None = None) -> None:
        """What flask-sock calls: `finish`."""
        self.finish(reason or CloseReason.NORMAL_CLOSURE, message or "")

    def _attend(self, due: float) -> bool:
        """Wait for bytes, not beyond ``due``, and do what they say; ping when it is time.

        One read at most. False when ``due`` has come. ``_reading`` must be held.
        """
        wait = min(due, self._ping_due) - monotonic()
        if self._poll.poll(max(0.0, wait) * 1000 if wait < math.inf else None):
            self._read()
        now = monotonic()
        if now >= self._ping_due and self.connected:
            self._ping(now)
        return now < due

    def _read(self) -> None:
        """Take what the socket has, once; the end, of any kind, clears ``connected``."""
        try:
            data = self.sock.recv(READ_BYTES)
            if data:
                self.pong_received = True  # any bytes prove life; a pong may be stuck behind them
                self.ws.receive_data(data)
            going = bool(data) and self._handle_events()
        except BlockingIOError:
            return
        except (OSError, LocalProtocolError):
            going = False
        except Exception:
            log.exception("reading a WebSocket failed")
            self._send_close(CloseReason.INTERNAL_ERROR, "internal error")
            going = False
        if not going:
            self._end()

    def _end(self) -> None:
        """Nothing more is read but what `GuardSock.linger` throws away."""
        with self.sock.lock:
            if not self._closing:
                self.close_reason = CloseReason.ABNORMAL_CLOSURE
            self.connected = False
        self.sock.end()

    def _ping(self, now: float) -> None:
        """Ping, or give up a peer that has been silent since the last ping (LIB-04)."""
        self._ping_due = now + self._ping_interval
        if not self.pong_received:
            self._send_close(CloseReason.POLICY_VIOLATION, "Ping/Pong timeout")
            self._end()
            return
        self.pong_received = False
        with suppress(OSError, LocalProtocolError):
            self._send_control(self.ws.send(Ping()))


def install(
    app: Flask,
    routes: Mapping[str, SocketOptions],
    *,
    default: SocketOptions | None = None,
    in_flight: InFlight | None = None,
) -> None:
    """Make flask-sock use `HardServer` in this app; ``routes`` maps paths to their options.

    flask-sock looks up its server class at each connection, so the order does not matter (RT-20).
    """
    flask_sock.Server = HardServer
    app.config["SOCK_SERVER_OPTIONS"] = {
        "routes": dict(routes),
        "default": default or SocketOptions(),
        "in_flight": in_flight or InFlight(),
    }
