"""The WebSocket transport: simple_websocket's server, made fit for hostile and unlucky peers.

One write per frame under one lock and with a deadline, bounded input, pings, no compression, and a
close that waits (but not for ever) until the peer has heard it. It knows no message, no session and
no setting: `streaming_ws` says what is sent, this file that it arrives or the connection ends.

Thread safety: a connection has two threads of ours, the handler (`receive`) and one writer (`send`,
the only one that sends messages), and the library's reader, which answers pings and closes.
`finish` may be called from the first two, any number of times. Plain TCP (or a Unix socket) only:
TLS ends at the proxy in front.
"""

from __future__ import annotations

import logging
import selectors
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import flask_sock
from simple_websocket import ConnectionClosed, Server
from wsproto.connection import ConnectionState
from wsproto.events import CloseConnection
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import LocalProtocolError

from stt_socket import LINGER_S, MIB, BackBuf, GuardSock, InFlight

if TYPE_CHECKING:
    from flask import Flask

log = logging.getLogger("stt.websocket")

FAIR_SHARE = MIB  # what a connection may hold even when all together hold too much
HANDSHAKE_HEADERS = frozenset(
    f"HTTP_{name}"
    for name in (
        "HOST",
        "UPGRADE",
        "CONNECTION",
        "SEC_WEBSOCKET_KEY",
        "SEC_WEBSOCKET_VERSION",
        "SEC_WEBSOCKET_PROTOCOL",  # not _EXTENSIONS: no permessage-deflate (RT-29, LIB-05)
    )
)


@dataclass(frozen=True, slots=True)
class SocketOptions:
    """How a WebSocket route behaves. Times in seconds."""

    max_message_bytes: int = MIB
    """A longer message closes with 1009 (RT-28)."""
    subprotocols: tuple[str, ...] = ("stt.v1",)
    """The first one the client asks for that is here is chosen (LIB-17, RT-54)."""
    ping_interval: float = 20.0
    """A peer silent for two of them is closed with 1008 (LIB-04, native W17)."""
    send_deadline: float = 5.0
    """A frame not taken by then ends the connection (RT-21, F-08)."""
    close_wait: float = 2.0
    """How long ``finish`` waits for the peer's close (LIB-08, F-11)."""
    buffered_messages: int = 64
    """Received and not yet taken; beyond it TCP holds the peer back (RT-22)."""
    buffered_bytes: int = 4 * MIB
    """The same in bytes; one message always fits."""


class HardServer(Server):  # type: ignore[misc]  # the library has no types
    """One WebSocket connection, as flask-sock hands it to a route's handler (RT-20).

    The library's constructor sets ``sock`` and ``input_buffer`` and starts the reader thread, so
    both are properties: replacing them later would lose messages (LIB-20). ``close_reason`` is the
    code of the first close frame, sent or received, and 1006 where the connection just ended.
    """

    def __init__(
        self,
        environ: dict[str, Any],
        *,
        routes: Mapping[str, SocketOptions] | None = None,
        default: SocketOptions | None = None,
        in_flight: InFlight | None = None,
    ) -> None:
        self._options = (routes or {}).get(environ["PATH_INFO"]) or default or SocketOptions()
        self._in_flight = in_flight or InFlight()
        super().__init__(
            {
                key: value
                for key, value in environ.items()
                if not key.startswith("HTTP_") or key in HANDSHAKE_HEADERS
            },
            subprotocols=list(self._options.subprotocols),
            receive_bytes=16384,  # RT-28
            ping_interval=self._options.ping_interval,
            max_message_size=self._options.max_message_bytes,
            thread_class=partial(threading.Thread, daemon=True),  # never keeps the process alive
            selector_class=selectors.PollSelector,  # epoll would cost a descriptor each
        )

    @property
    def sock(self) -> GuardSock:
        """The guarded socket."""
        return self._sock

    @sock.setter
    def sock(self, sock: socket.socket) -> None:
        self._sock = GuardSock(sock, self._options.send_deadline)

    @property
    def input_buffer(self) -> BackBuf:
        """The bounded buffer of received messages."""
        return self._input_buffer

    @input_buffer.setter
    def input_buffer(self, _: list[str | bytes]) -> None:
        self._input_buffer = BackBuf(
            self._in_flight,
            messages=self._options.buffered_messages,
            size=self._options.buffered_bytes,
        )

    def receive(self, timeout: float | None = None) -> str | bytes | None:
        """The next message; None after ``timeout`` seconds without one. Handler thread.

        Messages that came before the close are given first (LIB-12). Raises ConnectionClosed.
        """
        message: str | bytes | None = super().receive(timeout)
        return message

    def send(self, data: str | bytes) -> None:
        """Send one message, a text or a binary one. One writer thread only (AC4, LIB-02).

        Raises ConnectionClosed, whatever ended the connection: a close, a reset, a peer that does
        not read within the deadline.
        """
        with self.sock.lock:  # so that no frame is made before a close and sent after it
            try:
                super().send(data)
            except (OSError, LocalProtocolError) as error:
                raise ConnectionClosed(CloseReason.ABNORMAL_CLOSURE, str(error)) from error

    def finish(self, code: int = 1000, reason: str = "") -> None:
        """Close and wait, bounded, until the peer has read all of it; never raises.

        Takes at most ``send_deadline + close_wait + 1`` seconds. When it returns no thread of the
        connection uses the socket. Without it a peer that is still sending loses our last messages
        (AE7), or sees the end of the stream instead of the close code (LIB-07).
        """
        self._send_close(code, reason)
        self.input_buffer.close()  # the reader may be waiting there
        self.thread.join(self._options.close_wait)
        self.sock.shutdown()
        self.thread.join(LINGER_S)
        self.connected = False

    def close(self, reason: int | None = None, message: str | None = None) -> None:
        """What the library and flask-sock call: `finish`, or a mere close frame in the reader."""
        code = reason or CloseReason.NORMAL_CLOSURE
        if threading.current_thread() is not self.thread:
            self.finish(code, message or "")
            return
        self._send_close(code, message or "")
        self.connected = False

    def _send_close(self, code: int, reason: str) -> None:
        """Send the close frame, unless one has been sent already or the connection is gone."""
        with self.sock.lock, suppress(OSError, LocalProtocolError):
            if self.connected and self.ws.state in (
                ConnectionState.OPEN,
                ConnectionState.REMOTE_CLOSING,
            ):
                self.close_reason, self.close_message = code, reason
                self.sock.send(self.ws.send(CloseConnection(code, reason or None)))

    def _thread(self) -> None:
        """The library's reader, with an end that always wakes the handler."""
        try:
            super()._thread()
        except Exception:
            log.exception("the reader thread failed")
            self._send_close(CloseReason.INTERNAL_ERROR, "internal error")
        if self.ws.state is ConnectionState.OPEN:  # it ended without a close frame
            self.close_reason = CloseReason.ABNORMAL_CLOSURE
        self.connected = False
        self.event.set()
        self.sock.linger()

    def _handle_events(self) -> bool:
        """The library's, after each read. Any bytes prove life, a pong may be stuck behind them."""
        self.pong_received = True
        going = bool(super()._handle_events())
        self.input_buffer.receiving(self.incoming_message_len)
        if self.incoming_message_len > self.max_message_size:
            self.close_reason = CloseReason.MESSAGE_TOO_BIG
        elif going and self._in_flight.full and self.input_buffer.held > FAIR_SHARE:
            self._send_close(CloseReason.TRY_AGAIN_LATER, "the server holds too many bytes")
            return False
        return going


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
