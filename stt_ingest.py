"""How audio becomes work: the one bounded queue all jobs wait in.

The queue decides what runs next and what is refused; it never runs anything. It calls no job's
callbacks, whatever happens to the job: it hands displaced jobs back to whoever enqueued, who tells
their owners with no lock held (AD4: the other way deadlocks, see tests). One lock guards it all
(AC1); any thread may call any method.

What waits and what of it is next is in `stt_order`, which windows share a call in `stt_batches`,
fairness in `stt_tenants`; here are the lock, the bounds and the waiting. Nothing but `join`,
`take_batch` and a ``wait`` for room blocks: a simulator in virtual time uses the same queue, with
`take_now` and a clock of its own (REC-81).
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable

from stt.errors import NotReady, QueueFull, Superseded
from stt.events import Kind
from stt_batches import Plan
from stt_job import FINAL_DEADLINE, FINALS, Admission, Job, Lane, Overdue, QueueOptions
from stt_order import Order


class JobQueue:
    """Bounded, fair between tenants, finals first. See the module's docstring for the rules.

    Args:
        options: how much may wait.
        takers: workers that take batches; each has one batch at a time.
        clock: seconds; what waits grows, and gets late, by it.
    """

    def __init__(
        self,
        options: QueueOptions | None = None,
        *,
        takers: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._options = options or QueueOptions()
        self._clock = clock
        self._plan = Plan()
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)  # there may be something to take
        self._calm = threading.Condition(self._lock)  # there may be room, or nothing left
        self._order = Order(takers)
        self._closed = False

    def plan(self, plan: Plan) -> None:
        """Learn how long the engine's windows are and what they cost (REC-65, REC-67)."""
        with self._lock:
            self._plan = plan

    @property
    def planned(self) -> Plan:
        """What is known of the engine."""
        with self._lock:
            return self._plan

    # Putting jobs in.

    def try_enqueue(self, job: Job, *, wait: float = 0.0) -> Admission:
        """Accept a job, or raise QueueFull (or NotReady after ``close``, Superseded for `yields`).

        Waits at most ``wait`` seconds for room (native QU8). The caller holds no lock, and tells
        the owners of the jobs in the Admission. An interim that a final absorbs is not among them:
        the final says all it would say, and the stream knows (REC-61).
        """
        with self._lock:
            if wait > 0 and not job.promised:
                self._calm.wait_for(lambda: self._closed or self._has_room(job), wait)
            if self._closed:
                raise NotReady("the service is shutting down")
            displaced = self._order.displaced_by(job)
            replaced = displaced if job.kind is Kind.INTERIM else None
            if replaced is not None and job.yields:
                raise Superseded
            dropped = self._make_room(job)
            now = self._clock()
            job.deadline = now + (job.step if job.kind is Kind.INTERIM else FINAL_DEADLINE)
            job.measured = now
            job.enqueued = now if replaced is None else replaced.enqueued
            self._order.put(job)
            self._work.notify()
            return Admission(replaced=replaced, dropped=dropped)

    def _has_room(self, job: Job) -> bool:
        short, excess = self._missing(job)
        return short <= 0 and excess <= 0

    def _missing(self, job: Job) -> tuple[int, int]:
        """Jobs and bytes that a job has too many; both negative where there is room to spare.

        What it takes the place of is gone then. One job always fits a queue that holds no bytes.
        """
        displaced = self._order.displaced_by(job)
        jobs = self._order.jobs - (displaced is not None)
        held = self._order.size - (0 if displaced is None else displaced.size)
        excess = held + job.size - self._options.max_bytes if held else 0
        return jobs + 1 - self._options.max_jobs, excess

    def _make_room(self, job: Job) -> tuple[Job, ...]:
        """The jobs displaced for this one, if any had to be. Raises QueueFull."""
        if self._has_room(job):
            return ()
        victims = self._victims(job) if self._options.overflow == "drop_oldest" else ()
        if not victims and not job.promised:
            raise QueueFull
        for victim in victims:
            self._order.withdraw(victim)
        return victims

    def _victims(self, job: Job) -> tuple[Job, ...]:
        """Interims whose going makes room: each the oldest of the tenant with the most (QU7).

        Only what frees what is short is taken, and nothing when all of it would not be enough.
        """
        short, excess = self._missing(job)
        left: defaultdict[str, list[Job]] = defaultdict(list)
        for interim in self._order.interims():
            if interim.lane != job.lane:  # its own gives way without being told
                left[interim.tenant].append(interim)
        victims: list[Job] = []
        while short > 0 or excess > 0:
            if not left:
                return ()
            tenant = max(left, key=lambda name: len(left[name]))
            oldest = left[tenant].pop(0)
            if not left[tenant]:
                del left[tenant]
            if short > 0 or oldest.size:
                victims.append(oldest)
                short, excess = short - 1, excess - oldest.size
        return tuple(victims)

    # Taking jobs out.

    def take_batch(self, limit: int) -> list[Job]:
        """The next jobs for one worker, at most ``limit``; empty when the queue is closed.

        Waits for work without polling, and never for more work: batches form while workers are
        busy (REC-66). Each job of it goes to `finish`.
        """
        with self._lock:
            while not (batch := self._take(limit)) and not self._closed:
                self._work.wait()
            return batch

    def take_now(self, limit: int) -> list[Job]:
        """As `take_batch`, without waiting: empty when there is nothing to take now."""
        with self._lock:
            return self._take(limit)

    def _take(self, limit: int) -> list[Job]:
        batch = self._order.take(limit, self._clock(), self._plan)
        if batch:
            self._calm.notify_all()
            self._work.notify()  # some may be left for another worker
        return batch

    def charge(self, job: Job, seconds: float) -> None:
        """Correct what a taken job costs its tenant: its window has so much audio (REC-67)."""
        with self._lock:
            self._order.charge(job, seconds, self._plan)

    def finish(self, job: Job) -> None:
        """A worker is done with a job it took, and its owner has been told."""
        with self._lock:
            self._order.finish(job)
            self._work.notify()
            self._calm.notify_all()

    # Withdrawing, ending, looking.

    def withdraw_interim(self, lane: Lane) -> Job | None:
        """Take back the waiting interim of a lane, for its owner; the running job goes on."""
        with self._lock:
            waiting = self._order.interim_of(lane)
            if waiting is not None:
                self._order.withdraw(waiting)
                self._calm.notify_all()
            return waiting

    def join(self, timeout: float) -> bool:
        """Wait until nothing waits and nothing runs; whether that came in time (native QU9)."""
        order = self._order
        with self._lock:
            return self._calm.wait_for(lambda: not (order.jobs or order.running), timeout)

    def close(self) -> list[Job]:
        """Take no more, wake every taker; returns the jobs that waited, for their owners."""
        with self._lock:
            self._closed = True
            self._work.notify_all()
            self._calm.notify_all()
            return self._order.clear()

    def overdue(self, *, final: float, steps: float) -> Overdue:
        """Finals that wait longer than ``final`` seconds, live interims than so many ``steps``."""
        with self._lock:
            now = self._clock()
            waiting = [(job, now - job.enqueued) for job in self._order.waiting()]
        return Overdue(
            finals=sum(job.kind in FINALS and waited > final for job, waited in waiting),
            interims=sum(
                job.is_live_interim and waited > steps * job.step for job, waited in waiting
            ),
        )

    @property
    def depth(self) -> dict[str, int]:
        """How many jobs wait, by kind, and how many run: for the metrics."""
        with self._lock:
            interims = len(self._order.interims())
            return {
                "interim": interims,
                "ordered": self._order.jobs - interims,
                "running": self._order.running,
            }
