"""The job queue: what is accepted, what runs next, what is displaced."""

from __future__ import annotations

import threading
from collections import Counter

import pytest

from stt.errors import NotReady, QueueFull, STTError
from stt.events import Hypothesis, Kind, Window
from stt_ingest import JobQueue
from stt_job import Job, QueueOptions


def job(
    lane: str, kind: Kind = Kind.INTERIM, *, tenant: str = "t", label: str = "", **more: object
) -> Job:
    """A job that nobody waits for."""

    def nothing() -> Window | None:
        return None

    def done(_: Hypothesis) -> None:
        return None

    def failed(_: STTError) -> None:
        return None

    return Job(tenant, (lane,), kind, nothing, done, failed, label=label or lane, **more)  # type: ignore[arg-type]


def drain(queue: JobQueue) -> list[str]:
    """Take and finish every waiting job, one by one; their labels."""
    labels = []
    while queue.depth["interim"] + queue.depth["ordered"]:
        (taken,) = queue.take_batch(1)
        labels.append(taken.label)
        queue.finish(taken)
    return labels


def test_finals_pass_interims_and_bulk_waits_for_both() -> None:
    """A final passes queued interims, and bulk comes last (CT-5, REC-63)."""
    queue = JobQueue()
    queue.try_enqueue(job("file", Kind.BULK))
    queue.try_enqueue(job("a"))
    queue.try_enqueue(job("b", Kind.FINAL))

    assert drain(queue) == ["b", "a", "file"]


def test_a_newer_snapshot_takes_the_older_ones_place() -> None:
    """The vector of native section 10: t1c1v2 keeps the position of t1c1v1 (QU2)."""
    queue = JobQueue()
    first = job("t1/c1", tenant="t1", label="t1c1v1")
    queue.try_enqueue(first)
    queue.try_enqueue(job("t2/c1", tenant="t2", label="t2c1x"))
    queue.try_enqueue(job("t1/c2", tenant="t1", label="t1c2y"))

    admission = queue.try_enqueue(job("t1/c1", tenant="t1", label="t1c1v2"))

    assert admission.replaced is first
    assert drain(queue) == ["t1c1v2", "t2c1x", "t1c2y"]


def test_chunks_are_never_coalesced() -> None:
    """Two chunks of one tenant are two jobs (QU3, B33)."""
    queue = JobQueue()
    queue.try_enqueue(job("t/c1"))
    queue.try_enqueue(job("t/c2"))

    assert drain(queue) == ["t/c1", "t/c2"]


def test_one_job_of_a_lane_at_a_time_and_finals_in_order() -> None:
    """While a lane's job runs, its next waits; finals keep their order (QU4, REC-62)."""
    queue = JobQueue()
    queue.try_enqueue(job("a", Kind.FINAL, label="1"))
    queue.try_enqueue(job("a", Kind.FINAL, label="2"))
    queue.try_enqueue(job("b", Kind.FINAL, label="3"))

    batch = queue.take_batch(8)

    assert [taken.label for taken in batch] == ["1", "3"]
    queue.finish(batch[0])
    assert [taken.label for taken in queue.take_batch(8)] == ["2"]


def test_an_interim_waits_behind_its_own_lanes_final() -> None:
    """A session's finals go before its interims (REC-62)."""
    queue = JobQueue()
    queue.try_enqueue(job("a", Kind.FINAL, label="final"))
    queue.try_enqueue(job("a", label="next utterance"))
    queue.try_enqueue(job("b", label="other"))

    batch = queue.take_batch(3)

    assert [taken.label for taken in batch] == ["final", "other"]
    for taken in batch:
        queue.finish(taken)
    assert drain(queue) == ["next utterance"]


def test_a_final_absorbs_the_waiting_interim() -> None:
    """The interim of an utterance that ended is not decoded any more (REC-61)."""
    queue = JobQueue()
    queue.try_enqueue(job("a", label="interim"))
    queue.try_enqueue(job("a", Kind.FINAL, label="final"))

    assert drain(queue) == ["final"]


def test_reject_refuses_the_new_job() -> None:
    """A full queue refuses the new job and keeps the old ones (QU6, CT-1, CT-2)."""
    queue = JobQueue(QueueOptions(max_jobs=2))
    queue.try_enqueue(job("a"))
    queue.try_enqueue(job("b"))

    with pytest.raises(QueueFull, match=r"^queue_full$"):
        queue.try_enqueue(job("c"))

    assert drain(queue) == ["a", "b"]


def test_a_full_queue_still_replaces_in_place() -> None:
    """A newer snapshot of a waiting chunk needs no room."""
    queue = JobQueue(QueueOptions(max_jobs=1))
    queue.try_enqueue(job("a", label="old"))

    queue.try_enqueue(job("a", label="new"))

    assert drain(queue) == ["new"]


def test_bytes_bound_the_queue_too() -> None:
    """Few large jobs fill the queue as well as many small ones (QU1, B20)."""
    queue = JobQueue(QueueOptions(max_bytes=1000))
    queue.try_enqueue(job("a", size=900))

    with pytest.raises(QueueFull):
        queue.try_enqueue(job("b", size=101))
    queue.try_enqueue(job("c", size=100))

    assert drain(queue) == ["a", "c"]


def test_drop_oldest_takes_the_oldest_interim_of_the_largest_tenant() -> None:
    """The tenant that fills the queue pays, not its neighbour, and the victim is returned (QU7)."""
    queue = JobQueue(QueueOptions(max_jobs=3, overflow="drop_oldest"))
    queue.try_enqueue(job("small", tenant="small"))
    victim = job("big/1", tenant="big")
    queue.try_enqueue(victim)
    queue.try_enqueue(job("big/2", tenant="big"))

    admission = queue.try_enqueue(job("new", tenant="new"))

    assert admission.dropped == (victim,)
    assert sorted(drain(queue)) == ["big/2", "new", "small"]


@pytest.mark.parametrize("overflow", ["reject", "drop_oldest"])
def test_a_promised_final_is_never_refused_and_never_displaced(overflow: str) -> None:
    """With finals alone both policies refuse new work, and every final stays (AD3, REC-73)."""
    queue = JobQueue(QueueOptions(max_jobs=2, overflow=overflow))  # type: ignore[arg-type]
    for n in range(4):
        queue.try_enqueue(job(f"s{n}", Kind.FINAL, promised=True))

    with pytest.raises(QueueFull):
        queue.try_enqueue(job("file", Kind.BULK))
    with pytest.raises(QueueFull):
        queue.try_enqueue(job("interim"))

    assert drain(queue) == ["s0", "s1", "s2", "s3"]


def test_five_flooding_clients_are_served_alike() -> None:
    """Five tenants at 2.5 times the capacity: max/min results at most 1.2 (QU5, B4)."""
    queue = JobQueue()
    served: Counter[str] = Counter()
    for tick in range(120):  # a job takes two ticks, each client posts every five: 2.5 times
        posting = tick % 5
        queue.try_enqueue(job(f"t{posting}/c", tenant=f"t{posting}"))
        if tick % 2:
            (taken,) = queue.take_batch(1)
            served[taken.tenant] += 1
            queue.finish(taken)

    assert len(served) == 5
    assert max(served.values()) / min(served.values()) <= 1.2


def test_a_tenant_that_was_away_has_no_credit() -> None:
    """A newcomer starts level with the least served: it does not shut the others out."""
    queue = JobQueue()
    for n in range(50):
        queue.try_enqueue(job(f"old/{n}", tenant="old"))
        if n < 40:
            queue.finish(queue.take_batch(1)[0])
    for n in range(4):
        queue.try_enqueue(job(f"new/{n}", tenant="new"))

    first_six = [label.split("/")[0] for label in drain(queue)[:6]]

    assert first_six.count("old") == 3


def test_a_batch_is_a_fair_share_of_what_waits() -> None:
    """With two takers a worker leaves half of the jobs to the other."""
    queue = JobQueue(takers=2)
    for n in range(6):
        queue.try_enqueue(job(f"s{n}"))

    assert len(queue.take_batch(8)) == 3


def test_an_interim_can_be_taken_back() -> None:
    """A session that is gone leaves no interim behind (W23)."""
    queue = JobQueue()
    queue.try_enqueue(job("a", Kind.FINAL, label="final"))
    queue.try_enqueue(job("a", label="interim"))

    withdrawn = queue.withdraw_interim(("a",))

    assert withdrawn is not None
    assert withdrawn.label == "interim"
    assert queue.withdraw_interim(("a",)) is None
    assert drain(queue) == ["final"]


def test_one_job_always_fits_an_empty_queue() -> None:
    """A file larger than the bound is taken when no other audio waits (QU1)."""
    queue = JobQueue(QueueOptions(max_bytes=1000))
    queue.try_enqueue(job("live"))
    queue.try_enqueue(job("file", Kind.BULK, size=5000))

    with pytest.raises(QueueFull):
        queue.try_enqueue(job("next", Kind.BULK, size=1))


def test_drop_oldest_keeps_the_byte_bound() -> None:
    """Only what frees bytes is displaced for bytes, and nothing where that is not enough (B20)."""
    queue = JobQueue(QueueOptions(max_bytes=1000, overflow="drop_oldest"))
    queue.try_enqueue(job("live"))
    victims = [job(f"h{n}", size=400) for n in range(2)]
    for victim in victims:
        queue.try_enqueue(victim)

    with pytest.raises(QueueFull):
        queue.try_enqueue(job("huge", size=1001))
    admission = queue.try_enqueue(job("large", size=900))

    assert admission.dropped == tuple(victims)
    assert drain(queue) == ["live", "large"]


def test_a_tenant_is_charged_what_its_windows_hold() -> None:
    """The clock is corrected by the length of the audio that was read (REC-63)."""
    queue = JobQueue()
    for n in range(3):
        queue.try_enqueue(job(f"long/{n}", tenant="long"))
        queue.try_enqueue(job(f"short/{n}", tenant="short"))
    order = []
    for _ in range(6):
        (taken,) = queue.take_batch(1)
        order.append(taken.tenant)
        queue.charge(taken, 20.0 if taken.tenant == "long" else 1.0)
        queue.finish(taken)

    assert order == ["long", "short", "short", "short", "long", "long"]


def test_join_waits_for_running_jobs_and_close_wakes_the_takers() -> None:
    """join() returns when idle; a closed queue gives no batch and takes no job (QU9)."""
    queue = JobQueue()
    queue.try_enqueue(job("a"))
    (taken,) = queue.take_batch(1)
    assert not queue.join(0.01)
    waiter = threading.Thread(target=queue.take_batch, args=(1,))
    waiter.start()

    queue.finish(taken)
    assert queue.join(5)
    assert queue.close() == []
    waiter.join(5)

    assert not waiter.is_alive()
    assert queue.take_batch(1) == []
    with pytest.raises(NotReady):
        queue.try_enqueue(job("b"))


def test_enqueueing_waits_no_longer_than_asked() -> None:
    """With a wait, room made meanwhile is used; without, the answer comes at once (QU8, B18)."""
    queue = JobQueue(QueueOptions(max_jobs=1))
    queue.try_enqueue(job("a"))
    with pytest.raises(QueueFull):
        queue.try_enqueue(job("b"))

    helper = threading.Thread(target=lambda: queue.finish(queue.take_batch(1)[0]))
    helper.start()
    queue.try_enqueue(job("b"), wait=5)
    helper.join()

    assert drain(queue) == ["b"]
