"""Who does the work: a pool of threads that share one engine.

A worker takes a batch from the queue, reads its audio, asks the engine, and gives each result to
its job. It holds no lock while the engine works, keeps no state between batches, and outlives every
error: a batch that fails is tried again item by item, so that only the bad item fails (REC-68).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from stt.engines.base import Engine
from stt.errors import EngineError, STTError
from stt.events import Hypothesis, Kind, Window
from stt_ingest import JobQueue
from stt_job import Job, JobReport

log = logging.getLogger("stt.workers")

RECOVERY = 0.1  # s a worker waits after an unexpected error, lest a lasting one keep it spinning


class WorkerPool:
    """``workers`` threads on one engine; its whole life is ``start`` and ``stop``."""

    def __init__(
        self,
        queue: JobQueue,
        engine: Engine,
        *,
        workers: int,
        max_batch: int = 8,
        observe: Callable[[JobReport], None] = lambda _: None,
    ) -> None:
        self._queue = queue
        self._engine = engine
        self._max_batch = max_batch
        self._observe = observe
        self._stopped = threading.Event()
        # Daemons: a model call that hangs must not keep a stopping process alive.
        self._threads = [
            threading.Thread(target=self._run, name=f"stt-worker-{n}", daemon=True)
            for n in range(workers)
        ]

    @property
    def alive(self) -> bool:
        """Whether every thread works; false before the start and after the end."""
        return all(thread.is_alive() for thread in self._threads)

    def start(self) -> None:
        """Start the threads; in the process that serves, never before a fork (AE3)."""
        for thread in self._threads:
            thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """Close the queue, tell the owners of what still waits, wait for the threads."""
        self._stopped.set()
        for job in self._queue.close():
            _tell_failure(job, EngineError("the service stopped before this audio was recognised"))
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self) -> None:
        while True:
            try:
                batch = self._queue.take_batch(self._max_batch)
                if not batch:
                    return
                self._work(batch)
            except Exception:  # a worker outlives whatever a callback or the queue does (AV4)
                log.exception("a worker recovered from an unexpected error")
                self._stopped.wait(RECOVERY)

    def _work(self, batch: list[Job]) -> None:
        """Recognise a batch; every job is finished, whatever happens on the way."""
        begun = time.monotonic()
        wanted: list[tuple[Job, Window]] = []
        for job in batch:
            window = _read(job)
            if window is None:
                self._queue.charge(job, 0.0)
                self._queue.finish(job)
            else:
                self._queue.charge(job, window.seconds)
                wanted.append((job, window))
        if not wanted:
            return
        answers = self._recognise([window for _, window in wanted])
        share = (time.monotonic() - begun) / len(wanted)
        for (job, _), answer in zip(wanted, answers, strict=True):
            try:
                _tell(job, answer)
            finally:
                self._queue.finish(job)
        for place, ((job, window), answer) in enumerate(zip(wanted, answers, strict=True)):
            self._report(job, window, answer, begun, share, batch=len(wanted), first=not place)

    def _recognise(self, windows: list[Window]) -> list[Hypothesis | STTError]:
        try:
            answers = self._engine.transcribe(windows)
            if len(answers) == len(windows):
                return list(answers)
            raise EngineError(f"the engine gave {len(answers)} answers to {len(windows)} windows")
        except Exception as error:
            if len(windows) == 1:
                return [_as_stt_error(error)]
            log.warning("a batch of %d failed (%s); trying one by one", len(windows), error)
        return [answer for window in windows for answer in self._recognise([window])]

    def _report(
        self,
        job: Job,
        window: Window,
        answer: Hypothesis | STTError,
        begun: float,
        share: float,
        *,
        batch: int,
        first: bool,
    ) -> None:
        now = time.monotonic()
        failed = isinstance(answer, STTError)
        self._observe(
            JobReport(
                kind=job.kind,
                wait_s=begun - job.enqueued,
                run_s=share,
                audio_s=window.seconds,
                late=job.kind is not Kind.BULK and now > job.deadline,
                failed=failed,
                batch=batch,
                first=first,
                delay_steps=(now - job.enqueued) / job.step if job.is_live_interim else None,
            )
        )
        level = logging.DEBUG if job.kind is Kind.INTERIM and not failed else logging.INFO
        if log.isEnabledFor(level):
            depth = self._queue.depth
            log.log(
                level,
                "stt_latency_ms=%.0f chunk_id=%s session_id=%s qsize=%d workers=%d kind=%s ok=%s",
                1000 * (now - job.enqueued),
                job.label,
                job.lane[-1],
                depth["interim"] + depth["ordered"],
                len(self._threads),
                job.kind.name.lower(),
                not failed,
            )


def _read(job: Job) -> Window | None:
    try:
        return job.window()
    except Exception as error:
        log.exception("the audio of a job could not be read")
        _tell_failure(job, _as_stt_error(error))
        return None


def _tell(job: Job, answer: Hypothesis | STTError) -> None:
    if isinstance(answer, STTError):
        _tell_failure(job, answer)
        return
    try:
        job.on_done(answer)
    except Exception:
        log.exception("the owner of a job failed on its result")


def _tell_failure(job: Job, error: STTError) -> None:
    try:
        job.on_error(error)
    except Exception:
        log.exception("the owner of a job failed on its error")


def _as_stt_error(error: Exception) -> STTError:
    if isinstance(error, STTError):
        return error
    log.error("the engine failed", exc_info=error)
    return EngineError(f"the engine failed on this audio: {type(error).__name__}")
