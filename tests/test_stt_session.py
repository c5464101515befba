"""A session on a running core: the rules of native section 12, below the socket."""

from __future__ import annotations

import gc
import random
import threading
import time
import tracemalloc
from collections.abc import Callable
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from stt.engines.fake import FakeEngine, count_up
from stt.errors import BadInput, ChunkFinalized, EngineError, NoChunk, NotReady
from stt.events import Kind, Window
from stt.pace import PaceOptions
from stt.protocols.base import AppendAudio, Close, Command, Finalize, Ping, ReplaceAudio, SetChunk
from stt.replies import (
    ChunkOpened,
    Opened,
    Pong,
    Problem,
    Reply,
    Silence,
    Speech,
    Transcript,
)
from stt.speech.options import SpeechOptions
from stt_job import QueueOptions
from stt_session import Session
from stt_timers import Timer
from stt_track import Track
from tests.service import (
    WAIT,
    Core,
    final,
    held,
    is_final,
    lengths,
    now_waiting,
    pcm,
    problems,
    replies,
    running,
    silence_pcm,
    stored,
    talk,
    transcripts,
)
from tests.speech import noise, silence, speech

FAST = PaceOptions(rate=1e9, burst=1e9)


def count_finals(said: list[Reply], chunk: str) -> int:
    """How many finals a chunk has had."""
    return sum(reply.is_final for reply in transcripts(said) if reply.chunk_id == chunk)


def is_problem(reply: Reply) -> bool:
    """Whether a reply is an error."""
    return isinstance(reply, Problem)


def has_tail(reply: Reply) -> bool:
    """Whether a reply is an interim with text."""
    return isinstance(reply, Transcript) and bool(reply.tail)


def is_speech_final(reply: Reply) -> bool:
    """Whether a reply tells the end of an utterance."""
    return isinstance(reply, Transcript) and reply.speech_final


def empty_engine(text: str) -> FakeEngine:
    """An engine that hears the same in every window."""
    return FakeEngine(lambda _: text)


# Which chunk takes the audio.


def test_binary_before_a_chunk_is_refused_once_a_run() -> None:
    """One `no_chunk` for a run of frames, which are not transcribed (W1)."""
    with running() as core:
        session = core.session()

        with pytest.raises(NoChunk) as refusal:
            session.handle(AppendAudio(pcm(speech(1.0))))
        talk(session, speech(2.0))
        assert refusal.value.chunk_id is None

        talk(session, speech(1.0), "1")
        session.handle(Finalize())

        assert final(session).committed == "one two"
        assert session.usage().received_s == 1.0


def test_the_complaint_comes_again_after_good_audio() -> None:
    """A new run of frames that nothing takes is told of again (W1, W7)."""
    with running() as core:
        session = core.session()
        for chunk in ("1", "2"):
            talk(session, speech(0.5), chunk)
            session.handle(Finalize())
            final(session)
            with pytest.raises(ChunkFinalized):
                talk(session, speech(0.5))
            talk(session, speech(0.5))


@pytest.mark.parametrize("piece", [0.02, 0.1, 0.37, 5.0])
def test_binary_frames_append(piece: float) -> None:
    """The final text covers all frames, however they are cut (W2, B5)."""
    with running() as core:
        session = core.session()

        talk(session, speech(3.0), "1", piece)
        session.handle(Finalize())

        assert final(session).committed == "one two three four five six"


def test_json_audio_is_a_growing_snapshot() -> None:
    """Each snapshot replaces the one before; what it repeats is not heard again (W3)."""
    audio = pcm(speech(3.0))
    with running() as core:
        session = core.session()

        for seconds in (1, 2, 3):
            session.handle(ReplaceAudio(audio[: 32_000 * seconds], "1"))
        session.handle(Finalize("1"))

        assert final(session).committed == "one two three four five six"
        assert session.usage().received_s == 3.0


def test_a_snapshot_that_differs_replaces_the_chunk() -> None:
    """The result is that of the newest snapshot alone (W3)."""
    with running() as core:
        session = core.session()

        session.handle(ReplaceAudio(pcm(speech(4.0)), "1"))
        session.handle(ReplaceAudio(pcm(speech(1.0, level=0.2)), "1"))
        session.handle(Finalize("1"))
        last = final(session)
        assert last.stored is not None
        last.stored.result(WAIT)

        assert last.committed == "one two"
        assert [row.text for row in core.store.chunks("0000")] == ["one two"]


def test_an_older_snapshots_result_counts_no_more() -> None:
    """Held in the engine while a newer one comes: never sent, never stored (W25, B3)."""
    with held(workers=2) as (core, engine, gate):
        session = core.session()
        session.handle(ReplaceAudio(pcm(speech(4.0)), "1"))
        assert engine.wait_for(1)
        session.handle(ReplaceAudio(pcm(speech(1.0, level=0.2)), "1"))
        session.handle(Finalize("1"))

        gate.set()
        said = replies(session, is_final)
        assert core.queue.join(WAIT)

        assert {reply.committed + reply.tail for reply in transcripts(said)} == {"one two"}
        assert count_finals(said + now_waiting(session), "1") == 1


def test_a_snapshot_sets_the_buffer_and_binary_appends() -> None:
    """Both in one chunk: snapshot, then increments after it (W4)."""
    audio = pcm(speech(3.0))
    with running() as core:
        session = core.session()

        session.handle(ReplaceAudio(audio[:32_000], "1"))
        session.handle(AppendAudio(audio[32_000:64_000]))
        session.handle(AppendAudio(audio[64_000:], "1"))
        session.handle(Finalize())

        assert final(session).committed == "one two three four five six"


def test_a_snapshot_after_binary_sets_the_buffer_anew() -> None:
    """A snapshot is all the audio of its chunk, whatever came before (W3, W4)."""
    with running() as core:
        session = core.session()
        talk(session, speech(2.0), "1")

        session.handle(ReplaceAudio(pcm(speech(1.0)), "1"))
        session.handle(Finalize("1"))

        assert final(session).committed == "one two"


def test_setting_another_chunk_ends_the_one_before() -> None:
    """The silence boundary, by set_chunk or by JSON audio of a new chunk (W9)."""
    with running() as core:
        session = core.session()
        talk(session, speech(1.0), "1")
        session.handle(SetChunk("1"))  # again: nothing ends
        talk(session, speech(0.5), "2")
        first = final(session)
        session.handle(ReplaceAudio(pcm(speech(1.5)), "3"))
        second = final(session)
        session.handle(Finalize())
        third = final(session)

        assert [(f.chunk_id, f.committed) for f in (first, second, third)] == [
            ("1", "one two"),
            ("2", "one"),
            ("3", "one two three"),
        ]


def test_a_chunk_that_got_no_audio_ends_without_a_word() -> None:
    """set_chunk alone makes nothing that would need a final (W9)."""
    with running() as core:
        session = core.session()
        for chunk in ("1", "2", "3"):
            session.handle(SetChunk(chunk))

        session.handle(Ping(1))

        assert [type(reply) for reply in now_waiting(session)] == [Opened, Pong]


def test_finalize_without_a_chunk() -> None:
    """It means the current chunk; without one it is a bad request (W10)."""
    with running() as core:
        session = core.session()
        with pytest.raises(BadInput, match="chunk_id"):
            session.handle(Finalize())
        talk(session, speech(1.0), "1")

        session.handle(Finalize())

        assert final(session).chunk_id == "1"


def test_a_cut_sample_is_kept_for_the_next_frame() -> None:
    """Frames of odd length lose no sample (W12)."""
    audio = pcm(speech(2.0))
    with running(FakeEngine()) as core:
        session = core.session()
        session.handle(SetChunk("1"))
        for at in range(0, len(audio), 1111):
            session.handle(AppendAudio(audio[at : at + 1111]))
        session.handle(Finalize())
        final(session)
        engine = core.engine
        assert isinstance(engine, FakeEngine)

        heard = engine.windows[-1].samples

        np.testing.assert_allclose(heard, speech(2.0)[: len(heard)], atol=1e-4)


def test_a_dropped_byte_is_told_with_the_next_transcript() -> None:
    """JSON audio of odd length: the chunk's next transcript warns, once (W12)."""
    with running() as core:
        session = core.session()

        session.handle(ReplaceAudio(pcm(speech(1.0)), "1", "odd_length"))
        session.handle(Finalize("1"))
        said = transcripts(replies(session, is_final))

        assert [reply.warning for reply in said].count("odd_length") == 1
        assert said[0].warning == "odd_length"


def test_empty_frames_are_ignored() -> None:
    """No chunk needed, no job, no reply, no complaint (W13)."""
    with running() as core:
        session = core.session()
        session.handle(AppendAudio(b""))
        session.handle(SetChunk("1"))
        session.handle(AppendAudio(b""))
        session.handle(ReplaceAudio(b"", "1"))

        assert [type(reply) for reply in now_waiting(session)] == [Opened]
        assert session.usage().received_s == 0.0


# Finals.


def test_finalize_waits_for_what_runs_and_waits() -> None:
    """One final, after the running interim and the buffered audio; no interim after it (W5, B2)."""
    with held() as (core, engine, gate):
        session = core.session()
        talk(session, speech(2.0), "1")
        assert engine.wait_for(1)

        session.handle(Finalize())
        assert [type(reply) for reply in now_waiting(session)] == [Opened]
        gate.set()
        said = replies(session, is_final)
        assert core.queue.join(WAIT)

        assert transcripts(said)[-1].committed == "one two three four"
        assert now_waiting(session) == []


def test_results_come_without_another_frame() -> None:
    """Nothing the client sends is needed to hear a result (W19, B1)."""
    with held() as (core, engine, gate):
        session = core.session()
        talk(session, speech(1.2), "1")
        assert engine.wait_for(1)
        gate.set()

        interim = transcripts(replies(session, has_tail))[-1]

        assert interim.tail == "one two"


def test_finalize_of_an_unknown_chunk_answers_at_once() -> None:
    """A client must never hang (W6)."""
    with running() as core:
        session = core.session()

        session.handle(Finalize("nobody"))
        last = final(session)

        assert (last.chunk_id, last.committed, last.reason) == ("nobody", "", "unknown")


def test_finalize_of_a_silent_chunk_answers_at_once() -> None:
    """No job, no waiting, `silence` (W6, W26, C17)."""
    with held() as (core, engine, _):
        session = core.session()
        talk(session, silence(2.0), "1")
        talk(session, noise(2.0))

        session.handle(Finalize())
        last = final(session)

        assert (last.committed, last.reason) == ("", "silence")
        assert engine.calls == 0
        assert core.store.chunks("0000") == []


def test_a_filtered_chunk() -> None:
    """No interim is sent, the final is empty with `filtered`, nothing is stored (W6, W28)."""
    with running(empty_engine("Thanks for watching")) as core:
        session = core.session()
        talk(session, speech(2.0), "1")
        session.handle(Finalize())

        (only,) = transcripts(replies(session, is_final))

        assert (only.committed, only.reason, only.stored) == ("", "filtered", None)
        assert core.store.chunks("0000") == []


def test_an_empty_result_erases_nothing() -> None:
    """A chunk whose later audio is filtered keeps its text (B6)."""

    def script(window: Window) -> str:
        return "" if window.seconds < 1.0 else "kept"

    with running(FakeEngine(script)) as core:
        session = core.session()
        talk(session, np.concatenate([speech(2.0), silence(1.0), speech(0.4)]), "1")
        session.handle(Finalize())
        last = final(session)
        assert last.stored is not None
        last.stored.result(WAIT)

        assert last.committed == "kept"
        assert [row.text for row in core.store.chunks("0000")] == ["kept"]


def test_a_second_finalize_repeats_the_final() -> None:
    """The same text again, with a new number (W7)."""
    with running() as core:
        session = core.session()
        talk(session, speech(1.0), "1")
        session.handle(Finalize())
        first = final(session)

        session.handle(Finalize("1"))
        again = final(session)

        assert (again.committed, again.chunk_id) == (first.committed, "1")
        assert again.seq > first.seq


def test_a_second_finalize_before_the_final_gives_one() -> None:
    """While the final is awaited a further finalize adds none (W5, W7)."""
    with held() as (core, _, gate):
        session = core.session()
        talk(session, speech(1.0), "1")
        for _ in range(3):
            session.handle(Finalize())
        gate.set()

        said = replies(session, is_final)
        assert core.queue.join(WAIT)

        assert count_finals(said + now_waiting(session), "1") == 1


def test_audio_after_finalize() -> None:
    """It is refused by name, also while the final is awaited; the session goes on (W7)."""
    with held() as (core, _, gate):
        session = core.session()
        talk(session, speech(1.0), "1")
        session.handle(Finalize())

        with pytest.raises(ChunkFinalized) as waiting:
            session.handle(AppendAudio(pcm(speech(0.5))))
        gate.set()
        assert final(session).committed == "one two"
        session.handle(SetChunk("2"))
        with pytest.raises(ChunkFinalized) as snapshot:
            session.handle(ReplaceAudio(pcm(speech(0.5)), "1"))

        assert (waiting.value.chunk_id, snapshot.value.chunk_id) == ("1", "1")
        assert waiting.value.code == "chunk_finalized"


def test_a_final_that_takes_too_long_says_what_is_known() -> None:
    """After the timeout: the text shown last, `timed_out`; the late result counts no more (W8)."""
    with held(only=Kind.FINAL) as (core, _, gate):
        session = core.session(finalize_timeout=0.02)
        talk(session, speech(1.0), "1")
        shown = transcripts(replies(session, has_tail))[-1]

        session.handle(Finalize())
        last = final(session)
        gate.set()
        assert core.queue.join(WAIT)

        assert last.timed_out
        assert last.committed == shown.committed + shown.tail == "one two"
        assert now_waiting(session) == []
        assert last.stored is not None
        last.stored.result(WAIT)
        assert [row.text for row in core.store.chunks("0000")] == ["one two"]


def test_a_timed_out_chunk_without_text() -> None:
    """Nothing is known: an empty final that says so, and nothing is stored (W8)."""
    with held() as (core, _, _):
        session = core.session(finalize_timeout=0.02)
        talk(session, speech(0.5), "1")

        session.handle(Finalize())
        last = final(session)

        assert (last.committed, last.timed_out, last.stored) == ("", True, None)
        with pytest.raises(ChunkFinalized):
            session.handle(AppendAudio(pcm(speech(0.5))))


def test_no_timeout_after_a_final_in_time() -> None:
    """The timer of a chunk ends with its final (W5, W8)."""
    with running() as core:
        session = core.session(finalize_timeout=0.05)
        talk(session, speech(1.0), "1")
        session.handle(Finalize())
        final(session)
        passed = threading.Event()
        core.timers.after(0.06, passed.set)

        assert passed.wait(WAIT)

        assert now_waiting(session) == []


# Failures and overload.


def failing(*kinds: Kind) -> Callable[[Window], str]:
    """A script that fails on windows of these kinds."""

    def script(window: Window) -> str:
        if window.kind in kinds:
            raise EngineError("no memory")
        return count_up(window)

    return script


def test_a_failed_final_is_an_error_and_still_a_final() -> None:
    """The client is told, gets a final, and the next chunk works (B26)."""
    fail = threading.Event()

    def script(window: Window) -> str:
        if fail.is_set():
            raise ZeroDivisionError
        return count_up(window)

    with running(FakeEngine(script)) as core:
        session = core.session()
        fail.set()
        talk(session, speech(0.8), "1")
        session.handle(Finalize())
        said = replies(session, is_final)
        fail.clear()
        talk(session, speech(1.0), "2")
        session.handle(Finalize())

        (problem,) = problems(said)
        assert (problem.code, problem.chunk_id) == ("transcription_failed", "1")
        assert said.index(problem) < len(said) - 1
        assert final(session).committed == "one two"


def test_a_failed_final_keeps_what_was_committed() -> None:
    """Text that was promised not to change is in the final (B26, REC-21)."""
    with running(FakeEngine(failing(Kind.FINAL))) as core:
        session = core.session(speech=SpeechOptions(step=0.5))
        talk(session, speech(1.5), "1")
        assert core.queue.join(WAIT)
        talk(session, speech(1.5))
        assert core.queue.join(WAIT)
        shown = transcripts(now_waiting(session))[-1]
        session.handle(Finalize())

        last = final(session)

        assert shown.committed
        assert last.committed == shown.committed


def test_a_failed_interim_harms_nothing() -> None:
    """Nobody is told; the final is whole (B26)."""
    with running(FakeEngine(failing(Kind.INTERIM))) as core:
        session = core.session()
        talk(session, speech(2.0), "1")
        session.handle(Finalize())

        said = replies(session, is_final)

        assert problems(said) == []
        assert transcripts(said)[-1].committed == "one two three four"


def test_a_full_queue_refuses_interims_and_says_so() -> None:
    """`queue_overload` with the old text and its chunk; the final comes all the same (QU6, W16)."""
    with held(queue=QueueOptions(max_jobs=1)) as (core, engine, gate):
        others = [core.session() for _ in range(2)]
        for other in others:  # one is in the engine, one waits
            talk(other, speech(1.2), "o")
            assert engine.wait_for(1)
        session = core.session()

        talk(session, speech(1.2), "1")
        (problem,) = problems(replies(session, is_problem))
        session.handle(Finalize())
        gate.set()

        assert (problem.code, problem.message, problem.chunk_id) == (
            "queue_overload",
            "queue_full",
            "1",
        )
        assert final(session).committed == "one two"
        assert core.facts.refused == ["queue_overload"]


def test_the_victim_of_drop_oldest_is_told() -> None:
    """The session whose interim was displaced hears `dropped`; its final comes (QU7, W16, B19)."""
    options = QueueOptions(max_jobs=1, overflow="drop_oldest")
    with held(queue=options) as (core, engine, gate):
        running_one, victim, newer = (core.session() for _ in range(3))
        talk(running_one, speech(1.2), "r")
        assert engine.wait_for(1)
        talk(victim, speech(1.2), "v")
        assert problems(now_waiting(victim)) == []

        talk(newer, speech(1.2), "n")
        (problem,) = problems(now_waiting(victim))
        assert problems(now_waiting(newer)) == []
        victim.handle(Finalize())
        gate.set()

        assert (problem.code, problem.chunk_id) == ("dropped", "v")
        assert final(victim).committed == "one two"
        assert core.facts.refused[0] == "dropped"


def test_a_refused_interim_of_a_minted_chunk_names_it() -> None:
    """The error has the chunk's id also where the server made it (W16, W33)."""
    with held(queue=QueueOptions(max_jobs=1)) as (core, engine, _):
        for _ in range(2):
            talk(core.session(), speech(1.2), "o")
            assert engine.wait_for(1)
        session = core.session(auto_chunk=True)

        talk(session, speech(1.2))
        said = replies(session, is_problem)

        (minted,) = [reply.chunk_id for reply in said if isinstance(reply, ChunkOpened)]
        assert problems(said)[0].chunk_id == minted
        assert problems(said)[0].interim


def test_a_final_that_the_queue_does_not_take_cost_text() -> None:
    """It fails, which is more than an interim less: codecs tell the two apart (RQ1)."""
    with running() as core:
        session = core.session(auto_chunk=True, speech=SpeechOptions(interims=False))
        core.queue.close()

        talk(session, speech(1.2))
        session.handle(Close())
        said = replies(session, is_final)

        assert [(it.code, it.interim) for it in problems(said)] == [("not_ready", False)]


def test_the_drop_oldest_deadlock() -> None:
    """Four sessions, a queue of one, two workers: every session gets its final (AG4, AE2, AC3)."""
    options = QueueOptions(max_jobs=1, overflow="drop_oldest")
    with running(workers=2, queue=options) as core:
        sessions = [core.session(name=str(n), speech=SpeechOptions(step=0.3)) for n in range(4)]

        def stream(session: Session) -> None:
            for chunk in range(5):
                talk(session, speech(2.0), str(chunk), piece=0.3)
            session.handle(Finalize())

        threads = [threading.Thread(target=stream, args=(s,), daemon=True) for s in sessions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT)

        assert not any(thread.is_alive() for thread in threads)
        for session in sessions:
            said = replies(session, lambda reply: is_final(reply) and reply.chunk_id == "4")  # type: ignore[union-attr]
            assert [count_finals(said, str(chunk)) for chunk in range(5)] == [1] * 5
            assert {f.committed for f in transcripts(said) if f.is_final} == {"one two three four"}


def test_under_load_no_frame_is_lost() -> None:
    """While the engine is held, all audio is kept: the final's window has every frame (B5, W2)."""
    with held(queue=QueueOptions(max_jobs=2)) as (core, engine, gate):
        sessions = [core.session() for _ in range(4)]
        for session in sessions:
            talk(session, speech(6.0), "1")
        for session in sessions:
            session.handle(Finalize())

        gate.set()

        assert {final(s).committed for s in sessions} == {count_up_text(6.0)}
        assert lengths(engine, Kind.FINAL) == [6.0] * 4


def count_up_text(seconds: float) -> str:
    """What the scripted engine hears in so much audio."""
    return count_up(Window(np.zeros(round(16_000 * seconds), np.float32), Kind.FINAL))


def test_one_interim_of_a_session_at_a_time() -> None:
    """More audio while an interim runs makes no second request; the next hears all (AD2, QU3)."""
    with held(workers=2) as (core, engine, gate):
        session = core.session()
        talk(session, speech(1.0), "1")
        assert engine.wait_for(1)
        talk(session, speech(10.0))
        assert core.queue.depth == {"interim": 0, "ordered": 0, "running": 1}

        gate.set()
        assert engine.wait_for(2)
        assert core.queue.join(WAIT)

        assert lengths(engine, Kind.INTERIM)[:2] == [1.0, 11.0]


def test_an_interim_that_waits_hears_what_came_meanwhile() -> None:
    """A job reads its audio when a worker takes it (AD1, QU2)."""
    with held() as (core, engine, gate):
        talk(core.session(), speech(1.2), "o")
        assert engine.wait_for(1)
        session = core.session()
        talk(session, speech(1.0), "1")
        talk(session, speech(4.0))

        gate.set()
        interim = transcripts(replies(session, has_tail))[-1]

        assert interim.tail == count_up_text(5.0)


def test_a_client_ahead_of_real_time_is_slowed() -> None:
    """After the burst the reader is told how long to wait; nothing is lost (RT-27)."""
    with running() as core:
        session = core.session(pace=PaceOptions(rate=1.5, burst=2.0))
        session.handle(SetChunk("1"))
        session.handle(AppendAudio(silence_pcm(2.0)))
        assert session.delay == pytest.approx(0.0, abs=0.1)

        session.handle(AppendAudio(silence_pcm(3.0)))
        assert session.delay == pytest.approx(2.0, abs=0.1)
        session.handle(Ping())

        assert session.delay == 0.0
        assert session.usage().received_s == 5.0


# What is said, and in which order.


def test_numbers_rise_over_all_replies() -> None:
    """`seq` strictly increases over a session, so over each of its chunks (W25)."""
    with running() as core:
        session = core.session(vad_events=True)
        for chunk in ("1", "2"):
            talk(session, np.concatenate([speech(1.5), silence(2.0)]), chunk)
        session.handle(Finalize())
        final(session)
        session.handle(Finalize("nobody"))

        said = replies(session, is_final)
        numbers = [reply.seq for reply in said if not isinstance(reply, Pong)]

        assert numbers == sorted(set(numbers))


def test_whole_text_of_several_utterances() -> None:
    """Every transcript has the chunk so far; endpoints commit; one final ends it (W32)."""
    with running() as core:
        session = core.session()
        for seconds in (2.0, 1.0):
            talk(session, np.concatenate([speech(seconds), silence(1.0)]), "1")
            assert core.queue.join(WAIT)
        session.handle(Finalize())

        said = transcripts(replies(session, is_final))

        ends = [reply for reply in said if reply.speech_final]
        assert [reply.committed for reply in ends] == [
            "one two three four",
            "one two three four one two",
        ]
        assert [reply.end for reply in ends] == [reply.words[-1].end for reply in ends]
        assert [reply.end for reply in ends] == pytest.approx([2.0, 3.7], abs=0.1)
        assert [reply.is_final for reply in said] == [False] * (len(said) - 1) + [True]
        assert said[-1].committed == ends[-1].committed
        for before, after in pairwise(said):
            assert (after.committed + after.tail).startswith(before.committed)


def test_silence_says_nothing_unless_asked() -> None:
    """No event and no inference in silence (W26, W34)."""
    with running() as core:
        quiet, asked = core.session(), core.session(vad_events=True)
        for session in (quiet, asked):
            talk(session, silence(3.0), "1")

        assert [type(reply) for reply in now_waiting(quiet)] == [Opened]
        assert [type(reply) for reply in now_waiting(asked)] == [Opened, Silence]
        assert core.queue.depth == {"interim": 0, "ordered": 0, "running": 0}
        engine = core.engine
        assert isinstance(engine, FakeEngine)
        assert engine.calls == 0


def test_voice_activity_is_told_when_asked() -> None:
    """Speech started, stopped, and the silence after it (W26, M8)."""
    with running() as core:
        session = core.session(vad_events=True)
        talk(session, np.concatenate([silence(0.5), speech(1.0), silence(0.8)]), "1")
        assert core.queue.join(WAIT)
        talk(session, silence(1.0))

        said = now_waiting(session)
        started, stopped = (reply for reply in said if isinstance(reply, Speech))

        assert (started.started, started.chunk_id) == (True, "1")
        assert started.at == pytest.approx(0.5, abs=0.1)
        assert not stopped.started
        assert stopped.at == pytest.approx(1.5, abs=0.15)
        assert isinstance(said[-1], Silence)
        assert sum(isinstance(reply, Silence) for reply in said) == 1


def test_json_and_binary_pass_the_same_gate() -> None:
    """Speech at the end of a quiet snapshot is heard; a silent one makes no job (W26)."""
    with held() as (core, engine, gate):
        silent, late = core.session(), core.session()
        silent.handle(ReplaceAudio(silence_pcm(20.0), "1"))
        silent.handle(Finalize("1"))
        assert final(silent).reason == "silence"
        assert engine.calls == 0
        gate.set()

        late.handle(ReplaceAudio(silence_pcm(19.0) + pcm(speech(1.0)), "1"))
        late.handle(Finalize("1"))

        assert final(late).committed.startswith("one two")


@pytest.mark.parametrize("rate", [8000, 48_000])
def test_other_sample_rates(rate: int) -> None:
    """Audio at another rate is heard with its true length (W27)."""
    at = np.arange(2 * rate) / rate
    audio = np.interp(at, np.arange(32_000) / 16_000, speech(2.0)).astype(np.float32)
    with running() as core:
        session = core.session(sample_rate=rate)
        session.handle(SetChunk("1"))
        data = pcm(audio)
        for start in range(0, len(data), rate // 5):
            session.handle(AppendAudio(data[start : start + rate // 5]))
        session.handle(Finalize())

        last = final(session)

        assert last.end == pytest.approx(2.0, abs=0.1)
        assert session.usage().received_s == pytest.approx(2.0, abs=0.02)


def test_s2_a_final_carries_the_usage() -> None:
    """Cumulative seconds of audio and of speech (M9, client-S2)."""
    with running() as core:
        session = core.session()
        talk(session, np.concatenate([silence(1.0), speech(2.0), silence(1.0)]), "1")
        session.handle(Finalize())
        first = final(session).usage
        talk(session, speech(1.0), "2")
        session.handle(Finalize())
        second = final(session).usage

        assert first is not None
        assert second is not None
        assert (first.received_s, second.received_s) == (4.0, 5.0)
        assert first.speech_s == pytest.approx(2.0, abs=0.15)
        assert second.speech_s == pytest.approx(first.speech_s + 1.0, abs=0.15)
        assert session.usage() == second
        assert core.facts.heard == pytest.approx(5.0)


def test_pongs_wait_for_nobody_and_displace_nothing() -> None:
    """2,000 pings while the engine is held: one pong waits, the final comes (W17, C12, HC5)."""
    with held() as (core, _, gate):
        session = core.session()
        talk(session, speech(1.0), "1")
        session.handle(Finalize())
        for number in range(2000):
            session.handle(Ping(number))
        assert len(session.outbox) == 2  # the greeting and the newest pong

        gate.set()
        said = replies(session, is_final)

        assert [reply.id for reply in said if isinstance(reply, Pong)] == [1999]


def test_a_slow_reader_gets_the_newest_interim() -> None:
    """Nobody reads: one interim of the chunk waits, its final and its endpoints all do (W24)."""
    with running() as core:
        session = core.session(speech=SpeechOptions(step=0.3))
        session.handle(SetChunk("1"))
        for _ in range(6):
            talk(session, speech(0.5))
            assert core.queue.join(WAIT)

        waiting = transcripts(now_waiting(session))

        assert len(waiting) == 1
        engine = core.engine
        assert isinstance(engine, FakeEngine)
        heard = engine.windows[-1].seconds
        assert waiting[0].committed + waiting[0].tail == count_up_text(heard)
        assert session.outbox.evicted > 0


# Minted chunks.


def test_a_chunk_per_utterance() -> None:
    """Announced at the onset, ended by its final at the endpoint; only audio is sent (W33, W1)."""
    with running() as core:
        session = core.session(auto_chunk=True)
        for seconds in (2.0, 1.0):
            talk(session, np.concatenate([speech(seconds), silence(1.0)]))
            assert core.queue.join(WAIT)

        said = now_waiting(session)

        opened = [reply.chunk_id for reply in said if isinstance(reply, ChunkOpened)]
        finals = [reply for reply in transcripts(said) if reply.is_final]
        assert [f.chunk_id for f in finals] == opened
        assert len(set(opened)) == 2
        assert all(chunk.isdecimal() for chunk in opened)
        assert opened == sorted(opened, key=int)
        assert [f.committed for f in finals] == ["one two three four", "one two"]
        assert not any(reply.speech_final for reply in transcripts(said))
        first = next(i for i, reply in enumerate(said) if isinstance(reply, ChunkOpened))
        assert first < said.index(transcripts(said)[0])


def test_finalize_endpoints_the_minted_chunk() -> None:
    """It ends the open utterance; with none open the newest final is repeated (W33, W7)."""
    with running() as core:
        session = core.session(auto_chunk=True)
        session.handle(Finalize())
        assert final(session).reason == "unknown"
        talk(session, speech(1.0))
        session.handle(Finalize())
        first = final(session)
        session.handle(Finalize(first.chunk_id))
        again = final(session)
        session.handle(Finalize("whatever"))
        other = final(session)

        assert first.committed == "one two"
        assert (again.chunk_id, again.committed) == (first.chunk_id, first.committed)
        assert (other.chunk_id, other.reason) == ("whatever", "unknown")


def test_finalize_while_the_final_of_a_minted_chunk_is_awaited() -> None:
    """The answer is the final that comes, not one before it said again (W33, W5, W7)."""
    with running() as core:
        session = core.session(auto_chunk=True)
        talk(session, speech(1.0))
        session.handle(Finalize())
        first = final(session)
        talk(session, speech(1.5))
        session.handle(Finalize())

        session.handle(Finalize())
        said = replies(session, is_final)
        assert core.queue.join(WAIT)

        finals = [r for r in transcripts([*said, *now_waiting(session)]) if r.is_final]
        assert [(r.committed, r.chunk_id == first.chunk_id) for r in finals] == [
            ("one two three", False)
        ]


def test_a_minted_chunk_times_out_too() -> None:
    """A finalize with a held engine is answered after the timeout (W8, W33)."""
    with held(only=Kind.FINAL) as (core, _, gate):
        session = core.session(auto_chunk=True, finalize_timeout=0.02)
        talk(session, speech(1.2))
        replies(session, has_tail)

        session.handle(Finalize())
        last = final(session)
        gate.set()
        assert core.queue.join(WAIT)

        assert (last.committed, last.timed_out) == ("one two", True)
        assert now_waiting(session) == []
        talk(session, speech(1.0))
        session.handle(Finalize())
        assert final(session).chunk_id != last.chunk_id


def test_the_server_names_the_chunks() -> None:
    """set_chunk and snapshots are bad requests with auto_chunk (W33)."""
    with running() as core:
        session = core.session(auto_chunk=True)
        for command in (SetChunk("1"), ReplaceAudio(b"ab", "1")):
            with pytest.raises(BadInput, match="auto_chunk"):
                session.handle(command)


def test_a_failed_minted_chunk_gets_its_final() -> None:
    """What was announced is ended, with an error before (W33, B26)."""
    with running(FakeEngine(failing(Kind.SPEC, Kind.FINAL))) as core:
        session = core.session(auto_chunk=True)
        talk(session, np.concatenate([speech(0.8), silence(1.0)]))

        said = replies(session, is_final)

        (problem,) = problems(said)
        assert problem.chunk_id == transcripts(said)[-1].chunk_id
        assert session.settle(WAIT)


# Audio without end.


def grown(core: Core, session: Session, audio: bytes, *, after: int, blocks: int) -> int:
    """Bytes that a session has grown by, from block ``after`` to block ``blocks`` of ``audio``."""
    gc.collect()
    tracemalloc.start()
    try:
        early = 0
        for number in range(1, blocks + 1):
            session.handle(AppendAudio(audio))
            assert core.queue.join(WAIT)
            now_waiting(session)
            if number == after:
                gc.collect()
                early = tracemalloc.get_traced_memory()[0]
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - early
    finally:
        tracemalloc.stop()


def test_an_hour_without_a_pause_is_cut_and_forgotten() -> None:
    """Endless speech: utterances are cut, their finals come, their audio is let go (REC-54)."""
    block = pcm(speech(24.0))
    with running(FakeEngine(lambda _: "word", remember=0)) as core:
        session = core.session(auto_chunk=True, pace=FAST)

        growth = grown(core, session, block, after=20, blocks=150)

        assert session.usage().received_s == 3600.0
        assert session.usage().speech_s > 3500.0
        assert growth < len(block)  # of the 52 minutes between: 100 MB of audio
        session.handle(Finalize())
        assert final(session).committed == "word"


def test_an_hour_without_speech_keeps_nothing() -> None:
    """Silence for an hour in one chunk: no job, no text, no memory, and a final at once (W34)."""
    block = pcm(noise(24.0))
    with running() as core:
        session = core.session(pace=FAST)
        session.handle(SetChunk("1"))

        growth = grown(core, session, block, after=20, blocks=150)
        session.handle(Finalize())

        assert session.usage().received_s == 3600.0
        assert growth < len(block)
        assert final(session).reason == "silence"


# A client that falls silent in mid-utterance.


def test_a_stalled_client_gets_the_end_of_its_utterance() -> None:
    """No audio comes: the text is said with `speech_final`, and the chunk goes on (REC-55)."""
    with running() as core:
        session = core.session(stall=0.05)
        talk(session, speech(1.0), "1")

        ended = transcripts(replies(session, is_speech_final))[-1]
        talk(session, speech(1.5))
        session.handle(Finalize())
        last = final(session)

        assert (ended.committed, ended.is_final) == ("one two", False)
        assert ended.end == pytest.approx(1.0, abs=0.1)
        assert last.committed == "one two one two three"
        assert last.end == pytest.approx(2.5, abs=0.1)  # times count audio, not the pause
        assert session.usage().received_s == 2.5


class Handover:
    """A lock that has a call made by the timers' thread as soon as that lets go of it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.acquire, self.release = self._lock.acquire, self._lock.release
        self.call: Callable[[], object] | None = None

    def __enter__(self) -> bool:
        return self._lock.__enter__()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        if threading.current_thread().name == "stt-timers" and self.call is not None:
            call, self.call = self.call, None
            call()


def test_audio_that_comes_while_a_stall_is_dealt_with_is_not_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The look and the end are one step: what comes after it is another utterance (REC-55, AC1)."""
    lock = Handover()
    with held() as (core, engine, gate):
        with monkeypatch.context() as patch:
            made = SimpleNamespace(Lock=lambda: lock, Condition=threading.Condition)
            patch.setattr("stt_session.threading", made)
            session = core.session(stall=0.3)
        lock.call = lambda: session.handle(AppendAudio(pcm(speech(0.5))))
        talk(session, speech(0.9), "1", piece=0.9)
        assert engine.wait_for(1)

        gate.set()
        ended = transcripts(replies(session, is_speech_final))[-1]

        assert lock.call is None
        assert (ended.committed, ended.end) == ("one", ended.words[-1].end)


def test_a_stalled_minted_chunk_gets_its_final() -> None:
    """With auto_chunk the utterance's chunk ends; the next audio opens another (W33, REC-55)."""
    with running() as core:
        session = core.session(auto_chunk=True, stall=0.05)
        talk(session, speech(1.0))
        first = final(session)
        talk(session, speech(1.5))
        second = final(session)

        assert (first.committed, second.committed) == ("one two", "one two three")
        assert first.chunk_id != second.chunk_id
        assert core.queue.join(WAIT)
        assert session.settle(WAIT)


def test_a_stall_while_the_final_is_awaited_ends_no_chunk_twice() -> None:
    """The client finalizes, the watch rings later: one final, and it comes (W5, REC-55)."""
    with held() as (core, _, gate):
        session = core.session(stall=0.02)
        talk(session, speech(1.0), "1")
        session.handle(Finalize())
        rung = threading.Event()
        core.timers.after(0.2, rung.set)  # later than the watch's own timer
        assert rung.wait(WAIT)

        gate.set()
        said = replies(session, is_final)
        assert core.queue.join(WAIT)

        assert count_finals(said + now_waiting(session), "1") == 1


def test_a_chunk_that_is_ending_is_not_endpointed_again() -> None:
    """Whoever comes too late with an endpoint leaves the chunk its one final (W5)."""
    with held() as (core, _, gate):
        session = core.session()
        talk(session, speech(1.0), "1")
        track = session.track("1")
        assert track is not None
        session.handle(Finalize())

        assert not session.endpoint(track)
        gate.set()

        assert final(session).committed == "one two"


def test_without_a_stall_time_nothing_ends_by_itself() -> None:
    """`STT_STALL_S=0`: the utterance stays open until its client says more."""
    with running() as core:
        session = core.session(stall=0.0)
        talk(session, speech(1.0), "1", piece=0.02)
        rung = threading.Event()
        core.timers.after(0.1, rung.set)  # later than a watch's timer would be
        assert rung.wait(WAIT)
        assert core.queue.join(WAIT)

        assert not any(map(is_speech_final, now_waiting(session)))
        assert not session.is_settled


# Endings.


def test_leaving_in_mid_chunk_stores_the_final() -> None:
    """The waiting interim is withdrawn, the buffered audio is finalised and stored (W23)."""
    with held() as (core, engine, gate):
        talk(core.session(), speech(1.2), "o")
        assert engine.wait_for(1)
        session = core.session(tenant="t")
        talk(session, speech(2.0), "1")
        assert core.queue.depth["interim"] == 1

        core.manager.leave(session)
        assert core.queue.depth["interim"] == 0
        gate.set()
        assert core.queue.join(WAIT)
        assert session.settle(WAIT)

        assert stored(core, "t") == {"1": "one two three four"}
        assert [row.is_final for row in core.store.chunks("t")] == [True]


def test_leaving_ends_the_minted_utterance() -> None:
    """With auto_chunk the open utterance is finalised and stored as well (W23, W33)."""
    with running() as core:
        session = core.session(tenant="t", auto_chunk=True)
        talk(session, speech(1.0))

        core.manager.leave(session)

        assert session.settle(WAIT)
        assert core.queue.join(WAIT)
        assert list(stored(core, "t").values()) == ["one two"]


def test_a_session_that_ends_takes_no_more_audio() -> None:
    """While shutting down audio is refused, a snapshot too: nothing heard is forgotten (W31)."""
    with held() as (core, _, gate):
        session = core.session()
        session.handle(ReplaceAudio(pcm(speech(1.0)), "1"))
        track = session.track("1")
        assert track is not None

        session.finish_all()
        with pytest.raises(NotReady):
            session.restart(track)
        with pytest.raises(NotReady):
            session.feed(track, AppendAudio(pcm(speech(1.0))), pcm(speech(1.0)))
        with pytest.raises(NotReady):
            session.handle(ReplaceAudio(pcm(speech(2.0)), "1"))
        gate.set()

        assert final(session).committed == "one two"
        assert session.settle(WAIT)


def test_a_deleted_chunk_stays_deleted() -> None:
    """The result of audio that came before the deletion does not bring it back (B27, RE5)."""
    with held(only=Kind.FINAL) as (core, engine, gate):
        session = core.session()
        talk(session, np.concatenate([speech(1.0), silence(0.7)]), "1")
        assert engine.wait_for(1)
        gate.set()
        assert core.queue.join(WAIT)
        gate.clear()
        talk(session, speech(0.8))
        session.handle(Finalize())
        core.store.edit("0000", lambda rows: {row.chunk_id: None for row in rows})

        gate.set()
        last = final(session)
        assert last.stored is not None
        last.stored.result(WAIT)

        assert last.committed
        assert core.store.chunks("0000") == []


def test_a_stopped_service_leaves_nobody_waiting() -> None:
    """The queue is closed: the chunk gets one error and its final (B26, AD8)."""
    with running() as core:
        session = core.session()
        core.pool.stop()
        talk(session, speech(0.8), "1")
        session.handle(Finalize())

        said = replies(session, is_final) + now_waiting(session)

        assert [problem.code for problem in problems(said)] == ["not_ready"]


def test_any_order_of_commands_gives_every_chunk_one_final() -> None:
    """Whatever a client does: one final for each chunk with audio, and no deadlock (W5, W25)."""
    order = random.Random(5)
    with running(workers=2, queue=QueueOptions(max_jobs=2, overflow="drop_oldest")) as core:
        session = core.session(speech=SpeechOptions(step=0.3), pace=FAST)
        fed: set[str] = set()
        for _ in range(120):
            chunk = str(order.randrange(12))
            audio = pcm((speech, silence)[order.random() < 0.4](order.choice([0.3, 1.0])))
            commands: list[Command] = [
                SetChunk(chunk),
                AppendAudio(audio),
                ReplaceAudio(audio, chunk),
                Finalize(),
            ]
            command = order.choice(commands)
            try:
                session.handle(command)
            except (ChunkFinalized, NoChunk):
                continue
            if isinstance(command, ReplaceAudio):
                fed.add(chunk)
        session.finish_all()
        assert session.settle(WAIT)

        heard = transcripts(now_waiting(session))
        said = [reply for reply in heard if reply.reason != "unknown"]  # asked for before its audio
        finals = [reply.chunk_id for reply in said if reply.is_final]

        assert fed <= set(finals)
        for chunk in set(finals):
            about = [reply for reply in said if reply.chunk_id == chunk]
            first = next(at for at, reply in enumerate(about) if reply.is_final)
            assert all(reply.is_final for reply in about[first:])
            assert len({reply.committed for reply in about[first:]}) == 1


def test_a_natural_endpoint_has_a_timeout_too() -> None:
    """With auto_chunk an utterance that ends by itself is answered in time as well (W8, W33)."""
    with held(only=Kind.FINAL) as (core, _, gate):
        session = core.session(auto_chunk=True, finalize_timeout=0.02)
        talk(session, speech(1.2))
        session.handle(AppendAudio(silence_pcm(1.0)))

        last = final(session)
        gate.set()

        assert last.timed_out


def test_an_unheard_chunk_has_one_final() -> None:
    """Finalized before any audio, the current chunk is over: no second final comes (W5, W6)."""
    with running() as core:
        session = core.session()
        session.handle(SetChunk("1"))
        session.handle(Finalize())
        assert final(session).reason == "unknown"

        with pytest.raises(ChunkFinalized):
            session.handle(AppendAudio(pcm(speech(1.0))))
        session.handle(Finalize())

        assert final(session).reason == "unknown"


def test_a_spare_byte_does_not_shift_json_audio() -> None:
    """JSON audio begins with a whole sample: a binary frame's spare byte is dropped (W12)."""
    with running() as core:
        session = core.session()
        session.handle(SetChunk("1"))
        session.handle(AppendAudio(b"\x01" + silence_pcm(0.1)))
        session.handle(AppendAudio(pcm(speech(1.0)), whole=True))
        session.handle(Finalize())

        last = final(session)

        assert last.committed == "one two"


def test_sessions_and_chunks_never_share_a_lane() -> None:
    """A session may be called like another tenant's chunk and harms nothing of it (HT-AUTH)."""
    with held() as (core, _, gate):
        core.recorder.snapshot("victim", "0", speech(1.0))
        core.recorder.snapshot("victim", "1", speech(1.0))
        session = core.session(tenant="other", name="http:victim/1")

        core.manager.leave(session)
        gate.set()

        assert core.queue.join(WAIT)
        assert core.recorder.status("victim", "1") == "done"


def test_a_drain_complains_once() -> None:
    """While the service shuts down, a run of audio frames gets one error, not one each (W1)."""
    with running() as core:
        session = core.session()
        session.handle(SetChunk("1"))
        session.finish_all()

        with pytest.raises(NotReady):
            session.handle(AppendAudio(pcm(speech(0.1))))
        session.handle(AppendAudio(pcm(speech(0.1))))


# What the queue is told.


def test_the_queue_is_told_how_a_window_will_be() -> None:
    """Length, growth, utterance, when it is late, group (REC-61, REC-63, REC-65)."""
    options = SpeechOptions(step=0.8, first_step=0.8, task="translate")
    with running(started=False) as core:
        session = core.session(speech=options)
        talk(session, speech(1.0), "1")
        interim = core.queue.withdraw_interim(("session", "0000", session.id))
        talk(session, silence(1.0))
        (final,) = core.queue.take_now(8)

    assert interim is not None
    assert (interim.grows, interim.step, interim.promised) == (True, 0.8, False)
    assert interim.seconds == pytest.approx(0.9, abs=0.2)
    assert (final.kind, final.grows, final.promised) == (Kind.SPEC, False, True)
    assert final.seconds == pytest.approx(1.5, abs=0.4)
    assert final.utterance == interim.utterance == ("1", 0)
    assert final.group == interim.group
    assert final.group is not None


def test_s3_refused_audio_is_not_counted() -> None:
    """Only what was accepted is: not what came while the service stops, or too late (S3)."""
    with running() as core:
        session = core.session()
        talk(session, speech(1.0), "1")
        session.handle(Finalize())
        final(session)
        with pytest.raises(ChunkFinalized):
            talk(session, speech(1.0))
        late = session.usage()

        session.finish_all()
        with pytest.raises(NotReady):
            talk(session, speech(1.0), "2")

        assert late.received_s == session.usage().received_s == core.facts.heard == 1.0


def test_s13_sessions_never_mint_the_same_id() -> None:
    """Not in the same millisecond either: one text would take the other's place (S13)."""
    with running() as core:
        sessions = [core.session(auto_chunk=True) for _ in range(30)]
        for session in sessions:
            talk(session, speech(0.5), piece=0.5)
            session.handle(Finalize())

        ids = {final(session).chunk_id for session in sessions}

        assert len(ids) == 30
        assert len(stored(core)) == 30


def test_s15_a_reconnect_begins_at_0() -> None:
    """Under the same name: its clock, its usage and its latencies know nothing before (S15)."""
    with running() as core:
        ends = []
        for seconds in (3.0, 1.0):
            session = core.session(name="again", auto_chunk=True)
            connected = time.monotonic()
            talk(session, speech(seconds))
            session.handle(Finalize())
            said = final(session)
            assert said.start is not None
            assert said.start < 0.1
            assert said.arrived is not None
            assert said.arrived >= connected
            assert said.usage is not None
            ends.append((said.end, said.usage.received_s))
            core.manager.leave(session)

        assert ends == [(3.0, 3.0), (1.0, 1.0)]


def test_s19_the_state_of_a_turn_ends_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a hundred turns nothing of any is kept: timers, chunks, arrivals (S19, S6)."""
    made: list[Track] = []

    def make(*args: Any, **options: Any) -> Track:
        made.append(Track(*args, **options))
        return made[-1]

    monkeypatch.setattr("stt_session.Track", make)
    with running() as core:
        timers: list[tuple[float, Timer]] = []
        after = core.timers.after

        def noted(seconds: float, call: Callable[[], object]) -> Timer:
            timers.append((seconds, after(seconds, call)))
            return timers[-1][1]

        monkeypatch.setattr(core.timers, "after", noted)
        session = core.session(auto_chunk=True, vad_events=True)
        for _ in range(100):
            talk(session, np.concatenate([speech(0.5), silence(0.9)]), piece=0.1)
            final(session)

        [track] = made
        assert track.chunks == []
        due = [timer for wait, timer in timers if wait == session.options.finalize_timeout]
        assert len(due) == 100
        assert all(timer.cancelled for timer in due)
        assert len(track.timeline) < 30
        assert track.pausing is None
