"""The load generator: many live clients on one thread, with their own clock.

Frames are made before the clock runs, so that a session costs little here: masking 100 ms of audio
in Python would take longer than the service needs for it. A client is a socket, its audio, and what
it hears; what that means is the business of who measures.
"""

from __future__ import annotations

import base64
import heapq
import json
import os
import selectors
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stt.audio.pcm import samples_to_pcm16

RATE = 16_000  # Hz
FRAME = 0.1  # s of audio in a message
PING_EVERY = 0.5  # s, per session
PATIENCE = 30.0  # s that a socket operation may take
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10  # RFC 6455, section 11.8
ACTIVITY = ("vad", "speech_started", "speech_stopped")  # what is said with vad_events=1

Event: TypeAlias = dict[str, Any]
Listener: TypeAlias = Callable[["Client", Event, float], None]
"""Called with each message of the service and the monotonic time at which it was read."""


class Hangup(Exception):
    """The service refused or ended a session."""


def framed(payload: bytes, opcode: int) -> bytes:
    """A WebSocket frame as clients send it: final, masked (RFC 6455, section 5.2)."""
    size = len(payload)
    if size < 126:
        head = bytes((0x80 | opcode, 0x80 | size))
    elif size < 1 << 16:
        head = bytes((0x80 | opcode, 0x80 | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((0x80 | opcode, 0x80 | 127)) + size.to_bytes(8, "big")
    mask = os.urandom(4)
    key = np.frombuffer((mask * (size // 4 + 1))[:size], np.uint8)
    return head + mask + (np.frombuffer(payload, np.uint8) ^ key).tobytes()


def audio_frames(samples: NDArray[np.float32]) -> list[bytes]:
    """(n,) float32 samples as messages of 100 ms; the last one is filled up with silence."""
    size = round(FRAME * RATE)
    padded = np.pad(samples, (0, -len(samples) % size))
    return [framed(samples_to_pcm16(part), BINARY) for part in padded.reshape(-1, size)]


def deframed(buffer: bytearray) -> Iterator[tuple[int, bytes]]:
    """Take the whole frames of a service out of a buffer: opcode and payload."""
    while len(buffer) >= 2:
        size, start = buffer[1] & 0x7F, 2
        if size >= 126:
            start = 4 if size == 126 else 10
            size = int.from_bytes(buffer[2:start], "big")
        if len(buffer) < start + size:
            return
        opcode, payload = buffer[0] & 0x0F, bytes(buffer[start : start + size])
        del buffer[: start + size]
        yield opcode, payload


@dataclass(frozen=True, slots=True)
class Target:
    """The service that is measured."""

    port: int
    host: str = "127.0.0.1"
    headers: tuple[str, ...] = ()
    """Further lines of the handshake, such as ``Authorization: Bearer ...``."""


class Client:
    """One connected session. ``audio``: the frames it will send, one every 100 ms.

    ``target``: the service; a number is a port of this machine.
    """

    def __init__(
        self,
        target: Target | int,
        query: str,
        audio: Iterable[bytes],
        pings: bool = True,
        *,
        address: str | None = None,
    ) -> None:
        """``address``: path and query of another door than ``/stt/stream``."""
        target = Target(target) if isinstance(target, int) else target
        self.audio = iter(audio)
        self.pings = pings
        self.begun = 0.0
        """When the first sample was spoken; the frame of it goes out 100 ms later."""
        self.waiting: dict[int, float] = {}
        """Pings without a pong: number and when it was sent."""
        self.received = 0
        """Bytes of the messages that came in, but for those about voice activity."""
        self.buffer = bytearray()
        self.socket = socket.create_connection((target.host, target.port), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._shake_hands(target, address or f"/stt/stream?{query}")

    def _shake_hands(self, target: Target, address: str) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        lines = (
            f"GET {address} HTTP/1.1",
            f"Host: {target.host}:{target.port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
            *target.headers,
        )
        self.socket.sendall("".join(f"{line}\r\n" for line in (*lines, "")).encode())
        while b"\r\n\r\n" not in self.buffer:
            self.buffer += self._received()
        head, _, rest = bytes(self.buffer).partition(b"\r\n\r\n")
        if b" 101 " not in head.split(b"\r\n", 1)[0]:
            raise Hangup(head.decode(errors="replace"))
        self.buffer = bytearray(rest)

    def _received(self) -> bytes:
        if not (data := self.socket.recv(65_536)):
            raise Hangup("the service ended a connection")
        return data

    def receive(self) -> Iterator[Event]:
        """The messages that have come in; call it when the socket can be read."""
        self.buffer += self._received()
        for opcode, payload in deframed(self.buffer):
            if opcode == TEXT:
                event: Event = json.loads(payload)
                if event["type"] not in ACTIVITY:
                    self.received += len(payload) + (2 if len(payload) < 126 else 4)
                yield event
            elif opcode == PING:
                self.socket.sendall(framed(payload, PONG))
            elif opcode == CLOSE:
                raise Hangup(f"the service closed a session with {payload!r}")


class Load:
    """Clients that speak and ping in real time; one thread calls all methods.

    ``listener`` hears what they are told. ``mourner`` is told of a session that ended before its
    time; without one that ends the measurement.
    """

    def __init__(
        self,
        clients: Sequence[Client],
        listener: Listener | None = None,
        mourner: Callable[[Client, str], None] | None = None,
    ) -> None:
        self._listener = listener
        self._mourner = mourner
        self._gone: set[Client] = set()
        self._numbers = count()
        self._due: list[tuple[float, int, Client, bool]] = []  # a heap; the last: it is a ping
        self._selector = selectors.DefaultSelector()
        self._clients = clients
        self.round_trips: list[float] = []
        """s from each ping to its pong."""
        self.lateness: list[float] = []
        """s by which each message left too late: what this process itself spoils."""
        now = time.monotonic()
        for at, client in enumerate(clients):
            self._selector.register(client.socket, selectors.EVENT_READ, client)
            client.begun = now + FRAME * at / len(clients)  # spread, as real clients are
            self._plan(client.begun + FRAME, client, is_ping=False)
            if client.pings:
                self._plan(now + PING_EVERY * (0.5 + at) / len(clients), client, is_ping=True)

    def _plan(self, due: float, client: Client, *, is_ping: bool) -> None:
        heapq.heappush(self._due, (due, next(self._numbers), client, is_ping))

    def run(self, seconds: float) -> None:
        """Go on for so long. Raises Hangup when a session ends and nobody mourns it."""
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            while self._due and self._due[0][0] <= now:
                due, _, client, is_ping = heapq.heappop(self._due)
                self.lateness.append(now - due)
                with self._mourning(client):
                    self._send(client, due, is_ping)
                now = time.monotonic()
            wait = min(end, self._due[0][0] if self._due else end) - time.monotonic()
            for key, _ in self._selector.select(max(0.0, wait)):
                with self._mourning(key.data):
                    self._hear(key.data)

    def forget(self) -> None:
        """Begin to measure: what was noted so far was the warm-up."""
        self.round_trips.clear()
        self.lateness.clear()

    @property
    def lost(self) -> int:
        """Pings that wait for longer than their pong may take."""
        late = time.monotonic() - 2 * PING_EVERY
        return sum(sent < late for client in self._clients for sent in client.waiting.values())

    def close(self) -> None:
        """Hang up."""
        self._selector.close()
        for client in self._clients:
            client.socket.close()

    @contextmanager
    def _mourning(self, client: Client) -> Iterator[None]:
        """Let the others go on when the session of ``client`` ends."""
        try:
            yield
        except (Hangup, OSError) as error:
            if self._mourner is None:
                raise
            self._gone.add(client)
            self._selector.unregister(client.socket)
            self._mourner(client, str(error))

    def _send(self, client: Client, due: float, is_ping: bool) -> None:
        if client in self._gone:
            return
        if is_ping:
            number = next(self._numbers)
            client.waiting[number] = time.monotonic()
            message = json.dumps({"type": "ping", "id": number}).encode()
            client.socket.sendall(framed(message, TEXT))
            self._plan(due + PING_EVERY, client, is_ping=True)
        elif (frame := next(client.audio, None)) is not None:
            client.socket.sendall(frame)
            self._plan(due + FRAME, client, is_ping=False)

    def _hear(self, client: Client) -> None:
        for event in client.receive():
            now = time.monotonic()
            if event["type"] == "pong":
                self.round_trips.append(now - client.waiting.pop(event["id"]))
            elif self._listener is not None:
                self._listener(client, event, now)
