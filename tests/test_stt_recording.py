"""Finite recordings on their way through the queue."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from stt.engines.fake import FakeEngine, count_up
from stt.errors import Dropped, EngineError, QueueFull, Superseded
from stt.events import Kind, Samples, Window
from stt.replies import Transcription
from stt.speech.options import SpeechOptions
from stt_ingest import JobQueue
from stt_job import Admission, Job, QueueOptions
from stt_recording import BLOCK, Recording, _digest
from stt_submission import batch_group
from stt_workers import WorkerPool
from tests.service import WAIT, Facts, held, lengths, running
from tests.speech import silence, speech


def joined(*parts: Samples) -> Samples:
    """Audio one after the other."""
    return np.concatenate(parts)


def recording(queue: JobQueue, samples: Samples, **more: Any) -> Recording:
    """A chunk's recording in a lane of its own."""
    fields: dict[str, Any] = {"tenant": "t", "lane": ("http", "t", "1")} | more
    return Recording(samples, SpeechOptions(), queue=queue, observer=Facts(), **fields)


class Keeping(JobQueue):
    """A queue that remembers what came."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs: list[Job] = []

    def try_enqueue(self, job: Job, *, wait: float = 0.0) -> Admission:
        """As the queue's own."""
        self.jobs.append(job)
        return super().try_enqueue(job, wait=wait)


def result(heard: Recording) -> Transcription:
    """Its transcript."""
    return heard.result.result(WAIT)


def test_a_recording_is_heard_utterance_by_utterance() -> None:
    """One job at a time, one Final per utterance, in order; the duration counts the silence."""
    audio = joined(silence(1), speech(2), silence(2), speech(1), silence(1))
    with running() as core:
        heard = recording(core.queue, audio)
        heard.start()

        said = result(heard)

        assert said.text == "one two three four one two"
        assert len(said.finals) == 2
        assert said.finals[1].start == pytest.approx(5.0, abs=0.15)
        assert (said.duration, said.language) == (7.0, "en")
        engine = core.engine
        assert isinstance(engine, FakeEngine)
        assert list(engine.batches) == [1, 1]


def test_a_recording_is_planned_as_what_the_engine_gets() -> None:
    """A posted chunk is displaced as an interim; its window is that of a final (QU7, REC-65)."""
    for final in ("consistent", "best"):
        queue = Keeping()
        options = SpeechOptions(final=final)  # type: ignore[arg-type]
        fields: dict[str, Any] = {"tenant": "t", "lane": ("http", "t", "1")}

        Recording(speech(2), options, queue=queue, observer=Facts(), **fields).start()

        (job,) = queue.jobs
        window = job.window()
        assert window is not None
        assert (job.kind, job.window_kind, window.kind) == (
            Kind.INTERIM,
            Kind.FINAL,
            Kind.FINAL,
        )
        assert job.group == batch_group(options, window.kind)


def test_silence_needs_no_engine() -> None:
    """A silent or an empty recording is done at once (W26)."""
    with running() as core:
        for audio, seconds in ((silence(65), 65.0), (silence(0), 0.0)):
            heard = recording(core.queue, audio)
            heard.start()

            assert heard.result.done()
            assert result(heard) == Transcription((), seconds)


def test_a_long_recording_is_heard_in_blocks() -> None:
    """No window is longer than the engine takes, and nothing is left out (REC-54)."""
    audio = speech(2.5 * BLOCK / 16_000)
    with running() as core:
        heard = recording(core.queue, audio)
        heard.start()

        said = result(heard)

        engine = core.engine
        assert isinstance(engine, FakeEngine)
        assert max(lengths(engine, Kind.FINAL)) <= 30.0
        assert sum(lengths(engine, Kind.FINAL)) == pytest.approx(75.0, abs=1.0)
        assert said.finals[-1].end == pytest.approx(75.0, abs=0.2)


def test_a_full_queue_refuses_a_recording_before_it_has_begun() -> None:
    """Nothing is queued, and the caller is told (QU6)."""
    queue = JobQueue(QueueOptions(max_jobs=1))
    recording(queue, speech(1), lane="a").start()

    with pytest.raises(QueueFull):
        recording(queue, speech(1), lane="b").start()

    assert queue.depth["interim"] == 1


def test_an_utterance_that_fails_fails_the_recording() -> None:
    """Part of the text would be missing, so there is none (B26)."""

    def script(window: Window) -> str:
        if window.seconds < 2:
            raise EngineError("no memory")
        return count_up(window)

    with running(FakeEngine(script)) as core:
        heard = recording(core.queue, joined(speech(2), silence(1), speech(1), silence(1)))
        heard.start()

        with pytest.raises(EngineError, match="no memory"):
            result(heard)


def test_a_displaced_recording_fails_with_the_reason() -> None:
    """Displaced by drop_oldest: `dropped`; by a newer one of its lane: superseded (QU7, QU2)."""
    queue = JobQueue(QueueOptions(max_jobs=1, overflow="drop_oldest"))
    first = recording(queue, speech(1), lane="a")
    second = recording(queue, speech(1), lane="b")
    third = recording(queue, speech(2), lane="b")

    for heard in (first, second, third):
        heard.start()

    assert type(first.result.exception(0)) is Dropped
    assert type(second.result.exception(0)) is Superseded
    assert not third.result.done()


def test_a_recording_given_up_is_not_recognised() -> None:
    """Its waiting job finds no window any more."""
    queue, engine = JobQueue(), FakeEngine()
    heard = recording(queue, speech(1))
    heard.start()
    heard.give_up()
    pool = WorkerPool(queue, engine, workers=1)

    pool.start()

    assert queue.join(WAIT)
    assert engine.calls == 0
    pool.stop()


def test_what_was_complete_when_given_up_still_counts() -> None:
    """The last utterance was with the engine: its text is good, or a busy client would starve."""
    with held() as (core, engine, gate):
        heard = recording(core.queue, speech(1))
        heard.start()
        assert engine.wait_for(1)
        heard.give_up()

        gate.set()

        assert result(heard).text == "one two"


def test_giving_up_between_two_utterances() -> None:
    """The rest is not recognised; whoever waits hears why."""
    with held() as (core, engine, gate):
        heard = recording(core.queue, joined(speech(1), silence(1), speech(1), silence(1)))
        heard.start()
        assert engine.wait_for(1)
        heard.give_up()

        gate.set()

        with pytest.raises(Superseded):
            result(heard)
        assert core.queue.join(WAIT)
        assert engine.calls == 1


def test_a_growing_recording_remembers_its_utterances() -> None:
    """Utterances that an older snapshot had are not recognised again; memory stays bounded."""
    audio = joined(speech(1), silence(1), speech(2), silence(1), speech(1.5), silence(1))
    with running() as core:
        memory = None
        texts = []
        for seconds in (2.2, 5.2, 7.5):
            heard = recording(core.queue, audio[: round(16_000 * seconds)], memory=memory)
            heard.start()
            texts.append(result(heard).text)
            memory = heard.memory

        engine = core.engine
        assert isinstance(engine, FakeEngine)
        assert len(lengths(engine, Kind.FINAL)) == len(set(lengths(engine, Kind.FINAL)))
        assert memory is not None
        assert len(memory) == 3
        assert texts[-1].startswith(texts[1])


def test_an_older_snapshot_gives_way_to_a_newer_one() -> None:
    """The next utterance of the older never takes the place of the newer's first (W25, QU2)."""
    audio = joined(speech(1), silence(1), speech(2), silence(1))
    with held() as (core, engine, gate):
        older = recording(core.queue, audio, lane="c")
        older.start()
        assert engine.wait_for(1)
        newer = recording(core.queue, speech(3), lane="c")
        newer.start()  # `give_up` of the older one has not come yet

        gate.set()

        with pytest.raises(Superseded):
            result(older)
        assert result(newer).text == "one two three four five six"


def test_starting_waits_for_room_as_long_as_asked() -> None:
    """With a wait, room made meanwhile is used (QU8)."""
    with held(queue=QueueOptions(max_jobs=1)) as (core, engine, gate):
        recording(core.queue, speech(1), lane="running").start()
        assert engine.wait_for(1)
        recording(core.queue, speech(1), lane="waiting").start()
        late = recording(core.queue, speech(1), lane="late")
        starter = threading.Thread(target=late.start, kwargs={"wait": WAIT})

        starter.start()
        gate.set()
        starter.join(WAIT)

        assert result(late).text == "one two"


def test_audio_is_known_again_in_either_form() -> None:
    """Windows that carry features are told apart by them: their samples are empty (REC-02)."""
    none = np.zeros(0, np.float32)
    frames = [np.full((30, 80), level, np.float32) for level in (-1.0, -2.0)]
    windows = [Window(none, Kind.BULK, features=features) for features in frames]
    windows += [Window(speech(seconds), Kind.BULK) for seconds in (0.5, 0.6)]

    digests = [_digest(window) for window in windows]

    assert len(set(digests)) == 4
    assert digests[0] == _digest(Window(none, Kind.BULK, features=frames[0].copy()))
