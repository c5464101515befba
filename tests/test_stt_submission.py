"""Submitting: who is told of what, and which streams may share a batch."""

from __future__ import annotations

import pytest

from stt.errors import Dropped, QueueFull, STTError, Superseded
from stt.events import Kind
from stt.speech.options import SpeechOptions
from stt_ingest import JobQueue
from stt_job import Job, QueueOptions
from stt_submission import batch_group, submit
from tests.queue_jobs import drain, job
from tests.service import Facts


class Told(Facts):
    """An observer that also remembers what was accepted."""

    def __init__(self) -> None:
        super().__init__()
        self.accepted: list[tuple[Kind, float]] = []

    def job_accepted(self, kind: Kind, seconds: float) -> None:
        self.accepted.append((kind, seconds))


def heard(errors: list[STTError], lane: str, kind: Kind = Kind.INTERIM) -> Job:
    """A job whose owner notes what it hears."""
    made = job(lane, kind, seconds=2.0)
    made.on_error = errors.append
    return made


def test_what_is_accepted_is_told_to_the_load() -> None:
    """Kind and length; a job that is refused is told as that (REC-74)."""
    queue, facts = JobQueue(QueueOptions(max_jobs=1)), Told()

    submit(job("a", Kind.FINAL, seconds=3.0), queue, facts)
    with pytest.raises(QueueFull):
        submit(job("b"), queue, facts)

    assert facts.accepted == [(Kind.FINAL, 3.0)]
    assert facts.refused == ["queue_overload"]


def test_owners_of_what_was_pushed_out_are_told() -> None:
    """The victim of the full queue, and the older snapshot (QU2, QU7, AD4)."""
    queue, facts = JobQueue(QueueOptions(max_jobs=2, overflow="drop_oldest")), Told()
    victim: list[STTError] = []
    older: list[STTError] = []
    submit(heard(victim, "a"), queue, facts)
    submit(heard(older, "b"), queue, facts)

    submit(job("b", label="newer"), queue, facts)
    submit(job("c"), queue, facts)

    assert [type(error) for error in victim] == [Dropped]
    assert [type(error) for error in older] == [Superseded]
    assert facts.refused == ["dropped"]
    assert drain(queue) == ["newer", "c"]


def test_an_absorbed_interim_is_told_nothing() -> None:
    """Its stream waits for the final only (REC-61)."""
    queue, facts = JobQueue(), Told()
    absorbed: list[STTError] = []
    submit(heard(absorbed, "a"), queue, facts)

    submit(job("a", Kind.SPEC, promised=True, label="spec"), queue, facts)

    assert absorbed == []
    assert drain(queue) == ["spec"]


def test_streams_share_a_batch_unless_they_ask_for_something_else() -> None:
    """Task, prompt, hot words, and finals decoded anew make a group of their own (REC-65)."""
    usual = SpeechOptions()
    best = SpeechOptions(final="best")
    asking = [
        SpeechOptions(task="translate"),
        SpeechOptions(prompt="names"),
        SpeechOptions(prompt="other names"),
        SpeechOptions(hotwords="names"),
    ]
    groups = {batch_group(options, Kind.FINAL) for options in asking}

    assert batch_group(usual, Kind.FINAL) is None
    assert batch_group(best, Kind.INTERIM) is batch_group(best, Kind.SPEC) is None
    assert len(groups | {None, batch_group(best, Kind.FINAL)}) == 6
