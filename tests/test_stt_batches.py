"""Plans and batches: what may share a call, how long a window will be, what it costs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stt.costs import CostTable
from stt.events import Kind
from stt_batches import Batch, BatchOptions, Plan
from stt_job import Job
from tests.queue_jobs import TINY, job, labels, tiny


def chosen(jobs: list[Job], plan: Plan, *, limit: int = 8, now: float = 0.0) -> list[str]:
    """Those that make a batch, in the order they are given in."""
    batch = Batch(plan, now, limit)
    assert list(batch.choose(jobs, jobs.index)) == batch.jobs
    return labels(batch.jobs)


def test_before_an_engine_is_known_windows_are_alike_and_free() -> None:
    """Then only the limit bounds a batch; a tenant is charged the length of the audio."""
    plan = Plan()
    jobs = [job(str(n), seconds=n + 1) for n in range(5)]

    assert chosen(jobs, plan, limit=4) == ["0", "1", "2", "3"]
    assert plan.cost(Kind.FINAL, 5.0) == 0.0
    assert plan.work(Kind.FINAL, 5.0) == 5.0


def test_the_audio_of_a_live_interim_grows_while_it_waits() -> None:
    """It is read late (AD1), so its shape is that of when it is taken; at most 30 s."""
    plan = tiny()
    live, ended = job("a", seconds=1.5, grows=True), job("b", seconds=1.5)
    live.measured = ended.measured = 100.0

    assert plan.seconds(live, 102.0) == 3.5
    assert plan.shape(live, 102.0) == (400, None)
    assert plan.shape(ended, 102.0) == (200, None)
    assert plan.seconds(live, 200.0) == 30.0


def test_a_window_is_planned_by_its_own_kind() -> None:
    """A posted chunk waits like an interim, and is as long as a final's window (REC-40, REC-65)."""
    plan = tiny(frames=lambda kind, seconds: 500 if kind is Kind.INTERIM else 1000)
    posted = job("posted", seconds=2.0, heard_as=Kind.FINAL)
    jobs = [posted, job("interim", seconds=2.0), job("final", Kind.FINAL, seconds=2.0)]

    assert plan.shape(posted, 0.0) == (1000, None)
    assert chosen(jobs, plan) == ["posted", "final"]


def test_only_windows_of_one_shape_and_group_share_a_batch() -> None:
    """The first decides: T frames, and task, prompt and beam as one (REC-65)."""
    jobs = [
        job("a", seconds=1.2),
        job("longer", seconds=2.2),
        job("prompt", seconds=1.2, group="p"),
        job("b", seconds=2.0),
    ]

    assert chosen(jobs, tiny()) == ["a", "b"]
    assert chosen(jobs[1:], tiny()) == ["longer"]
    assert chosen(jobs[2:], tiny()) == ["prompt"]


def test_a_batch_ends_before_it_costs_too_much() -> None:
    """n * enc(T) + steps * dec(n) stays below the cap, and one window always runs (REC-65)."""
    plan = tiny(frames=lambda kind, seconds: 1000)
    jobs = [job(str(n), seconds=5.0) for n in range(8)]
    within = [n for n in range(1, 9) if TINY.batch_s(1000, 20, n) <= 0.150]

    batch = chosen(jobs, plan)

    assert len(batch) == max(within) == 2
    assert chosen(jobs, tiny(max_seconds=0.001)) == ["0"]


def test_the_longest_window_decides_how_many_steps_a_batch_decodes() -> None:
    """A long one that would make the whole batch too slow stays out of it."""
    plan = tiny(frames=lambda kind, seconds: 100, max_seconds=0.08)
    jobs = [job("short", seconds=0.5), job("shorter", seconds=0.4), job("long", seconds=15.0)]

    assert chosen(jobs, plan) == ["short", "shorter"]


def test_a_window_in_a_batch_is_cheaper_than_alone() -> None:
    """It shares the call and the steps; a tenant is charged as if alone."""
    plan = tiny()

    assert plan.cost(Kind.INTERIM, 5.0) == pytest.approx(TINY.batch_s(500, 20, 1))
    assert plan.cost(Kind.INTERIM, 5.0, 8) == pytest.approx(TINY.batch_s(500, 20, 8) / 8)
    assert plan.work(Kind.FINAL, 5.0) == plan.cost(Kind.FINAL, 5.0)
    assert plan.work(Kind.FINAL, 0.0) == 0.0


@pytest.mark.parametrize("kind", [Kind.FINAL, Kind.SPEC, Kind.BULK])
def test_word_times_are_paid_for_by_every_window_that_has_them(kind: Kind) -> None:
    """Finals, specs and files are aligned, one by one; interims seldom (REC-67)."""
    plan, interim = tiny(), Kind.INTERIM
    untimed = tiny(costs=replace(TINY, align=CostTable().align))
    align = TINY.align_s(500)

    for batch in (1, 4):
        assert plan.cost(kind, 5.0, batch) == pytest.approx(untimed.cost(kind, 5.0, batch) + align)
        assert plan.cost(interim, 5.0, batch) == untimed.cost(interim, 5.0, batch)
    assert plan.work(kind, 5.0) == pytest.approx(plan.work(interim, 5.0) + align)


def test_word_times_count_towards_the_cap() -> None:
    """Two such finals would take 154 ms, 42 of them for word times; interims share (REC-65)."""
    plan = tiny(frames=lambda kind, seconds: 1000)
    finals = [job(str(n), Kind.FINAL, seconds=5.0) for n in range(2)]
    interims = [job(f"i{n}", seconds=5.0) for n in range(2)]

    assert chosen(finals, plan) == ["0"]
    assert chosen(interims, plan) == ["i0", "i1"]
    assert chosen([finals[0], interims[0]], plan) == ["0", "i0"]


def test_busy_workers_share_calls_as_far_as_the_cap_allows() -> None:
    """Four finals of a shape meet then, fewer where they would cost too much (REC-74)."""
    short, long = tiny(), tiny(frames=lambda kind, seconds: 800)
    single = Plan(short.frames, TINY, BatchOptions(max_items=1))

    assert short.busy_cost(Kind.FINAL, 5.0) == short.cost(Kind.FINAL, 5.0, 4)
    assert long.busy_cost(Kind.FINAL, 5.0) == long.cost(Kind.FINAL, 5.0, 2)
    assert single.busy_cost(Kind.FINAL, 5.0) == single.cost(Kind.FINAL, 5.0)
    assert short.busy_cost(Kind.FINAL, 0.0) == 0.0
