"""What a handshake asks for, what it is answered with: the seam between routes and wire protocols.

A dialect reads a handshake and refuses or accepts it; `streaming_ws` does the rest. It keeps
nothing: one object serves all connections, in any thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from stt.auth import Principal
from stt.errors import STTError
from stt.events import Abilities
from stt.ids import DEFAULT_TENANT
from stt.protocols.base import WireProtocol
from stt_connection import ConnectionOptions, Listener
from stt_in_flight import InFlight
from stt_session import Session
from stt_surroundings import SessionOptions


@dataclass(frozen=True, slots=True)
class Asked:
    """A handshake that passed the gate."""

    pairs: tuple[tuple[str, str], ...]
    """The query, in its order, names that repeat included."""
    headers: Mapping[str, str]
    """By their names in lower case."""
    principal: Principal | None
    """None: no keys are set."""
    abilities: Abilities
    """Of the engine."""
    request_id: str = ""
    """Below ``/v1/``: what the request is called in answers and logs."""

    @property
    def tenant(self) -> str:
        """The principal's; that of everybody where no keys are set (HT-AUTH)."""
        return self.principal.tenant_id if self.principal else DEFAULT_TENANT

    @property
    def query(self) -> dict[str, str]:
        """The query; of a name that repeats the first value."""
        return dict(reversed(self.pairs))


class Intermediary(Listener, Protocol):
    """Takes a connection's commands before its session does, in a thread of its own perhaps."""

    def close(self) -> None:
        """The connection is over: pass on what waits, end the thread. Never raises."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the connection is made of."""

    tenant: str
    session: SessionOptions
    protocol: Callable[[Session], WireProtocol]
    connection: ConnectionOptions = field(default_factory=ConnectionOptions)
    session_id: str | None = None
    """None: the service mints one."""
    listener: Callable[[Session], Intermediary] | None = None
    """Stands before the session and takes its commands; None: nothing does."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """For the answer to the handshake, where it is accepted early (see `Dialect`)."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """How a handshake is refused when the socket is open already."""

    messages: Sequence[str]
    code: int
    """RFC 6455 section 7.4."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DoorOptions:
    """What every connection starts from."""

    session: SessionOptions = field(default_factory=SessionOptions)
    connection: ConnectionOptions = field(default_factory=ConnectionOptions)
    max_message_bytes: int = 2 * 2**20
    strict_tenant: bool = False
    """Refuse messages that name another tenant (native W20)."""
    in_flight: InFlight = field(default_factory=InFlight)
    """What all connections hold of what they received."""


class Dialect(Protocol):
    """One wire protocol's way in."""

    path: str
    early: bool
    """Accept before the upgrade: a refusal is an HTTP answer, in the shape of this path's errors.
    Else it is said in the WebSocket."""

    def accept(self, asked: Asked) -> Accepted:
        """What to make of a handshake. Raises STTError where it is refused."""

    def refuse(self, error: STTError) -> Refusal:
        """How to say why there is no session."""
