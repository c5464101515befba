"""One connection: what its reader makes of messages, and how it ends. The socket is scripted."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future

import pytest
from simple_websocket import ConnectionClosed

from stt.errors import BadInput
from stt.events import Kind
from stt.protocols.base import AppendAudio, Close, Command, Flush, Say
from stt.replies import Flushed, Note, Problem, Reply, Transcript, Usage
from stt_connection import LAST_WAIT, STRETCH, Connection, ConnectionOptions
from stt_session import Session
from tests.service import WAIT, Core, held, pcm, running
from tests.speech import speech


class Wire:
    """A WebSocket whose client says what it was given, then nothing."""

    def __init__(self, *messages: str | bytes) -> None:
        self.messages = list(messages)
        self.sent: list[str | bytes] = []
        self.closed: tuple[int, str] | None = None
        self.gone = threading.Event()

    def receive(self, timeout: float) -> str | bytes | None:
        """The next message; None when no more comes in time; the end once the server closed."""
        if self.messages:
            return self.messages.pop(0)
        if self.gone.wait(timeout):
            raise ConnectionClosed(1000)
        return None

    def send(self, message: str | bytes) -> None:
        """Remember what the client gets."""
        self.sent.append(message)

    def pause(self, seconds: float) -> None:
        """Nobody waits here."""

    def finish(self, code: int, reason: str = "") -> None:
        """The first close counts."""
        self.closed = self.closed or (code, reason)
        self.gone.set()


class Harmless(BadInput):
    """What a correct client may do."""

    harmless = True


class Tongue:
    """A protocol of this test: letters for commands, words for replies."""

    def decode(self, message: str | bytes) -> Sequence[Command]:
        """Two commands in one message, where it says so."""
        if isinstance(message, bytes):
            return [AppendAudio(message)]
        if message == "bad":
            raise BadInput("no such word")
        if message == "odd":
            raise Harmless("not here")
        known: dict[str, Command] = {"flush": Flush(), "close": Close(), "say": Say(Note("said"))}
        return [known[word] for word in message.split()]

    def encode(self, reply: Reply) -> Sequence[str]:
        """Nothing, one message or two."""
        match reply:
            case Note():
                return ["note", str(reply.body)]
            case Transcript(is_final=True):
                return [reply.committed]
            case Flushed():
                return ["flushed"]
            case Problem():
                assert reply.cause is not None or reply.close_code is not None
                return [reply.code]
            case Usage():
                return [f"heard {reply.received_s:g}"]
        return []


class Nobody:
    """An observer that remembers latencies alone."""

    def __init__(self) -> None:
        self.latencies: list[float] = []

    def connect(self, result: str) -> None:
        """A client tried to connect."""

    def session_closed(self, code: int) -> None:
        """A connection ended."""

    def frames_dropped(self, why: str) -> None:
        """A message with audio could not be used."""

    def final_said(self, latency: float) -> None:
        """A final is sent."""
        self.latencies.append(latency)


def talked(core: Core, said: Transcript, observer: Nobody) -> Wire:
    """The wire of a session that says this and nothing else."""
    session = core.session(name="s")
    wire = Wire("close")
    session.outbox.put(said)
    Connection(
        wire,  # type: ignore[arg-type]
        Tongue(),
        session,
        ConnectionOptions(),
        observer,
    ).serve()
    return wire


def served(core: Core, wire: Wire, **options: object) -> Wire:
    """The wire after its connection has ended."""
    session = core.session(auto_chunk=True)
    connection = Connection(
        wire,  # type: ignore[arg-type]
        Tongue(),
        session,
        ConnectionOptions(**options),  # type: ignore[arg-type]
        Nobody(),
    )
    thread = threading.Thread(target=connection.serve, daemon=True)
    thread.start()
    thread.join(WAIT)
    assert not thread.is_alive()
    return wire


def test_a_message_may_be_several_commands_and_a_reply_several_messages() -> None:
    """All in their order; the farewell is the last word before the close."""
    with running() as core:
        wire = served(core, Wire(pcm(speech(1.0)), "say flush close"))

        assert wire.sent == ["note", "said", "one two", "flushed", "heard 1"]
        assert wire.closed == (1000, "")


def test_a_bad_message_ends_nothing() -> None:
    """Its error is said in its turn, and what follows is heard (W14)."""
    with running() as core:
        wire = served(core, Wire("bad", pcm(speech(1.0)), "close"))

        assert wire.sent[0] == "bad_request"
        assert "one two" in wire.sent


def test_s11_an_idle_connection_closes_as_its_protocol_says() -> None:
    """The code and the reason are the protocol's own (S11, DG12)."""
    with running() as core:
        wire = served(core, Wire(), idle_timeout=0.01, idle_close=(1011, "NET-0001"))

        assert wire.sent[0] == "idle_timeout"
        assert wire.closed == (1011, "NET-0001")


def test_a_connection_that_lasted_too_long_says_its_finals_first() -> None:
    """Then the error, then a code that lets the client come again (RE8, RE9, RE10)."""
    with running() as core:
        wire = served(core, Wire(pcm(speech(1.0))), longest=0.2)

        assert wire.sent.index("one two") < wire.sent.index("session_expired")
        assert wire.closed == (1001, "session_expired")


def test_a_client_that_waits_for_its_last_finals_is_heard() -> None:
    """What it says counts no more, but pings are answered and its close is noticed (RQ8, RQ9)."""
    with held(only=Kind.FINAL) as (core, _, gate):
        wire = Wire(pcm(speech(1.0)))
        receive = wire.receive
        waits: list[float] = []

        def listened(timeout: float) -> str | bytes | None:
            if timeout == LAST_WAIT:
                waits.append(timeout)
                if len(waits) == 1:
                    return "say"
                gate.set()
            return receive(timeout)

        wire.receive = listened  # type: ignore[method-assign]
        served(core, wire, longest=0.2)

        assert len(waits) == 2
        assert "one two" in wire.sent
        assert "note" not in wire.sent
        assert wire.closed == (1001, "session_expired")


def test_who_stands_before_the_session_gets_the_commands() -> None:
    """A listener takes everything in the session's place (S9)."""

    class Listener:
        delay = 0.0

        def __init__(self) -> None:
            self.heard: list[Command] = []

        def handle(self, command: Command) -> None:
            self.heard.append(command)
            if isinstance(command, Close):
                session.handle(command)

    with running() as core:
        session = core.session(auto_chunk=True)
        listener = Listener()
        Connection(
            Wire(b"audio", "flush close"),  # type: ignore[arg-type]
            Tongue(),
            session,
            ConnectionOptions(),
            Nobody(),
            listener=listener,
        ).serve()

        assert listener.heard == [AppendAudio(b"audio"), Flush(), Close()]


class Slow:
    """A listener whose delay changes while the reader waits."""

    def __init__(self, session: Session, *delays: float) -> None:
        self.delays = list(delays)
        self._session = session

    @property
    def delay(self) -> float:
        """The next one; the last stays."""
        return self.delays.pop(0) if len(self.delays) > 1 else self.delays[0]

    def handle(self, command: Command) -> None:
        """End when the client ends."""
        if isinstance(command, Close):
            self._session.handle(command)


@pytest.mark.parametrize(
    ("delays", "least", "most"),
    [((60.0, 59.0, 0.0), 2 * STRETCH, 2 * STRETCH), ((1.0, 1.0), 0.75, 1.0)],
)
def test_a_wait_ends_when_the_backlog_is_gone(
    delays: tuple[float, ...], least: float, most: float
) -> None:
    """RT-27: the reader waits in short stretches and asks anew; a delay that stays is waited once.

    A minute was foretold while a picture of 9 MB came before any audio, which took no time at all.
    """
    pauses: list[float] = []

    with running() as core:
        session = core.session(auto_chunk=True)
        wire = Wire(b"audio", b"audio", "close")
        wire.pause = pauses.append  # type: ignore[method-assign]
        Connection(
            wire,  # type: ignore[arg-type]
            Tongue(),
            session,
            ConnectionOptions(),
            Nobody(),
            listener=Slow(session, *delays),
        ).serve()

    assert max(pauses) <= STRETCH
    assert least <= sum(pauses) <= most


def test_a_client_that_has_ended_its_audio_is_not_idle() -> None:
    """It waits for its finals, and hears them however long they take (S10, DG14)."""
    with held(only=Kind.FINAL) as (core, _, gate):
        wire = Wire(pcm(speech(1.0)), "close")
        waits: list[float] = []
        receive = wire.receive

        def patient(timeout: float) -> str | bytes | None:
            if not wire.messages:
                waits.append(timeout)
                gate.set()
            return receive(timeout)

        wire.receive = patient  # type: ignore[method-assign]
        served(core, wire, idle_timeout=0.01)

        assert waits == [LAST_WAIT]
        assert "one two" in wire.sent
        assert wire.closed == (1000, "")


def test_s5_the_latency_of_a_final_runs_until_it_is_sent(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """From the arrival of its end; exported and logged, with the store's time in it (S5)."""
    observer, before = Nobody(), []

    class Store(Future[None]):
        def result(self, timeout: float | None = None) -> None:
            before.append(list(observer.latencies))

    arrived = time.monotonic() - 7.0
    said = Transcript("7", "one", is_final=True, session_id="s", arrived=arrived, stored=Store())

    with caplog.at_level(logging.INFO, "stt.websocket"), running() as core:
        wire = talked(core, said, observer)

    assert before == [[]]
    [latency] = observer.latencies
    assert latency >= 7.0
    assert f"utterance_end_latency={latency:.3f}" in caplog.text
    assert "chunk_id=7" in caplog.text
    assert wire.sent[0] == "one"


@pytest.mark.parametrize(
    ("said", "latencies"),
    [
        (Transcript("7", "one", is_final=True, session_id="s"), []),
        (Transcript("7", "one", is_final=True, session_id="s", arrived=math.inf), [0.0]),
        (Transcript("7", "one", is_final=True, session_id="other", arrived=0.0), []),
    ],
)
def test_s7_a_latency_that_is_not_known_is_none(said: Transcript, latencies: list[float]) -> None:
    """Absent without an end, never below 0, and counted by its own session alone (S7)."""
    observer = Nobody()

    with running() as core:
        talked(core, said, observer)

    assert observer.latencies == latencies
