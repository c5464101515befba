"""A running core without sockets: queue, workers, store, sessions, on the scripted engine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from session_manager import ManagerOptions, SessionManager
from stt.audio.pcm import samples_to_pcm16
from stt.engines.base import Engine
from stt.engines.fake import FakeEngine, Script, count_up
from stt.events import Hypothesis, Kind, Samples, Window
from stt.protocols.base import AppendAudio, SetChunk
from stt.replies import Problem, Reply, Transcript
from stt.speech.options import SpeechOptions
from stt.store.base import Stored, TranscriptStore
from stt.store.table import open_store
from stt_ingest import JobQueue
from stt_job import QueueOptions
from stt_outbox import Closing
from stt_recorder import Recorder, RecorderOptions
from stt_session import Session
from stt_surroundings import SessionOptions
from stt_timers import Timers
from stt_workers import WorkerPool

WAIT = 10.0  # s; a deadline, not a delay


class Facts:
    """An observer that remembers what it was told."""

    def __init__(self) -> None:
        self.heard = 0.0
        self.loops = 0
        self.refused: list[str] = []
        self.errors: list[str] = []

    def audio_received(self, seconds: float) -> None:
        """Audio came in."""
        self.heard += seconds

    def loops_cut(self, loops: int) -> None:
        """Loops were cut out of a final."""
        self.loops += loops

    def job_accepted(self, kind: Kind, seconds: float) -> None:
        """The queue took a job."""

    def job_refused(self, code: str) -> None:
        """The queue refused or displaced a job."""
        self.refused.append(code)

    def interim_lag(self, seconds: float) -> None:
        """An interim was said."""

    def replaced(self) -> None:
        """A waiting job gave way."""

    def error(self, code: str) -> None:
        """An error was said."""
        self.errors.append(code)

    def stored(self, outcome: Future[None]) -> None:
        """The store answered."""

    def session_opened(self) -> None:
        """A session began."""

    def session_left(self, evicted: int, slow: bool) -> None:
        """A session ended."""


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

    def session(
        self, *, tenant: str = "0000", name: str | None = None, **options: object
    ) -> Session:
        """A session with these options; interims come after each second of audio, the first too."""
        options.setdefault("speech", SpeechOptions(first_step=0.95, next_step=1.0))
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
        recorder or RecorderOptions(),
        queue=jobs,
        store=store,
        observer=facts,
        publish=manager.publish,
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


@contextmanager
def held(
    script: Script = count_up, *, only: Kind | None = None, **options: Any
) -> Iterator[tuple[Core, FakeEngine, threading.Event]]:
    """A core whose engine answers once the event is set; ``only``: other kinds at once."""
    gate = threading.Event()

    def answer(window: Window) -> Hypothesis | str:
        if only in (None, window.kind):
            gate.wait(WAIT)
        return script(window)

    engine = FakeEngine(answer)
    with running(engine, **options) as core:
        try:
            yield core, engine, gate
        finally:
            gate.set()


def talk(session: Session, samples: Samples, chunk: str | None = None, piece: float = 0.1) -> None:
    """Send audio as a client does: in binary frames of ``piece`` seconds, after its chunk."""
    if chunk is not None:
        session.handle(SetChunk(chunk))
    data, size = pcm(samples), 2 * round(16_000 * piece)
    for at in range(0, len(data), size):
        session.handle(AppendAudio(data[at : at + size]))


def lengths(engine: FakeEngine, kind: Kind) -> list[float]:
    """Seconds of the windows of a kind that the engine was given, oldest first."""
    return [round(window.seconds, 1) for window in engine.windows if window.kind is kind]


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


def transcripts(said: Iterable[Reply]) -> list[Transcript]:
    """The transcripts among replies."""
    return [reply for reply in said if isinstance(reply, Transcript)]


def problems(said: Iterable[Reply]) -> list[Problem]:
    """The errors among replies."""
    return [reply for reply in said if isinstance(reply, Problem)]


def stored(core: Core, tenant: str = "0000") -> dict[str, str]:
    """A tenant's texts by chunk, once all that was put before is written."""
    last = Stored("nobody", "last", "written after what was put before", time.time_ns())
    core.store.put(last).result(WAIT)
    return {row.chunk_id: row.text for row in core.store.chunks(tenant)}


def pcm(samples: Samples) -> bytes:
    """Samples as a client sends them."""
    return samples_to_pcm16(samples)


def silence_pcm(seconds: float) -> bytes:
    """Digital silence as a client sends it."""
    return bytes(2 * int(16_000 * seconds))
