"""The service's life: its parts, how they start, how they drain, how they end.

`app.py` builds the parts; this object owns them. The model loads on a thread of its own, so that
the doors answer while it does (native B24); a model that cannot be had ends the process with one
clear sentence, at the start and not at the first speech.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from session_manager import SessionManager
from stt.engines.base import Engine
from stt.errors import SettingError, TooManySessions
from stt.events import Abilities
from stt.store.base import TranscriptStore
from stt_batches import ON_CPU, ON_GPU, Plan
from stt_ingest import JobQueue
from stt_job import JobReport
from stt_load import LoadMonitor
from stt_recorder import Recorder
from stt_timers import Timers
from stt_workers import WorkerPool

log = logging.getLogger("stt.service")

LOOK_EVERY = 1.0  # s between two looks at the load (recognition REC-74)
SWEEP_EVERY = 5.0  # s between two looks for chunks and transcripts that are over (native RE2)


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """The workers."""

    workers: int = 1
    max_batch: int | None = None
    """Windows in one call of the engine; None: as many as fit the device (REC-65, REC-76)."""


@dataclass(eq=False)
class Service:
    """Every running part, and the order in which they begin and end (AD8)."""

    queue: JobQueue
    store: TranscriptStore
    timers: Timers
    manager: SessionManager
    recorder: Recorder
    load: Callable[[], Engine]
    """Builds the engine; may take long."""
    pool_options: PoolOptions = field(default_factory=PoolOptions)
    monitor: LoadMonitor = field(default_factory=LoadMonitor)
    admits: Callable[[str], bool] = lambda _: True
    """Whether the load allows a new ``session``; see `stt_load`."""
    transcript_ttl: float = 7200.0
    observe: Callable[[JobReport], None] = lambda _: None
    announce: Callable[[Service], None] = lambda _: None
    """Called once, when the service is ready."""
    give_up: Callable[[str], None] = lambda _: None
    """Called when there can be no engine, with the reason."""
    engine: Engine | None = None
    _pool: WorkerPool | None = None
    _closed: bool = False
    _ended: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Start the threads; after the fork, in the process that serves (AE3)."""
        self.timers.start()
        self.timers.every(LOOK_EVERY, self._look)
        threading.Thread(target=self._sweep, name="stt-sweeper", daemon=True).start()
        threading.Thread(target=self._load, name="stt-loader", daemon=True).start()

    def _load(self) -> None:
        try:
            engine = self.load()
        except SettingError as error:
            self.give_up(error.message)
        except Exception as error:
            log.exception("the engine could not be loaded")
            self.give_up(f"the engine could not be loaded: {error}")
        else:
            self._begin(engine)

    def _begin(self, engine: Engine) -> None:
        options = self.pool_options
        batch = ON_CPU if engine.device == "cpu" else ON_GPU
        if options.max_batch is not None:
            batch = replace(batch, max_items=options.max_batch)
        plan = Plan(engine.frames, engine.costs, batch)
        self.queue.plan(plan)
        self.monitor.plan(plan)
        self._pool = WorkerPool(
            self.queue,
            engine,
            workers=options.workers,
            max_batch=batch.max_items,
            observe=self.observe,
        )
        self._pool.start()
        self.engine = engine  # last: from now on the doors let speech in
        self.announce(self)

    @property
    def is_ready(self) -> bool:
        """Whether there is a model and no end in sight."""
        return self.engine is not None and not self.manager.draining

    def takes_sessions(self) -> bool:
        """Whether a new session may begin. Raises TooManySessions where the load forbids it."""
        if self.is_ready and not self.admits("session"):
            raise TooManySessions("too much speech for this machine now, try again in a moment")
        return self.is_ready

    def why_not_ready(self) -> str | None:
        """The sentence for `/readyz`; None when the service takes new sessions."""
        if self.manager.draining:
            return "the service is shutting down"
        if self.engine is None:
            return "the model is not loaded yet"
        if self._pool is None or not self._pool.alive:
            return "a worker has died"
        if not self.store.healthy():
            return "the transcript store cannot be written"
        return None

    @property
    def abilities(self) -> Abilities:
        """What the model understands, and what it wants to be given."""
        engine = self.engine
        if engine is None:
            return Abilities()
        return Abilities(engine.languages, engine.n_mels, translates=engine.translates)

    def state(self) -> Mapping[str, object]:
        """What `/healthz` and the page tell."""
        engine, depth = self.engine, self.queue.depth
        source = getattr(engine, "source", None)  # of engines that have a model
        return {
            "engine": None if engine is None else engine.name,
            "model": None if engine is None else engine.model,
            "model_origin": getattr(source, "origin", None),
            "languages": [] if engine is None else sorted(engine.languages),
            "warning": getattr(source, "warning", None),
            "ready": self.is_ready,
            "sessions": len(self.manager),
            "queue": depth["interim"] + depth["ordered"],
            "running": depth["running"],
        }

    def _look(self) -> None:
        """Tell clients when interims begin to come late, and when they do no longer."""
        self.manager.tell_degraded(self.monitor.degraded)

    def _sweep(self) -> None:
        """Look now and then for what is over; on a thread of its own, for the store may be slow."""
        while not self._ended.wait(SWEEP_EVERY):
            try:
                self.recorder.sweep()
                self.store.sweep(time.time_ns() - int(self.transcript_ttl * 1e9))
            except Exception:
                log.exception("a sweep failed; the next one tries again")

    def drain(self, timeout: float) -> None:
        """Refuse new sessions, give the open ones their finals and close code 1012 (AD8, RT-44).

        Files have the time that is left; those that need more are told so, while they can be.
        """
        if self.manager.draining:
            return
        begun = time.monotonic()

        def left() -> float:
            return max(0.0, timeout - (time.monotonic() - begun))

        done = self.manager.drain(timeout)
        done = self.recorder.end_files(left()) and done
        done = self.queue.join(left()) and done
        self.manager.wait_empty(left())
        log.info("drained in %.1f s, all work done: %s", time.monotonic() - begun, done)

    def close(self) -> None:
        """End every thread and write what is waiting. Never raises; only the first call counts."""
        if self._closed:
            return
        self._closed = True
        self._ended.set()
        self.manager.stop_admitting()
        for end in (
            self.timers.close,
            *(() if self._pool is None else (self._pool.stop,)),
            *(() if self.engine is None else (self.engine.close,)),
            self.store.close,
        ):
            try:
                end()
            except Exception:
                log.exception("a part of the service closed badly")
