"""Frames of a WebSocket connection: the bytes that came become messages and answers.

simple_websocket's server, less its thread and with bounds on all that a peer may send: no
compression, messages of limited length, one write per frame under one lock and with a deadline. It
never waits for bytes, and decides neither when to read nor when to close: `stt_websocket` does.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from simple_websocket import ConnectionClosed, Server
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Ping,
    Request,
    TextMessage,
)
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import LocalProtocolError

from stt_in_flight import CROWDED, FAIR_SHARE, InFlight
from stt_socket import MIB, BackBuf, GuardSock

ANSWER_HEADERS = "hark.answer_headers"
"""In a request's environment: more headers for the answer to its handshake, lower case."""
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
    """Received in `pause` and not yet taken; beyond it TCP holds the peer back (RT-22)."""
    buffered_bytes: int = 4 * MIB
    """The same in bytes; one message always fits."""


class NoThread:
    """What the library's constructor is given for the reader thread that it starts: nothing."""

    name = ""

    def __init__(self, target: Callable[[], None]) -> None:
        """Forget the library's loop."""

    def start(self) -> None:
        """Start nothing: the handler reads."""


class FrameServer(Server):  # type: ignore[misc]  # the library has no types
    """See the module's docstring; `HardServer` is what to use.

    The library's constructor sets ``sock`` and ``input_buffer``, does the handshake with them and
    starts ``thread_class``: hence two properties (LIB-20) and `NoThread`.

    wsproto's parser and the message coming in belong to the one thread that reads, the making of
    messages to the writer. All they share is the state of the connection; it follows ``_closing``,
    which ``sock.lock`` guards together with the sending: no frame is sent after the close frame,
    and no second one.
    """

    connected: bool
    incoming_message: bytearray | None
    incoming_message_len: int
    close_reason: int
    """The code of the first close frame, sent or received; 1006 where the connection just ended."""
    close_message: str | None

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
        self._headers: Mapping[str, str] = environ.get(ANSWER_HEADERS, {})
        self._closing = False  # a close frame has been sent
        super().__init__(
            {
                key: value
                for key, value in environ.items()
                if not key.startswith("HTTP_") or key in HANDSHAKE_HEADERS
            },
            subprotocols=list(self._options.subprotocols),
            max_message_size=self._options.max_message_bytes,
            thread_class=NoThread,
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

    def _handle_events(self) -> bool:
        """Do what the bytes just read say; whether to read on. Also does the handshake."""
        pongs = bytearray()
        last: tuple[int, str | None] | None = None
        for event in self.ws.events():
            if isinstance(event, TextMessage | BytesMessage):
                if not self._collect(event):
                    last = (CloseReason.MESSAGE_TOO_BIG, "Message is too big")
            elif isinstance(event, Ping):
                with suppress(LocalProtocolError):  # our close is on its way
                    pongs += self.ws.send(event.response())
            elif isinstance(event, CloseConnection):  # the peer's, or that of its violation
                last = (event.code, event.reason)
            elif isinstance(event, Request):
                self.subprotocol = self.choose_subprotocol(event)
                self.sock.send(self.ws.send(self._acceptance()))
            if last is not None:
                break
        self._send_control(pongs)
        self.input_buffer.receiving(self.incoming_message_len)
        if last is None and self._in_flight.full and self.input_buffer.held > FAIR_SHARE:
            last = (CloseReason.TRY_AGAIN_LATER, CROWDED)
        if last is not None:
            self._send_close(*last)
        return last is None

    def _acceptance(self) -> AcceptConnection:
        """The answer to the handshake."""
        headers = [(name.encode(), value.encode()) for name, value in self._headers.items()]
        return AcceptConnection(subprotocol=self.subprotocol, extra_headers=headers)

    def _collect(self, event: TextMessage | BytesMessage) -> bool:
        """Add a piece of a message, and the whole message to the buffer; False when too long."""
        piece = event.data
        self.incoming_message_len += len(piece)
        if self.incoming_message_len > self.max_message_size:
            return False
        if self.incoming_message is None and event.message_finished:  # the usual one
            self.input_buffer.append(piece if isinstance(piece, str) else bytes(piece))
        else:
            if self.incoming_message is None:
                self.incoming_message = bytearray()
            self.incoming_message += piece.encode() if isinstance(piece, str) else piece
            if not event.message_finished:
                return True
            whole, self.incoming_message = self.incoming_message, None
            self.input_buffer.append(whole.decode() if isinstance(piece, str) else bytes(whole))
        self.incoming_message_len = 0
        return True

    def _send_control(self, frames: bytes | bytearray) -> None:
        """Send pings or pongs, unless a close frame was first. Raises OSError."""
        if frames:
            with self.sock.lock:
                if not self._closing:
                    self.sock.send(frames)

    def _send_close(self, code: int, reason: str | None) -> None:
        """Send the close frame, unless one has been sent already or the connection is gone."""
        with self.sock.lock, suppress(OSError, LocalProtocolError):
            if self.connected and not self._closing:
                self._closing = True
                self.close_reason, self.close_message = code, reason
                self.sock.send(self.ws.send(CloseConnection(code, reason or None)))
