"""How audio becomes work: the one bounded queue all jobs wait in.

The queue decides what runs next and what is refused; it never runs anything. It calls no job's
callbacks, whatever happens to the job: it hands displaced jobs back to whoever enqueued, who tells
their owners with no lock held (AD4: the other way deadlocks, see tests). One lock guards it all
(AC1); any thread may call any method.

Order (recognition REC-63): finals by earliest deadline, then interims of the tenant that has had
least work, then bulk. A *lane* is one session, or one chunk of the `/transcribe` interface: at most
one job of a lane is with a worker, a lane's finals keep their order, and it has at most one waiting
interim, which a newer one replaces in place, keeping the older one's position (native QU2, QU4).
"""

from __future__ import annotations

import heapq
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from itertools import count

from stt.errors import NotReady, QueueFull, Superseded
from stt.events import Kind
from stt_job import FINAL_DEADLINE, Admission, Job, Lane, QueueOptions

MAX_CLOCKS = 4096  # tenants whose clocks are remembered while they are away


class _Lane:
    """The jobs of one session: what waits, and whether one is with a worker."""

    __slots__ = ("busy", "interim", "ordered")

    def __init__(self) -> None:
        self.ordered: deque[Job] = deque()  # finals and bulk
        self.interim: Job | None = None
        self.busy = False

    def idle(self) -> bool:
        return not (self.busy or self.ordered or self.interim)


class JobQueue:
    """Bounded, fair between tenants, finals first. See the module's docstring for the rules."""

    def __init__(
        self,
        options: QueueOptions | None = None,
        *,
        takers: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._options = options or QueueOptions()
        self._takers = takers
        self._clock = clock
        self._changed = threading.Condition()
        self._lanes: dict[Lane, _Lane] = {}
        self._ready: list[tuple[int, float, int, Job]] = []  # heads of idle lanes, a heap
        self._interims: dict[str, OrderedDict[Lane, None]] = {}  # tenant -> lanes, oldest first
        self._work: dict[str, float] = {}  # tenant -> seconds of audio taken, its clock
        self._numbers = count()
        self._jobs = 0
        self._bytes = 0
        self._running = 0
        self._closed = False

    # Putting jobs in.

    def try_enqueue(self, job: Job, *, wait: float = 0.0) -> Admission:
        """Accept a job, or raise QueueFull (or NotReady after ``close``, Superseded for `yields`).

        Waits at most ``wait`` seconds for room (native QU8). The caller holds no lock, and tells
        the owners of the jobs in the Admission.
        """
        with self._changed:
            if wait > 0 and not job.promised:
                self._changed.wait_for(lambda: self._closed or self._room_for(job), wait)
            if self._closed:
                raise NotReady("the service is shutting down")
            lane = self._lanes.setdefault(job.lane, _Lane())
            replaced = lane.interim if job.kind is Kind.INTERIM else None
            if replaced is not None and job.yields:
                raise Superseded
            try:
                dropped = () if replaced is not None else self._make_room(job)
            finally:
                self._forget_if_idle(job.lane)
            job.enqueued = self._clock()
            job.deadline = job.enqueued + FINAL_DEADLINE
            if job.kind is Kind.INTERIM:
                self._put_interim(job, replaced)
            else:
                self._put_ordered(job)
            self._changed.notify()
            return Admission(replaced=replaced, dropped=dropped)

    def _room_for(self, job: Job) -> bool:
        few = self._jobs < self._options.max_jobs
        return (few and self._excess(job) <= 0) or self._lane_has_interim(job)

    def _excess(self, job: Job) -> int:
        """Bytes that a job has too many; one job always fits a queue that holds no bytes."""
        return self._bytes + job.size - self._options.max_bytes if self._bytes else 0

    def _lane_has_interim(self, job: Job) -> bool:
        lane = self._lanes.get(job.lane)
        return job.kind is Kind.INTERIM and lane is not None and lane.interim is not None

    def _make_room(self, job: Job) -> tuple[Job, ...]:
        """The jobs displaced for this one, if any had to be. Raises QueueFull."""
        if self._room_for(job):
            return ()
        victims = self._victims(job) if self._options.overflow == "drop_oldest" else ()
        if not victims and not job.promised:
            raise QueueFull
        for victim in victims:
            self._remove_interim(victim)
        return victims

    def _victims(self, job: Job) -> tuple[Job, ...]:
        """Interims whose going makes room: each the oldest of the tenant with the most (QU7).

        Only what frees what is short is taken, and nothing when all of it would not be enough.
        """
        short, excess = self._jobs + 1 - self._options.max_jobs, self._excess(job)
        left = {tenant: list(lanes) for tenant, lanes in self._interims.items()}
        victims: list[Job] = []
        while short > 0 or excess > 0:
            if not left:
                return ()
            tenant = max(left, key=lambda name: len(left[name]))
            oldest = self._lanes[left[tenant].pop(0)].interim
            if not left[tenant]:
                del left[tenant]
            if oldest is not None and (short > 0 or oldest.size):
                victims.append(oldest)
                short, excess = short - 1, excess - oldest.size
        return tuple(victims)

    def _put_interim(self, job: Job, replaced: Job | None) -> None:
        lane = self._lanes.setdefault(job.lane, _Lane())
        lane.interim = job
        if replaced is None:
            self._interims.setdefault(job.tenant, OrderedDict())[job.lane] = None
            self._join_the_clock(job.tenant)
        else:
            self._uncount(replaced)
            job.enqueued = replaced.enqueued
        self._count(job)

    def _put_ordered(self, job: Job) -> None:
        lane = self._lanes.setdefault(job.lane, _Lane())
        if job.kind is not Kind.BULK and lane.interim is not None:
            self._remove_interim(lane.interim)  # the final says all it would say (REC-61)
            lane = self._lanes.setdefault(job.lane, _Lane())
        lane.ordered.append(job)
        self._count(job)
        self._join_the_clock(job.tenant)
        if len(lane.ordered) == 1:
            self._offer(lane)

    def _join_the_clock(self, tenant: str) -> None:
        """A tenant that comes back starts level with the least served, without saved-up credit."""
        if len(self._work) > MAX_CLOCKS:
            self._work = {t: self._work[t] for t in self._interims if t in self._work}
        present = [self._work[t] for t in self._interims if t in self._work and t != tenant]
        self._work[tenant] = max(self._work.get(tenant, 0.0), min(present, default=0.0))

    # Taking jobs out.

    def take_batch(self, limit: int) -> list[Job]:
        """The next jobs for one worker, at most ``limit``; empty when the queue is closed.

        Waits for work without polling. A batch is a fair share of what waits, so that an idle
        worker finds some too; a batch that starts with a final has finals only (REC-65).
        """
        with self._changed:
            while True:
                first = self._take_one()
                if first is not None:
                    break
                if self._closed:
                    return []
                self._changed.wait()
            batch = [first]
            share = min(limit, -(-(self._jobs + 1) // self._takers))
            while len(batch) < share:
                job = self._take_one(like=first)
                if job is None:
                    break
                batch.append(job)
            return batch

    def _take_one(self, like: Job | None = None) -> Job | None:
        finals = like is None or like.kind is not Kind.INTERIM
        job = self._take_ready(None if like is None else like.kind) if finals else None
        if job is None and (like is None or like.kind is Kind.INTERIM):
            job = self._take_interim()
        if job is None and like is None:
            job = self._take_ready(Kind.BULK)
        if job is not None:
            self._lanes[job.lane].busy = True
            self._running += 1
            self._uncount(job)
            self._work[job.tenant] = self._work.get(job.tenant, 0.0) + job.seconds
        return job

    def _take_ready(self, kind: Kind | None) -> Job | None:
        """The most urgent head of an idle lane; bulk only when asked for."""
        while self._ready:
            head = self._ready[0][3]
            if head.waiting and (head.kind is Kind.BULK) != (kind is Kind.BULK):
                return None
            heapq.heappop(self._ready)
            if head.waiting:
                self._lanes[head.lane].ordered.popleft()
                return head
        return None

    def _take_interim(self) -> Job | None:
        """The oldest interim of an idle lane, of the tenant with least work behind it."""
        for tenant in sorted(self._interims, key=lambda t: self._work.get(t, 0.0)):
            for name in self._interims[tenant]:
                lane = self._lanes[name]
                if lane.interim is not None and not (lane.busy or lane.ordered):
                    job = lane.interim
                    self._unlist(job)
                    return job
        return None

    def charge(self, job: Job, seconds: float) -> None:
        """Correct what a taken job has cost its tenant's clock: it had so much audio."""
        with self._changed:
            self._work[job.tenant] = self._work.get(job.tenant, 0.0) + seconds - job.seconds

    def finish(self, job: Job) -> None:
        """A worker is done with a job it took, and its owner has been told."""
        with self._changed:
            self._running -= 1
            lane = self._lanes[job.lane]
            lane.busy = False
            self._offer(lane)
            self._forget_if_idle(job.lane)
            self._changed.notify_all()

    # Withdrawing, ending, looking.

    def withdraw_interim(self, lane: Lane) -> Job | None:
        """Take back the waiting interim of a lane, for its owner; the running job goes on."""
        with self._changed:
            waiting = self._lanes[lane].interim if lane in self._lanes else None
            if waiting is not None:
                self._remove_interim(waiting)
            return waiting

    def join(self, timeout: float) -> bool:
        """Wait until nothing waits and nothing runs; whether that came in time (native QU9)."""
        with self._changed:
            return self._changed.wait_for(lambda: not (self._jobs or self._running), timeout)

    def close(self) -> list[Job]:
        """Take no more, wake every taker; returns the jobs that waited, for their owners."""
        with self._changed:
            self._closed = True
            left = [
                job
                for lane in self._lanes.values()
                for job in (lane.interim, *lane.ordered)
                if job is not None
            ]
            for job in left:
                self._uncount(job)
            self._interims.clear()
            for lane in self._lanes.values():
                lane.interim = None
                lane.ordered.clear()
            self._changed.notify_all()
            return left

    @property
    def depth(self) -> dict[str, int]:
        """How many jobs wait, by kind, and how many run: for the metrics."""
        with self._changed:
            interims = sum(map(len, self._interims.values()))
            return {
                "interim": interims,
                "ordered": self._jobs - interims,
                "running": self._running,
            }

    # Book-keeping; the lock is held.

    def _offer(self, lane: _Lane) -> None:
        if lane.ordered and not lane.busy:
            job = lane.ordered[0]
            bulk = int(job.kind is Kind.BULK)
            heapq.heappush(self._ready, (bulk, job.deadline, next(self._numbers), job))

    def _count(self, job: Job) -> None:
        job.waiting = True
        self._jobs += 1
        self._bytes += job.size

    def _uncount(self, job: Job) -> None:
        job.waiting = False
        self._jobs -= 1
        self._bytes -= job.size

    def _unlist(self, job: Job) -> None:
        self._lanes[job.lane].interim = None
        lanes = self._interims[job.tenant]
        del lanes[job.lane]
        if not lanes:
            del self._interims[job.tenant]

    def _remove_interim(self, job: Job) -> None:
        self._unlist(job)
        self._uncount(job)
        self._forget_if_idle(job.lane)

    def _forget_if_idle(self, name: Lane) -> None:
        lane = self._lanes.get(name)
        if lane is not None and lane.idle():
            del self._lanes[name]
