"""Which jobs may share a call of the engine, and what it will cost (recognition REC-65, REC-67).

Pure: no lock, no clock, no job is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from stt.costs import TOKENS_PER_SECOND, CostTable
from stt.events import Kind
from stt_job import Job

BUSY_BATCH = 4  # finals of one shape that meet when finals fill the workers; see Plan.busy_cost
LONGEST = 30.0  # s; no window is longer, however long its job waited (Window.samples)

Shape: TypeAlias = tuple[int, Hashable]
"""Feature frames the encoder gets, and the job's group: only equal ones share a batch."""


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """How much one call of the engine may be."""

    max_items: int = 8
    """Windows a worker asks for."""
    max_seconds: float = 0.200
    """Predicted engine time of a batch; a window that needs more runs alone. REC-65 has 0.15 s: in
    the simulation of twice the nominal load 0.2 s brings finals from 1.8 to 1.25 s (p95), as fuller
    batches are cheaper. With 0.3 s a light tenant waits half as long again beside a flood."""


ON_CPU = BatchOptions()
ON_GPU = BatchOptions(max_items=32, max_seconds=0.060)  # recognition REC-76


def _alike(kind: Kind, seconds: float) -> int:  # noqa: ARG001  as Engine.frames
    """Before an engine is known, all windows have one shape."""
    return 0


@dataclass(frozen=True, slots=True)
class Plan:
    """What is known of the engine; as long as nothing is, windows are alike and cost nothing."""

    frames: Callable[[Kind, float], int] = _alike
    """``Engine.frames``; a cheap leaf call."""
    costs: CostTable = field(default_factory=CostTable)
    options: BatchOptions = ON_CPU

    def seconds(self, job: Job, now: float) -> float:
        """About how much audio a waiting job has when it is taken at ``now``."""
        waited = now - job.measured if job.grows else 0.0
        return min(job.seconds + waited, LONGEST)

    def shape(self, job: Job, now: float) -> Shape:
        """What a batch has in common. An estimate that is off costs time, never words (REC-70)."""
        return self.frames(job.window_kind, self.seconds(job, now)), job.group

    def fits(self, frames: int, seconds: float, batch: int, *, timed: int = 0) -> bool:
        """Whether a call may have so many windows of ``frames``, the longest of ``seconds``.

        ``timed``: how many of them want word times; see `wants_times`.
        """
        return self._call(frames, seconds, batch, timed) <= self.options.max_seconds

    def cost(self, kind: Kind, seconds: float, batch: int = 1) -> float:
        """Predicted engine seconds of one window, among ``batch`` of its shape."""
        if seconds <= 0:
            return 0.0
        frames = self.frames(kind, min(seconds, LONGEST))
        return self._call(frames, seconds, batch, batch * wants_times(kind)) / batch

    def busy_cost(self, kind: Kind, seconds: float) -> float:
        """The same when workers are busy: then some of its shape meet, and share a call."""
        most = min(BUSY_BATCH, self.options.max_items)
        frames = self.frames(kind, min(seconds, LONGEST))
        timed = wants_times(kind)
        sizes = range(most, 1, -1)
        batch = next((n for n in sizes if self.fits(frames, seconds, n, timed=n * timed)), 1)
        return self.cost(kind, seconds, batch)

    def work(self, kind: Kind, seconds: float) -> float:
        """What a window is charged to its tenant: its cost, or its length where costs are unknown.

        Alone, not in its batch: what a tenant pays does not hang on who else was waiting.
        """
        return self.cost(kind, seconds) or max(seconds, 0.0)

    def _call(self, frames: int, seconds: float, batch: int, timed: int) -> float:
        """Predicted engine seconds of a call."""
        costs = self.costs
        call = costs.batch_s(frames, TOKENS_PER_SECOND * seconds, batch)
        return call + timed * costs.align_s(frames)


def wants_times(kind: Kind) -> bool:
    """Whether windows of a kind are aligned: most finals are, interims seldom (REC-67).

    Reckoned by kind alone. A client may go without word times, and long interims are cut by theirs.
    """
    return kind is not Kind.INTERIM


class Batch:
    """A batch in the making, for a worker that asks at ``now`` for at most ``limit`` jobs."""

    def __init__(self, plan: Plan, now: float, limit: int) -> None:
        self.plan = plan
        self.now = now
        self.jobs: list[Job] = []
        self._limit = limit
        self._shape: Shape | None = None  # of the first
        self._longest = 0.0  # s
        self._timed = 0  # that want word times

    def choose(self, pool: Sequence[Job], key: Callable[[Job], object]) -> Iterator[Job]:
        """The jobs of a pool that join, one by one, the least by ``key`` first.

        The key is asked anew for each: it may hang on those that were chosen before. The first job
        of a batch decides its shape; one that would cost too much is the end of it (REC-65).
        """
        left = self._alike(pool)
        while left and len(self.jobs) < self._limit:
            job = min(left, key=key)  # type: ignore[arg-type]
            seconds = max(self._longest, self.plan.seconds(job, self.now))
            timed = self._timed + wants_times(job.window_kind)
            if self._shape is None:
                self._shape = self.plan.shape(job, self.now)
                left = self._alike(left)
            elif not self.plan.fits(self._shape[0], seconds, len(self.jobs) + 1, timed=timed):
                return
            self._longest, self._timed = seconds, timed
            self.jobs.append(job)
            left.remove(job)
            yield job

    def _alike(self, jobs: Sequence[Job]) -> list[Job]:
        """Those of the batch's shape; all of them as long as it has none."""
        shape = self._shape
        return [job for job in jobs if shape in (None, self.plan.shape(job, self.now))]
