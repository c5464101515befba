"""What waits to be sent to one client: bounded, in order, and never in anybody's way.

`put` is a leaf call (AC2): it never blocks and calls nobody, so a session may use it under its own
lock. One writer thread takes replies out. A slow client loses interims, never finals (AD6).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, replace

from stt.errors import SlowConsumer
from stt.replies import Degraded, Pong, Problem, Reply, Silence, Speech, Transcript

OVERFLOW = 4  # times the bound that replies nobody may drop can reach (runtime RT-23)


@dataclass(frozen=True, slots=True)
class Closing:
    """How the connection ends once everything before it is sent."""

    code: int
    """RFC 6455 section 7.4, or 1012 and 1013 of its registry."""
    reason: str = ""


class Outbox:
    """The replies of one session on their way to one client."""

    def __init__(self, bound: int = 256) -> None:
        self._bound = bound
        self._changed = threading.Condition()
        self._waiting: OrderedDict[Hashable, Reply] = OrderedDict()
        self._seq = 0
        self._closing: Closing | None = None
        self.evicted = 0
        """Interims this client lost."""
        self.given_up = False
        """Whether the client read so little that it was given up."""

    def put(self, reply: Reply) -> bool:
        """Add a reply; False when the outbox is closed. Never blocks, never raises.

        It is numbered here: `seq` strictly increases over all that a session says (native W25).
        An interim takes the place of the waiting interim of its chunk (native W24), a pong that of
        the waiting pong (W17), word of the load that of the waiting word.
        When full, the oldest reply that may be lost goes. When replies
        that may not be lost exceed four times the bound, the client is given up (native W24):
        it is told so and the outbox closes with 1013; its finals are in the store.
        """
        with self._changed:
            if self._closing is not None:
                return False
            self._seq += 1
            if not isinstance(reply, Pong):
                reply = replace(reply, seq=self._seq)
            key = self._key(reply)
            if self._waiting.pop(key, None) is not None and isinstance(reply, Transcript):
                self.evicted += 1
            self._waiting[key] = reply
            if len(self._waiting) > self._bound:
                self._evict()
            if len(self._waiting) > OVERFLOW * self._bound:
                self._give_up()
            self._changed.notify()
            return True

    def _key(self, reply: Reply) -> Hashable:
        if isinstance(reply, Pong):
            return "pong"
        if isinstance(reply, Degraded):
            return "degraded"
        if isinstance(reply, Transcript) and _may_be_lost(reply):
            return (reply.session_id, reply.chunk_id)
        return self._seq

    def _evict(self) -> None:
        for key, reply in self._waiting.items():
            if _may_be_lost(reply):
                del self._waiting[key]
                self.evicted += 1
                return

    def _give_up(self) -> None:
        error = SlowConsumer("unread finals fill the outbound queue; they are in the store")
        self._waiting[-1] = Problem(error.code, error.message, close_code=1013)
        self._closing = Closing(1013, error.code)
        self.given_up = True

    def get(self, timeout: float | None = None) -> Reply | Closing | None:
        """The next reply; once closed and empty the Closing; None after ``timeout`` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing, timeout)
            if self._waiting:
                return self._waiting.popitem(last=False)[1]
            return self._closing

    def close(self, code: int = 1000, reason: str = "") -> None:
        """No more replies; what waits is still sent. The first close counts. Never raises."""
        with self._changed:
            if self._closing is None:
                self._closing = Closing(code, reason)
                self._changed.notify_all()

    def abandon(self) -> None:
        """The peer is gone: forget what waits, so that nobody waits to send it."""
        with self._changed:
            self._waiting.clear()
            if self._closing is None:
                self._closing = Closing(1006)
            self._changed.notify_all()

    def __len__(self) -> int:
        return len(self._waiting)


def _may_be_lost(reply: Reply) -> bool:
    """Interims and voice activity may be lost; what is committed by an endpoint may not."""
    if isinstance(reply, Transcript):
        return not (reply.is_final or reply.speech_final)
    return isinstance(reply, Speech | Silence)
