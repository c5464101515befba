"""What Hark counts and measures, for Prometheus: one registry object, one method per fact.

Knows no session, queue or engine: whoever learns a fact calls its method, and depths are read at
scrape time through functions given to ``gauge``. Starts no thread. ``docs/metrics.md`` lists
``METRICS`` and a test holds it to that. One process only (runtime RT-101).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

log = logging.getLogger("stt.metrics")

Type: TypeAlias = Literal["counter", "gauge", "histogram"]

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 60)
_RATIO = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 5)
_ITEMS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
_LAG = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric as it stands in /metrics; a counter's name there ends in ``_total``."""

    name: str
    type: Type
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = _SECONDS
    """Of a histogram: upper bounds."""


METRICS = (
    Metric("hark_sessions", "gauge", "Sessions, by state.", ("state",)),
    Metric("hark_sessions_opened_total", "counter", "Sessions that were opened."),
    Metric("hark_connects_total", "counter", "Attempts to connect, by result.", ("result",)),
    Metric("hark_ws_closed_total", "counter", "WebSockets closed, by close code.", ("code",)),
    Metric("hark_errors_total", "counter", "Errors said to clients, by code.", ("code",)),
    Metric("hark_audio_seconds_total", "counter", "Seconds of audio received."),
    Metric("hark_frames_dropped_total", "counter", "Messages dropped unread, by reason.", ("why",)),
    Metric("hark_queue_depth", "gauge", "Jobs that wait or run, by kind.", ("kind",)),
    Metric("hark_queue_wait_seconds", "histogram", "From enqueue to a worker.", ("kind",)),
    Metric("hark_decode_seconds", "histogram", "Of the engine for one job.", ("kind",)),
    Metric("hark_rtf", "histogram", "Engine seconds per second of audio.", ("kind",), _RATIO),
    Metric("hark_batch_size", "histogram", "Windows in one call of the engine.", (), _ITEMS),
    Metric("hark_load", "gauge", "Part of the workers that finals alone take, predicted."),
    Metric("hark_degraded", "gauge", "1 while interims come so late that clients are told."),
    Metric("hark_admissions_refused_total", "counter", "Refused for the load, by what.", ("what",)),
    Metric("hark_jobs_late_total", "counter", "Jobs that ended after their deadline."),
    Metric("hark_jobs_failed_total", "counter", "Jobs on which the engine failed."),
    Metric("hark_jobs_replaced_total", "counter", "Waiting jobs replaced by a newer snapshot."),
    Metric("hark_jobs_displaced_total", "counter", "Waiting jobs displaced by drop_oldest."),
    Metric("hark_engine_rejects_total", "counter", "Jobs refused, by policy.", ("policy",)),
    Metric("hark_short_context_retry_total", "counter", "Windows decoded again in full context."),
    Metric("hark_loops_cut_total", "counter", "Repeating phrases cut out of finals."),
    Metric("hark_utterance_end_latency_seconds", "histogram", "From arrival of its end to final."),
    Metric("hark_interim_lag_seconds", "histogram", "Audio received, not yet in an interim."),
    Metric("hark_outbox_depth", "gauge", "Replies that wait to be sent, all sessions."),
    Metric("hark_interims_merged_total", "counter", "Interims a slow client never saw."),
    Metric("hark_slow_consumer_total", "counter", "Sessions ended for not reading."),
    Metric("hark_store_failures_total", "counter", "Transcripts the store did not take."),
    Metric("hark_gil_lag_seconds", "histogram", "How late a 10 ms sleep ends.", (), _LAG),
)
"""Every metric of Hark's own; those of the process and of Python come from prometheus_client."""

_CLOSE_CODES = range(1000, 1016)  # RFC 6455 section 7.4.1 and its registry


class Metrics:
    """The metrics of one service. Methods are thread-safe, cheap leaf calls that never raise."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._histograms: dict[str, Histogram] = {}
        for m in METRICS:
            if m.type == "counter":
                self._counters[m.name] = Counter(m.name, m.help, m.labels, registry=self._registry)
            elif m.type == "gauge":
                self._gauges[m.name] = Gauge(m.name, m.help, m.labels, registry=self._registry)
            else:
                self._histograms[m.name] = Histogram(
                    m.name, m.help, m.labels, registry=self._registry, buckets=m.buckets
                )

    def text(self) -> bytes:
        """All of it in Prometheus' text format 0.0.4, for /metrics."""
        return generate_latest(self._registry)

    def gauge(self, name: str, read: Callable[[], float], **labels: str) -> None:
        """Have ``read`` called at each scrape for the gauge ``name``; where it raises: NaN.

        Raises KeyError for a gauge that is not in METRICS, ValueError for other labels than its.
        """
        gauge = self._gauges[name]
        (gauge.labels(**labels) if labels else gauge).set_function(lambda: _read(name, read))

    # Sessions.

    def session_opened(self) -> None:
        """A session began."""
        self._count("hark_sessions_opened_total")

    def session_closed(self, code: int) -> None:
        """A WebSocket was closed with this code; those a client can make up count as other."""
        known = code if code in _CLOSE_CODES else "other"
        self._count("hark_ws_closed_total", code=str(known))

    def connect(self, result: str) -> None:
        """A client tried to connect: ``ok``, or the code of the error."""
        self._count("hark_connects_total", result=result)

    def error(self, code: str) -> None:
        """An error with this code of stt.errors was said to a client."""
        self._count("hark_errors_total", code=code)

    def audio_received(self, seconds: float) -> None:
        """Audio came in."""
        self._count("hark_audio_seconds_total", seconds)

    def frames_dropped(self, why: str, frames: int = 1) -> None:
        """Messages of a client were dropped unread."""
        self._count("hark_frames_dropped_total", frames, why=why)

    def final_said(self, latency: float) -> None:
        """A final is sent, so many seconds after its audio's end had arrived (client S5)."""
        self._histograms["hark_utterance_end_latency_seconds"].observe(latency)

    def interim_lag(self, seconds: float) -> None:
        """An interim was said while so much audio received was not yet in it."""
        self._histograms["hark_interim_lag_seconds"].observe(seconds)

    def outbox_evicted(self, interims: int = 1) -> None:
        """Interims left an outbox unsent, for newer ones (recognition REC-60)."""
        self._count("hark_interims_merged_total", interims)

    def slow_consumer(self) -> None:
        """A session was ended because its client does not read (native W24)."""
        self._count("hark_slow_consumer_total")

    # Jobs.

    def job_waited(self, seconds: float, kind: str) -> None:
        """A job came to a worker after waiting (native B34)."""
        self._histograms["hark_queue_wait_seconds"].labels(kind).observe(seconds)

    def job_done(self, audio_seconds: float, seconds: float, kind: str) -> None:
        """The engine spent ``seconds`` of wall time on a job's audio (native B34)."""
        self._histograms["hark_decode_seconds"].labels(kind).observe(seconds)
        if audio_seconds > 0:
            self._histograms["hark_rtf"].labels(kind).observe(seconds / audio_seconds)

    def batch_done(self, size: int) -> None:
        """The engine was called with so many windows (recognition REC-65)."""
        self._histograms["hark_batch_size"].observe(size)

    def admission_refused(self, what: str) -> None:
        """A session, chunk or file was refused for the load there is (recognition REC-74)."""
        self._count("hark_admissions_refused_total", what=what)

    def job_late(self) -> None:
        """A job ended after its deadline (recognition REC-69)."""
        self._count("hark_jobs_late_total")

    def job_failed(self) -> None:
        """The engine failed on a job."""
        self._count("hark_jobs_failed_total")

    def replaced(self) -> None:
        """A waiting snapshot was replaced by a newer one of its chunk (native QU2)."""
        self._count("hark_jobs_replaced_total")

    def displaced(self) -> None:
        """A waiting job was displaced from the full queue (native QU7)."""
        self._count("hark_jobs_displaced_total")

    def rejected(self, policy: str) -> None:
        """The full queue refused a job; the overflow policy in force (native QU6)."""
        self._count("hark_engine_rejects_total", policy=policy)

    def short_context_retry(self) -> None:
        """A window was decoded again with the full encoder context (recognition REC-44)."""
        self._count("hark_short_context_retry_total")

    def loops_cut(self, loops: int) -> None:
        """So many repeating phrases were cut out of a final (recognition REC-14)."""
        self._count("hark_loops_cut_total", loops)

    # The machine.

    def store_failed(self) -> None:
        """The transcript store did not take a transcript."""
        self._count("hark_store_failures_total")

    def gil_lag(self, seconds: float) -> None:
        """A thread that slept 10 ms woke up so many seconds late."""
        self._histograms["hark_gil_lag_seconds"].observe(seconds)

    def _count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Add to a counter; less than nothing is left out, for a counter never falls."""
        counter = self._counters[name]
        (counter.labels(**labels) if labels else counter).inc(max(0.0, amount))


def _read(name: str, read: Callable[[], float]) -> float:
    try:
        return float(read())
    except Exception:
        log.exception("%s cannot be read", name)
        return math.nan
