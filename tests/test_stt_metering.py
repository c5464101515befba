"""The one observer: facts of the running parts reach the metrics and the load."""

from __future__ import annotations

import pytest

from stt.events import Kind
from stt.metrics import Metrics
from stt_job import JobReport
from stt_load import LoadMonitor, LoadOptions
from stt_metering import Metering
from tests.queue_jobs import Clock, tiny
from tests.service import running


class Desk:
    """A metering with its metrics and its monitor."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.monitor = LoadMonitor(LoadOptions(), clock=Clock())
        self.monitor.plan(tiny())
        self.metering = Metering(self.metrics, "reject", self.monitor)

    def value(self, line: str) -> float | None:
        """Of a line of the metrics' text, by its beginning."""
        for shown in self.metrics.text().decode().splitlines():
            if shown.startswith(f"{line} "):
                return float(shown.rpartition(" ")[2])
        return None


@pytest.fixture(name="desk")
def _desk() -> Desk:
    return Desk()


def test_a_batch_is_counted_once(desk: Desk) -> None:
    """Each of its jobs reports, and one of them is the first (REC-65)."""
    for place in range(3):
        desk.metering.job_done(
            JobReport(
                Kind.FINAL, 0.1, 0.1, 2.0, late=False, failed=False, batch=3, first=place == 0
            )
        )

    assert desk.value("hark_batch_size_count") == 1
    assert desk.value("hark_batch_size_sum") == 3
    assert desk.value('hark_queue_wait_seconds_count{kind="final"}') == 3


def test_a_refusal_for_the_load_is_counted(desk: Desk) -> None:
    """What is accepted makes the load, and the load refuses (REC-74)."""
    assert desk.metering.admits("session")
    assert desk.value('hark_admissions_refused_total{what="session"}') is None

    for _ in range(1000):
        desk.metering.job_accepted(Kind.FINAL, 5.0)

    assert not desk.metering.admits("session")
    assert desk.value('hark_admissions_refused_total{what="session"}') == 1


def test_slow_reports_reach_the_load(desk: Desk) -> None:
    """Finals that waited for a second close the door."""
    for _ in range(5):
        desk.metering.job_done(JobReport(Kind.FINAL, 1.0, 0.1, 2.0, late=True, failed=True))

    assert not desk.metering.admits("file")
    assert desk.value("hark_jobs_late_total") == 5
    assert desk.value("hark_jobs_failed_total") == 5


def test_the_load_is_read_at_each_scrape(desk: Desk) -> None:
    """`hark_load` from the monitor, `hark_degraded` as clients were told."""
    with running() as core:
        desk.metering.watch(core.manager, core.queue, core.timers)
        assert desk.value("hark_load") == 0.0
        assert desk.value("hark_degraded") == 0.0

        desk.metering.job_accepted(Kind.FINAL, 5.0)
        core.manager.tell_degraded(active=True)

        assert desk.value("hark_load") == pytest.approx(desk.monitor.load)
        assert desk.monitor.load > 0
        assert desk.value("hark_degraded") == 1.0
