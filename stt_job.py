"""One piece of work: what is recognised, for whom, and how it went. Data only."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from stt.errors import STTError
from stt.events import Hypothesis, Kind, Window

FINAL_DEADLINE = 0.3  # s a final may wait before it is late (recognition REC-63)
FINALS = (Kind.FINAL, Kind.SPEC)  # of live streams; those of files are Kind.BULK

Lane: TypeAlias = tuple[str, ...]
"""Whose job it is: ("session", tenant, id), ("http", tenant, chunk) or ("file", number).

A tuple, not a text: ids come from clients, and no two lanes may be made to look alike.
"""


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """How much may wait, and what happens then."""

    max_jobs: int = 1000
    max_bytes: int = 256 * 2**20
    """Of audio held by waiting jobs (native QU1)."""
    overflow: Literal["reject", "drop_oldest"] = "reject"


@dataclass(eq=False, slots=True)
class Job:
    """One window to recognise, and who wants to know. The queue reads it and stamps the times."""

    tenant: str
    lane: Lane
    kind: Kind
    """How urgent it is, and what becomes of it in the queue."""
    window: Callable[[], Window | None]
    """The audio, read when a worker takes the job (AD1); None: not wanted any more."""
    on_done: Callable[[Hypothesis], None]
    on_error: Callable[[STTError], None]
    promised: bool = False
    """Part of something accepted already: it is never refused and never displaced."""
    yields: bool = False
    """Gives way to a waiting interim of its lane instead of taking its place."""
    utterance: Hashable = None
    """Within its lane; a final absorbs the waiting interim of its own utterance (REC-61)."""
    seconds: float = 1.0
    """About how much audio it has when it is enqueued."""
    grows: bool = False
    """More is said while it waits: its audio grows in real time, for it is read late (AD1)."""
    step: float = 1.0
    """Of an interim: seconds until it is late (recognition REC-63)."""
    group: Hashable = None
    """Only jobs of one group share a batch: task, prompt and beam (recognition REC-65)."""
    heard_as: Kind | None = None
    """What its window is to the engine, where that is not the job's own kind; see `window_kind`."""
    size: int = 0
    """Bytes of audio that it alone keeps in memory."""
    label: str = ""
    """For the log: the chunk it is about."""
    enqueued: float = 0.0
    """When its place was taken; a newer interim inherits that of the one it replaces (QU2)."""
    measured: float = 0.0
    """When it had ``seconds`` of audio: at its own enqueueing."""
    deadline: float = 0.0
    waiting: bool = field(default=False, repr=False)

    @property
    def window_kind(self) -> Kind:
        """What its window is to the engine: its length, its word times and its cost hang on it.

        A posted chunk gives way like an interim, and is recognised like a final (native QU7).
        """
        return self.kind if self.heard_as is None else self.heard_as

    @property
    def is_live_interim(self) -> bool:
        """An interim of a live stream: its delay is what `degraded` is about (REC-74)."""
        return self.kind is Kind.INTERIM and self.grows


@dataclass(frozen=True, slots=True)
class Admission:
    """What an accepted job pushed out; the caller tells their owners, with no lock held."""

    replaced: Job | None = None
    """An older interim of the same lane: nothing is lost, the newer one covers its audio."""
    dropped: tuple[Job, ...] = ()
    """The victims of ``drop_oldest``."""


@dataclass(frozen=True, slots=True)
class Overdue:
    """How many of the waiting jobs have waited too long."""

    finals: int = 0
    interims: int = 0
    """Of live streams."""


@dataclass(frozen=True, slots=True)
class JobReport:
    """How one job went, for the metrics and the load."""

    kind: Kind
    wait_s: float
    """From enqueue to a worker."""
    run_s: float
    """Of the batch, divided by its jobs."""
    audio_s: float
    late: bool
    """Ended after its deadline (recognition REC-69)."""
    failed: bool
    batch: int = 1
    """Windows in its call of the engine."""
    first: bool = True
    """The first of its batch: one in each batch is."""
    delay_steps: float | None = None
    """Of an interim of a live stream: from enqueue to its answer, in steps (REC-74)."""
