"""Whether the machine can carry more: the load of finals, and how long jobs wait (REC-74).

Fed by what is accepted and by what workers report; asked at each handshake and each file. What it
says has hysteresis: it changes at a limit, and back only well below it. All it knows is of the last
seconds, so it recovers by itself when no work comes. Methods are cheap; one lock, in which nobody
is called.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from stt.events import Kind
from stt_batches import Plan
from stt_job import FINALS, JobReport, Overdue

SLICES = 20  # of the window; what is oldest leaves in so many steps
TAIL = 0.05  # a p95 is above a limit when more than this part of all is
FEWEST = 3  # one slow window of few is no overload, whatever percentile it is


class Waiting(Protocol):
    """How many jobs have waited too long already: ``JobQueue.overdue``."""

    def __call__(self, *, final: float, steps: float) -> Overdue:
        """Finals by seconds, live interims by their steps."""


def _nothing_waits(*, final: float, steps: float) -> Overdue:  # noqa: ARG001  as Waiting
    return Overdue()


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """What counts as too much."""

    window: float = 10.0
    """Seconds that are looked back upon."""
    max_load: float = 0.7
    """Of the workers, for finals alone: above it no new session is taken (REC-74)."""
    max_wait: float = 0.5
    """Seconds that finals wait (p95): above it neither."""
    max_steps: float = 2.0
    """Steps from an interim's enqueueing to its answer (p95): above it clients are told."""
    relief: float = 0.8
    """Part of each of the three limits below which it is over."""
    admission: bool = True
    """False: everything is taken, at any load."""


@dataclass(slots=True)
class _Tally:
    """How many values there were, and how many of them above a limit and above its relief."""

    all: int = 0
    above: int = 0
    near: int = 0

    def add(self, value: float, limit: float, relief: float) -> None:
        self.all += 1
        self.above += value > limit
        self.near += value > limit * relief


@dataclass(slots=True)
class _Slice:
    """What happened in a twentieth of the window."""

    number: int
    accepted: float = 0.0
    """Predicted engine seconds of the finals that came."""
    waits: _Tally = field(default_factory=_Tally)
    delays: _Tally = field(default_factory=_Tally)


class LoadMonitor:
    """See the module's docstring. Any thread may call any method, but holding the queue's lock.

    Args:
        workers: how many there are.
        waiting: asked for what has waited too long and is in no report yet; a stuck engine
            reports nothing.
        clock: seconds.
    """

    def __init__(
        self,
        options: LoadOptions | None = None,
        *,
        workers: int = 1,
        waiting: Waiting = _nothing_waits,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._options = options or LoadOptions()
        self._workers = workers
        self._waiting = waiting
        self._clock = clock
        self._plan = Plan()
        self._lock = threading.Lock()
        self._slices: list[_Slice] = []  # oldest first, at most SLICES
        self._overloaded = False
        self._degraded = False

    def plan(self, plan: Plan) -> None:
        """Learn what windows cost; before, all are free."""
        with self._lock:
            self._plan = plan

    # What it is told.

    def accepted(self, kind: Kind, seconds: float) -> None:
        """A job with about so much audio was accepted by the queue."""
        if kind in FINALS:
            with self._lock:
                self._now().accepted += self._plan.busy_cost(kind, seconds)

    def done(self, report: JobReport) -> None:
        """A worker is done with a job."""
        options = self._options
        with self._lock:
            now = self._now()
            if report.kind in FINALS:
                now.waits.add(report.wait_s, options.max_wait, options.relief)
            elif report.delay_steps is not None:
                now.delays.add(report.delay_steps, options.max_steps, options.relief)

    # What it says.

    @property
    def load(self) -> float:
        """What finals alone take of the workers: 1.0 is all of them.

        Predicted of all that were accepted, at their price in the batches of busy workers.
        """
        with self._lock:
            return self._load()

    def admits(self) -> bool:
        """Whether a new session, or a file, may begin (REC-74)."""
        if not self._options.admission:
            return True
        overdue = self._overdue()
        with self._lock:
            relief = self._options.relief if self._overloaded else 1.0
            self._overloaded = self._load() > relief * self._options.max_load or _tail_above(
                [each.waits for each in self._recent()], overdue.finals, self._overloaded
            )
            return not self._overloaded

    @property
    def degraded(self) -> bool:
        """Whether interims come so late that clients are told (REC-74)."""
        overdue = self._overdue()
        with self._lock:
            delays = [each.delays for each in self._recent()]
            self._degraded = _tail_above(delays, overdue.interims, self._degraded)
            return self._degraded

    def _overdue(self) -> Overdue:
        """What waits too long now; the lock is not held, for the queue has its own."""
        options = self._options
        with self._lock:
            final = options.max_wait * (options.relief if self._overloaded else 1.0)
            steps = options.max_steps * (options.relief if self._degraded else 1.0)
        return self._waiting(final=final, steps=steps)

    # The lock is held.

    def _load(self) -> float:
        accepted = sum(each.accepted for each in self._recent())
        return accepted / (self._options.window * self._workers)

    def _now(self) -> _Slice:
        """The slice of this moment."""
        number = self._number()
        if not self._slices or self._slices[-1].number < number:
            self._slices = [*self._recent(), _Slice(number)]
        return self._slices[-1]

    def _recent(self) -> list[_Slice]:
        """The slices of the window."""
        oldest = self._number() - SLICES + 1
        return [each for each in self._slices if each.number >= oldest]

    def _number(self) -> int:
        return int(self._clock() * SLICES / self._options.window)


def _tail_above(tallies: list[_Tally], waiting: int, active: bool) -> bool:
    """Whether a p95 is above its limit; once it was, above the relief of it."""
    above = waiting + sum(each.near if active else each.above for each in tallies)
    total = waiting + sum(each.all for each in tallies)
    return above >= FEWEST and above > TAIL * total
