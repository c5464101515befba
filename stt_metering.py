"""Facts to metrics: what the running parts report, under the names of `stt/metrics.py`.

The parts know an observer, not the metrics; this is the one observer of a service. Every method is
a cheap leaf call that any thread may make under its own lock (AC2).
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from typing import TypeVar

from session_manager import SessionManager
from stt.errors import Dropped
from stt.metrics import Metrics
from stt_ingest import JobQueue
from stt_job import JobReport
from stt_load import LoadMonitor
from stt_timers import Timers

T = TypeVar("T")

PROBE_EVERY = 5.0  # s between two looks at how late a sleep ends
PROBE_SLEEP = 0.01  # s


class Metering:
    """The observer of sessions, workers and the store; it feeds the metrics and the load."""

    def __init__(self, metrics: Metrics, overflow: str, monitor: LoadMonitor) -> None:
        self._metrics = metrics
        self._monitor = monitor
        self._overflow = overflow
        self._retries = 0
        self._lock = threading.Lock()  # guards the count of retries
        self._engine: object = None
        self.audio_received = metrics.audio_received
        self.interim_lag = metrics.interim_lag
        self.error = metrics.error
        self.session_opened = metrics.session_opened
        self.replaced = metrics.replaced
        self.loops_cut = metrics.loops_cut
        self.job_accepted = monitor.accepted

    def watched(self, engine: T) -> T:
        """Count the engine's retries from now on; the engine, for chaining."""
        self._engine = engine
        return engine

    def admits(self, what: str) -> bool:
        """Whether the load allows a new session, chunk or file; a refusal is counted (REC-74)."""
        if self._monitor.admits():
            return True
        self._metrics.admission_refused(what)
        return False

    def job_refused(self, code: str) -> None:
        """The queue refused a job, or displaced one."""
        if code == Dropped.code:
            self._metrics.displaced()
        else:
            self._metrics.rejected(self._overflow)

    def session_left(self, evicted: int, slow: bool) -> None:
        """A session ended; ``evicted`` interims were never sent, ``slow``: it was given up."""
        self._metrics.outbox_evicted(evicted)
        if slow:
            self._metrics.slow_consumer()

    def stored(self, outcome: Future[None]) -> None:
        """The store has, or has not, taken a transcript."""
        if outcome.exception() is not None:
            self._metrics.store_failed()

    def job_done(self, report: JobReport) -> None:
        """A worker is done with a job."""
        self._monitor.done(report)
        if report.first:
            self._metrics.batch_done(report.batch)
        kind = report.kind.name.lower()
        self._metrics.job_waited(report.wait_s, kind)
        self._metrics.job_done(report.audio_s, report.run_s, kind)
        if report.late:
            self._metrics.job_late()
        if report.failed:
            self._metrics.job_failed()
        with self._lock:
            retries = getattr(self._engine, "short_context_retries", 0)
            new, self._retries = retries - self._retries, retries
        for _ in range(new):
            self._metrics.short_context_retry()

    def watch(self, manager: SessionManager, queue: JobQueue, timers: Timers) -> None:
        """Have depths read at each scrape, and the interpreter's lag probed."""
        gauge = self._metrics.gauge
        gauge("hark_sessions", lambda: float(len(manager)), state="open")
        gauge("hark_sessions", lambda: float(manager.leaving), state="leaving")
        gauge("hark_outbox_depth", lambda: float(manager.unsent))
        gauge("hark_load", lambda: self._monitor.load)
        gauge("hark_degraded", lambda: float(manager.degraded))
        for kind in queue.depth:
            gauge("hark_queue_depth", lambda kind=kind: float(queue.depth[kind]), kind=kind)  # type: ignore[misc]
        timers.every(PROBE_EVERY, self._probe)

    def _probe(self) -> None:
        """How late a short sleep ends: it shows the interpreter lock thrash (runtime section 3)."""
        begun = time.monotonic()
        threading.Event().wait(PROBE_SLEEP)
        self._metrics.gil_lag(max(0.0, time.monotonic() - begun - PROBE_SLEEP))
