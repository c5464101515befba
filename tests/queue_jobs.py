"""Jobs and a clock for tests of the queue: nobody waits for them, and time is told."""

from __future__ import annotations

from typing import Any

from stt.costs import CostTable
from stt.errors import STTError
from stt.events import Hypothesis, Kind, Window
from stt_batches import BatchOptions, Plan
from stt_ingest import JobQueue
from stt_job import Job

TINY = CostTable(
    encode=((100, 0.0027), (500, 0.0145), (1000, 0.036), (3000, 0.320)),
    step=((1, 0.0014), (4, 0.0024), (8, 0.0036), (16, 0.0066)),
    call=0.003,
    window=0.001,
    align=((100, 0.0025), (500, 0.008), (1000, 0.021), (3000, 0.110)),
)
"""Recognition section 2: tiny, int8, one core."""


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, now: float = 100.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def by_second(kind: Kind, seconds: float) -> int:
    """Feature frames in steps of a second: a shape for each."""
    return 100 * int(seconds + 0.999)


def tiny(*, frames: Any = by_second, max_seconds: float = 0.150, costs: CostTable = TINY) -> Plan:
    """The plan for an engine with the costs of the tiny model."""
    return Plan(frames, costs, BatchOptions(max_seconds=max_seconds))


def job(
    lane: str, kind: Kind = Kind.INTERIM, *, tenant: str = "t", label: str = "", **more: Any
) -> Job:
    """A job that nobody waits for."""

    def nothing() -> Window | None:
        return None

    def done(_: Hypothesis) -> None:
        return None

    def failed(_: STTError) -> None:
        return None

    return Job(tenant, (lane,), kind, nothing, done, failed, label=label or lane, **more)


def labels(batch: list[Job]) -> list[str]:
    """Of a batch."""
    return [taken.label for taken in batch]


def drain(queue: JobQueue) -> list[str]:
    """Take and finish every waiting job, one by one; their labels."""
    order = []
    while batch := queue.take_now(1):
        order += labels(batch)
        queue.finish(batch[0])
    return order
