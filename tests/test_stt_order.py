"""What is next: files behind live speech, and who is owed what (stt_order, through the queue)."""

from __future__ import annotations

import pytest

from stt.events import Kind
from stt_ingest import JobQueue
from tests.queue_jobs import Clock, job, labels, tiny


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
