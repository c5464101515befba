"""Chunks posted over HTTP, and files: status, store, finality, overload."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest

from stt.engines.fake import FakeEngine, count_up
from stt.errors import EngineError, NotReady, Overloaded, QueueFull
from stt.events import Kind, Window
from stt.replies import Transcript
from stt.store.table import open_store
from stt_file import FileOptions
from stt_ingest import JobQueue
from stt_job import QueueOptions
from stt_recorder import Recorder, RecorderOptions
from tests.service import (
    WAIT,
    Core,
    Facts,
    held,
    lengths,
    now_waiting,
    running,
    stored,
    talk,
    transcripts,
)
from tests.speech import silence, speech

T = "0000"


def heard_by(subscriber: object) -> list[tuple[str, str, bool]]:
    """What a subscriber was told: chunk, text, final."""
    said = transcripts(now_waiting(subscriber))  # type: ignore[arg-type]
    return [(reply.chunk_id, reply.committed + reply.tail, reply.is_final) for reply in said]


def engine_of(core: Core) -> FakeEngine:
    """The scripted engine of a core."""
    assert isinstance(core.engine, FakeEngine)
    return core.engine


def test_a_snapshot_is_stored_when_it_is_recognised() -> None:
    """Status processing, then done; the text and its words are in the store (TR1, DM7)."""
    with held() as (core, _, gate):
        core.recorder.snapshot(T, "1", speech(1.0))
        assert core.recorder.status(T, "1") == "processing"
        assert core.store.chunks(T) == []

        gate.set()
        assert core.queue.join(WAIT)

        assert stored(core) == {"1": "one two"}
        assert core.recorder.status(T, "1") == "done"
        words = json.loads(core.store.chunks(T)[0].words)
        assert [word["word"] for word in words] == ["one", "two"]
        assert core.recorder.status(T, "2") is None


def test_a_later_snapshot_replaces_the_transcript() -> None:
    """It is overwritten, never appended (DM3)."""
    with running() as core:
        for seconds in (1.0, 2.0, 3.0):
            core.recorder.snapshot(T, "1", speech(seconds))
            assert core.queue.join(WAIT)

        assert stored(core) == {"1": "one two three four five six"}


def test_the_vector_of_replacing_in_place() -> None:
    """t1c1v1, t2c1x, t1c2y, then t1c1v2: processed t1c1v2, t2c1x, t1c2y (QU2, QU3, B33)."""
    with held() as (core, engine, gate):
        core.recorder.snapshot("t0", "running", speech(0.5))
        assert engine.wait_for(1)
        core.recorder.snapshot("t1", "c1", speech(1.0))
        core.recorder.snapshot("t2", "c1", speech(1.5))
        core.recorder.snapshot("t1", "c2", speech(2.0))
        core.recorder.snapshot("t1", "c1", speech(3.0))

        gate.set()
        assert core.queue.join(WAIT)

        assert lengths(engine, Kind.FINAL) == [0.5, 3.0, 1.5, 2.0]
        assert stored(core, "t1") == {"c1": count_up_text(3.0), "c2": count_up_text(2.0)}
        assert stored(core, "t2") == {"c1": count_up_text(1.5)}


def count_up_text(seconds: float) -> str:
    """What the scripted engine hears in so much audio."""
    return count_up(Window(np.zeros(round(16_000 * seconds), np.float32), Kind.FINAL))


def test_two_jobs_of_a_chunk_never_run_at_once() -> None:
    """With two workers the newer snapshot waits for the older; its text stays (QU4, B3)."""
    with held(workers=2) as (core, engine, gate):
        core.recorder.snapshot(T, "1", speech(4.0))
        assert engine.wait_for(1)
        core.recorder.snapshot(T, "1", speech(1.0))
        core.recorder.snapshot("other", "1", speech(2.0))
        assert engine.wait_for(2)
        assert lengths(engine, Kind.FINAL) == [4.0, 2.0]

        gate.set()
        assert core.queue.join(WAIT)

        assert stored(core) == {"1": "one two"}


def test_a_newer_snapshot_that_is_known_already_is_not_overtaken() -> None:
    """Answered from memory while an older one is in the engine: the older counts no more (W25)."""
    with held() as (core, engine, gate):
        subscriber = core.session(subscribe=True)
        gate.set()
        core.recorder.snapshot(T, "1", speech(1.0))
        assert core.queue.join(WAIT)
        gate.clear()
        core.recorder.snapshot(T, "1", speech(4.0, level=0.2))
        assert engine.wait_for(2)
        core.recorder.snapshot(T, "1", speech(1.0))

        gate.set()
        assert core.queue.join(WAIT)

        assert heard_by(subscriber) == [("1", "one two", False)]  # the newest interim waits
        assert stored(core) == {"1": "one two"}
        assert core.recorder.status(T, "1") == "done"


def test_tenants_are_served_in_turn() -> None:
    """Five tenants whose chunks wait are served round robin (QU5, B4)."""
    with held() as (core, engine, gate):
        core.recorder.snapshot("x", "running", speech(0.5))
        assert engine.wait_for(1)
        for chunk in range(3):
            for tenant in range(5):
                core.recorder.snapshot(f"t{tenant}", str(chunk), speech(1.0 + tenant / 5))

        gate.set()
        assert core.queue.join(WAIT)

        order = lengths(engine, Kind.FINAL)[1:]
        assert [len(set(order[at : at + 5])) for at in (0, 5, 10)] == [5, 5, 5]


def test_silence_makes_no_job() -> None:
    """A silent snapshot never reaches the engine and stores nothing (W26, C17)."""
    with running() as core:
        core.recorder.snapshot(T, "1", silence(2.0))

        assert core.recorder.status(T, "1") == "silent"
        assert engine_of(core).calls == 0
        assert stored(core) == {}


def test_an_empty_result_erases_nothing() -> None:
    """A later snapshot that is filtered leaves the text, for the store and for subscribers (B6)."""

    def script(window: Window) -> str:
        return "kept" if window.seconds < 2 else "Thanks for watching"

    with running(FakeEngine(script)) as core:
        subscriber = core.session(subscribe=True)
        core.recorder.snapshot(T, "1", speech(1.0))
        assert core.queue.join(WAIT)
        core.recorder.snapshot(T, "1", speech(3.0))
        assert core.queue.join(WAIT)
        core.recorder.snapshot(T, "2", silence(1.0))

        assert stored(core) == {"1": "kept"}
        assert core.recorder.status(T, "1") == "silent"
        assert heard_by(subscriber) == [("1", "kept", False), ("1", "kept", True)]


def test_a_failed_chunk_says_so_and_the_worker_survives() -> None:
    """Status failed; the next chunk works (TR13, B26)."""

    def script(window: Window) -> str:
        if window.seconds < 1:
            raise ZeroDivisionError
        return count_up(window)

    with running(FakeEngine(script)) as core:
        subscriber = core.session(subscribe=True)
        core.recorder.snapshot(T, "1", speech(0.5))
        assert core.queue.join(WAIT)
        core.recorder.snapshot(T, "2", speech(1.0))
        assert core.queue.join(WAIT)

        assert core.recorder.status(T, "1") == "failed"
        assert core.recorder.status(T, "2") == "done"
        assert stored(core) == {"2": "one two"}
        assert heard_by(subscriber) == [("1", "", True), ("2", "one two", False)]


def test_a_chunk_that_fails_after_its_end_keeps_its_text() -> None:
    """Its last snapshot fails when a later chunk is there: the final has the text before (DM5)."""
    fail = threading.Event()

    def script(window: Window) -> str:
        if fail.is_set():
            raise EngineError("no memory")
        return count_up(window)

    with held(script) as (core, engine, gate):
        gate.set()
        subscriber = core.session(subscribe=True)
        core.recorder.snapshot(T, "1", speech(1.0))
        assert core.queue.join(WAIT)
        gate.clear()
        fail.set()
        core.recorder.snapshot(T, "1", speech(2.0))
        assert engine.wait_for(2)
        core.recorder.snapshot(T, "2", silence(1.0))
        assert heard_by(subscriber) == [("1", "one two", False)]

        gate.set()
        assert core.queue.join(WAIT)

        assert heard_by(subscriber) == [("1", "one two", True)]
        assert stored(core) == {"1": "one two"}


def test_a_full_queue_refuses_the_snapshot_and_keeps_the_older() -> None:
    """The caller is told `queue_full`; what waits stays (QU6, TR2)."""
    with held(queue=QueueOptions(max_jobs=1)) as (core, engine, gate):
        core.recorder.snapshot(T, "running", speech(0.5))
        assert engine.wait_for(1)
        core.recorder.snapshot(T, "1", speech(1.0))

        with pytest.raises(QueueFull, match="queue_full"):
            core.recorder.snapshot(T, "2", speech(1.0))
        core.recorder.snapshot(T, "1", speech(2.0))  # in place: needs no room
        gate.set()
        assert core.queue.join(WAIT)

        assert core.recorder.status(T, "2") is None
        assert stored(core) == {"running": "one", "1": "one two three four"}


def test_a_dropped_snapshot_has_a_status() -> None:
    """The victim of drop_oldest can be asked for (QU7, B19)."""
    options = QueueOptions(max_jobs=1, overflow="drop_oldest")
    with held(queue=options) as (core, engine, gate):
        core.recorder.snapshot(T, "running", speech(0.5))
        assert engine.wait_for(1)
        core.recorder.snapshot("a", "1", speech(1.0))

        core.recorder.snapshot("b", "1", speech(1.0))
        assert core.recorder.status("a", "1") == "dropped"
        gate.set()
        assert core.queue.join(WAIT)

        assert core.recorder.status("b", "1") == "done"
        assert stored(core, "a") == {}


def test_a_request_waits_for_room_no_longer_than_set() -> None:
    """At once by default; with a wait, that long (QU8, B18, TR11)."""
    options = RecorderOptions(enqueue_wait=0.02)
    with held(queue=QueueOptions(max_jobs=1), recorder=options) as (core, engine, gate):
        core.recorder.snapshot(T, "running", speech(0.5))
        assert engine.wait_for(1)
        core.recorder.snapshot(T, "1", speech(1.0))

        with pytest.raises(QueueFull):
            core.recorder.snapshot(T, "2", speech(1.0))
        with pytest.raises(QueueFull):
            core.recorder.transcribe([speech(1.0)], FileOptions(tenant=T))
        gate.set()


def test_the_chunk_before_is_final_when_the_next_comes() -> None:
    """Also when its last snapshot is still waiting; each final once, after its interims (DM5)."""
    with held() as (core, engine, gate):
        subscriber = core.session(subscribe=True)
        core.recorder.snapshot(T, "1", speech(1.0))
        assert engine.wait_for(1)
        core.recorder.snapshot(T, "2", speech(1.5))
        core.recorder.snapshot("other", "9", speech(2.0))
        core.recorder.snapshot(T, "2", speech(2.0))

        gate.set()
        assert core.queue.join(WAIT)
        core.recorder.snapshot(T, "3", silence(1.0))

        assert heard_by(subscriber) == [
            ("1", "one two", True),
            ("2", "one two three four", False),
            ("2", "one two three four", True),
        ]
        assert stored(core) == {"1": "one two", "2": "one two three four"}
        assert {row.chunk_id: row.is_final for row in core.store.chunks(T)}["1"]


def test_a_chunk_is_final_when_nothing_comes() -> None:
    """After the time set, at the next sweep, once (DM5, RE2)."""
    with running(recorder=RecorderOptions(final_after=0.0)) as core:
        subscriber = core.session(subscribe=True)
        core.recorder.snapshot(T, "1", speech(1.0))
        assert core.queue.join(WAIT)

        core.recorder.sweep()
        core.recorder.sweep()

        assert heard_by(subscriber) == [("1", "one two", False), ("1", "one two", True)]


def test_a_fresh_chunk_is_not_swept() -> None:
    """Before the time is over a sweep changes nothing (DM5)."""
    with running() as core:
        subscriber = core.session(subscribe=True)
        core.recorder.snapshot(T, "1", speech(1.0))
        assert core.queue.join(WAIT)

        core.recorder.sweep()

        assert heard_by(subscriber) == [("1", "one two", False)]


def test_a_silent_chunk_has_an_empty_final_with_a_reason() -> None:
    """Subscribers hear that it is over (M4, W29)."""
    with running(recorder=RecorderOptions(final_after=0.0)) as core:
        subscriber = core.session(subscribe=True)
        core.recorder.snapshot(T, "1", silence(1.0))

        core.recorder.sweep()

        (last,) = transcripts(now_waiting(subscriber))
        assert (last.committed, last.is_final, last.reason) == ("", True, "silence")


def test_a_deleted_chunk_stays_deleted() -> None:
    """A job older than the deletion does not bring the chunk back; newer audio does (B27, RE5)."""
    with held() as (core, engine, gate):
        core.recorder.snapshot(T, "1", speech(1.0))
        assert engine.wait_for(1)
        gate.set()
        assert core.queue.join(WAIT)
        gate.clear()
        core.recorder.snapshot(T, "1", speech(2.0))
        assert engine.wait_for(2)
        assert stored(core) == {"1": "one two"}
        core.store.edit(T, lambda rows: {row.chunk_id: None for row in rows})

        gate.set()
        assert core.queue.join(WAIT)
        assert stored(core) == {}
        core.recorder.snapshot(T, "1", speech(3.0))
        assert core.queue.join(WAIT)

        assert stored(core) == {"1": "one two three four five six"}


def test_the_record_is_bounded() -> None:
    """Statuses of old chunks are forgotten; their text stays in the store (RE4)."""
    with running(recorder=RecorderOptions(chunks_kept=3)) as core:
        for chunk in range(5):
            core.recorder.snapshot(T, str(chunk), speech(0.6))
            assert core.queue.join(WAIT)

        assert [core.recorder.status(T, str(chunk)) for chunk in range(5)] == [
            None, None, "done", "done", "done",
        ]  # fmt: skip
        assert len(stored(core)) == 5


def test_a_file_is_transcribed_with_its_options() -> None:
    """The caller waits; language, task, prompt and word times reach the engine (UP1, UP2)."""
    with running() as core:
        said = core.recorder.transcribe(
            [speech(1.0), silence(1.0), speech(2.0)],
            FileOptions(language="de", task="translate", prompt="Hark", word_times=False),
        )

        assert len(said.finals) == 2
        assert said.language == "de"
        for window in engine_of(core).windows:
            assert (window.kind, window.language, window.task) == (Kind.BULK, "de", "translate")
            assert (window.prompt, window.word_times) == ("Hark", False)
        assert stored(core) == {}


def test_a_file_that_fails_tells_its_caller() -> None:
    """The engine's error reaches whoever waits (B26, UP5)."""

    def script(_: Window) -> str:
        raise EngineError("no memory")

    with running(FakeEngine(script)) as core, pytest.raises(EngineError, match="no memory"):
        core.recorder.transcribe([speech(1.0)], FileOptions(tenant=T))


def test_live_speech_goes_before_files() -> None:
    """A file waits behind sessions (REC-63)."""
    with held() as (core, engine, gate):
        core.recorder.snapshot(T, "running", speech(0.5))
        assert engine.wait_for(1)
        filed = threading.Thread(
            target=core.recorder.transcribe, args=([speech(3.0)], FileOptions(tenant=T))
        )
        filed.start()
        session = core.session()
        talk(session, speech(1.0), "1")
        session.finish_all()

        gate.set()
        assert session.settle(WAIT)
        filed.join(WAIT)

        kinds = [window.kind for window in engine.windows]
        assert kinds == [Kind.FINAL, Kind.FINAL, Kind.BULK]


def test_without_a_model_nothing_is_taken() -> None:
    """Chunks and files are refused until the model is there (UP5, B24)."""
    told: list[Transcript] = []
    store = open_store("memory:")
    recorder = Recorder(
        RecorderOptions(),
        queue=JobQueue(),
        store=store,
        observer=Facts(),
        publish=lambda _, said: told.append(said),
        ready=lambda: False,
    )

    with pytest.raises(NotReady):
        recorder.snapshot(T, "1", speech(1.0))
    with pytest.raises(NotReady):
        recorder.transcribe([speech(1.0)], FileOptions(tenant=T))

    assert (recorder.status(T, "1"), told) == (None, [])
    store.close()


def test_the_same_snapshot_posted_again_is_done_again() -> None:
    """A client that posts its last buffer twice gets its status and its final (DM5, W29)."""
    with running(recorder=RecorderOptions(final_after=0.0)) as core:
        subscriber = core.session(subscribe=True)
        for _ in range(2):
            core.recorder.snapshot("0000", "1", speech(1.0))
            assert core.queue.join(WAIT)
        core.recorder.sweep()

        assert core.recorder.status("0000", "1") == "done"
        assert heard_by(subscriber)[-1] == ("1", "one two", True)


def test_a_deleted_text_is_not_told_again() -> None:
    """The final of a chunk whose text was deleted meanwhile has no text (RE5)."""
    with running(recorder=RecorderOptions(final_after=0.0)) as core:
        subscriber = core.session(subscribe=True)
        core.recorder.snapshot("0000", "1", speech(1.0))
        assert core.queue.join(WAIT)
        stored(core)
        core.store.edit("0000", lambda _: {"1": None})

        core.recorder.sweep()

        assert heard_by(subscriber)[-1] == ("1", "", True)


def test_old_chunks_are_forgotten() -> None:
    """Nothing of a chunk is remembered for ever, and what is over keeps no audio (RE1)."""
    with running(recorder=RecorderOptions(final_after=0.0, remembered=0.0)) as core:
        core.recorder.snapshot("0000", "1", speech(1.0))
        assert core.queue.join(WAIT)

        core.recorder.sweep()

        assert core.recorder.status("0000", "1") is None


def test_displaced_chunks_are_counted() -> None:
    """Whoever loses a chunk to drop_oldest is in the metrics, over HTTP too (QU7)."""
    queue = QueueOptions(max_jobs=1, overflow="drop_oldest")
    with held(queue=queue) as (core, engine, gate):
        core.recorder.snapshot("a", "0", speech(1.0))
        assert engine.wait_for(1)
        core.recorder.snapshot("a", "1", speech(1.0))
        core.recorder.snapshot("a", "2", speech(1.0))
        gate.set()
        assert core.queue.join(WAIT)

        assert core.recorder.status("a", "1") == "dropped"
        assert core.facts.refused == ["dropped"]
        assert core.facts.heard == 3.0


def test_nothing_new_begins_while_the_load_is_too_high() -> None:
    """A file and a new chunk are refused as with a full queue; what has begun goes on (REC-73)."""
    asked: list[str] = []
    closed = threading.Event()

    def admits(what: str) -> bool:
        asked.append(what)
        return not closed.is_set()

    with running() as core:
        recorder = Recorder(
            RecorderOptions(),
            queue=core.queue,
            store=core.store,
            observer=Facts(),
            publish=core.manager.publish,
            admits=admits,
        )
        recorder.snapshot(T, "1", speech(1.0))
        closed.set()

        with pytest.raises(Overloaded) as file:
            recorder.transcribe([speech(1.0)], FileOptions(tenant=T))
        with pytest.raises(Overloaded):
            recorder.snapshot(T, "2", speech(1.0))
        recorder.snapshot(T, "1", speech(2.0))

        assert core.queue.join(WAIT)
        assert isinstance(file.value, QueueFull)
        assert (file.value.status, file.value.retry_after) == (429, 5)
        assert stored(core) == {"1": "one two three four"}
        assert recorder.status(T, "2") is None
        assert asked == ["chunk", "file", "chunk"]
