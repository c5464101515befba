"""Turns: what a client of another protocol asks of the one stream whose chunks the server names."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stt.engines.fake import FakeEngine
from stt.errors import BadInput, InvalidState
from stt.events import Kind
from stt.protocols.base import (
    AppendAudio,
    AudioFormat,
    Clear,
    Close,
    Command,
    Commit,
    Configure,
    Flush,
    Say,
)
from stt.replies import ChunkOpened, Committed, Flushed, Note, Problem, Reply, Speech, Transcript
from stt.speech.options import SpeechOptions
from stt_outbox import Closing
from stt_session import Session
from tests.service import (
    WAIT,
    final,
    held,
    is_final,
    now_waiting,
    replies,
    running,
    silence_pcm,
    talk,
    transcripts,
)
from tests.speech import speech

# The engine says a word for each half second of a window; the lengths below are such that the audio
# kept around an utterance (0.3 s on each side) makes no word more.
STEPS = SpeechOptions(first_step=0.95, next_step=1.0)
MANUAL = Configure(STEPS, manual=True)
AUTOMATIC = Configure(STEPS)


def is_flushed(reply: Reply) -> bool:
    """Whether a reply answers a flush or a commit."""
    return isinstance(reply, Flushed)


def flushed(session: Session) -> list[Reply]:
    """What the session says up to the answer to a flush or a commit."""
    return replies(session, is_flushed)


def quiet(session: Session, seconds: float) -> None:
    """Send digital silence."""
    session.handle(AppendAudio(silence_pcm(seconds)))


def texts(said: list[Reply]) -> list[str]:
    """The texts of the finals among replies."""
    return [reply.committed for reply in transcripts(said) if reply.is_final]


# Flush.


def test_a_flush_is_answered_after_the_final_of_the_open_utterance() -> None:
    """The final says that it was waited for, and the answer says so too (DG7, DG15, S9)."""
    with running() as core:
        session = core.session(auto_chunk=True)
        talk(session, speech(1.0))

        session.handle(Flush())
        said = flushed(session)

        [last] = [reply for reply in transcripts(said) if reply.is_final]
        assert (last.committed, last.flushed) == ("one two", True)
        assert said[-1] == Flushed(answered=True, at=1.0, seq=said[-1].seq)


def test_a_flush_with_nothing_open_is_answered_too() -> None:
    """Every flush has its answer, and no chunk is made for it (DG7)."""
    with running() as core:
        session = core.session(auto_chunk=True)
        quiet(session, 1.0)

        session.handle(Flush())
        session.handle(Flush())
        said = [*flushed(session), *flushed(session)]

        assert [reply.answered for reply in said if isinstance(reply, Flushed)] == [False, False]
        assert texts(said) == []


def test_the_final_of_an_utterance_that_ended_before_answers_the_first_flush_only() -> None:
    """Two flushes while one final is awaited: one transcript, two answers (DG15)."""
    with held(only=Kind.FINAL) as (core, _, gate):
        session = core.session(auto_chunk=True)
        talk(session, speech(1.0))

        session.handle(Flush())
        session.handle(Flush())
        gate.set()
        said = [*flushed(session), *flushed(session)]

        assert [reply.answered for reply in said if isinstance(reply, Flushed)] == [True, False]
        assert texts(said) == ["one two"]


def test_the_last_of_several_finals_answers_a_flush() -> None:
    """Not one of those before it, after which more is to come (DG15)."""
    with held(only=Kind.FINAL) as (core, _, gate):
        session = core.session(auto_chunk=True, speech=replace(STEPS, interims=False))
        for seconds in (1.0, 2.0):
            talk(session, speech(seconds))
            quiet(session, 1.5)

        session.handle(Flush())
        gate.set()
        said = flushed(session)

        finals = [(reply.committed, reply.flushed) for reply in transcripts(said)]
        assert finals == [("one two", False), ("one two three four", True)]
        assert said[-1] == Flushed(answered=True, at=6.0, seq=said[-1].seq)


# Commit.


def test_a_commit_ends_a_chunk_of_several_utterances() -> None:
    """In manual turns a pause ends no chunk; the commit names it, then comes its final (RC3)."""
    with running() as core:
        session = core.session(auto_chunk=True, vad_events=True)
        session.handle(MANUAL)
        for seconds in (1.0, 1.3):
            talk(session, speech(seconds))
            quiet(session, 1.5)

        session.handle(Commit())
        said = flushed(session)

        [opened] = [reply.chunk_id for reply in said if isinstance(reply, ChunkOpened)]
        committed = [reply for reply in said if isinstance(reply, Committed)]
        [last] = [reply for reply in transcripts(said) if reply.is_final]
        assert last.committed == "one two one two three"
        assert [(reply.chunk_id, reply.at) for reply in committed] == [(opened, 5.3)]
        assert last.chunk_id == opened
        assert said.index(committed[0]) < said.index(last)


def test_a_commit_of_silence_is_a_chunk_without_text() -> None:
    """The client's audio is one item also where nobody spoke (RO2)."""
    with running() as core:
        session = core.session(auto_chunk=True)
        session.handle(MANUAL)
        quiet(session, 1.0)

        session.handle(Commit())
        said = flushed(session)

        kinds = [type(reply) for reply in said[1:]]
        assert kinds == [ChunkOpened, Committed, Transcript, Flushed]
        assert (final_of(said).committed, final_of(said).reason) == ("", "silence")


def final_of(said: list[Reply]) -> Transcript:
    """The one final among replies."""
    [last] = [reply for reply in transcripts(said) if reply.is_final]
    return last


def test_a_commit_with_automatic_turns_ends_the_open_utterance() -> None:
    """Its chunk is the one that speech_started named; nothing else is minted (RC3, RO1)."""
    with running() as core:
        session = core.session(auto_chunk=True, vad_events=True)
        talk(session, speech(1.0))

        session.handle(Commit())
        said = flushed(session)

        named = {
            reply.chunk_id
            for reply in said
            if isinstance(reply, ChunkOpened | Committed | Speech | Transcript)
        }
        assert len(named) == 1
        assert texts(said) == ["one two"]


def test_s9_commits_follow_each_other_without_loss() -> None:
    """Audio after a commit belongs to the next chunk, also before the first is said (S9, S13)."""
    with held(only=Kind.FINAL) as (core, _, gate):
        session = core.session(auto_chunk=True)
        session.handle(MANUAL)
        for seconds in (1.0, 2.0, 0.5):
            talk(session, speech(seconds))
            session.handle(Commit())
        gate.set()

        said = [reply for _ in range(3) for reply in flushed(session)]

        assert texts(said) == ["one two", "one two three four", "one"]
        finals = [reply.chunk_id for reply in transcripts(said) if reply.is_final]
        assert finals == [reply.chunk_id for reply in said if isinstance(reply, Committed)]
        assert len(set(finals)) == 3


def test_s10_a_committed_chunk_times_out() -> None:
    """Nobody waits for ever: what is known is said (W8)."""
    with held(only=Kind.FINAL) as (core, _, _gate):
        session = core.session(auto_chunk=True, finalize_timeout=0.02)
        session.handle(MANUAL)
        talk(session, speech(1.2))

        session.handle(Commit())
        last = final(session)

        assert last.timed_out


def test_whoever_waits_for_a_final_that_is_given_up_is_answered() -> None:
    """A flush has its answer and a close its end, in a bounded time (DG7, DG15, S10)."""
    with held(only=Kind.FINAL) as (core, _, _gate):
        session = core.session(auto_chunk=True, finalize_timeout=0.02)
        talk(session, speech(1.2))

        session.handle(Flush())
        said = flushed(session)
        session.handle(Close())

        assert [last.timed_out for last in transcripts(said) if last.is_final] == [True]
        assert session.outbox.get(WAIT) == Closing(1000)


# Clear.


def test_what_is_cleared_is_never_said() -> None:
    """Neither its final nor its interims; what comes after is a chunk of its own (RC4)."""
    with held() as (core, _, gate):
        session = core.session(auto_chunk=True, vad_events=True)
        session.handle(MANUAL)
        talk(session, speech(2.0))

        session.handle(Clear())
        gate.set()
        talk(session, speech(0.6))
        session.handle(Commit())
        said = flushed(session)

        opened = [reply.chunk_id for reply in said if isinstance(reply, ChunkOpened)]
        assert texts(said) == ["one"]
        assert {reply.chunk_id for reply in transcripts(said)} == {opened[1]}


@pytest.mark.parametrize("wishes", [AUTOMATIC, MANUAL])
def test_nothing_of_what_is_cleared_begins_the_next_utterance(wishes: Configure) -> None:
    """Neither an onset that is not an utterance yet nor what comes before one (RC4)."""
    with running() as core:
        session = core.session(auto_chunk=True, vad_events=True)
        session.handle(wishes)
        quiet(session, 1.0)
        talk(session, speech(0.06))

        session.handle(Clear())
        talk(session, speech(1.0))
        session.handle(Commit())
        said = flushed(session)

        assert [reply.at for reply in said if isinstance(reply, Speech)] == [1.06, 2.06]
        assert texts(said) == ["one two"]


def test_what_is_cleared_is_not_decoded() -> None:
    """Nobody waits for the final of a cleared utterance, so no worker makes it (RC4)."""
    with held() as (core, engine, gate):
        session = core.session(auto_chunk=True, speech=replace(STEPS, interims=False))
        talk(session, speech(2.0))

        session.handle(Clear())
        talk(session, speech(1.0))
        session.handle(Commit())
        gate.set()
        flushed(session)

        assert len(engine.windows) == 1


def test_a_clear_leaves_what_is_committed_alone() -> None:
    """A committed chunk keeps its final (RC4)."""
    with held(only=Kind.FINAL) as (core, _, gate):
        session = core.session(auto_chunk=True)
        session.handle(MANUAL)
        talk(session, speech(1.0))
        session.handle(Commit())
        talk(session, speech(2.0))

        session.handle(Clear())
        gate.set()
        said = flushed(session)
        assert core.queue.join(WAIT)

        assert texts([*said, *now_waiting(session)]) == ["one two"]


def test_a_clear_with_automatic_turns_forgets_the_open_utterance() -> None:
    """The utterance never was; the next one is heard (RC4)."""
    with running() as core:
        session = core.session(auto_chunk=True)
        talk(session, speech(2.0))

        session.handle(Clear())
        quiet(session, 1.0)
        talk(session, speech(0.3))
        session.handle(Flush())

        assert texts(flushed(session)) == ["one"]


# Configure.


def test_turns_become_manual_in_mid_utterance() -> None:
    """The open chunk stays open, over its pauses, until it is committed (RQ4)."""
    with running() as core:
        session = core.session(auto_chunk=True)
        talk(session, speech(1.0))

        session.handle(MANUAL)
        quiet(session, 1.5)
        talk(session, speech(0.3))
        quiet(session, 1.5)
        session.handle(Commit())
        said = flushed(session)

        assert texts(said) == ["one two one"]
        assert len([reply for reply in said if isinstance(reply, ChunkOpened)]) == 1


def test_turns_become_automatic_in_mid_utterance() -> None:
    """The open chunk ends with its utterance then; nothing of it is lost (RQ4)."""
    with running() as core:
        session = core.session(auto_chunk=True)
        session.handle(MANUAL)
        talk(session, speech(1.0))
        quiet(session, 1.5)
        talk(session, speech(0.3))

        session.handle(AUTOMATIC)
        quiet(session, 1.5)

        assert final(session).committed == "one two one"


def test_turns_become_automatic_between_utterances() -> None:
    """What is not committed yet is said with the next utterance, or with its own final (RQ4)."""
    with running() as core:
        session = core.session(auto_chunk=True)
        session.handle(MANUAL)
        talk(session, speech(1.0))
        quiet(session, 1.5)
        replies(session, lambda reply: isinstance(reply, Transcript) and reply.speech_final)

        session.handle(AUTOMATIC)
        talk(session, speech(0.3))
        quiet(session, 1.5)

        assert final(session).committed == "one two one"


def test_turns_become_automatic_while_a_final_is_awaited() -> None:
    """The chunk goes on with the next utterance, and ends with that (RQ4, S13)."""
    with held(only=Kind.FINAL) as (core, _, gate):
        session = core.session(auto_chunk=True)
        session.handle(MANUAL)
        talk(session, speech(1.0))
        quiet(session, 1.5)

        session.handle(AUTOMATIC)
        talk(session, speech(0.3))
        gate.set()
        quiet(session, 1.5)

        assert final(session).committed == "one two one"


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.sampled_from([MANUAL, AUTOMATIC, Commit(), Flush(), 0.5, 1.0, -0.4, -1.0]), max_size=14
    )
)
def test_no_word_is_lost_whatever_the_turns(script: list[Command | float]) -> None:
    """Each utterance is said once, in order, and every chunk has one final (RQ4, S9, S13).

    A number is seconds of speech, a negative one of silence.
    """
    with running() as core:
        session = core.session(auto_chunk=True)
        flushes = 0
        for step in [*script, Commit()]:
            if isinstance(step, float):
                session.handle(AppendAudio(silence_pcm(-step))) if step < 0 else talk(
                    session, speech(step)
                )
            else:
                session.handle(step)
                flushes += isinstance(step, Commit | Flush)
        said = [reply for _ in range(flushes) for reply in flushed(session)]

        opened = [reply.chunk_id for reply in said if isinstance(reply, ChunkOpened)]
        finals = [reply.chunk_id for reply in transcripts(said) if reply.is_final]
        spoken = sum(step for step in script if isinstance(step, float) and step > 0)
        words = " ".join(texts(said)).split()
        assert sorted(finals) == sorted(opened)
        assert len(words) >= spoken / 0.5  # one for each half second, more where a pause was short


def test_wishes_hold_from_the_next_utterance_on() -> None:
    """Language and prompt of the next one are new; the open one is finished as it began (RQ4)."""
    with running() as core:
        session = core.session(auto_chunk=True)
        talk(session, speech(1.0))
        session.handle(Configure(SpeechOptions(language="de", prompt="Hark")))
        session.handle(Flush())
        flushed(session)
        talk(session, speech(1.0))
        session.handle(Flush())
        flushed(session)

        assert isinstance(core.engine, FakeEngine)
        finals = [w for w in core.engine.windows if w.kind is Kind.FINAL]
        assert [(w.language, w.prompt) for w in finals] == [(None, ""), ("de", "Hark")]


def test_another_format_waits_for_its_turn() -> None:
    """While audio waits for its commit the format stays (RE7); after it the next audio is read so.

    A cut sample of the old format is not read as part of the new one.
    """
    telephone = Configure(STEPS, manual=True, audio=AudioFormat("linear16", 8000))
    with running() as core:
        session = core.session(auto_chunk=True)
        session.handle(MANUAL)
        talk(session, speech(1.0))

        with pytest.raises(InvalidState, match="format"):
            session.handle(telephone)
        session.handle(Commit())
        first = flushed(session)
        session.handle(telephone)
        session.handle(AppendAudio(pcm8(2.2)))
        session.handle(Commit())
        second = flushed(session)

        assert texts(first) == ["one two"]
        assert texts(second) == ["one two three four"]


def pcm8(seconds: float) -> bytes:
    """Speech at 8 kHz."""
    samples = speech(seconds)[::2]
    return np.rint(samples * 32_767).astype("<i2").tobytes()


# Say and close.


def test_a_codecs_own_words_keep_their_place() -> None:
    """A note is sent between what was said before it and what comes after."""
    with running() as core:
        session = core.session(auto_chunk=True)
        session.handle(Say(Note("first")))
        session.handle(Flush())
        flushed_first = flushed(session)
        session.handle(Say(Note("second")))
        last = replies(session, lambda reply: isinstance(reply, Note))

        assert [r.body for r in (*flushed_first, *last) if isinstance(r, Note)] == [
            "first",
            "second",
        ]


def test_s10_a_close_comes_after_everything_has_been_said() -> None:
    """Audio sent before it is heard to its end, then the connection closes normally (S9, S10)."""
    with held(only=Kind.FINAL) as (core, _, gate):
        session = core.session(auto_chunk=True)
        talk(session, speech(1.0))

        session.handle(Close())
        gate.set()
        said = replies(session, is_final)

        assert texts(said) == ["one two"]
        assert session.outbox.get(WAIT) == Closing(1000)


@pytest.mark.parametrize("wishes", [AUTOMATIC, MANUAL])
def test_only_a_client_that_asks_for_it_hears_of_a_flush(wishes: Configure) -> None:
    """What a close ends answers nothing: no Finalize was sent (DG15)."""
    with running() as core:
        session = core.session(auto_chunk=True)
        session.handle(wishes)
        talk(session, speech(1.0))

        session.handle(Close())
        said = []
        while not isinstance(reply := session.outbox.get(WAIT), Closing):
            assert reply is not None
            said.append(reply)

        assert texts(said) == ["one two"]
        assert not any(reply.flushed for reply in transcripts(said))
        assert not any(map(is_flushed, said))


def test_s10_a_close_does_not_wait_for_an_engine_that_hangs() -> None:
    """What is known is said after the time for a final, and the connection closes (S10, W8)."""
    with held(only=Kind.FINAL) as (core, _, _):
        session = core.session(auto_chunk=True, finalize_timeout=0.05)
        talk(session, speech(1.0))

        session.handle(Close())
        [final] = [r for r in replies(session, is_final) if is_final(r)]

        assert isinstance(final, Transcript)
        assert final.timed_out
        assert session.outbox.get(WAIT) == Closing(1000)


def test_a_close_with_nothing_open_is_immediate() -> None:
    """A client that never spoke can leave as well; nothing is said to have been (S10)."""
    with running() as core:
        session = core.session(auto_chunk=True)
        quiet(session, 0.5)

        session.handle(Close())
        now_waiting(session)

        assert session.outbox.get(WAIT) == Closing(1000)


def test_a_farewell_is_the_last_word() -> None:
    """The reason of a close stands behind all finals (RE8, RE10)."""
    with running() as core:
        session = core.session(auto_chunk=True)
        talk(session, speech(1.0))

        session.close(1001, farewell=Problem("session_expired", "too long", close_code=1001))
        said = replies(session, lambda reply: isinstance(reply, Problem))

        assert texts(said) == ["one two"]
        assert session.outbox.get(WAIT) == Closing(1001, "session_expired")


@pytest.mark.parametrize("command", [Flush(), Commit(), Clear(), AUTOMATIC])
def test_who_names_the_chunks_has_no_turns(command: Command) -> None:
    """Such commands are refused where the client names its chunks, and the session goes on."""
    with running() as core:
        session = core.session()

        with pytest.raises(BadInput, match="finalizes"):
            session.handle(command)
        talk(session, speech(1.0), "7")
