"""The commands a client can give, whatever wire protocol it speaks.

A protocol is two pure functions: a message of the client becomes a command (or raises BadInput), a
reply of the session becomes a message. It keeps no speech state and decides nothing about it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias

from stt.replies import Reply


@dataclass(frozen=True, slots=True)
class AppendAudio:
    """New audio for a chunk, after what it has (native W2)."""

    data: bytes
    """In the session's encoding."""
    chunk_id: str | None = None
    """None: the current chunk."""
    warning: str | None = None
    whole: bool = False
    """It begins with a whole sample, whatever came before (native W12)."""


@dataclass(frozen=True, slots=True)
class ReplaceAudio:
    """The whole audio of a chunk so far, in place of what it has (native W3)."""

    data: bytes
    chunk_id: str
    warning: str | None = None
    whole: bool = True


@dataclass(frozen=True, slots=True)
class SetChunk:
    """The chunk that the next audio belongs to."""

    chunk_id: str


@dataclass(frozen=True, slots=True)
class Finalize:
    """Ask for the final of a chunk; None: the current one."""

    chunk_id: str | None = None


@dataclass(frozen=True, slots=True)
class Ping:
    """Ask for a pong."""

    id: int | str | None = None


Command: TypeAlias = AppendAudio | ReplaceAudio | SetChunk | Finalize | Ping


class WireProtocol(Protocol):
    """A codec of one wire protocol; used by one connection's two threads, so it keeps no state."""

    def decode(self, message: str | bytes) -> Command | None:
        """The command in a client's message; None where there is nothing to do. Raises BadInput."""

    def encode(self, reply: Reply) -> str | bytes | None:
        """The message for a reply; None where this protocol does not say it."""
