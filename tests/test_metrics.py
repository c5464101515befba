"""The metrics: every method shows in the text, depths are read at scrape time."""

from __future__ import annotations

import inspect
import threading
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from stt.metrics import METRICS, Metrics


def samples(metrics: Metrics) -> dict[str, float]:
    """Every line of the text: name with labels -> value."""
    families = text_string_to_metric_families(metrics.text().decode())
    return {
        " ".join(
            [sample.name, *(f"{k}={v}" for k, v in sorted(sample.labels.items()))]
        ): sample.value
        for family in families
        for sample in family.samples
    }


FACTS: list[tuple[str, tuple[Any, ...], dict[str, float]]] = [
    ("session_opened", (), {"hark_sessions_opened_total": 1}),
    ("session_closed", (1000,), {"hark_ws_closed_total code=1000": 1}),
    ("connect", ("ok",), {"hark_connects_total result=ok": 1}),
    ("error", ("bad_json",), {"hark_errors_total code=bad_json": 1}),
    ("audio_received", (1.5,), {"hark_audio_seconds_total": 1.5}),
    ("frames_dropped", ("flood", 3), {"hark_frames_dropped_total why=flood": 3}),
    ("final_said", (0.3,), {"hark_utterance_end_latency_seconds_sum": 0.3}),
    ("interim_lag", (0.4,), {"hark_interim_lag_seconds_sum": 0.4}),
    ("outbox_evicted", (2,), {"hark_interims_merged_total": 2}),
    ("slow_consumer", (), {"hark_slow_consumer_total": 1}),
    ("job_waited", (0.2, "final"), {"hark_queue_wait_seconds_sum kind=final": 0.2}),
    (
        "job_done",
        (2.0, 0.5, "interim"),
        {"hark_decode_seconds_sum kind=interim": 0.5, "hark_rtf_sum kind=interim": 0.25},
    ),
    ("batch_done", (8,), {"hark_batch_size_sum": 8}),
    ("admission_refused", ("file",), {"hark_admissions_refused_total what=file": 1}),
    ("loops_cut", (2,), {"hark_loops_cut_total": 2}),
    ("job_late", (), {"hark_jobs_late_total": 1}),
    ("job_failed", (), {"hark_jobs_failed_total": 1}),
    ("replaced", (), {"hark_jobs_replaced_total": 1}),
    ("displaced", (), {"hark_jobs_displaced_total": 1}),
    ("rejected", ("reject",), {"hark_engine_rejects_total policy=reject": 1}),
    ("short_context_retry", (), {"hark_short_context_retry_total": 1}),
    ("store_failed", (), {"hark_store_failures_total": 1}),
    ("gil_lag", (0.004,), {"hark_gil_lag_seconds_sum": 0.004}),
]


@pytest.mark.parametrize(("method", "values", "lines"), FACTS, ids=[fact[0] for fact in FACTS])
def test_a_fact_shows_in_its_metric_alone(
    method: str, values: tuple[Any, ...], lines: dict[str, float]
) -> None:
    """runtime RT-100: one method, its metric, nothing else of ours changes."""
    metrics = Metrics()
    before = samples(metrics)

    getattr(metrics, method)(*values)

    after = samples(metrics)
    changed = {
        name: value
        for name, value in after.items()
        if name.startswith("hark_")
        and value != before.get(name, 0)
        and not any(part in name for part in ("_created", "_bucket", "_count"))
    }
    assert changed == pytest.approx(lines)


def test_every_fact_is_tested() -> None:
    """A new method belongs into FACTS; every metric but the gauges has a method."""
    methods = {name for name, _ in inspect.getmembers(Metrics, inspect.isfunction)}
    shown = {line.split()[0] for _, _, lines in FACTS for line in lines}

    tested = {method for method, _, _ in FACTS}
    assert {m for m in methods if not m.startswith("_")} - {"text", "gauge"} == tested
    assert {name.removesuffix("_sum") for name in shown} == {
        metric.name for metric in METRICS if metric.type != "gauge"
    }


def test_every_metric_is_in_the_text_before_anything_happened() -> None:
    """runtime RT-100: names and help are there from the start, and those of the process."""
    text = Metrics().text().decode()

    for metric in METRICS:
        assert f"# HELP {metric.name} {metric.help}\n# TYPE {metric.name} {metric.type}\n" in text
    assert "process_resident_memory_bytes" in text


def test_a_gauge_is_read_at_each_scrape() -> None:
    """Depths are functions, with and without labels."""
    metrics, depth = Metrics(), [3]
    metrics.gauge("hark_queue_depth", lambda: depth[0], kind="interim")
    metrics.gauge("hark_outbox_depth", lambda: 7)

    first = samples(metrics)
    depth[0] = 5
    second = samples(metrics)

    assert first["hark_queue_depth kind=interim"] == 3
    assert second["hark_queue_depth kind=interim"] == 5
    assert second["hark_outbox_depth"] == 7


def test_a_gauge_that_cannot_be_read_does_not_end_the_scrape() -> None:
    """The others are shown all the same; this one is NaN."""
    metrics = Metrics()
    metrics.gauge("hark_outbox_depth", lambda: 1 // 0)
    metrics.audio_received(1)

    shown = samples(metrics)

    assert shown["hark_outbox_depth"] != shown["hark_outbox_depth"]
    assert shown["hark_audio_seconds_total"] == 1


def test_a_gauge_must_be_in_the_table() -> None:
    """A wrong name or wrong labels are mistakes of the code, told at once."""
    metrics = Metrics()

    with pytest.raises(KeyError):
        metrics.gauge("hark_nothing", lambda: 1)
    with pytest.raises(ValueError, match="label"):
        metrics.gauge("hark_queue_depth", lambda: 1, colour="red")
    with pytest.raises(ValueError, match="label"):
        metrics.gauge("hark_queue_depth", lambda: 1)


def test_close_codes_made_up_by_clients_make_one_series() -> None:
    """A client can close with 2000 codes; they are one line of /metrics."""
    metrics = Metrics()

    for code in (1000, 1015, 999, 3000, 4711):
        metrics.session_closed(code)

    shown = samples(metrics)
    assert shown["hark_ws_closed_total code=other"] == 3
    assert sum(name.startswith("hark_ws_closed_total") for name in shown) == 3


def test_a_clock_that_goes_back_breaks_no_counter() -> None:
    """A negative amount is left out; audio of no length has no real-time factor."""
    metrics = Metrics()

    metrics.audio_received(-1)
    metrics.job_done(0, 0.5, "final")

    shown = samples(metrics)
    assert shown["hark_audio_seconds_total"] == 0
    assert "hark_rtf_count kind=final" not in shown


def test_two_services_do_not_share_metrics() -> None:
    """One registry object for each, nothing global."""
    one, other = Metrics(), Metrics()

    one.slow_consumer()

    assert samples(other)["hark_slow_consumer_total"] == 0


def test_threads_lose_no_count() -> None:
    """Methods are called by many threads at once, scrapes too."""
    metrics = Metrics()

    def count() -> None:
        for _ in range(500):
            metrics.audio_received(1)
        metrics.text()

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert samples(metrics)["hark_audio_seconds_total"] == 4000
