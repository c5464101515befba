"""What a session is given: its client's choices, and the running service around it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol

from stt.events import SAMPLE_RATE, Kind
from stt.ids import Mint
from stt.pace import PaceOptions
from stt.replies import Transcript
from stt.speech.options import SpeechOptions
from stt.store.base import TranscriptStore
from stt_ingest import JobQueue
from stt_timers import Timers


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """What the client of one session chose, on top of the service's defaults."""

    speech: SpeechOptions = field(default_factory=SpeechOptions)
    sample_rate: int = SAMPLE_RATE
    encoding: str = "linear16"
    channels: int = 1
    channel: int | None = None
    """The one of these that is heard, from 0; None: their mean."""
    container: str | None = None
    """What the client sends, where that is decoded before the session hears it (``stt_intake``)."""
    auto_chunk: bool = False
    """The server mints a chunk per utterance (native W33)."""
    manual: bool = False
    """With it: utterances end no chunk, the client's commits do (client RC3)."""
    vad_events: bool = False
    silence_after: float = 1.0
    """s without speech before a client that asked for them is told (native W26)."""
    subscribe: bool = False
    """Hear every transcript of the tenant (native W29)."""
    pace: PaceOptions = field(default_factory=PaceOptions)
    finalize_timeout: float = 30.0
    """s after which a final says what is known (native W8)."""
    stall: float = 3.0
    """s without audio after which an open utterance ends; 0: never (see ``stt_stall``)."""


class SessionObserver(Protocol):
    """Where a session reports facts for the metrics; every method is a cheap leaf call."""

    def audio_received(self, seconds: float) -> None:
        """Audio came in."""

    def interim_lag(self, seconds: float) -> None:
        """An interim was said that lacks so much of the audio received."""

    def loops_cut(self, loops: int) -> None:
        """So many repeating phrases were cut out of a final (recognition REC-14)."""

    def job_accepted(self, kind: Kind, seconds: float) -> None:
        """The queue took a job with about so much audio."""

    def job_refused(self, code: str) -> None:
        """The queue refused or displaced a job."""

    def replaced(self) -> None:
        """A waiting job gave way to a newer one of the same audio."""

    def error(self, code: str) -> None:
        """An error was said to the client."""

    def stored(self, outcome: Future[None]) -> None:
        """The store has, or has not, taken a transcript."""

    def session_opened(self) -> None:
        """A session began."""

    def session_left(self, evicted: int, slow: bool) -> None:
        """A session ended; ``evicted`` interims were never sent, ``slow``: it was given up."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The running service as a session sees it; the same for all sessions."""

    queue: JobQueue
    store: TranscriptStore
    timers: Timers
    observer: SessionObserver
    publish: Callable[[str, Transcript], None]
    """Tell a tenant's subscribers; a leaf call."""
    mint: Mint = field(default_factory=Mint)
