"""Putting a job into the queue, and telling the owners of what it pushed out.

The queue calls nobody's callbacks (AD4), so whoever submits does, with no lock held: the owner of a
displaced job takes its own session's lock (AE2).
"""

from __future__ import annotations

from collections.abc import Hashable

from stt.errors import Dropped, STTError, Superseded
from stt.events import Kind
from stt.speech.options import SpeechOptions
from stt_ingest import JobQueue
from stt_job import Job
from stt_surroundings import SessionObserver


def submit(job: Job, queue: JobQueue, observer: SessionObserver, *, wait: float = 0.0) -> None:
    """Enqueue a job. Raises what ``JobQueue.try_enqueue`` raises, counted; then nothing changed."""
    try:
        admission = queue.try_enqueue(job, wait=wait)
    except Superseded:
        raise
    except STTError as error:
        observer.job_refused(error.code)
        raise
    observer.job_accepted(job.kind, job.seconds)
    if admission.replaced is not None:
        observer.replaced()
        admission.replaced.on_error(Superseded())
    for victim in admission.dropped:
        observer.job_refused(Dropped.code)
        victim.on_error(Dropped())


def batch_group(speech: SpeechOptions, kind: Kind) -> Hashable:
    """What the windows of a stream must share with others of their batch (recognition REC-65).

    Prompts of one length stand at one place, and the surest way to one length is one text; a final
    that is decoded anew has a beam of its own. ``kind`` is that of the windows, not of the jobs.
    None: the usual, as most streams are.
    """
    anew = speech.final == "best" and kind not in (Kind.INTERIM, Kind.SPEC)
    group = (speech.task, speech.prompt, speech.hotwords, anew)
    return None if group == ("transcribe", "", "", False) else group
