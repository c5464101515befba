"""The commands a client can give, whatever wire protocol it speaks.

A protocol is two functions: a message of the client becomes commands (or raises BadInput), a reply
of the session becomes messages. It keeps no speech state and decides nothing about it; what it
remembers is what its client was told.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from stt.events import SAMPLE_RATE
from stt.replies import Reply
from stt.speech.options import SpeechOptions


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


# The commands below are for sessions in which the server names the chunks (`auto_chunk`).


@dataclass(frozen=True, slots=True)
class Flush:
    """End the open utterance, if any; `Flushed` follows the finals of all audio before it."""


@dataclass(frozen=True, slots=True)
class Commit:
    """What came since the last commit is one chunk, also where it holds no speech.

    `Committed` names it, its final and then `Flushed` follow. An open utterance ends.
    """


@dataclass(frozen=True, slots=True)
class Clear:
    """Forget the audio since the last commit, or of the open utterance: no final follows."""


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """How the bytes of audio are to be read; see ``stt.audio.pcm``."""

    encoding: str = "linear16"
    sample_rate: int = SAMPLE_RATE
    channels: int = 1
    channel: int | None = None
    """The one of these that is heard, from 0; None: their mean."""


@dataclass(frozen=True, slots=True)
class Configure:
    """What the client wants from now on; nothing that it has sent is lost, no utterance ends.

    ``speech`` holds from the next utterance on, its endpointing at once. Another ``audio`` than
    before is refused while audio waits for its commit, or for the end of its utterance.
    """

    speech: SpeechOptions = field(default_factory=SpeechOptions)
    manual: bool = False
    """Utterances end no chunk: the client's commits do."""
    audio: AudioFormat = field(default_factory=AudioFormat)


@dataclass(frozen=True, slots=True)
class Say:
    """Send a reply of the protocol's own, in its turn."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class Close:
    """No more audio comes: every chunk gets its final, then the connection is closed (1000)."""


Command: TypeAlias = (
    AppendAudio
    | ReplaceAudio
    | SetChunk
    | Finalize
    | Ping
    | Flush
    | Commit
    | Clear
    | Configure
    | Say
    | Close
)


class WireProtocol(Protocol):
    """A codec of one wire protocol, for one connection.

    `decode` is called by the connection's reader thread, `encode` by its writer thread: what one of
    them remembers the other does not touch. What a message changes of later replies travels with
    the session's replies (see `Say`, `Note`), so that it takes effect in its turn.
    """

    def decode(self, message: str | bytes) -> Iterable[Command]:
        """The commands in a client's message, one after the other. Raises BadInput.

        The next is asked for when the one before has been done: a generator goes on behind a
        command only if the session took it.
        """

    def encode(self, reply: Reply) -> Sequence[str | bytes]:
        """The messages for a reply; none where this protocol does not say it."""
