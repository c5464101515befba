"""The service's life: loading, readiness, drain, end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from session_manager import ManagerOptions, SessionManager
from stt.engines.base import Engine
from stt.engines.fake import FakeEngine
from stt.errors import NotReady, SettingError, TooManySessions
from stt.events import Kind
from stt.replies import Degraded
from stt.store.table import open_store
from stt_batches import BatchOptions, Plan
from stt_file import FileOptions
from stt_ingest import JobQueue
from stt_job import Overdue
from stt_load import LoadMonitor
from stt_recorder import Recorder, RecorderOptions
from stt_service import PoolOptions, Service
from stt_surroundings import SessionOptions
from stt_timers import Timers
from tests.queue_jobs import TINY
from tests.service import WAIT, Facts, replies
from tests.speech import silence, speech


@contextmanager
def service(load: Callable[[], Engine], **more: object) -> Iterator[Service]:
    """A service that starts with the block and ends with it."""
    queue, store, timers, facts = JobQueue(), open_store("memory:"), Timers(), Facts()
    manager = SessionManager(
        ManagerOptions(), queue=queue, store=store, timers=timers, observer=facts
    )
    recorder = Recorder(
        RecorderOptions(), queue=queue, store=store, observer=facts, publish=manager.publish
    )
    made = Service(queue, store, timers, manager, recorder, load)
    made = replace(made, **more)  # type: ignore[arg-type]
    made.start()
    try:
        yield made
    finally:
        made.close()


def test_the_doors_answer_while_the_model_loads() -> None:
    """A slow load leaves the service alive and not ready; then it announces itself (B24)."""
    gate, announced = threading.Event(), threading.Event()

    def load() -> Engine:
        assert gate.wait(WAIT)
        return FakeEngine()

    with service(load, announce=lambda _: announced.set()) as loading:
        assert loading.why_not_ready() == "the model is not loaded yet"
        assert (loading.state()["model"], loading.state()["languages"]) == (None, [])
        gate.set()

        assert announced.wait(WAIT)
        assert loading.why_not_ready() is None
        assert loading.state()["model"] == "fake"
        assert loading.state()["languages"] == ["de", "en", "es", "fr", "hi", "ja", "zh"]


@pytest.mark.parametrize("error", [SettingError("STT_MODEL=x: no such model"), OSError("disk")])
def test_a_model_that_cannot_be_had_ends_the_start(error: Exception) -> None:
    """Whoever started it is told why, once."""
    reasons: list[str] = []
    told = threading.Event()

    def load() -> Engine:
        raise error

    def give_up(reason: str) -> None:
        reasons.append(reason)
        told.set()

    with service(load, give_up=give_up):
        assert told.wait(WAIT)

    (reason,) = reasons
    assert str(error) in reason


def test_a_drain_waits_for_posted_chunks() -> None:
    """Chunks that were answered `processing` are recognised and stored before the end (AD8)."""
    gate, ready = threading.Event(), threading.Event()
    with service(lambda: FakeEngine(gate=gate), announce=lambda _: ready.set()) as running:
        assert ready.wait(WAIT)
        for chunk in "123":
            running.recorder.snapshot("t", chunk, speech(1.0))
        draining = threading.Thread(target=running.drain, args=(WAIT,))
        draining.start()
        gate.set()
        draining.join(WAIT)

        assert not draining.is_alive()
        assert [running.recorder.status("t", chunk) for chunk in "123"] == ["done"] * 3
        assert running.why_not_ready() == "the service is shutting down"


def test_a_drain_waits_for_files_and_fails_those_that_take_longer() -> None:
    """AD8: also between two utterances, when the queue is empty; then no other is taken."""
    gate, ready = threading.Event(), threading.Event()
    with service(lambda: FakeEngine(gate=gate), announce=lambda _: ready.set()) as running:
        assert ready.wait(WAIT)
        file = running.recorder.listen([speech(1.0), silence(1.0)] * 2, FileOptions())
        heard = iter(file)

        running.drain(0.01)

        with pytest.raises(NotReady, match="shutting down"):
            next(heard)
        with pytest.raises(NotReady):
            running.recorder.listen([speech(1.0)], FileOptions())
        gate.set()


def test_a_dead_worker_is_noticed() -> None:
    """When a worker is gone the service says that it is not ready."""
    ready = threading.Event()
    with service(FakeEngine, announce=lambda _: ready.set()) as running:
        assert ready.wait(WAIT)
        running.queue.close()
        for thread in threading.enumerate():
            if thread.name.startswith("stt-worker-"):
                thread.join(WAIT)

        assert running.why_not_ready() == "a worker has died"


def test_close_ends_everything_and_never_raises() -> None:
    """It may be called twice; afterwards nothing is taken."""
    ready = threading.Event()
    with service(FakeEngine, announce=lambda _: ready.set()) as running:
        assert ready.wait(WAIT)
        running.close()
        running.close()

        with pytest.raises(NotReady):
            running.recorder.snapshot("t", "1", speech(1.0))


def test_no_session_is_taken_while_the_load_is_too_high() -> None:
    """The gate hears why: 503, as when there is no room (REC-74)."""
    ready = threading.Event()
    load = [True]
    with service(
        FakeEngine, announce=lambda _: ready.set(), admits=lambda what: load[0]
    ) as running:
        assert ready.wait(WAIT)
        assert running.takes_sessions()

        load[0] = False

        with pytest.raises(TooManySessions):
            running.takes_sessions()
        running.manager.stop_admitting()
        assert not running.takes_sessions()


def test_clients_are_told_when_interims_come_late() -> None:
    """The load is looked at each second, also when nothing happens (REC-74)."""
    overdue = [Overdue(interims=5)]
    monitor = LoadMonitor(waiting=lambda *, final, steps: overdue[0])
    with service(FakeEngine, monitor=monitor) as running:
        session = running.manager.open("t", SessionOptions(), session_id="s")

        late = replies(session, lambda reply: isinstance(reply, Degraded))[-1]
        overdue[0] = Overdue()
        over = replies(session, lambda reply: isinstance(reply, Degraded))[-1]

        assert (late, over) == (Degraded(active=True, seq=2), Degraded(active=False, seq=3))


@pytest.mark.parametrize(
    ("device", "most", "options"),
    [
        ("cpu", None, BatchOptions(8, 0.200)),
        ("cuda", None, BatchOptions(32, 0.060)),
        ("cuda", 3, BatchOptions(3, 0.060)),
    ],
)
def test_batches_fit_the_engine_and_its_device(
    device: str, most: int | None, options: BatchOptions
) -> None:
    """Once it is loaded the queue and the load know its shapes and costs (REC-65, REC-76)."""
    engine, ready = FakeEngine(), threading.Event()
    engine.device, engine.costs = device, TINY
    with service(
        lambda: engine, announce=lambda _: ready.set(), pool_options=PoolOptions(1, most)
    ) as running:
        assert ready.wait(WAIT)

        running.monitor.accepted(Kind.FINAL, 5.0)

        assert running.queue.planned == Plan(engine.frames, TINY, options)
        assert running.monitor.load > 0
