"""The workers: batches, failures, what is told and logged."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Sequence

import numpy as np
import pytest

from stt.engines.fake import FakeEngine
from stt.errors import EngineError, STTError, Superseded
from stt.events import Hypothesis, Kind, Window
from stt_ingest import JobQueue
from stt_job import Job, JobReport
from stt_workers import WorkerPool

WAIT = 10.0  # s; a deadline, not a delay
Answer = tuple[str, Hypothesis | STTError]


def window(seconds: float, kind: Kind = Kind.FINAL) -> Window:
    """A silent window."""
    return Window(np.zeros(round(16_000 * seconds), np.float32), kind)


class Owner:
    """Jobs that put their results into one queue."""

    def __init__(self) -> None:
        self.answers: queue.Queue[Answer] = queue.Queue()

    def job(self, lane: str, seconds: float = 1.0, kind: Kind = Kind.FINAL) -> Job:
        """A job in a lane of its own."""
        return Job(
            "t",
            ("session", lane),
            kind,
            window=lambda: window(seconds, kind),
            on_done=lambda hypothesis: self.answers.put((lane, hypothesis)),
            on_error=lambda error: self.answers.put((lane, error)),
            label=f"chunk {lane}",
        )

    def get(self, count: int) -> dict[str, str]:
        """The next results by lane: texts, or the codes of errors."""
        got = [self.answers.get(timeout=WAIT) for _ in range(count)]
        return {
            lane: answer.text if isinstance(answer, Hypothesis) else answer.code
            for lane, answer in got
        }


def filled(*jobs: Job, takers: int = 1) -> JobQueue:
    """A queue in which these jobs wait."""
    jobs_queue = JobQueue(takers=takers)
    for job in jobs:
        jobs_queue.try_enqueue(job)
    return jobs_queue


def test_each_job_gets_its_own_answer() -> None:
    """A batch is one call of the engine; every window's answer goes to its job."""
    owner, engine = Owner(), FakeEngine()
    jobs = filled(*(owner.job(str(n), n / 2) for n in range(1, 5)))
    pool = WorkerPool(jobs, engine, workers=1)

    pool.start()

    assert owner.get(4) == {
        "1": "one",
        "2": "one two",
        "3": "one two three",
        "4": "one two three four",
    }
    assert list(engine.batches) == [4]
    assert jobs.join(WAIT)
    pool.stop()


def test_a_batch_has_at_most_max_batch_windows() -> None:
    """Ten jobs and a limit of four are three calls."""
    owner, engine = Owner(), FakeEngine()
    jobs = filled(*(owner.job(str(n)) for n in range(10)))
    pool = WorkerPool(jobs, engine, workers=1, max_batch=4)

    pool.start()
    owner.get(10)
    pool.stop()

    assert list(engine.batches) == [4, 4, 2]


def test_only_the_bad_item_of_a_batch_fails() -> None:
    """A batch that fails is tried one by one: its neighbours get their text (REC-68, B26)."""

    def script(heard: Window) -> str:
        if heard.seconds == 2.0:
            raise EngineError("this one cannot be recognised")
        return "fine"

    owner, engine = Owner(), FakeEngine(script)
    pool = WorkerPool(filled(*(owner.job(str(n), n) for n in (1, 2, 3))), engine, workers=1)

    pool.start()

    assert owner.get(3) == {"1": "fine", "2": "transcription_failed", "3": "fine"}
    pool.stop()
    assert list(engine.batches) == [3, 1, 1, 1]


def test_a_worker_survives_any_exception() -> None:
    """An engine that raises something unexpected fails the job, not the worker (B26)."""

    def script(heard: Window) -> str:
        if heard.seconds == 1.0:
            raise ZeroDivisionError
        return "fine"

    owner = Owner()
    jobs = JobQueue()
    pool = WorkerPool(jobs, FakeEngine(script), workers=1)
    pool.start()

    jobs.try_enqueue(owner.job("bad", 1.0))
    lane, error = owner.answers.get(timeout=WAIT)
    jobs.try_enqueue(owner.job("good", 2.0))

    assert (lane, type(error)) == ("bad", EngineError)
    assert "ZeroDivisionError" in str(error)
    assert owner.get(1) == {"good": "fine"}
    pool.stop()


@pytest.mark.parametrize("answers", [0, 1, 3])
def test_an_engine_that_answers_too_few_or_too_many(answers: int) -> None:
    """Every job hears of it and every lane is free again (B26)."""

    class Miscounting(FakeEngine):
        def transcribe(self, batch: Sequence[Window]) -> list[Hypothesis]:
            super().transcribe(batch)
            return [Hypothesis("x")] * answers

    owner = Owner()
    jobs = filled(owner.job("a"), owner.job("b"))
    pool = WorkerPool(jobs, Miscounting(), workers=1)

    pool.start()

    told = set(owner.get(2).values())
    assert told == ({"x"} if answers == 1 else {"transcription_failed"})
    assert jobs.join(WAIT)
    pool.stop()


def test_owners_and_observers_that_fail_harm_nobody() -> None:
    """A callback that raises is logged; the other jobs of the batch are told and finished (AV4)."""
    owner = Owner()

    def fail(_: object) -> None:
        raise RuntimeError("a bad callback")

    bad = Job("t", "bad", Kind.FINAL, lambda: window(1), on_done=fail, on_error=fail)
    worse = Job("t", "worse", Kind.FINAL, lambda: 1 / 0, on_done=fail, on_error=fail)  # type: ignore[arg-type,return-value]
    jobs = filled(bad, worse, owner.job("good"))
    pool = WorkerPool(jobs, FakeEngine(), workers=1, observe=fail)

    pool.start()

    assert owner.get(1) == {"good": "one two"}
    assert jobs.join(WAIT)
    jobs.try_enqueue(owner.job("next"))
    assert owner.get(1) == {"next": "one two"}
    pool.stop()


def test_audio_that_nobody_wants_is_not_recognised() -> None:
    """A job whose window is None costs no call, tells nobody and frees its lane (AD1)."""
    owner, engine = Owner(), FakeEngine()
    unwanted = owner.job("a")
    unwanted.window = lambda: None
    jobs = filled(unwanted, owner.job("b"))
    pool = WorkerPool(jobs, engine, workers=1)

    pool.start()

    assert set(owner.get(1)) == {"b"}
    assert jobs.join(WAIT)
    assert owner.answers.empty()
    assert list(engine.batches) == [1]
    pool.stop()


def test_audio_is_read_when_a_worker_takes_the_job() -> None:
    """A job that waited hears what has come meanwhile (AD1)."""
    owner, engine = Owner(), FakeEngine()
    job = owner.job("a", 1.0)
    jobs = filled(job)
    job.window = lambda: window(2.0)
    pool = WorkerPool(jobs, engine, workers=1)

    pool.start()

    assert owner.get(1) == {"a": "one two three four"}
    pool.stop()


def test_two_workers_work_at_once() -> None:
    """Two threads share one engine: it has two calls at a time."""
    gate = threading.Event()
    owner, engine = Owner(), FakeEngine(gate=gate)
    jobs = filled(owner.job("a"), owner.job("b"), takers=2)
    pool = WorkerPool(jobs, engine, workers=2)

    pool.start()

    assert engine.wait_for(2)
    assert engine.busy == 2
    gate.set()
    assert set(owner.get(2)) == {"a", "b"}
    pool.stop()


def test_stopping_tells_whoever_waits() -> None:
    """What waits is failed with a reason, what runs is finished, the threads end (AD8)."""
    gate = threading.Event()
    owner, engine = Owner(), FakeEngine(gate=gate)
    jobs = JobQueue()
    pool = WorkerPool(jobs, engine, workers=1)
    pool.start()
    jobs.try_enqueue(owner.job("running"))
    assert engine.wait_for(1)
    jobs.try_enqueue(owner.job("waiting"))
    stopper = threading.Thread(target=pool.stop)

    stopper.start()
    assert owner.get(1) == {"waiting": "transcription_failed"}
    gate.set()
    stopper.join(WAIT)

    assert owner.get(1) == {"running": "one two"}
    assert not any(thread.name.startswith("stt-worker") for thread in threading.enumerate())


def test_a_pool_that_never_started_stops() -> None:
    """Stopping before the start tells the owners and waits for nobody."""
    owner = Owner()
    pool = WorkerPool(filled(owner.job("a")), FakeEngine(), workers=2)

    pool.stop()

    assert owner.get(1) == {"a": "transcription_failed"}


def test_what_a_job_reports() -> None:
    """Kind, waits, audio and failure of every job, for the metrics (B34, REC-69)."""
    reports: queue.Queue[JobReport] = queue.Queue()

    def script(heard: Window) -> str:
        if heard.kind is Kind.FINAL:
            raise EngineError("no")
        return "fine"

    owner = Owner()
    jobs = filled(owner.job("a", 2.0, Kind.INTERIM))
    pool = WorkerPool(jobs, FakeEngine(script), workers=1, observe=reports.put)
    pool.start()

    interim = reports.get(timeout=WAIT)
    late = owner.job("b", 1.0)
    late_queue = owner.job("c", 1.0, Kind.BULK)
    jobs.try_enqueue(late)
    final = reports.get(timeout=WAIT)
    jobs.try_enqueue(late_queue)
    bulk = reports.get(timeout=WAIT)
    pool.stop()

    assert (interim.kind, interim.audio_s, interim.failed) == (Kind.INTERIM, 2.0, False)
    assert interim.wait_s >= 0
    assert interim.run_s >= 0
    assert (final.kind, final.failed, bulk.kind, bulk.failed) == (
        Kind.FINAL,
        True,
        Kind.BULK,
        False,
    )


def test_a_job_after_its_deadline_is_late() -> None:
    """A live job that ended after its deadline counts as late, a file never (REC-69)."""
    reports: queue.Queue[JobReport] = queue.Queue()
    owner = Owner()
    jobs = JobQueue(clock=lambda: 0.0)  # enqueued long ago
    jobs.try_enqueue(owner.job("a", kind=Kind.FINAL))
    jobs.try_enqueue(owner.job("b", kind=Kind.BULK))
    pool = WorkerPool(jobs, FakeEngine(), workers=1, observe=reports.put)

    pool.start()

    late = {report.kind: report.late for report in (reports.get(timeout=WAIT) for _ in range(2))}
    assert late == {Kind.FINAL: True, Kind.BULK: False}
    pool.stop()


def test_every_job_logs_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """The line of the older service, with the wait included; interims on debug (QU11)."""
    owner = Owner()
    jobs = filled(owner.job("a"), owner.job("b", kind=Kind.INTERIM))
    pool = WorkerPool(jobs, FakeEngine(), workers=1)

    with caplog.at_level(logging.DEBUG, "stt.workers"):
        pool.start()
        owner.get(2)
        pool.stop()

    lines = {record.levelname: record.getMessage() for record in caplog.records}
    assert lines["INFO"].startswith("stt_latency_ms=")
    assert " chunk_id=chunk a session_id=a qsize=" in lines["INFO"]
    assert "workers=1" in lines["INFO"]
    assert "session_id=b" in lines["DEBUG"]
    assert len(caplog.records) == 2


def test_an_error_of_ours_reaches_the_owner_as_it_is() -> None:
    """An STTError keeps its class; another exception becomes an EngineError."""

    def script(_: Window) -> str:
        raise Superseded

    owner = Owner()
    pool = WorkerPool(filled(owner.job("a")), FakeEngine(script), workers=1)

    pool.start()

    assert owner.get(1) == {"a": "superseded"}
    pool.stop()


def test_a_worker_outlives_a_queue_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong while a batch is taken, the next batch is taken (AV4)."""
    queue, owner = JobQueue(), Owner()
    take, failures = queue.take_batch, [KeyError("lane")]

    def failing(limit: int) -> list[Job]:
        if failures:
            raise failures.pop()
        return take(limit)

    monkeypatch.setattr(queue, "take_batch", failing)
    pool = WorkerPool(queue, FakeEngine(), workers=1)
    pool.start()
    try:
        queue.try_enqueue(owner.job("a"))

        assert owner.answers.get(timeout=WAIT)[0] == "a"
        assert pool.alive
    finally:
        pool.stop()
    assert not pool.alive


def test_a_report_tells_of_its_batch() -> None:
    """How many windows the call had, and once that it was one call (REC-65)."""
    reports: queue.Queue[JobReport] = queue.Queue()
    owner = Owner()
    unwanted = owner.job("unwanted")
    unwanted.window = lambda: None
    pool = WorkerPool(
        filled(unwanted, *(owner.job(str(n)) for n in range(3))),
        FakeEngine(),
        workers=1,
        observe=reports.put,
    )

    pool.start()

    told = [reports.get(timeout=WAIT) for _ in range(3)]
    assert [(report.batch, report.first) for report in told] == [(3, True), (3, False), (3, False)]
    pool.stop()


def test_the_delay_of_a_live_interim_is_told_in_steps() -> None:
    """From enqueue to its answer; of other jobs nothing is told (REC-74)."""
    reports: queue.Queue[JobReport] = queue.Queue()
    owner = Owner()
    jobs = JobQueue(clock=lambda: time.monotonic() - 30.0)  # they have waited for half a minute
    live, posted = owner.job("live", kind=Kind.INTERIM), owner.job("posted", kind=Kind.INTERIM)
    live.grows, live.step = True, 10.0
    for waiting in (live, posted, owner.job("final")):
        jobs.try_enqueue(waiting)
    pool = WorkerPool(jobs, FakeEngine(), workers=1, observe=reports.put, max_batch=1)

    pool.start()

    delays = [reports.get(timeout=WAIT).delay_steps for _ in range(3)]
    assert [delay is None for delay in delays] == [True, False, True]
    assert 3.0 <= max(delay for delay in delays if delay is not None) < 4.0
    pool.stop()


def test_unwanted_audio_is_not_charged() -> None:
    """A tenant does not pay for windows that nobody read (REC-67)."""
    owner = Owner()
    jobs = JobQueue()
    unwanted = [owner.job(f"a{n}") for n in range(3)]
    for each in unwanted:
        each.window = lambda: None
        each.seconds = 1000.0
    first = owner.job("a")
    charged: list[tuple[str, float]] = []
    charge = jobs.charge

    def note(job: Job, seconds: float) -> None:
        charged.append((job.lane[-1], seconds))
        charge(job, seconds)

    jobs.charge = note  # type: ignore[method-assign]
    for each in (*unwanted, first):
        jobs.try_enqueue(each)
    pool = WorkerPool(jobs, FakeEngine(), workers=1)

    pool.start()

    assert owner.get(1) == {"a": "one two"}
    assert charged == [("a0", 0.0), ("a1", 0.0), ("a2", 0.0), ("a", 1.0)]
    pool.stop()
