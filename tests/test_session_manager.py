"""Who is connected: opening, leaving, subscribing, draining."""

from __future__ import annotations

import threading

import pytest

from stt.engines.fake import FakeEngine
from stt.errors import BadInput, NotReady, SessionInUse
from stt.events import Kind
from stt.protocols.base import Finalize, Ping
from stt.replies import Degraded, Opened, Transcript
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
    stored,
    talk,
    transcripts,
)
from tests.speech import silence, speech


def closing(session: Session) -> Closing:
    """How the connection ends, once what waits is read."""
    now_waiting(session)
    last = session.outbox.get(0)
    assert isinstance(last, Closing)
    return last


def test_the_greeting_is_first() -> None:
    """It names the session, the tenant, the limit and the audio, before any reply (HC1, M1)."""
    with running() as core:
        session = core.session(tenant="t", name="mine", sample_rate=8000)
        session.handle(Ping())

        greeting, *_ = now_waiting(session)

        assert greeting == Opened("mine", "t", 2 * 2**20, 8000, "linear16", seq=1)


def test_ids_are_minted_where_none_is_given() -> None:
    """A session without a name has one of its own (W21)."""
    with running() as core:
        first, second = core.session(), core.session()

        assert first.id != second.id
        assert len(first.id) == 16
        assert len(core.manager) == 2


def test_an_id_in_use_is_refused() -> None:
    """A second connection neither takes over the first nor harms it (W21, B8)."""
    with running() as core:
        first = core.session(name="mine")

        with pytest.raises(SessionInUse, match="mine"):
            core.session(name="mine", tenant="other", subscribe=True)

        talk(first, speech(1.0), "1")
        first.handle(Finalize())
        assert final(first).committed == "one two"
        core.manager.leave(first)
        assert core.session(name="mine") is not first


def test_an_illegal_id_is_refused() -> None:
    """Session ids obey the rule of all ids (DM8)."""
    with running() as core, pytest.raises(BadInput, match="session_id"):
        core.session(name="a\nb")


def test_tenants_are_kept_apart() -> None:
    """The tenant is fixed for the connection, and so are its transcripts (W20, DM1)."""
    with running() as core:
        for tenant, seconds in (("a", 1.0), ("b", 2.0)):
            session = core.session(tenant=tenant)
            talk(session, speech(seconds), "1")
            session.handle(Finalize())
            final(session)

        assert stored(core, "a") == {"1": "one two"}
        assert stored(core, "b") == {"1": "one two three four"}


def test_each_session_gets_only_its_own_chunks() -> None:
    """Several sessions of a tenant hear nothing of each other (W29)."""
    with running() as core:
        first, second = core.session(), core.session()
        talk(first, speech(1.0), "1")
        first.handle(Finalize())
        final(first)

        assert [type(reply) for reply in now_waiting(second)] == [Opened]


def test_a_subscriber_hears_its_tenant() -> None:
    """Interims and finals of other sessions, with the session's id; of no other tenant (W29)."""
    with running() as core:
        subscriber = core.session(tenant="t", subscribe=True)
        speaker = core.session(tenant="t", name="speaker")
        stranger = core.session(tenant="u")
        for session in (stranger, speaker, subscriber):
            talk(session, speech(1.2), "1")
            session.handle(Finalize())
            assert core.queue.join(WAIT)

        said = transcripts(now_waiting(subscriber))

        finals = [(f.session_id, f.committed) for f in said if f.is_final]
        assert finals == [("speaker", "one two"), (subscriber.id, "one two")]
        assert {reply.session_id for reply in said} == {"speaker", subscriber.id}
        assert any(not reply.is_final for reply in said if reply.session_id == "speaker")
        numbers = [reply.seq for reply in said]
        assert numbers == sorted(set(numbers))


def test_a_subscriber_hears_audio_posted_over_http() -> None:
    """What a poller would read is pushed (W29)."""
    with running() as core:
        subscriber = core.session(subscribe=True)
        core.recorder.snapshot("0000", "1", speech(1.0))
        core.recorder.snapshot("0000", "2", speech(1.5))
        core.recorder.snapshot("other", "3", speech(1.0))
        assert core.queue.join(WAIT)

        said = transcripts(now_waiting(subscriber))

        assert {reply.chunk_id for reply in said} == {"1", "2"}
        (last,) = [reply for reply in said if reply.is_final]
        assert (last.chunk_id, last.committed) == ("1", "one two")


def test_a_subscriber_that_left_hears_nothing() -> None:
    """Leaving ends the subscription, and only its own (W29)."""
    with running() as core:
        gone, stays = core.session(subscribe=True), core.session(subscribe=True)
        core.manager.leave(gone)

        core.manager.publish("0000", Transcript("1", "x", is_final=True))
        core.manager.leave(stays)
        core.manager.publish("0000", Transcript("2", "x", is_final=True))

        assert closing(gone).code == 1006
        assert gone.outbox.get(0) == Closing(1006)
        assert len(core.manager) == 0


def test_leaving_never_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    """The door's last call: whatever fails is logged, the registry forgets the session."""
    with running() as core:
        session = core.session()

        def fail() -> None:
            raise RuntimeError("cannot leave")

        monkeypatch.setattr(session, "finish_all", fail)
        core.manager.leave(session)
        core.manager.leave(session)

        assert len(core.manager) == 0


def test_draining_gives_every_chunk_its_final_and_then_1012() -> None:
    """Open chunks are finalised, then the close that means come back (W31, AD8)."""
    with held() as (core, _, gate):
        named, minted, idle = core.session(), core.session(auto_chunk=True), core.session()
        talk(named, speech(1.2), "1")
        talk(minted, speech(1.5))
        drained: list[bool] = []
        drain = threading.Thread(target=lambda: drained.append(core.manager.drain(WAIT)))
        drain.start()

        gate.set()
        drain.join(WAIT)

        assert drained == [True]
        finals = [final(session).committed for session in (named, minted)]
        assert finals == ["one two", "one two three"]
        assert {closing(session).code for session in (named, minted, idle)} == {1012}


def test_a_drain_that_takes_too_long_says_what_is_known() -> None:
    """Chunks whose final does not come in time are told with the text so far (W31, W8)."""
    with held(only=Kind.FINAL) as (core, _, _):
        named, minted, gone = core.session(), core.session(auto_chunk=True), core.session()
        talk(gone, speech(1.2), "2")
        assert core.queue.join(WAIT)
        core.manager.leave(gone)
        talk(named, speech(1.2), "1")
        talk(minted, speech(1.2))

        assert not core.manager.drain(0.02)

        for session in (named, minted):
            last = transcripts(replies(session, is_final))[-1]
            assert last.timed_out
            assert closing(session).code == 1012
        assert stored(core)["2"] == "one two"


def test_a_draining_service_admits_nobody() -> None:
    """New sessions and new audio are refused with a reason that invites to come back (RT-44)."""
    with running() as core:
        session = core.session()

        assert core.manager.drain(WAIT)

        assert core.manager.draining
        with pytest.raises(NotReady):
            core.session()
        with pytest.raises(NotReady):
            talk(session, speech(1.0), "1")


def test_draining_waits_for_those_who_have_left() -> None:
    """The finals of a client that went away are made before the end (W23, W31)."""
    with held() as (core, engine, gate):
        session = core.session(tenant="t")
        talk(session, speech(1.2), "1")
        core.manager.leave(session)
        del session
        assert engine.wait_for(1)
        drained: list[bool] = []
        drain = threading.Thread(target=lambda: drained.append(core.manager.drain(WAIT)))
        drain.start()

        gate.set()
        drain.join(WAIT)

        assert drained == [True]
        assert stored(core, "t") == {"1": "one two"}


def test_waiting_for_the_last_connection() -> None:
    """It returns when the last session has left, or after the timeout (QU9)."""
    with running(FakeEngine()) as core:
        assert core.manager.wait_empty(0.0)
        session = core.session()
        talk(session, silence(0.2), "1")
        assert not core.manager.wait_empty(0.01)
        leaving = threading.Thread(target=core.manager.leave, args=(session,))

        leaving.start()

        assert core.manager.wait_empty(WAIT)
        leaving.join(WAIT)


def test_everybody_is_told_once_when_interims_come_late() -> None:
    """And once when it is over; who connects meanwhile hears it after the greeting (REC-74)."""
    with running() as core:
        first = core.session(name="first")
        now_waiting(first)

        core.manager.tell_degraded(active=True)
        core.manager.tell_degraded(active=True)
        second = core.session(name="second")

        assert core.manager.degraded
        assert now_waiting(first) == [Degraded(active=True, seq=2)]
        assert [type(said) for said in now_waiting(second)] == [Opened, Degraded]

        core.manager.tell_degraded(active=False)
        third = core.session(name="third")

        assert now_waiting(first) == [Degraded(active=False, seq=3)]
        assert now_waiting(second) == [Degraded(active=False, seq=3)]
        assert [type(said) for said in now_waiting(third)] == [Opened]
