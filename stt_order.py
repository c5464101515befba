"""What waits, and what of it is next: lanes, finals, interims, bulk, and how a batch is chosen.

The rules of the queue without its lock, bounds and clock: pure, and not thread-safe. A *lane* is
one session, or one chunk of the `/transcribe` interface: at most one job of a lane is with a worker
(REC-62), its finals keep their order and go before its interim, and it has at most one waiting
interim, which a newer one replaces in place (REC-60, native QU2, QU4).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

from stt.events import Kind
from stt_batches import Batch, Plan
from stt_job import FINALS, Job, Lane
from stt_tenants import TenantClocks

PATIENCE = 10.0  # s that files give way; then they take turns with interims, lest they starve


class _Lane:
    """The jobs of one session: what waits, and whether one is with a worker."""

    __slots__ = ("busy", "interim", "ordered")

    def __init__(self) -> None:
        self.ordered: deque[Job] = deque()  # finals and bulk
        self.interim: Job | None = None
        self.busy = False

    @property
    def idle(self) -> bool:
        return not (self.busy or self.ordered or self.interim)


@dataclass(frozen=True, slots=True)
class _Run:
    """A job that is with a worker."""

    batch: int
    charged: float


class Order:
    """See the module's docstring. ``takers``: workers that take batches."""

    def __init__(self, takers: int) -> None:
        self._takers = takers
        self._lanes: dict[Lane, _Lane] = {}
        self._heads: dict[Lane, Job] = {}  # the next final or bulk job of each lane that is free
        self._interims: dict[Lane, Job] = {}  # all that wait, oldest place first
        self._clocks = TenantClocks()
        self._running: dict[Job, _Run] = {}
        self._numbers = count()  # of batches
        self.jobs = 0
        """How many wait."""
        self.size = 0
        """Bytes of audio that they hold."""

    # Putting jobs in.

    def displaced_by(self, job: Job) -> Job | None:
        """The waiting interim that a new job takes the place of: replaced, or absorbed by a final.

        A final absorbs the interim of its own utterance only (REC-61): the stream would wait for
        ever for that of a later one.
        """
        lane = self._lanes.get(job.lane)
        waiting = None if lane is None else lane.interim
        if waiting is None or job.kind is Kind.INTERIM:
            return waiting
        same = waiting.utterance == job.utterance
        return waiting if same and job.kind in FINALS else None

    def put(self, job: Job) -> None:
        """Let a job wait, in place of what `displaced_by` told."""
        displaced = self.displaced_by(job)
        if displaced is not None:
            self._uncount(displaced)
        lane = self._lanes.setdefault(job.lane, _Lane())
        if job.kind is Kind.INTERIM:
            lane.interim = self._interims[job.lane] = job  # a key that is there keeps its place
        else:
            if displaced is not None:
                lane.interim = None
                del self._interims[job.lane]
            lane.ordered.append(job)
            self._offer(job.lane)
        job.waiting = True
        self.jobs += 1
        self.size += job.size

    # Choosing a batch.

    def take(self, limit: int, now: float, plan: Plan) -> list[Job]:
        """The next batch for one worker, at most ``limit`` jobs; empty when none may be taken.

        Finals first; then interims, and bulk that has waited for `PATIENCE`; then other bulk. Jobs
        of one batch have one shape. While other finals wait, a batch of finals takes nothing else
        (REC-65). Workers that are idle find their share; those that work do not count, for they
        come back to what is there then.
        """
        finals, interims, bulk = self._ready()
        if room := self._bulk_room:
            interims += [job for job in bulk if now - job.enqueued >= PATIENCE]
        pool, takers = finals or interims, 1 + self._idle
        if not pool and room:
            pool, takers = bulk, min(takers, room)
        share = -(-(len(finals) + len(interims) or len(pool)) // takers)
        batch = Batch(plan, now, min(limit, share))
        # Of all who may be served, not of those who are: interims that wait for finals are owed
        # what they forgo. Bulk that still gives way is not, or newcomers would get it, too.
        self._clocks.rise(job.tenant for job in [*finals, *interims] or pool)
        self._fill(batch, pool)
        if finals and len(batch.jobs) == len(finals):
            self._fill(batch, interims)
        return batch.jobs

    def _fill(self, batch: Batch, pool: list[Job]) -> None:
        """Have a batch take what it can of a pool; all of it is then with the worker."""
        number = next(self._numbers) if not batch.jobs else self._running[batch.jobs[0]].batch
        for job in batch.choose(pool, self._urgency(pool, batch.now)):
            seconds = batch.plan.seconds(job, batch.now)
            self._start(job, number, batch.plan.work(job.window_kind, seconds))

    def _ready(self) -> tuple[list[Job], list[Job], list[Job]]:
        """What may be taken now: finals, interims, bulk."""
        finals: list[Job] = []
        bulk: list[Job] = []
        for head in self._heads.values():
            (bulk if head.kind is Kind.BULK else finals).append(head)
        lanes = self._lanes
        interims = [
            job
            for name, job in self._interims.items()
            if not (lanes[name].busy or lanes[name].ordered)
        ]
        return finals, interims, bulk

    def _urgency(self, pool: list[Job], now: float) -> Callable[[Job], tuple[float, float]]:
        """What orders a pool: the least is next.

        Finals by deadline. As soon as one is late there is too much work, and finals go by tenant
        clock: who floods the service waits for it, and nobody else (REC-64). Interims and bulk go
        by tenant clock, a tenant's own by their age.
        """
        clock = self._clocks.of
        if pool and pool[0].kind in FINALS:
            if all(job.deadline >= now for job in pool):
                return lambda job: (job.deadline, clock(job.tenant))
            return lambda job: (clock(job.tenant), job.deadline)
        return lambda job: (clock(job.tenant), job.enqueued)

    def _start(self, job: Job, number: int, work: float) -> None:
        """A job leaves with a batch, and its tenant is charged."""
        lane = self._lanes[job.lane]
        lane.busy = True
        if job.kind is Kind.INTERIM:
            lane.interim = None
            del self._interims[job.lane]
        else:
            lane.ordered.popleft()
            del self._heads[job.lane]
        self._uncount(job)
        self._clocks.charge(job.tenant, work)
        self._running[job] = _Run(number, work)

    @property
    def _idle(self) -> int:
        """Workers that do nothing, the one that asks left out."""
        busy = len({run.batch for run in self._running.values()})
        return max(0, self._takers - busy - 1)

    @property
    def _bulk_room(self) -> int:
        """Workers that may begin with bulk: of two or more, one stays free for live speech.

        Workers count, not jobs: a call has a cap on its cost, however many windows are in it.
        """
        busy = {run.batch for job, run in self._running.items() if job.kind is Kind.BULK}
        return max(0, max(1, self._takers - 1) - len(busy))

    # What becomes of jobs.

    def charge(self, job: Job, seconds: float, plan: Plan) -> None:
        """Correct what a running job costs its tenant: it had so many seconds of audio."""
        run = self._running[job]
        work = plan.work(job.window_kind, seconds)
        self._clocks.charge(job.tenant, work - run.charged)
        self._running[job] = _Run(run.batch, work)

    def finish(self, job: Job) -> None:
        """A job is with a worker no more; its lane is free."""
        del self._running[job]
        self._lanes[job.lane].busy = False
        self._offer(job.lane)
        self._forget_if_idle(job.lane)

    def withdraw(self, job: Job) -> None:
        """An interim that waits does so no more."""
        self._lanes[job.lane].interim = None
        del self._interims[job.lane]
        self._uncount(job)
        self._forget_if_idle(job.lane)

    def clear(self) -> list[Job]:
        """Let nothing wait any more; what waited."""
        left = list(self.waiting())
        for job in left:
            self._uncount(job)
        self._interims.clear()
        self._heads.clear()
        for lane in self._lanes.values():
            lane.interim = None
            lane.ordered.clear()
        return left

    # Looking.

    @property
    def running(self) -> int:
        """Jobs that are with a worker."""
        return len(self._running)

    def interim_of(self, lane: Lane) -> Job | None:
        """The interim of a lane that waits."""
        return self._interims.get(lane)

    def interims(self) -> list[Job]:
        """All that wait, oldest place first."""
        return list(self._interims.values())

    def waiting(self) -> Iterator[Job]:
        """All that wait, lane by lane."""
        for lane in self._lanes.values():
            if lane.interim is not None:
                yield lane.interim
            yield from lane.ordered

    def _offer(self, name: Lane) -> None:
        lane = self._lanes[name]
        if lane.ordered and not lane.busy:
            self._heads[name] = lane.ordered[0]

    def _uncount(self, job: Job) -> None:
        job.waiting = False
        self.jobs -= 1
        self.size -= job.size

    def _forget_if_idle(self, name: Lane) -> None:
        if self._lanes[name].idle:
            del self._lanes[name]
