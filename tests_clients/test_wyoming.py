"""Home Assistant's side of the Wyoming protocol, through the `wyoming` package."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong

from tests_clients.printed import code_of
from tests_clients.service import Service, free_port, program
from tests_clients.sounds import HELLO_WORDS, hello, pieces, words

LIMIT = 30.0  # s; a deadline for what is waited for
LOOK = 0.05  # s between two looks


def printed(running: Service, port: int) -> list[str]:
    """What the printed line makes: the program's arguments, on another port of this machine."""
    line = code_of("wyoming", running.host).replace("0.0.0.0:10300", f"127.0.0.1:{port}")
    make, target, arguments = shlex.split(line)
    assert (make, target) == ("make", "wyoming")
    return shlex.split(arguments.removeprefix("ARGS="))


@pytest_asyncio.fixture(name="client")
async def _client(hark: Service) -> AsyncIterator[AsyncTcpClient]:
    """A connection to the program that docs/clients.md starts."""
    port = free_port()
    with program(hark, "stt_wyoming", *printed(hark, port)) as process:
        client = AsyncTcpClient("127.0.0.1", port, read_timeout=LIMIT)
        async with asyncio.timeout(LIMIT):
            while True:
                assert process.poll() is None, hark.log.read_text()
                try:
                    await client.connect()
                    break
                except OSError:
                    await asyncio.sleep(LOOK)
        yield client
        await client.disconnect()


async def heard(client: AsyncTcpClient, kind: Any) -> Any:
    """The next event of a type."""
    while (event := await client.read_event()) is not None:
        if kind.is_type(event.type):
            return kind.from_event(event)
    raise AssertionError("closed")


async def test_it_describes_itself(client: AsyncTcpClient) -> None:
    """WY1: a name, a model and its languages, which Home Assistant shows."""
    await client.write_event(Describe().event())

    info = await heard(client, Info)

    (program_told,) = info.asr
    assert program_told.installed
    assert program_told.models[0].installed
    assert "en" in program_told.models[0].languages


async def test_it_answers_a_ping(client: AsyncTcpClient) -> None:
    """WY2: with the same text."""
    await client.write_event(Ping(text="here").event())

    assert (await heard(client, Pong)).text == "here"


@pytest.mark.parametrize("rate", [16_000, 22_050])
async def test_a_command_is_transcribed(client: AsyncTcpClient, rate: int) -> None:
    """WY3: at whatever rate the satellite records."""
    await client.write_event(Transcribe(language="en").event())
    await client.write_event(AudioStart(rate=rate, width=2, channels=1).event())
    for piece in pieces(hello(rate, after=0.2), rate):
        await client.write_event(AudioChunk(rate=rate, width=2, channels=1, audio=piece).event())
    await client.write_event(AudioStop().event())

    assert words((await heard(client, Transcript)).text) == HELLO_WORDS
