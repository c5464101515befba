"""The load monitor: what is too much, when it is over, and that it recovers by itself."""

from __future__ import annotations

import pytest

from stt.events import Kind
from stt_job import JobReport, Overdue
from stt_load import LoadMonitor, LoadOptions
from tests.queue_jobs import Clock, tiny

PLAN = tiny()
WINDOW = LoadOptions().window


def report(kind: Kind = Kind.FINAL, *, wait: float = 0.0) -> JobReport:
    """A job of 5 s of audio that went well."""
    return JobReport(kind, wait, 0.1, 5.0, late=False, failed=False)


def interim(steps: float) -> JobReport:
    """An interim of a live stream that came so late."""
    return JobReport(Kind.INTERIM, 0.0, 0.1, 5.0, late=False, failed=False, delay_steps=steps)


class Room:
    """A monitor, its clock, and what waits."""

    def __init__(self, options: LoadOptions | None = None, *, workers: int = 1) -> None:
        self.clock = Clock()
        self.overdue = Overdue()
        self.asked: list[tuple[float, float]] = []
        self.monitor = LoadMonitor(options, workers=workers, waiting=self.waits, clock=self.clock)
        self.monitor.plan(PLAN)

    def waits(self, *, final: float, steps: float) -> Overdue:
        """As the queue says it."""
        self.asked.append((final, steps))
        return self.overdue

    def accept(self, load: float, kind: Kind = Kind.FINAL) -> None:
        """Jobs that take so much of one worker over the window."""
        for _ in range(round(load * WINDOW / PLAN.busy_cost(kind, 5.0))):
            self.monitor.accepted(kind, 5.0)


def test_a_quiet_machine_admits() -> None:
    """Before anything came there is no load."""
    room = Room()

    assert room.monitor.admits()
    assert not room.monitor.degraded
    assert room.monitor.load == 0.0


def test_the_load_is_what_finals_cost_of_the_workers() -> None:
    """Predicted CPU seconds of finals and specs per second and worker; nothing else (REC-74)."""
    room = Room(workers=2)

    room.accept(0.6)
    room.accept(0.4, Kind.SPEC)
    room.accept(5.0, Kind.INTERIM)
    room.accept(5.0, Kind.BULK)

    assert room.monitor.load == pytest.approx(0.5, abs=0.01)


def test_too_many_finals_close_the_door_and_it_opens_by_itself() -> None:
    """Above 0.7 nothing new is taken; without any further job it is over (REC-74)."""
    room = Room()
    room.accept(0.75)
    assert not room.monitor.admits()

    room.clock.now += WINDOW + 1

    assert room.monitor.admits()
    assert room.monitor.load == 0.0


def test_admission_does_not_flap() -> None:
    """Once closed, it stays so until the load is well below the limit."""
    steady, closed = Room(), Room()
    closed.accept(0.4)
    closed.clock.now += 0.6 * WINDOW
    for room in (steady, closed):
        room.accept(0.6)
    assert not closed.monitor.admits()

    closed.clock.now += 0.6 * WINDOW  # the first 0.4 are forgotten

    assert closed.monitor.load == pytest.approx(steady.monitor.load) == pytest.approx(0.6, abs=0.01)
    assert steady.monitor.admits()
    assert not closed.monitor.admits()
    closed.clock.now += 0.6 * WINDOW
    assert closed.monitor.admits()


@pytest.mark.parametrize(("late", "admitted"), [(5, True), (6, False)])
def test_finals_that_wait_close_the_door(late: int, admitted: bool) -> None:
    """A p95 of the queue delay above 0.5 s is more than 5 of 100 above it (REC-74)."""
    room = Room()
    for n in range(100):
        room.monitor.done(report(wait=0.6 if n < late else 0.1))

    assert room.monitor.admits() is admitted


def test_one_slow_window_is_no_overload() -> None:
    """Of three jobs in ten seconds the slowest is no percentile."""
    room = Room()
    for wait in (3.0, 2.0, 0.0):
        room.monitor.done(report(wait=wait))
    for _ in range(2):
        room.monitor.done(interim(9.0))

    assert room.monitor.admits()
    assert not room.monitor.degraded


def test_an_engine_that_is_stuck_is_noticed() -> None:
    """It reports nothing; what waits in the queue tells, by the limits of the moment."""
    room = Room()
    room.overdue = Overdue(finals=3, interims=3)

    assert not room.monitor.admits()
    assert room.monitor.degraded
    room.monitor.admits()
    assert room.asked == [(0.5, 2.0), (0.4, 2.0), (0.4, 1.6)]


@pytest.mark.parametrize(("steps", "degraded"), [(1.9, False), (2.1, True)])
def test_interims_that_come_late_are_told(steps: float, degraded: bool) -> None:
    """In units of their own step (REC-74); posted chunks and files say nothing about it."""
    room = Room()
    for _ in range(30):
        room.monitor.done(report(Kind.INTERIM, wait=60.0))
        room.monitor.done(report(Kind.BULK, wait=60.0))
    for _ in range(10):
        room.monitor.done(interim(steps))

    assert room.monitor.degraded is degraded
    assert room.monitor.admits()


def test_degraded_is_over_when_interims_come_well_in_time() -> None:
    """At 1.8 steps it still is, where it was; without interims it ends."""
    fresh, was = Room(), Room()
    for _ in range(10):
        was.monitor.done(interim(2.5))
    assert was.monitor.degraded
    was.clock.now += WINDOW / 2
    for room in (fresh, was):
        for _ in range(10):
            room.monitor.done(interim(1.8))
    was.clock.now += WINDOW / 2 + 1

    assert not fresh.monitor.degraded
    assert was.monitor.degraded
    was.clock.now += WINDOW
    assert not was.monitor.degraded


def test_admission_can_be_turned_off() -> None:
    """Then everything is taken at any load; the load is still told."""
    room = Room(LoadOptions(admission=False))

    room.accept(3.0)

    assert room.monitor.admits()
    assert room.monitor.load > 2.9


def test_without_costs_only_delays_count() -> None:
    """An engine that was not measured has no load, and still it can be too slow."""
    monitor = LoadMonitor(clock=Clock())
    for _ in range(1000):
        monitor.accepted(Kind.FINAL, 5.0)
    assert monitor.admits()

    for _ in range(10):
        monitor.done(report(wait=1.0))

    assert not monitor.admits()
