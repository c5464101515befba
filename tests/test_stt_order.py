"""What is next: files behind live speech, and who is owed what (stt_order, through the queue)."""

from __future__ import annotations

import pytest

from stt.events import Kind
from stt_ingest import JobQueue
from stt_order import PATIENCE
from tests.queue_jobs import Clock, drain, job, labels, tiny


@pytest.mark.parametrize(("takers", "sizes"), [(1, [6]), (2, [6]), (3, [3, 3]), (4, [2, 2, 2])])
def test_utterances_of_files_share_calls(takers: int, sizes: list[int]) -> None:
    """Workers for bulk are counted, not jobs: also a single worker batches (REC-63, REC-66)."""
    queue = JobQueue(takers=takers, clock=Clock())
    queue.plan(tiny(max_seconds=1.0))
    for n in range(6):
        queue.try_enqueue(job(f"file{n}", Kind.BULK, seconds=2.0, promised=True))

    assert [len(queue.take_now(32)) for _ in sizes] == sizes
    assert queue.take_now(32) == []


def test_a_worker_is_free_for_files_when_its_whole_call_is_done() -> None:
    """The jobs of a batch are finished one by one; the last one frees the worker (REC-63)."""
    queue = JobQueue(takers=2, clock=Clock())
    for n in range(2):
        queue.try_enqueue(job(f"file{n}", Kind.BULK, promised=True))
    first, second = queue.take_now(8)
    queue.try_enqueue(job("next", Kind.BULK, promised=True))

    queue.finish(first)
    assert queue.take_now(8) == []
    queue.finish(second)

    assert labels(queue.take_now(8)) == ["next"]


def live(sessions: int, takers: int, *, file_tenant: str) -> list[float]:
    """When the utterances of a file were taken, in a minute in which interims always wait.

    Each call takes 0.1 s, and each session has its next interim at once.
    """
    clock = Clock(0.0)
    queue = JobQueue(takers=takers, clock=clock)
    queue.plan(tiny(max_seconds=0.001))  # a window for each call
    queue.try_enqueue(job("file", Kind.BULK, tenant=file_tenant, seconds=2.0, promised=True))
    taken: list[float] = []
    while clock.now < 60.0:
        for n in range(sessions):
            queue.try_enqueue(job(f"s{n}", tenant="live", seconds=3.0, grows=True))
        running = [each for _ in range(takers) for each in queue.take_now(8)]
        clock.now += 0.1
        for each in running:
            queue.finish(each)
            if each.kind is Kind.BULK:
                taken.append(clock.now)
                queue.try_enqueue(job("file", Kind.BULK, tenant=file_tenant, seconds=2.0))
    return taken


@pytest.mark.parametrize("tenant", ["live", "other"])
@pytest.mark.parametrize("takers", [1, 2])
def test_files_get_on_while_interims_always_wait(takers: int, tenant: str) -> None:
    """After `PATIENCE` a file's utterance takes turns with interims; before, it gives way."""
    taken = live(4, takers, file_tenant=tenant)

    assert len(taken) == 5
    assert PATIENCE < taken[0] < PATIENCE + 0.5


def test_a_file_that_has_waited_gives_way_to_finals_all_the_same() -> None:
    """It is ordered among the interims, by tenant clock (REC-63)."""
    clock = Clock()
    queue = JobQueue(clock=clock)
    queue.try_enqueue(job("file", Kind.BULK, tenant="files"))
    clock.now += PATIENCE
    queue.try_enqueue(job("interim", tenant="live"))
    queue.try_enqueue(job("final", Kind.FINAL, tenant="live"))

    assert drain(queue) == ["final", "file", "interim"]


def test_files_that_have_waited_leave_a_worker_free() -> None:
    """Two files, two workers: one call with a file at a time (REC-63)."""
    clock = Clock()
    queue = JobQueue(takers=2, clock=clock)
    queue.plan(tiny(max_seconds=0.001))
    for n in range(2):
        queue.try_enqueue(job(f"file{n}", Kind.BULK, tenant="files", seconds=2.0))
    clock.now += 2 * PATIENCE
    queue.try_enqueue(job("interim", tenant="live"))

    assert labels(queue.take_now(8)) == ["file0"]
    assert labels(queue.take_now(8)) == ["interim"]
    assert queue.take_now(8) == []


def test_who_waits_behind_a_flood_of_finals_is_owed_its_share() -> None:
    """A's finals take the machine; B's interims, which waited, come first afterwards (QM-12)."""
    queue = JobQueue(clock=Clock())
    for n in range(5):
        queue.try_enqueue(job(f"b{n}", tenant="b"))
        queue.try_enqueue(job(f"final{n}", Kind.FINAL, tenant="a"))
    for _ in range(5):
        (taken,) = queue.take_now(1)
        assert taken.tenant == "a"
        queue.finish(taken)
    for n in range(5):
        queue.try_enqueue(job(f"a{n}", tenant="a"))

    assert drain(queue)[:5] == [f"b{n}" for n in range(5)]


def test_what_files_forgo_is_no_credit_for_newcomers() -> None:
    """Bulk that gives way does not hold the level down: a new tenant starts level (REC-63)."""
    queue = JobQueue(clock=Clock())
    queue.try_enqueue(job("file", Kind.BULK, tenant="files"))
    for n in range(40):
        queue.try_enqueue(job(f"old{n}", tenant="old"))
        queue.finish(queue.take_now(1)[0])
    for n in range(4):
        queue.try_enqueue(job(f"old/{n}", tenant="old"))
        queue.try_enqueue(job(f"new/{n}", tenant="new"))

    assert [label[:3] for label in drain(queue)[:6]].count("old") == 3
