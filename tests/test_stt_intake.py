"""The thread that decodes a session's container: order, pace, ends and errors."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest

from stt.audio.stream import decoded_stream
from stt.errors import BadInput, NoChunk, UndecodableAudio
from stt.events import SAMPLE_RATE, Samples
from stt.pace import PaceOptions
from stt.protocols.base import AppendAudio, Command, Finalize, Ping, ReplaceAudio, SetChunk
from stt.replies import Problem, Reply, Transcript
from stt_in_flight import CROWDED, FAIR_SHARE, InFlight
from stt_intake import BACKLOG, MAX_BACKLOG, MOST_TAIL, Intake, Read
from tests.containers import LIVE, live
from tests.service import final, is_final, problems, replies, running, transcripts
from tests.sockets import until
from tests.speech import silence, speech
from tests.test_decode import flac_of_silence

WAIT = 10.0  # s; a deadline


def threads() -> list[threading.Thread]:
    """The decoders' threads that run."""
    return [thread for thread in threading.enumerate() if thread.name == "stt-intake"]


@dataclass
class Ear:
    """A session that remembers what it was told, and says how long to wait."""

    delay: float = 0.0
    heard: list[Command] = field(default_factory=list)
    said: list[Reply] = field(default_factory=list)
    closed: list[tuple[int, str]] = field(default_factory=list)
    fails: dict[type, Exception] = field(default_factory=dict)

    @property
    def outbox(self) -> Ear:
        return self

    def close(self, code: int = 1000, reason: str = "") -> None:
        self.closed.append((code, reason))

    def handle(self, command: Command) -> None:
        self.heard.append(command)
        if type(command) in self.fails:
            raise self.fails[type(command)]

    def say(self, reply: Reply) -> None:
        self.said.append(reply)

    @property
    def seconds(self) -> float:
        """Audio heard so far."""
        return sum(len(c.data) for c in self.heard if isinstance(c, AppendAudio)) / 4 / SAMPLE_RATE

    def samples(self) -> Samples:
        """The audio heard so far."""
        data = b"".join(c.data for c in self.heard if isinstance(c, AppendAudio))
        return np.frombuffer(data, np.float32)


def by_byte(read: Read) -> Iterator[Samples]:
    """A decoder for tests: each byte is a second of audio of that value."""
    while data := read(1):
        yield np.full(SAMPLE_RATE, data[0], np.float32)


@pytest.fixture(name="ear")
def _ear() -> Ear:
    return Ear()


@pytest.fixture(name="make")
def _make(ear: Ear) -> Iterator[Callable[..., Intake]]:
    made: list[Intake] = []

    def make(decoder: Callable[[Read], Iterator[Samples]] = by_byte, **options: object) -> Intake:
        made.append(Intake(ear, decoder, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for intake in made:
        intake.close()
    until(lambda: not threads())


def shape(commands: list[Command]) -> list[object]:
    """Commands, with the audio as its first sample."""
    return [
        int(np.frombuffer(c.data, np.float32)[0]) if isinstance(c, AppendAudio) and c.data else c
        for c in commands
    ]


def test_s9_no_command_overtakes_audio(ear: Ear, make: Callable[..., Intake]) -> None:
    """client-S9: each is done when all audio before it has been heard, and before any after it."""
    intake = make()

    for n in range(1, 60, 2):
        intake.handle(AppendAudio(bytes([n])))
        intake.handle(Finalize(str(n)))
        intake.handle(AppendAudio(bytes([n + 1])))
        intake.handle(SetChunk(str(n + 1)))
    intake.close()

    expected: list[object] = []
    for n in range(1, 60, 2):
        expected += [n, Finalize(str(n)), n + 1, SetChunk(str(n + 1))]
    assert shape(ear.heard) == expected


@pytest.mark.parametrize("name", LIVE)
def test_all_audio_before_a_finalize_is_heard_before_it(
    name: str, ear: Ear, make: Callable[..., Intake]
) -> None:
    """client-S9: in every container, but for what its codec cannot tell yet."""
    pieces = live(LIVE[name], speech(2.0))
    intake = make(decoded_stream)

    for piece in pieces[:-1]:
        intake.handle(AppendAudio(piece))
    intake.handle(Finalize())
    until(lambda: Finalize() in ear.heard)
    before = ear.seconds
    intake.handle(AppendAudio(pieces[-1]))
    intake.close()

    sent = sum(map(len, pieces[:-1])) / sum(map(len, pieces))
    assert before >= 2.0 * sent - 0.5
    assert ear.seconds == pytest.approx(2.0, abs=0.15)


@pytest.mark.parametrize("name", LIVE)
def test_e10_the_whole_stream_is_heard(name: str, ear: Ear, make: Callable[..., Intake]) -> None:
    """client-E10, E12: float32 at 16 kHz, and no sample is lost when the client leaves."""
    pieces = live(LIVE[name], speech(1.0))
    intake = make(decoded_stream)

    for piece in pieces:
        if piece:
            intake.handle(AppendAudio(piece))
    intake.close()

    source = iter([b"".join(pieces), b""])
    whole = np.concatenate(list(decoded_stream(lambda _: next(source, b""))))
    assert np.array_equal(ear.samples(), whole)
    assert ear.said == []


def test_a_ping_does_not_wait(ear: Ear, make: Callable[..., Intake]) -> None:
    """RQ8: it is answered while audio and a command wait for the session's pace."""
    ear.delay = 1000.0
    intake = make()
    intake.handle(AppendAudio(b"\x01\x02"))
    intake.handle(Finalize())

    intake.handle(Ping(7))

    assert Ping(7) in ear.heard
    assert Finalize() not in ear.heard
    ear.delay = 0.0


def at_the_end(read: Read) -> Iterator[Samples]:
    """A decoder that can tell nothing before the stream has ended."""
    data = b""
    while more := read(100):
        data += more
    for value in data:
        yield np.full(SAMPLE_RATE, value, np.float32)


def test_a_command_that_ends_the_stream_waits_for_its_tail(
    ear: Ear, make: Callable[..., Intake]
) -> None:
    """client-S9, E10: the decoder hears the end first, so what it holds back is heard."""
    intake = make(at_the_end, ends=(Finalize,))
    intake.handle(AppendAudio(b"\x01\x02"))
    intake.handle(SetChunk("x"))
    intake.handle(Finalize("end"))
    intake.handle(AppendAudio(b"\x03"))
    intake.handle(SetChunk("after"))

    until(lambda: SetChunk("after") in ear.heard)

    assert shape(ear.heard) == [SetChunk("x"), 1, 2, Finalize("end"), SetChunk("after")]


def test_audio_in_json_sets_its_chunk_first(ear: Ear, make: Callable[..., Intake]) -> None:
    """native M12: in its turn, as other audio would."""
    intake = make()

    intake.handle(AppendAudio(b"\x01", "a", whole=True))
    intake.handle(AppendAudio(b"", None, "odd_length"))
    intake.handle(AppendAudio(b"\x02", "b", whole=True))
    intake.close()

    assert shape(ear.heard) == [AppendAudio(b"", "a"), 1, AppendAudio(b"", "b"), 2]


def test_a_snapshot_is_refused(ear: Ear, make: Callable[..., Intake]) -> None:
    """native W3: a container cannot begin anew; the sentence says what to send."""
    intake = make()

    with pytest.raises(BadInput, match="append: true"):
        intake.handle(ReplaceAudio(b"\x01", "1"))

    intake.close()
    assert ear.heard == []


def test_a_command_that_fails_is_told_and_the_stream_goes_on(
    ear: Ear, make: Callable[..., Intake]
) -> None:
    """native W14: as the reader would tell it, whatever kind of failure it is."""
    ear.fails = {SetChunk: NoChunk("no such chunk"), Finalize: ZeroDivisionError()}
    intake = make()

    for command in (SetChunk("7"), Finalize(), AppendAudio(b"\x01")):
        intake.handle(command)
    intake.close()

    assert ear.said == [
        Problem("no_chunk", "no such chunk", "7"),
        Problem("internal_error", "the server failed on this message"),
    ]
    assert shape(ear.heard)[-1] == 1
    assert ear.closed == []


# Errors of the stream.


def test_e11_what_cannot_be_decoded_is_told_once_and_ends_the_session(
    ear: Ear, make: Callable[..., Intake]
) -> None:
    """client-E11: one error that names the format, close 1003, then nothing more."""
    intake = make(decoded_stream)

    for _ in range(50):
        intake.handle(AppendAudio(b"fLaC" + bytes(1000)))
    until(lambda: ear.closed)
    intake.handle(AppendAudio(bytes(1000)))
    intake.handle(Finalize())
    intake.close()

    ((problem,), closed) = ear.said, ear.closed
    assert isinstance(problem, Problem)
    assert (problem.code, problem.close_code) == ("undecodable_audio", 1003)
    assert "The FLAC stream" in problem.message
    assert closed == [(1003, "undecodable_audio")]
    assert ear.heard == []


def test_dg12_a_protocol_without_errors_says_why_in_its_close(
    ear: Ear, make: Callable[..., Intake]
) -> None:
    """DG12: behind its own reason, as much as a close frame holds (RFC 6455, section 5.5)."""

    def useless(read: Read) -> Iterator[Samples]:
        assert read(1)
        raise UndecodableAudio("è" * 200)
        yield

    make(useless, useless=(1008, "DATA-0000")).handle(AppendAudio(b"x"))
    until(lambda: ear.closed)

    [(code, reason)] = ear.closed
    assert (code, reason) == (1008, "DATA-0000: " + "è" * 56)
    assert len(reason.encode()) <= 123


def test_what_was_heard_before_an_error_counts(ear: Ear, make: Callable[..., Intake]) -> None:
    """client-E11: it reaches the session before the error does."""

    def breaking(read: Read) -> Iterator[Samples]:
        read(1)
        yield np.zeros(10, np.float32)
        raise UndecodableAudio("broken")

    intake = make(breaking)
    intake.handle(AppendAudio(b"\x01"))
    until(lambda: ear.closed)

    assert len(ear.samples()) == 10


def test_a_failure_of_ours_ends_the_session_with_1011(
    ear: Ear, make: Callable[..., Intake]
) -> None:
    """RE9: a retry may help."""

    def failing(read: Read) -> Iterator[Samples]:
        yield from by_byte(read)
        raise ZeroDivisionError

    make(failing).close()

    assert ear.closed == [(1011, "internal_error")]


# What waits, and for how long.


def test_a_backlog_slows_the_reader_down(ear: Ear, make: Callable[..., Intake]) -> None:
    """client-E12: by the time the session needs for it, at the bytes a second that it has had."""
    ear.delay = 1000.0  # it hears one second and wants no more for now
    intake = make(rate=2.0)
    intake.handle(AppendAudio(b"\x01"))
    until(lambda: ear.heard)

    intake.handle(AppendAudio(bytes(BACKLOG // 2)))
    before = intake.delay
    intake.handle(AppendAudio(bytes(BACKLOG)))

    assert before == 0.0
    assert intake.delay == pytest.approx(BACKLOG / 2 / 2.0, rel=0.01)  # a byte a second, twice that
    ear.delay = 0.0


def test_e13_no_client_fills_the_memory(ear: Ear, make: Callable[..., Intake]) -> None:
    """client-E13: one that does not wait is ended, with bytes or with commands."""
    ear.delay = 1000.0
    for command in (AppendAudio(bytes(2**20)), SetChunk("1")):
        ear.closed.clear()
        intake = make()
        intake.handle(AppendAudio(b"\x01"))
        for _ in range(MAX_BACKLOG // 128 + 1):
            if not ear.closed:
                intake.handle(command)

        assert ear.closed == [(1003, "too_large")]
    ear.delay = 0.0


def test_all_clients_together_do_not_fill_the_memory(ear: Ear, make: Callable[..., Intake]) -> None:
    """RT-28: who holds more than its share goes when all hold too much; a retry may help (RE9)."""
    in_flight = InFlight(FAIR_SHARE + 2000)
    small = make(at_the_end, in_flight=in_flight)
    large = make(at_the_end, in_flight=in_flight)

    small.handle(AppendAudio(bytes(1000)))
    large.handle(AppendAudio(bytes(FAIR_SHARE)))
    until(lambda: in_flight.held == FAIR_SHARE + 1000)  # taken, and still in the decoders
    assert ear.closed == []
    small.handle(AppendAudio(bytes(2000)))
    assert ear.closed == []
    large.handle(AppendAudio(bytes(1)))

    assert ear.closed == [(1013, CROWDED)]
    assert ear.said == []
    until(lambda: in_flight.held == 3000)


def test_bytes_that_were_heard_are_not_held(ear: Ear, make: Callable[..., Intake]) -> None:
    """RT-28: only what waits, and what a decoder has had since the last audio."""
    in_flight = InFlight()
    intake = make(in_flight=in_flight)

    intake.handle(AppendAudio(bytes([1, 2, 3])))

    until(lambda: ear.seconds == 3.0 and in_flight.held == 0)


def test_the_sessions_pace_is_kept(ear: Ear, make: Callable[..., Intake]) -> None:
    """client-E13, RT-27: a small file that holds hours is decoded no faster than it is heard."""
    ear.delay = 1000.0
    intake = make(decoded_stream)
    data = flac_of_silence(hours=1)

    intake.handle(AppendAudio(data))
    until(lambda: ear.heard)

    assert len(data) < 200_000
    assert 0 < ear.seconds < 1.0  # the first frame, and no other until the session wants it


def test_the_rest_is_heard_without_pace_when_the_client_has_left(
    ear: Ear, make: Callable[..., Intake]
) -> None:
    """client-S12, E13: at once, and at most two minutes of it."""
    ear.delay = 1000.0
    intake = make(decoded_stream)
    intake.handle(AppendAudio(flac_of_silence(hours=1)))
    until(lambda: ear.heard)

    intake.close()

    assert MOST_TAIL <= ear.seconds <= MOST_TAIL + 3.0
    assert intake.delay == 0.0


def test_e12_a_decoder_that_takes_long_holds_nobody_up(
    ear: Ear, make: Callable[..., Intake], monkeypatch: pytest.MonkeyPatch
) -> None:
    """close() waits a while for the tail, then leaves it out; the thread still ends."""
    monkeypatch.setattr("stt_intake.CLOSE_WAIT", 0.01)
    free = threading.Event()

    def slow(read: Read) -> Iterator[Samples]:
        read(1)
        free.wait(WAIT)
        yield np.ones(10, np.float32)

    intake = make(slow)
    intake.handle(AppendAudio(b"\x01"))

    intake.close()
    free.set()

    until(lambda: not threads())
    assert ear.heard == []


def test_s12_a_thousand_clients_that_vanish_leave_no_thread(ear: Ear) -> None:
    """client-S12, RT-28: whatever state their stream was in; nor do they hold bytes any more."""
    in_flight = InFlight()
    pieces = live(LIVE["webm"], speech(0.3))
    starts = [b"", b"\x1a", b"".join(pieces)[:100], b"".join(pieces), b"noise in place of audio"]

    for number in range(1000):
        intake = Intake(ear, decoded_stream, in_flight=in_flight)
        intake.handle(AppendAudio(starts[number % len(starts)]))
        if number % 7 == 0:
            intake.handle(Finalize())
        intake.close()

    assert threads() == []
    assert in_flight.held == 0


# Before a real session.


@pytest.mark.parametrize("name", ["webm", "mp4", "wav"])
def test_a_container_gives_the_text_of_its_audio(name: str) -> None:
    """client-E12: chunks, interims and finals as from bare samples."""
    pieces = live(LIVE[name], np.concatenate([speech(3.0), silence(0.3)]))

    with running() as core:
        session = core.session(encoding="float32", pace=PaceOptions(1e9, 1e9))
        intake = Intake(session, decoded_stream)
        intake.handle(SetChunk("1"))
        for piece in pieces[:-1]:
            intake.handle(AppendAudio(piece))
        interim = replies(session, lambda reply: isinstance(reply, Transcript))[-1]
        intake.handle(AppendAudio(pieces[-1]))
        intake.handle(Finalize("1"))
        last = final(session)
        intake.close()
        session.leave()

    assert isinstance(interim, Transcript)
    assert not interim.is_final
    assert last.committed == "one two three four five six"
    assert last.usage is not None
    assert last.usage.received_s == pytest.approx(3.3, abs=0.1)


def test_audio_before_its_chunk_is_told_once() -> None:
    """native W1: as bare samples are; the header before `set_chunk` is not lost with them."""
    pieces = [piece for piece in live(LIVE["wav"], speech(2.0)) if piece]

    with running() as core:
        session = core.session(encoding="float32", pace=PaceOptions(1e9, 1e9))
        intake = Intake(session, decoded_stream)
        for piece in pieces[:50]:
            intake.handle(AppendAudio(piece))
        intake.handle(SetChunk("1"))
        for piece in pieces[50:]:
            intake.handle(AppendAudio(piece))
        intake.handle(Finalize())
        said = replies(session, is_final)
        intake.close()
        session.leave()

    assert [problem.code for problem in problems(said)] == ["no_chunk"]
    assert transcripts(said)[-1].committed == "one two"
