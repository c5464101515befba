"""Hark for Home Assistant: the wyoming library's client, our program, a real service (client 6)."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong

from stt_wyoming.__main__ import parse
from tests.e2e.sounds import FAST, counted, quiet, voice
from tests.live import ROOT, Hark, free_port, hark
from tests.sockets import until

T = TypeVar("T")
PATIENCE = 30.0  # s; a deadline on a busy machine
USUAL = {"rate": 16000, "width": 2, "channels": 1}


@dataclass
class Program:
    """`python -m stt_wyoming`, running."""

    process: subprocess.Popen[str]
    port: int

    def talk(self, script: Callable[[AsyncTcpClient], Awaitable[T]]) -> T:
        """What comes of a client's talk with it; fails after PATIENCE."""

        async def run() -> T:
            async with AsyncTcpClient("127.0.0.1", self.port) as client:
                return await asyncio.wait_for(script(client), PATIENCE)

        return asyncio.run(run())

    def answers(self) -> bool:
        """Whether it lives and serves (client WY2)."""

        async def ping(client: AsyncTcpClient) -> str | None:
            await client.write_event(Ping(text="there?").event())
            event = await client.read_event()
            assert event is not None
            return Pong.from_event(event).text

        return self.talk(ping) == "there?" and self.process.poll() is None


@contextmanager
def program(url: str, *options: str) -> Iterator[Program]:
    """Start it for the service at ``url``; it has said that it listens."""
    port = free_port()
    command = [sys.executable, "-m", "stt_wyoming", "--uri", f"tcp://127.0.0.1:{port}"]
    process = subprocess.Popen(
        [*command, "--url", url, *options], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert f"Wyoming on tcp://127.0.0.1:{port}" in process.stdout.readline()
        yield Program(process, port)
    finally:
        process.terminate()
        process.communicate(timeout=15)
    assert process.returncode == 0


@pytest.fixture(name="service", scope="module")
def _service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hark]:
    with hark(tmp_path_factory.mktemp("wyoming"), **FAST) as service:
        yield service


@pytest.fixture(name="wyoming", scope="module")
def _wyoming(service: Hark) -> Iterator[Program]:
    with program(service.url) as started:
        yield started


async def send(client: AsyncTcpClient, audio: bytes, *, size: int = 2048, **form: int) -> None:
    """Audio in chunks, as Home Assistant sends them."""
    for at in range(0, len(audio), size):
        piece = AudioChunk(**USUAL | form, audio=audio[at : at + size])  # type: ignore[arg-type]
        await client.write_event(piece.event())


async def answer(client: AsyncTcpClient) -> list[Event]:
    """All events up to the end of a transcript, or of the connection."""
    events: list[Event] = []
    while (event := await client.read_event()) is not None:
        events.append(event)
        if event.type == "transcript-stop":
            break
    return events


async def transcribed(
    client: AsyncTcpClient, audio: bytes, *, wish: Transcribe | None = None, **form: int
) -> list[Event]:
    """One utterance, from its request to its transcript."""
    if wish is not None:
        await client.write_event(wish.event())
    await client.write_event(AudioStart(**USUAL | form).event())
    await send(client, audio, **form)
    await client.write_event(AudioStop().event())
    return await answer(client)


def transcript(events: list[Event]) -> Transcript:
    """The one transcript among them."""
    (event,) = (event for event in events if Transcript.is_type(event.type))
    return Transcript.from_event(event)


def test_describe_names_the_model_and_its_languages(wyoming: Program) -> None:
    """What Home Assistant needs to offer it (WY1)."""

    async def describe(client: AsyncTcpClient) -> Info:
        await client.write_event(Describe().event())
        event = await client.read_event()
        assert event is not None
        return Info.from_event(event)

    (asr,) = wyoming.talk(describe).asr

    assert asr.installed
    assert asr.supports_transcript_streaming
    assert [(m.name, m.installed) for m in asr.models] == [("fake", True)]
    assert asr.models[0].languages == ["de", "en", "es", "fr", "hi", "ja", "zh"]


def test_a_ping_is_answered_with_its_text(wyoming: Program) -> None:
    """WY2."""
    assert wyoming.answers()


@pytest.mark.parametrize(
    "strange",
    [Event("select-program", {"name": "hark"}), Event("sing"), Event(7)],  # type: ignore[arg-type]
)
def test_events_for_others_are_passed_over(wyoming: Program, strange: Event) -> None:
    """Newer clients send what older servers do not know."""

    async def ping(client: AsyncTcpClient) -> Event | None:
        await client.write_event(strange)
        await client.write_event(Ping().event())
        return await client.read_event()

    pong = wyoming.talk(ping)

    assert pong is not None
    assert pong.type == "pong"


def test_an_utterance_becomes_a_transcript(wyoming: Program) -> None:
    """As Home Assistant asks for it, region included (WY3)."""
    wish = Transcribe(language="de-DE", transcript_names=["Ada"])

    said = transcript(wyoming.talk(lambda client: transcribed(client, voice(2), wish=wish)))

    assert (said.text, said.language) == (counted(2), "de")


@pytest.mark.parametrize(
    ("rate", "width", "channels"),
    [(8000, 2, 1), (22050, 2, 2), (44100, 4, 2), (48000, 1, 1), (96000, 2, 1), (16000, 4, 3)],
)
def test_audio_of_any_form_is_heard(wyoming: Program, rate: int, width: int, channels: int) -> None:
    """Rates, widths and channels as `audio-start` has them, frames cut by chunks (WY3)."""
    from tests.speech import speech

    at = np.arange(2 * rate) / rate
    samples = np.interp(at, np.arange(32000) / 16000, speech(2)) * 32767
    wide = (np.repeat(samples.astype(np.int64), channels) << 16).astype("<i4").tobytes()
    audio = wide if width == 4 else np.frombuffer(wide, "<i2")[1::2].tobytes()
    if width == 1:
        audio = ((np.frombuffer(audio, "<i2") >> 8) + 128).astype(np.uint8).tobytes()

    events = wyoming.talk(
        lambda client: transcribed(client, audio, rate=rate, width=width, channels=channels)
    )

    assert transcript(events).text == counted(2)


def test_text_is_said_as_it_is_committed(wyoming: Program) -> None:
    """Before the audio ends; the chunks make up the transcript, which ends them (WY4)."""

    async def speak(client: AsyncTcpClient) -> tuple[list[Event], list[Event]]:
        await client.write_event(AudioStart(**USUAL).event())
        await send(client, voice(2) + quiet(1))
        early = []
        while "".join(e.data["text"] for e in early if e.type == "transcript-chunk") != counted(2):
            event = await client.read_event()
            assert event is not None
            early.append(event)
        await send(client, voice(1))
        await client.write_event(AudioStop().event())
        return early, await answer(client)

    early, late = wyoming.talk(speak)

    events = early + late
    kinds = [event.type for event in events]
    chunks = kinds.count("transcript-chunk")
    assert kinds == [
        "transcript-start", *["transcript-chunk"] * chunks, "transcript", "transcript-stop",
    ]  # fmt: skip
    whole = f"{counted(2)} {counted(1)}"
    assert "".join(e.data["text"] for e in events if e.type == "transcript-chunk") == whole
    assert transcript(events).text == whole


def test_silence_has_an_empty_transcript(wyoming: Program) -> None:
    """It comes all the same, or the client would wait for ever (WY3, WY4)."""
    events = wyoming.talk(lambda client: transcribed(client, quiet(1)))

    kinds = [event.type for event in events]
    assert kinds == ["transcript-start", "transcript", "transcript-stop"]
    assert transcript(events).text == ""


def test_a_connection_may_hold_several_utterances(wyoming: Program) -> None:
    """One after the other, also where a client forgot to end one or to begin it (WY5)."""

    async def speak(client: AsyncTcpClient) -> list[str]:
        first = await transcribed(client, voice(1))
        await client.write_event(AudioStart(**USUAL).event())
        await send(client, voice(2))
        await client.write_event(AudioStart(**USUAL).event())  # the one before ends here
        second = await answer(client)
        await send(client, voice(3))
        await client.write_event(AudioStop().event())
        third = await answer(client)
        await client.write_event(AudioStop().event())  # of nothing
        await send(client, voice(1))
        await client.write_event(AudioStop().event())
        return [transcript(events).text for events in (first, second, third, await answer(client))]

    assert wyoming.talk(speak) == [counted(seconds) for seconds in (1, 2, 3, 1)]


def test_clients_do_not_hinder_each_other(wyoming: Program) -> None:
    """Each has its own text, however their audio is mixed."""

    async def one(seconds: int) -> str:
        async with AsyncTcpClient("127.0.0.1", wyoming.port) as client:
            return transcript(await transcribed(client, voice(seconds))).text

    async def all_of_them() -> list[str]:
        together = asyncio.gather(*map(one, (1, 2, 3, 4)))
        return await asyncio.wait_for(together, PATIENCE)

    assert asyncio.run(all_of_them()) == [counted(seconds) for seconds in (1, 2, 3, 4)]


def complaint(events: list[Event]) -> str:
    """What an answer without a transcript says."""
    assert [event.type for event in events] == ["error"]
    return str(events[0].data["text"])


@pytest.mark.parametrize(
    ("form", "wish", "named"),
    [
        ({"width": 7}, None, "width must be 1 to 4, not 7"),
        ({"rate": -1}, None, "rate must be"),
        ({}, Transcribe(language="xx-YY"), "language='xx' is not served"),
    ],
)
def test_what_cannot_be_served_is_named(
    wyoming: Program, form: dict[str, int], wish: Transcribe | None, named: str
) -> None:
    """An error, then the end of this connection: Home Assistant waits for one of both (WY3)."""
    events = wyoming.talk(lambda client: transcribed(client, b"", wish=wish, **form))

    assert named in complaint(events)
    assert wyoming.answers()


@pytest.mark.parametrize(
    "frame",
    [
        b"not json\n",
        b"[1]\n",
        b'"x"\n',
        b"{}\n",
        b'{"type":"audio-start"}\n',
        b'{"type":"audio-chunk","data":[1]}\n',
        b'{"type":"transcribe","data":{"language":7}}\n{"type":"audio-start","data_length":38}\n'
        b'{"rate":16000,"width":2,"channels":1} {"type":"audio-stop"}\n',
        b'{"type":"ping","data_length":"7"}\n',
        b'{"type":"ping","data_length":3}\n[1]',
        b'{"type":"audio-chunk","payload_length":99999999999}\n' + bytes(1000),
        b"\xff" * 100_000,
    ],
)
def test_a_broken_frame_ends_its_connection_alone(wyoming: Program, frame: bytes) -> None:
    """Whatever comes, the next client is served."""
    with socket.create_connection(("127.0.0.1", wyoming.port), timeout=PATIENCE) as peer:
        try:
            peer.sendall(frame)
            peer.shutdown(socket.SHUT_WR)
            while peer.recv(4096):
                pass
        except ConnectionError:
            pass  # it was closed with bytes of ours unread

    assert wyoming.answers()


@pytest.mark.parametrize("half", [b"", b'{"type":"audio-chunk","payload_length":500}\nxx', b'{"ty'])
def test_a_client_that_leaves_frees_its_session(
    wyoming: Program, service: Hark, half: bytes
) -> None:
    """In the middle of an utterance, or of an event (client S12)."""

    async def leave(client: AsyncTcpClient) -> None:
        await client.write_event(AudioStart(**USUAL).event())
        await send(client, voice(2))
        await asyncio.to_thread(until, lambda: service.get("/healthz")["sessions"] == 1)
        assert client._writer is not None
        client._writer.write(half)
        await client._writer.drain()

    wyoming.talk(leave)

    until(lambda: service.get("/healthz")["sessions"] == 0)
    assert wyoming.answers()


def test_a_service_that_is_not_there_is_told(service: Hark) -> None:
    """To who asks what there is, and to who speaks; the program waits for better times."""

    async def describe(client: AsyncTcpClient) -> list[Event]:
        await client.write_event(Describe().event())
        return await answer(client)

    with program(f"http://127.0.0.1:{free_port()}") as lonely:
        assert "no answer from http://127.0.0.1" in complaint(lonely.talk(describe))
        spoken = lonely.talk(lambda client: transcribed(client, voice(1)))
        assert "no connection to ws://127.0.0.1" in complaint(spoken)
        assert lonely.answers()


def test_the_key_opens_the_service(tmp_path: Path) -> None:
    """Its tenant keeps the transcripts; a wrong key is told, also at the start (native W30)."""
    with hark(tmp_path, **FAST, STT_API_KEYS="ka:alice") as keyed:
        with program(keyed.url, "--key", "ka", "--language", "fr") as allowed:
            said = transcript(allowed.talk(lambda client: transcribed(client, voice(1))))
            assert (said.text, said.language) == (counted(1), "fr")
        with program(keyed.url, "--key", "kb") as refused:
            assert refused.process.stdout is not None
            assert "refuses the key" in refused.process.stdout.readline()
            events = refused.talk(lambda client: transcribed(client, voice(1)))
            assert complaint(events).startswith("401: ")
        kept = keyed.ask("GET", "/list_transcripts", Authorization="Bearer ka").json
        assert list(kept.values()) == [{"transcript": counted(1)}]


def test_every_transcript_is_kept(tmp_path: Path) -> None:
    """None takes the place of another, of the same client or of two at once, or of a chunk `1`."""

    async def two(client: AsyncTcpClient) -> list[str]:
        return [transcript(await transcribed(client, voice(n))).text for n in (1, 2)]

    with hark(tmp_path, **FAST) as service, program(service.url) as started:
        with ThreadPoolExecutor() as clients:
            said = list(clients.map(started.talk, [two, two]))
        kept = service.get("/list_transcripts?tenant_id=wyoming")

    assert said == [[counted(1), counted(2)]] * 2
    assert all(name.isdecimal() and len(name) == 13 for name in kept)
    assert sorted(text["transcript"] for text in kept.values()) == sorted(said[0] * 2)


def test_it_listens_on_loopback_unless_told_otherwise() -> None:
    """The protocol knows no keys (WY6)."""
    assert parse([]).uri == "tcp://127.0.0.1:10300"


def run(*options: str) -> tuple[int, str]:
    """Status and complaint of a start that comes to nothing."""
    ended = subprocess.run(
        [sys.executable, "-m", "stt_wyoming", *options],
        cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert "Traceback" not in ended.stderr
    return ended.returncode, ended.stderr


def test_a_start_that_cannot_be_says_why(wyoming: Program) -> None:
    """Bad addresses, and one that is taken."""
    bad: list[tuple[Any, ...]] = [
        ("--uri", "127.0.0.1:10300"), ("--uri", "tcp://127.0.0.1"), ("--url", "hark")
    ]  # fmt: skip
    for options in bad:
        status, said = run(*options)
        assert (status, said.startswith("stt_wyoming: ")) == (2, True), options
    status, said = run("--uri", f"tcp://127.0.0.1:{wyoming.port}")
    assert status == 1
    assert re.search(r"address already in use", said)


def test_it_ends_at_once_when_asked_to(service: Hark) -> None:
    """Also in the middle of an utterance; the fixture sees status 0."""
    with program(service.url) as stopped:

        async def begin(client: AsyncTcpClient) -> list[str]:
            await client.write_event(AudioStart(**USUAL).event())
            await send(client, quiet(1))
            await client.write_event(Ping().event())
            pong = await client.read_event()
            assert pong is not None  # all of it is read: an end now is no reset
            stopped.process.send_signal(signal.SIGTERM)
            return [pong.type, *(event.type for event in await answer(client))]

        assert stopped.talk(begin) == ["pong"]
        assert stopped.process.wait(PATIENCE) == 0
    until(lambda: service.get("/healthz")["sessions"] == 0)
