"""The way of a stream's requests to the queue and back; the queue is real, nobody works on it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from stt.errors import Dropped, EngineError, QueueFull, STTError
from stt.events import Failed, Final, Hypothesis, Kind
from stt.protocols.base import AudioFormat
from stt.speech.options import SpeechOptions
from stt.speech.stream import SpeechStream
from stt.store.table import open_store
from stt_dispatch import Dispatch
from stt_ingest import JobQueue
from stt_job import Job
from stt_surroundings import Surroundings
from stt_timers import Timers
from stt_track import Track
from tests.service import Facts, pcm
from tests.speech import speech

OPTIONS = SpeechOptions(first_step=0.95, next_step=1.0)
HEARD = Hypothesis("one two", language="en")


class Owner:
    """A session with one stream, which remembers what it was told."""

    id = "s-1"
    tenant = "t-1"

    def __init__(self, label: str | None = "7", options: SpeechOptions = OPTIONS) -> None:
        self.track = Track(label, options, AudioFormat())
        self.queue = JobQueue()
        self.lock = threading.Lock()
        self.complaints: list[tuple[STTError, str]] = []
        around = Surroundings(self.queue, open_store("memory:"), Timers(), Facts(), lambda *_: None)
        self.dispatch = Dispatch(self, around, self.lock)

    @contextmanager
    def step(self, track: Track) -> Iterator[SpeechStream]:
        """Under the lock, as a session has it."""
        with self.lock:
            yield track.stream

    def complain(self, error: STTError, chunk_id: str) -> None:
        """An interim was refused."""
        assert self.lock.locked()
        self.complaints.append((error, chunk_id))

    def ask(self, *, seconds: float = 1.2, end: bool = False) -> Job:
        """The one job for what was heard now."""
        self.track.feed(pcm(speech(seconds)), 0.0)
        if end:
            self.track.end()
        [request] = self.track.stream.requests()
        return self.dispatch.job(self.track, request)


def test_a_request_is_a_job_of_its_session() -> None:
    """Finals are promised and interims grow; the chunk is named for the logs (AD1, AD3)."""
    interim = Owner().ask()
    final = Owner(options=SpeechOptions(interims=False)).ask(end=True)

    assert (interim.kind, interim.promised, interim.grows) == (Kind.INTERIM, False, True)
    assert (final.kind, final.promised, final.grows) == (Kind.FINAL, True, False)
    assert (interim.tenant, interim.lane) == ("t-1", ("session", "t-1", "s-1"))
    assert interim.label == final.label == "7"


def test_an_answer_goes_to_the_stream_that_asked() -> None:
    """Its window is read when a worker takes it (AD1)."""
    owner = Owner(options=SpeechOptions(interims=False))
    job = owner.ask(end=True)
    owner.dispatch.submit(job)

    [taken] = owner.queue.take_batch(1)
    assert taken is job
    assert job.window() is not None
    job.on_done(HEARD)

    [said] = [it for it in owner.track.stream.events() if isinstance(it, Final)]
    assert said.text == "one two"


def test_a_track_that_is_over_hears_no_answer() -> None:
    """Nobody waits for it: no window is read, no word of it comes (B3, W25)."""
    owner = Owner(options=SpeechOptions(interims=False))
    job = owner.ask(end=True)
    owner.track.stream.events()
    owner.track.replaced = True

    assert job.window() is None
    job.on_done(HEARD)
    job.on_error(EngineError("it broke"))

    assert owner.track.stream.events() == []


def test_a_final_that_the_queue_does_not_take_fails_at_once() -> None:
    """An event of the stream, and no complaint of an interim besides (W16)."""
    owner = Owner(options=SpeechOptions(interims=False))
    job = owner.ask(end=True)
    owner.queue.close()

    owner.dispatch.submit(job)

    [failed] = [it for it in owner.track.stream.events() if isinstance(it, Failed)]
    assert failed.error.code == "not_ready"
    assert owner.complaints == []


@pytest.mark.parametrize("error", [QueueFull(), Dropped()])
def test_the_owner_complains_of_a_refused_interim(error: STTError) -> None:
    """With the chunk it is of, and its lock held (W16)."""
    owner = Owner()

    owner.ask().on_error(error)

    assert owner.complaints == [(error, "7")]


def test_an_interim_that_broke_or_was_withdrawn_is_no_complaint() -> None:
    """Another will come, and nobody refused it (QU2)."""
    owner = Owner()
    owner.ask().on_error(EngineError("it broke"))
    owner.dispatch.submit(owner.ask(seconds=2.0))

    owner.dispatch.withdraw_interims()
    owner.dispatch.withdraw_interims()

    assert owner.complaints == []
    assert owner.queue.depth["interim"] == 0
