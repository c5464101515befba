"""A running core without sockets: queue, workers, store, sessions, on the scripted engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from session_manager import ManagerOptions, SessionManager
from stt.audio.pcm import samples_to_pcm16
from stt.engines.base import Engine
from stt.engines.fake import FakeEngine
from stt.events import Samples
from stt.replies import Reply, Transcript
from stt.store.base import TranscriptStore
from stt.store.table import open_store
from stt_ingest import JobQueue, QueueOptions
from stt_outbox import Closing
from stt_recorder import Recorder, RecorderOptions
from stt_session import Session, SessionOptions
from stt_timers import Timers
from stt_workers import WorkerPool

WAIT = 10.0  # s; a deadline, not a delay


class Facts:
    """An observer that remembers what it was told."""

    def __init__(self) -> None:
        self.heard = 0.0
        self.latencies: list[float] = []
        self.refused: list[str] = []

    def audio_received(self, seconds: float) -> None:
        """Audio came in."""
        self.heard += seconds

    def final_said(self, latency: float) -> None:
        """A final was said."""
        self.latencies.append(latency)

    def job_refused(self, code: str) -> None:
        """The queue refused or displaced a job."""
        self.refused.append(code)


@dataclass
class Core:
    """The running parts."""

    engine: Engine
    queue: JobQueue
    store: TranscriptStore
    timers: Timers
    manager: SessionManager
    recorder: Recorder
    pool: WorkerPool
    facts: Facts = field(default_factory=Facts)

    def session(self, *, tenant: str = "0000", name: str | None = None, **options: object) -> Session:
        """A session with these options."""
        return self.manager.open(
            tenant,
            SessionOptions(**options),  # type: ignore[arg-type]
            session_id=name,
        )


@contextmanager
def running(
    engine: Engine | None = None,
    *,
    workers: int = 1,
    queue: QueueOptions | None = None,
    started: bool = True,
    recorder: RecorderOptions | None = None,
) -> Iterator[Core]:
    """A core that runs, and ends with the block; ``started=False``: no worker takes a job."""
    engine = engine or FakeEngine()
    facts = Facts()
    jobs = JobQueue(queue, takers=workers)
    store = open_store("memory:")
    timers = Timers()
    timers.start()
    manager = SessionManager(
        ManagerOptions(), queue=jobs, store=store, timers=timers, observer=facts
    )
    recordings = Recorder(
        recorder or RecorderOptions(), queue=jobs, store=store, publish=manager.publish
    )
    pool = WorkerPool(jobs, engine, workers=workers)
    if started:
        pool.start()
    try:
        yield Core(engine, jobs, store, timers, manager, recordings, pool, facts)
    finally:
        pool.stop()
        timers.close()
        store.close()


def replies(session: Session, until: Callable[[Reply], bool]) -> list[Reply]:
    """What the session says, up to and with the first reply that fits; fails after a deadline."""
    said: list[Reply] = []
    deadline = time.monotonic() + WAIT
    while not said or not until(said[-1]):
        reply = session.outbox.get(max(0.0, deadline - time.monotonic()))
        assert reply is not None, f"nothing more came after {said}"
        assert not isinstance(reply, Closing), f"closed after {said}"
        said.append(reply)
    return said


def is_final(reply: Reply) -> bool:
    """Whether a reply is a chunk's final."""
    return isinstance(reply, Transcript) and reply.is_final


def final(session: Session) -> Transcript:
    """The next final a session says."""
    *_, last = replies(session, is_final)
    assert isinstance(last, Transcript)
    return last


def now_waiting(session: Session) -> list[Reply]:
    """What the session has said already."""
    said: list[Reply] = []
    while not isinstance(reply := session.outbox.get(0), Closing | None):
        said.append(reply)
    return said


def pcm(samples: Samples) -> bytes:
    """Samples as a client sends them."""
    return samples_to_pcm16(samples)


def silence_pcm(seconds: float) -> bytes:
    """Digital silence as a client sends it."""
    return bytes(2 * int(16_000 * seconds))
