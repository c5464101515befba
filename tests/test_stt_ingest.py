"""The job queue: what is accepted, what runs next, what is displaced."""

from __future__ import annotations

import threading
from collections import Counter

import pytest

from stt.errors import NotReady, QueueFull, Superseded
from stt.events import Kind
from stt_ingest import JobQueue
from stt_job import Overdue, QueueOptions
from tests.queue_jobs import Clock, drain, job, labels, tiny


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


def test_a_batch_leaves_their_share_to_idle_workers() -> None:
    """With two idle takers a worker leaves half of the jobs to the other (REC-66)."""
    queue = JobQueue(takers=2)
    for n in range(6):
        queue.try_enqueue(job(f"s{n}"))

    assert len(queue.take_now(8)) == 3
    assert len(queue.take_now(8)) == 3


def test_a_batch_leaves_nothing_to_a_busy_worker() -> None:
    """It comes back to what is there then, and one full batch costs less than two (REC-66)."""
    queue = JobQueue(takers=2)
    queue.try_enqueue(job("running"))
    assert labels(queue.take_now(8)) == ["running"]
    for n in range(6):
        queue.try_enqueue(job(f"s{n}"))

    assert len(queue.take_now(8)) == 6


def test_a_batch_has_one_shape_and_one_group() -> None:
    """Windows of another length or prompt wait for a batch of their own (REC-65)."""
    queue = JobQueue(clock=Clock())
    queue.plan(tiny())
    for n, (seconds, group) in enumerate([(2.0, None), (5.0, None), (1.5, None), (2.0, "p")]):
        queue.try_enqueue(job(str(n), seconds=seconds, group=group))

    assert [labels(queue.take_now(8)) for _ in range(3)] == [["0", "2"], ["1"], ["3"]]


def test_the_shape_is_that_of_the_audio_when_it_is_taken() -> None:
    """A live interim has grown meanwhile, and now fits another one (AD1, REC-65)."""
    clock = Clock()
    queue = JobQueue(clock=clock)
    queue.plan(tiny())
    queue.try_enqueue(job("early", seconds=1.0, grows=True))
    clock.now += 2.0
    queue.try_enqueue(job("late", seconds=3.0, grows=True))

    assert labels(queue.take_now(8)) == ["early", "late"]


def test_a_newer_interim_has_its_own_length_at_the_older_ones_place() -> None:
    """What the older one waited is in the newer one's audio already (AD1, QU2)."""
    clock = Clock()
    queue = JobQueue(clock=clock)
    queue.plan(tiny())
    queue.try_enqueue(job("a", seconds=1.0, grows=True))
    clock.now += 3.0
    queue.try_enqueue(job("b", seconds=5.0, grows=True))
    queue.try_enqueue(job("a", seconds=4.0, grows=True, label="newer"))
    clock.now += 1.0

    (taken,) = queue.take_now(1)

    assert taken.label == "newer"
    assert taken.enqueued == 100.0
    assert tiny().shape(taken, clock.now) == (500, None)


def test_a_batch_costs_no_more_than_the_cap() -> None:
    """Predicted, n * enc(T) + steps * dec(n) stays below 150 ms (REC-65)."""
    queue = JobQueue(clock=Clock())
    plan = tiny()
    queue.plan(plan)
    for n in range(8):
        queue.try_enqueue(job(str(n), seconds=9.5))

    sizes = [len(queue.take_now(8)) for _ in range(4)]

    assert sum(sizes) == 8
    assert max(sizes) == 2
    assert plan.fits(1000, 9.5, 2)
    assert not plan.fits(1000, 9.5, 3)


def test_interims_join_a_final_only_when_no_other_is_due() -> None:
    """A batch of finals takes finals, and specs, as long as some of another shape wait (REC-65)."""
    queue = JobQueue(clock=Clock())
    queue.plan(tiny())
    queue.try_enqueue(job("interim", seconds=2.0))
    queue.try_enqueue(job("final", Kind.FINAL, seconds=2.0))
    queue.try_enqueue(job("other", Kind.FINAL, seconds=7.0))
    queue.try_enqueue(job("spec", Kind.SPEC, seconds=2.0))

    assert labels(queue.take_now(8)) == ["final", "spec"]
    assert labels(queue.take_now(8)) == ["other"]
    assert labels(queue.take_now(8)) == ["interim"]


def test_an_interim_fills_up_the_batch_of_the_last_final() -> None:
    """When no other final waits, equal windows are decoded together at little cost (REC-65)."""
    queue = JobQueue(clock=Clock())
    queue.plan(tiny())
    queue.try_enqueue(job("interim", seconds=2.0))
    queue.try_enqueue(job("longer", seconds=4.0))
    queue.try_enqueue(job("final", Kind.FINAL, seconds=2.0))

    assert labels(queue.take_now(8)) == ["final", "interim"]


def test_a_spec_goes_with_the_finals_and_absorbs_the_interim() -> None:
    """It is a final that may come to be one: same order, and a final after it stays (REC-61)."""
    queue = JobQueue()
    queue.try_enqueue(job("b"))
    queue.try_enqueue(job("a", utterance=1, label="interim"))
    queue.try_enqueue(job("a", Kind.SPEC, utterance=1, label="spec", promised=True))
    queue.try_enqueue(job("a", Kind.FINAL, utterance=1, label="final", promised=True))

    assert drain(queue) == ["spec", "final", "b"]


def test_a_final_leaves_the_interim_of_the_next_utterance() -> None:
    """A stream would wait for that one for ever (REC-61: of the same utterance, AD2)."""
    queue = JobQueue()
    queue.try_enqueue(job("a", utterance=2, label="interim of 2"))
    queue.try_enqueue(job("a", Kind.FINAL, utterance=1, label="final of 1"))

    assert drain(queue) == ["final of 1", "interim of 2"]


def test_a_final_that_absorbs_needs_no_room() -> None:
    """Nobody is displaced for a job that takes the place of another."""
    queue = JobQueue(QueueOptions(max_jobs=2, overflow="drop_oldest"))
    queue.try_enqueue(job("other"))
    queue.try_enqueue(job("a", label="interim"))

    admission = queue.try_enqueue(job("a", Kind.FINAL, label="final", promised=True))

    assert admission.dropped == ()
    assert drain(queue) == ["final", "other"]


def test_finals_go_by_deadline_and_late_ones_by_tenant() -> None:
    """While nothing is late the oldest is next; then the tenant that got least (REC-64)."""
    clock = Clock()
    queue = JobQueue(clock=clock)
    for n in range(4):
        queue.try_enqueue(job(f"flood{n}", Kind.FINAL, tenant="flood"))
    clock.now += 0.2
    queue.try_enqueue(job("light", Kind.FINAL, tenant="light"))

    assert labels(queue.take_now(1)) == ["flood0"]
    clock.now += 0.2
    assert labels(queue.take_now(1)) == ["light"]
    assert labels(queue.take_now(1)) == ["flood1"]


def test_a_light_tenant_is_not_held_up_by_a_flood_of_finals() -> None:
    """Finals alone are three times what the worker can do: who floods waits (QM-12, REC-64)."""
    clock = Clock()
    queue = JobQueue(clock=clock)
    waits: dict[str, list[float]] = {"flood": [], "light": []}
    for tick in range(600):  # a worker does one job in 0.1 s
        for n in range(3):
            queue.try_enqueue(job(f"f{tick}.{n}", Kind.FINAL, tenant="flood", promised=True))
        if tick % 10 == 0:
            queue.try_enqueue(job(f"l{tick}", Kind.FINAL, tenant="light", promised=True))
        (taken,) = queue.take_now(1)
        waits[taken.tenant].append(clock.now - taken.enqueued)
        clock.now += 0.1
        queue.finish(taken)

    assert len(waits["light"]) == 60
    assert max(waits["light"]) <= 0.2
    assert max(waits["flood"]) > 10


def test_tenants_share_by_engine_time_not_by_number() -> None:
    """Long windows count for what they cost (REC-63, REC-67)."""
    queue = JobQueue(clock=Clock())
    queue.plan(tiny())
    for n in range(12):
        queue.try_enqueue(job(f"l{n}", tenant="long", seconds=10.0))
        queue.try_enqueue(job(f"s{n}", tenant="short", seconds=1.0))

    first = Counter(label[0] for label in drain(queue)[:12])

    assert first["s"] >= 3 * first["l"]


def test_posted_chunks_are_charged_what_their_windows_cost() -> None:
    """Also after the correction: they run as finals, however they wait (REC-63, REC-67)."""
    queue = JobQueue(clock=Clock())
    queue.plan(tiny(frames=lambda kind, seconds: 100 if kind is Kind.INTERIM else 3000))
    for n in range(9):
        queue.try_enqueue(job(f"p{n}", tenant="posts", heard_as=Kind.FINAL))
        queue.try_enqueue(job(f"l{n}", tenant="live"))
    order = []
    for _ in range(9):
        (taken,) = queue.take_now(1)
        order.append(taken.label[0])
        queue.charge(taken, 1.0)
        queue.finish(taken)

    assert Counter(order) == {"l": 8, "p": 1}


def test_audio_that_was_not_wanted_costs_nothing() -> None:
    """A window that was not read is taken off its tenant's clock."""
    queue = JobQueue()
    for n in range(2):
        queue.try_enqueue(job(f"a{n}", tenant="a", seconds=20.0))
        queue.try_enqueue(job(f"b{n}", tenant="b", seconds=1.0))
    (unwanted,) = queue.take_now(1)
    queue.charge(unwanted, 0.0)
    queue.finish(unwanted)

    assert drain(queue) == ["b0", "a1", "b1"]


@pytest.mark.parametrize(("takers", "at_once"), [(1, 1), (2, 1), (4, 3)])
def test_files_leave_one_worker_to_live_speech(takers: int, at_once: int) -> None:
    """At most takers - 1 workers run bulk, but always one: a final meets a free one (REC-63)."""
    queue = JobQueue(takers=takers, clock=Clock())
    queue.plan(tiny())
    for n in range(6):  # too long to share a call
        queue.try_enqueue(job(f"file{n}", Kind.BULK, promised=True, seconds=20.0))
    running = []
    while batch := queue.take_now(8):
        running += batch

    assert len(running) == at_once
    queue.try_enqueue(job("live", Kind.FINAL))
    if takers > 1:
        assert labels(queue.take_now(8)) == ["live"]
    queue.finish(running[0])
    if takers == 1:  # the final waited for one utterance of a file, not for two
        assert labels(queue.take_now(8)) == ["live"]
    else:
        assert labels(queue.take_now(8)) == [f"file{at_once}"]


def test_files_take_turns_by_tenant() -> None:
    """One tenant's many files do not hold up another's one."""
    queue = JobQueue()
    for n in range(3):
        queue.try_enqueue(job(f"many{n}", Kind.BULK, tenant="many"))
    queue.try_enqueue(job("one", Kind.BULK, tenant="one"))

    assert drain(queue) == ["many0", "one", "many1", "many2"]


def test_taking_now_never_waits() -> None:
    """An empty queue gives an empty batch, before and after its end (REC-81)."""
    queue = JobQueue()
    assert queue.take_now(8) == []

    queue.close()

    assert queue.take_now(8) == []


def test_what_has_waited_too_long_is_counted() -> None:
    """Finals by seconds, live interims by their steps; posted chunks and files not (REC-74)."""
    clock = Clock()
    queue = JobQueue(clock=clock)
    queue.try_enqueue(job("final", Kind.FINAL))
    queue.try_enqueue(job("spec", Kind.SPEC))
    queue.try_enqueue(job("slow step", grows=True, step=2.0))
    queue.try_enqueue(job("quick step", grows=True, step=0.5))
    queue.try_enqueue(job("chunk"))
    queue.try_enqueue(job("file", Kind.BULK))

    clock.now += 1.5

    assert queue.overdue(final=1.0, steps=2.0) == Overdue(finals=2, interims=1)
    assert queue.overdue(final=2.0, steps=3.5) == Overdue(finals=0, interims=0)


def test_interims_are_late_after_a_step_and_finals_after_three_tenths() -> None:
    """The deadlines of REC-63."""
    queue = JobQueue(clock=Clock(100.0))
    interim, spec = job("a", step=2.0), job("b", Kind.SPEC)

    queue.try_enqueue(interim)
    queue.try_enqueue(spec)

    assert interim.deadline == 102.0
    assert spec.deadline == pytest.approx(100.3)


def test_a_chunk_gives_way_to_its_newer_snapshot_that_waits() -> None:
    """The next utterance of an older snapshot is not put in its place (QU2)."""
    queue = JobQueue()
    queue.try_enqueue(job("a", label="newer"))

    with pytest.raises(Superseded):
        queue.try_enqueue(job("a", label="older", yields=True))

    assert drain(queue) == ["newer"]


def test_a_replaced_snapshot_keeps_the_byte_bound() -> None:
    """A chunk that grows while it waits fills the queue like any other audio (B20)."""
    queue = JobQueue(QueueOptions(max_bytes=1000))
    queue.try_enqueue(job("a", size=400))
    queue.try_enqueue(job("b", size=400))

    queue.try_enqueue(job("a", size=600, label="a2"))
    with pytest.raises(QueueFull):
        queue.try_enqueue(job("a", size=601))

    assert drain(queue) == ["a2", "b"]


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
