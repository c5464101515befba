"""What a session says to its client, before a wire protocol gives it a shape.

Data only. ``seq`` is stamped by the session and strictly increases over everything it says
(native-protocol W25). Times are seconds since the start of the chunk's audio, or of the session's
where the server names the chunks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TypeAlias

from stt.errors import STTError
from stt.events import UNSPACED_LANGUAGES, Final, Word


@dataclass(frozen=True, slots=True)
class Opened:
    """The greeting: always the first reply (native HC1)."""

    session_id: str
    tenant_id: str
    max_message_bytes: int
    sample_rate: int
    """Hz; of a container, of what it is decoded to."""
    encoding: str
    """Of the samples, or the container."""
    channels: int = 1
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """Seconds of audio received, and of speech found in them, since the session began."""

    received_s: float
    speech_s: float
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Transcript:
    """The text of a chunk so far (interim), or for good (``is_final``)."""

    chunk_id: str
    committed: str
    """A prefix of the text that will never change."""
    tail: str = ""
    """The rest, which may. The two joined are the text."""
    is_final: bool = False
    speech_final: bool = False
    """An utterance has ended: everything up to ``end`` is committed (native W32)."""
    seq: int = 0
    start: float | None = None
    end: float | None = None
    words: tuple[Word, ...] = ()
    """Of the utterance that ended (``speech_final``), or of the whole chunk (``is_final``); in an
    interim of the open utterance, where the client asked for them."""
    language: str | None = None
    reason: str | None = None
    """Why a final has no text: unknown, silence, filtered (native W6)."""
    timed_out: bool = False
    warning: str | None = None
    latency_s: float | None = None
    """From the arrival of the audio of the utterance's end until this is sent (client S5)."""
    usage: Usage | None = None
    stored: Future[None] | None = None
    """Done when the store has the text; whoever sends a final waits for it first."""
    session_id: str | None = None
    """The session that said it, where a subscriber hears another's (native W29)."""
    revised: bool = False
    """The utterance was decoded anew at its end: the text may differ from what was committed
    (REC-27). Nothing before that utterance does."""
    flushed: bool = False
    """The last that a client waited for who asked for all so far: `Flushed` follows at once."""
    arrived: float | None = None
    """Monotonic clock at that arrival, from which whoever sends this finds the latency; None where
    it is not known, or the utterance has no words (client S7)."""


class Joining:
    """The text of a recording, utterance by utterance: joined, the pieces are the text."""

    def __init__(self, language: str | None = None) -> None:
        self.language = language
        """Of the first utterance that has one."""
        self._begun = False

    def piece(self, final: Final) -> str:
        """What an utterance adds to the text, with the space before it; empty: nothing."""
        self.language = self.language or final.language
        if not final.text:
            return ""
        unspaced = self.language in UNSPACED_LANGUAGES or not self._begun
        self._begun = True
        return final.text if unspaced else f" {final.text}"


@dataclass(frozen=True, slots=True)
class Transcription:
    """The transcript of a whole recording: one Final per utterance, in order."""

    finals: tuple[Final, ...]
    duration: float
    """Seconds of audio, silence included."""
    language: str | None = None
    """Of the first utterance that has one."""

    @classmethod
    def of(cls, finals: Iterable[Final], duration: float) -> Transcription:
        """Of these utterances, in their language."""
        finals = tuple(finals)
        language = next((final.language for final in finals if final.language), None)
        return cls(finals, duration, language)

    @property
    def pieces(self) -> Iterator[tuple[str, Final]]:
        """Each utterance that has a text, and what it adds to the text."""
        joining = Joining(self.language)
        return ((piece, final) for final in self.finals if (piece := joining.piece(final)))

    @property
    def text(self) -> str:
        """The utterances' texts, joined as their language joins sentences."""
        return "".join(piece for piece, _ in self.pieces)


@dataclass(frozen=True, slots=True)
class ChunkOpened:
    """The server minted a chunk (native M7)."""

    chunk_id: str
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Speech:
    """Speech began or stopped (native M8)."""

    chunk_id: str
    started: bool
    at: float
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Silence:
    """Audio came in and holds no speech (native M8)."""

    seq: int = 0
    at: float = 0.0
    """How much audio has come by then."""


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to a ping, with its id if it had one (native M6, W17)."""

    id: int | str | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """Something went wrong and the session goes on, unless ``close_code`` says otherwise."""

    code: str
    message: str
    chunk_id: str | None = None
    close_code: int | None = None
    seq: int = 0
    cause: STTError | None = field(default=None, compare=False)
    """What it tells of, for a protocol that can say more than a code and a sentence."""
    interim: bool = False
    """It cost an interim and no text: another will come."""


@dataclass(frozen=True, slots=True)
class Degraded:
    """Interims come late, for there is too much work; or (not ``active``) no longer (REC-74)."""

    active: bool
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Committed:
    """A chunk is complete because its client said so: no more audio belongs to it."""

    chunk_id: str
    at: float
    """Where the audio of the session stands."""
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Flushed:
    """Everything received before a `Flush` or a `Commit` has been said."""

    answered: bool
    """A transcript said so already (``Transcript.flushed``)."""
    at: float = 0.0
    """How much audio that was."""
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Note:
    """What a protocol has to say of its own accord; only the protocol that made it reads it."""

    body: object
    seq: int = 0


Reply: TypeAlias = (
    Opened
    | Usage
    | Transcript
    | ChunkOpened
    | Speech
    | Silence
    | Pong
    | Problem
    | Degraded
    | Committed
    | Flushed
    | Note
)


def problem(
    error: STTError,
    chunk_id: str | None = None,
    *,
    close_code: int | None = None,
    interim: bool = False,
) -> Problem:
    """What a client is told of an error."""
    return Problem(error.code, error.message, chunk_id, close_code, cause=error, interim=interim)
