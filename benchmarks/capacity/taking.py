"""The one place where the simulation takes work out of the service's queue, without waiting."""

from __future__ import annotations

from stt_ingest import JobQueue
from stt_job import Job


def take_now(queue: JobQueue, limit: int) -> list[Job]:
    """What ``JobQueue.take_batch`` would give a worker now; empty where it would wait."""
    with queue._changed:
        first = queue._take_one()
        if first is None:
            return []
        batch = [first]
        share = min(limit, -(-(queue._jobs + 1) // queue._takers))
        while len(batch) < share and (job := queue._take_one(like=first)) is not None:
            batch.append(job)
        return batch
