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
from stt.errors import NotReady, SettingError
from stt.store.table import open_store
from stt_ingest import JobQueue
from stt_recorder import Recorder, RecorderOptions
from stt_service import Service
from stt_timers import Timers
from tests.service import WAIT, Facts
from tests.speech import speech


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
        assert loading.state()["model"] is None
        gate.set()

        assert announced.wait(WAIT)
        assert loading.why_not_ready() is None
        assert loading.state()["model"] == "fake"


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


def test_a_dead_worker_is_noticed() -> None:
    """When a worker is gone the service says that it is not ready."""
    ready = threading.Event()
    with service(FakeEngine, announce=lambda _: ready.set()) as running:
        assert ready.wait(WAIT)
        running.queue.close()
        assert running._pool is not None
        for thread in running._pool._threads:
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
