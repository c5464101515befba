"""A file on its way: as it is decoded, as it is recognised, and given up."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from stt.engines.fake import FakeEngine, count_up
from stt.errors import EngineError, QueueFull, UndecodableAudio
from stt.events import SAMPLE_RATE, Final, Kind, Samples, Window
from stt.speech.endpointing import EndpointingOptions
from stt.speech.options import SpeechOptions
from stt.speech.vad import VadOptions
from stt_file import BLOCK, FileOptions, Hearing, finals_only
from stt_ingest import JobQueue
from stt_job import QueueOptions
from stt_submission import batch_group
from stt_workers import WorkerPool
from tests.queue_jobs import job
from tests.service import WAIT, Core, Facts, held, lengths, running, talk
from tests.sockets import until
from tests.speech import silence, speech

TWO = [speech(2), silence(1), speech(1), silence(1)]
MANY = [speech(1), silence(1)] * 20


class Blocks:
    """Decoded blocks; remembers how many were asked for, and whether it was closed."""

    def __init__(self, *blocks: Samples) -> None:
        self._blocks = iter(blocks)
        self.asked = 0
        self.closed = False

    def __iter__(self) -> Iterator[Samples]:
        return self

    def __next__(self) -> Samples:
        block = next(self._blocks)
        self.asked += 1
        return block

    def close(self) -> None:
        self.closed = True


def hearing(queue: JobQueue, blocks: Any, name: str = "1", **more: Any) -> Hearing:
    """A file in a lane of its own."""
    fields: dict[str, Any] = {"tenant": "t", "observer": Facts()} | more
    options = SpeechOptions(kind=Kind.BULK)
    return Hearing(blocks, options, lane=("file", name), queue=queue, **fields)


def texts(heard: Hearing) -> list[str]:
    """What its utterances say."""
    return [said.text for said in heard if said is not None]


def engine_of(core: Core) -> FakeEngine:
    """The scripted engine of a core."""
    assert isinstance(core.engine, FakeEngine)
    return core.engine


def test_a_file_is_heard_utterance_by_utterance() -> None:
    """One job at a time, one Final each, in order, with times of the file; audio counts (S3)."""
    facts = Facts()
    with running() as core:
        heard = hearing(core.queue, [silence(1), *TWO], observer=facts)

        finals = [said for said in heard if said is not None]

        assert [said.text for said in finals] == ["one two three four", "one two"]
        assert finals[1].start == pytest.approx(4.0, abs=0.15)
        assert heard.seconds == facts.heard == 6.0
        assert list(engine_of(core).batches) == [1, 1]
        assert lengths(engine_of(core), Kind.BULK) == [2.6, 1.6]


def test_the_whole_transcript_can_be_waited_for() -> None:
    """Text, language and length of all of it (UP1)."""
    with running() as core:
        said = hearing(core.queue, TWO).transcription()

    assert said.text == "one two three four one two"
    assert (said.duration, said.language) == (5.0, "en")


@pytest.mark.parametrize("audio", [silence(65), silence(0)])
def test_silence_needs_no_engine(audio: Samples) -> None:
    """A silent or an empty file is done without a job (W26)."""
    queue = JobQueue()

    said = hearing(queue, [audio]).transcription()

    assert (said.finals, said.duration) == ((), len(audio) / SAMPLE_RATE)
    assert queue.depth["ordered"] == 0


def test_text_comes_before_the_rest_is_decoded() -> None:
    """The first Final is there when an utterance more has been decoded, no more (OS2)."""
    blocks = Blocks(*MANY)
    with running() as core:
        heard = hearing(core.queue, blocks, beat=WAIT)

        first = next(iter(heard))

        assert first is not None
        assert first.text == "one two"
        assert blocks.asked <= 4


def test_decoding_goes_on_while_the_engine_works_and_no_further_than_an_utterance() -> None:
    """What a file holds in memory is bounded, however slow the engine is (RT-60)."""
    blocks = Blocks(*MANY)
    with held() as (core, engine, gate):
        heard = iter(hearing(core.queue, blocks, beat=0.01))

        beats = [next(heard) for _ in range(5)]

        assert beats == [None] * 5
        assert engine.calls == 1
        assert blocks.asked == 4  # the second utterance has ended, and nothing more was decoded
        gate.set()
        assert len([said for said in heard if said is not None]) == 20


def test_a_long_block_is_heard_in_pieces() -> None:
    """No window is longer than the engine takes, and nothing is left out (REC-54)."""
    with running() as core:
        said = hearing(core.queue, [speech(4.5 * BLOCK / SAMPLE_RATE)]).transcription()

        sizes = lengths(engine_of(core), Kind.BULK)
        assert max(sizes) <= 30.0
        assert sum(sizes) == pytest.approx(67.5, abs=1.0)
        assert said.finals[-1].end == said.finals[-1].words[-1].end
        assert said.finals[-1].end == pytest.approx(67.5, abs=0.4)


def test_a_full_queue_refuses_a_file_before_it_has_begun() -> None:
    """Nothing is queued, the caller is told, the decoder ends (QU6)."""
    queue = JobQueue(QueueOptions(max_jobs=1))
    queue.try_enqueue(job("other"))
    blocks = Blocks(*TWO)

    with pytest.raises(QueueFull):
        next(iter(hearing(queue, blocks)))

    assert queue.depth["ordered"] + queue.depth["interim"] == 1
    assert blocks.closed


def test_a_file_that_has_begun_is_finished() -> None:
    """Its further utterances are promised: a queue that is full meanwhile takes them (AD3)."""
    with held(queue=QueueOptions(max_jobs=1)) as (core, engine, gate):
        heard = iter(hearing(core.queue, TWO, beat=0.01))
        assert next(heard) is None
        assert engine.wait_for(1)
        core.queue.try_enqueue(job("other"))

        gate.set()

        assert len([said for said in heard if said is not None]) == 2


def test_an_utterance_that_fails_fails_the_file() -> None:
    """Part of the text would be missing; what came before was said (B26, OS6)."""

    def script(window: Window) -> str:
        if window.seconds < 2:
            raise EngineError("no memory")
        return count_up(window)

    with running(FakeEngine(script)) as core:
        heard = iter(hearing(core.queue, TWO, beat=WAIT))
        first = next(heard)

        with pytest.raises(EngineError, match="no memory"):
            next(heard)

    assert first is not None


def test_audio_that_cannot_be_decoded_fails_when_it_is_met() -> None:
    """What the blocks raise reaches whoever iterates."""

    def blocks() -> Iterator[Samples]:
        yield silence(1)
        raise UndecodableAudio("broken")

    with pytest.raises(UndecodableAudio):
        hearing(JobQueue(), blocks()).transcription()


def test_a_file_given_up_is_not_recognised() -> None:
    """Its waiting job finds no window; the decoder ends, and nothing more is asked (S12)."""
    queue, engine, blocks = JobQueue(), FakeEngine(), Blocks(*MANY)
    heard = iter(hearing(queue, blocks, beat=0.01))
    assert next(heard) is None
    assert queue.depth["ordered"] == 1
    asked = blocks.asked
    pool = WorkerPool(queue, engine, workers=1)

    heard.close()  # type: ignore[attr-defined]  # a generator, as a response closes it
    pool.start()

    assert queue.join(WAIT)
    assert (engine.calls, blocks.asked, blocks.closed) == (0, asked, True)
    pool.stop()


def test_an_answer_for_a_file_given_up_finds_nobody() -> None:
    """The engine had its window already: the answer is dropped, and no job follows (S12)."""
    with held() as (core, engine, gate):
        heard = hearing(core.queue, MANY, beat=0.01)
        assert next(iter(heard)) is None
        assert engine.wait_for(1)

        heard.close()
        heard.close()
        gate.set()

        assert core.queue.join(WAIT)
        assert engine.calls == 1
        assert texts(heard) == []


def test_an_interruption_ends_the_file_and_its_work() -> None:
    """AD8: before the next thing there is to do; the first error counts, the decoder ends."""
    blocks = Blocks(*MANY)
    heard = hearing(JobQueue(), blocks)
    heard.interrupt(QueueFull("one"))
    heard.interrupt(QueueFull("two"))

    with pytest.raises(QueueFull, match="one"):
        next(iter(heard))

    assert (blocks.asked, blocks.closed) == (0, True)


def test_a_file_is_bulk_in_a_batch_of_its_kind() -> None:
    """Its jobs wait behind live speech, and share calls with their like only (REC-63, REC-65)."""
    for final in ("consistent", "best"):
        queue = JobQueue()
        options = SpeechOptions(kind=Kind.BULK, final=final)  # type: ignore[arg-type]
        fields: dict[str, Any] = {"queue": queue, "observer": Facts(), "beat": 0.0, "label": "r1"}
        heard = iter(Hearing(TWO, options, tenant="t", lane=("file", "1"), **fields))

        while not queue.depth["ordered"]:
            next(heard)

        (queued,) = queue.take_now(1)
        window = queued.window()
        assert window is not None
        assert (queued.kind, queued.window_kind, window.kind) == (Kind.BULK,) * 3
        assert queued.group == batch_group(options, Kind.BULK)
        assert (queued.size, queued.label) == (window.samples.nbytes, "r1")


def test_live_speech_waits_for_one_window_of_a_long_file_and_no_more() -> None:
    """A final that comes while a file is recognised is next, however much is left (REC-63)."""
    with held() as (core, engine, gate):
        done: list[str] = []
        heard = hearing(core.queue, MANY)
        filed = threading.Thread(target=lambda: done.extend(texts(heard)))
        filed.start()
        assert engine.wait_for(1)
        session = core.session()
        talk(session, speech(1.0), "1")
        session.finish_all()

        gate.set()
        assert session.settle(WAIT)
        filed.join(WAIT)

        kinds = [window.kind for window in engine.windows]
        assert kinds[0] is Kind.BULK
        assert Kind.BULK not in kinds[1 : 1 + kinds.count(Kind.FINAL)]
        assert kinds.count(Kind.BULK) == len(done) == 20


def test_two_files_are_recognised_at_once() -> None:
    """Two of three workers have one each, the third is for live speech; each gets its own text."""
    with held(workers=3) as (core, engine, gate):
        said: dict[str, list[str]] = {}

        def hear(name: str, seconds: float) -> None:
            said[name] = texts(hearing(core.queue, [speech(seconds)], name))

        threads = [threading.Thread(target=hear, args=(str(n), n)) for n in (1, 2)]
        for thread in threads:
            thread.start()
        assert until(lambda: engine.busy == 2)

        gate.set()
        for thread in threads:
            thread.join(WAIT)

        assert said == {"1": ["one two"], "2": ["one two three four"]}


def test_a_file_ends_its_utterances_by_the_plain_silence() -> None:
    """Its texts come after its ends: they cannot decide them, and nobody sees interims (REC-53)."""
    live = SpeechOptions(endpointing=EndpointingOptions(silence=0.3, by_text=True), final="best")

    assert finals_only(live) == SpeechOptions(
        endpointing=EndpointingOptions(silence=0.3), final="best", interims=False
    )


def test_what_a_client_does_not_say_stays_as_the_service_has_it() -> None:
    """Its own choices come on top of the defaults (OF3-OF9)."""
    defaults = SpeechOptions(language="de", final="best", vad=VadOptions(hybrid=True))

    plain = FileOptions().speech(defaults)
    asked = FileOptions(
        language="fr", final="consistent", silence=0.2, padding=0.1, voice=0.9
    ).speech(defaults)

    assert plain == defaults
    assert (asked.language, asked.final) == ("fr", "consistent")
    assert (asked.endpointing.silence, asked.endpointing.preroll) == (0.2, 0.1)
    assert asked.vad == VadOptions(hybrid=True, voice=0.9)


def test_a_shorter_silence_makes_more_utterances() -> None:
    """`silence_duration_ms` ends them in the file it came with (OF9)."""
    gaps = [speech(1), silence(0.4), speech(1), silence(1)]
    with running() as core:
        counts = [
            len(core.recorder.transcribe(gaps, FileOptions(silence=silence)).finals)
            for silence in (None, 0.2)
        ]

    assert counts == [1, 2]


def test_loops_cut_out_of_a_file_are_counted() -> None:
    """As those of live speech (REC-14)."""
    facts = Facts()
    with running(FakeEngine(lambda _: "so then" + " it goes" * 5 + " on and on")) as core:
        finals = [said for said in hearing(core.queue, [speech(6)], observer=facts) if said]

    assert isinstance(finals[0], Final)
    assert facts.loops == sum(final.loops for final in finals) > 0
