"""Speech to text of LiveKit Agents: the openai plugin with files and live, the deepgram plugin."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest
from aiohttp import WSServerHandshakeError
from livekit import rtc
from livekit.agents import APIStatusError
from livekit.agents.stt import SpeechEventType
from livekit.agents.types import APIConnectOptions
from livekit.agents.utils import http_context
from livekit.plugins import deepgram, openai

from tests_clients.printed import defined
from tests_clients.service import Service
from tests_clients.sounds import HELLO_WORDS, RATE, hello, paced, pieces, words

LIMIT = 30.0  # s; a deadline for what is waited for
ONCE = APIConnectOptions(max_retry=0, timeout=10)

START, END = SpeechEventType.START_OF_SPEECH, SpeechEventType.END_OF_SPEECH
INTERIM, FINAL = SpeechEventType.INTERIM_TRANSCRIPT, SpeechEventType.FINAL_TRANSCRIPT
USAGE = SpeechEventType.RECOGNITION_USAGE


@pytest.fixture(autouse=True)
async def _http() -> AsyncIterator[None]:
    """What an agent's process gives its plugins."""
    async with http_context.open():
        yield


def frame(piece: bytes) -> rtc.AudioFrame:
    """Audio as a room delivers it."""
    return rtc.AudioFrame(piece, RATE, 1, len(piece) // 2)


async def spoken(stt: Any, audio: bytes, *, finals: int) -> list[Any]:
    """Push audio in real time; what the stream says up to the end of so many finals."""
    async with asyncio.timeout(LIMIT), stt.stream(conn_options=ONCE) as stream:

        async def push() -> None:
            async for piece in paced(audio):
                stream.push_frame(frame(piece))

        pushing = asyncio.create_task(push())
        events: list[Any] = []
        try:
            async for event in stream:
                events.append(event)
                if len(of(events, FINAL)) == finals and len(of(events, END)) == finals:
                    break
        finally:
            pushing.cancel()
    return events


def of(events: list[Any], kind: SpeechEventType) -> list[Any]:
    """Those of a type."""
    return [event for event in events if event.type == kind]


def said_in(events: list[Any]) -> list[str]:
    """The words of finals."""
    return words(" ".join(event.alternatives[0].text for event in of(events, FINAL)))


async def test_live_through_the_openai_plugin(hark: Service) -> None:
    """RQ1-RQ4: starts, interims, finals and ends of two utterances, and no error."""
    stt = defined("livekit-openai-realtime", hark)["stt"]

    events = await spoken(stt, hello(after=3.0), finals=2)
    await stt.aclose()

    assert said_in(events) == HELLO_WORDS
    assert len(of(events, START)) == len(of(events, END)) == 2
    assert of(events, INTERIM)


async def test_each_final_has_its_usage(hark: Service) -> None:
    """RQ2: the plugin finds how much was said from the events of the item."""
    stt = defined("livekit-openai-realtime", hark)["stt"]
    async with asyncio.timeout(LIMIT), stt.stream(conn_options=ONCE) as stream:
        for piece in pieces(hello(after=3.0)):
            stream.push_frame(frame(piece))

        usages = []
        async for event in stream:
            if event.type == USAGE:
                usages.append(event.recognition_usage)
            if len(usages) == 2:
                break
    await stt.aclose()

    assert all(0.3 < usage.audio_duration < 4 for usage in usages)


async def test_new_options_lose_nothing(hark: Service) -> None:
    """RQ4: the plugin sends its settings again in the middle of an utterance."""
    stt = defined("livekit-openai-realtime", hark)["stt"]
    async with asyncio.timeout(LIMIT), stt.stream(conn_options=ONCE) as stream:
        events: list[Any] = []
        for number, piece in enumerate(pieces(hello(after=3.0))):
            stream.push_frame(frame(piece))
            if number in (15, 60):  # at 0.75 s and 3 s somebody speaks
                await asyncio.sleep(0)
                stt.update_options(prompt=f"Number {number}")
        async for event in stream:
            events.append(event)
            if len(of(events, FINAL)) == 2:
                break
    await stt.aclose()

    assert said_in(events) == HELLO_WORDS


async def test_a_file_through_the_openai_plugin(hark: Service) -> None:
    """A whole utterance at once, with its language."""
    stt = defined("livekit-openai", hark)["stt"]

    event = await stt.recognize([frame(hello())], conn_options=ONCE)

    assert said_in([event]) == HELLO_WORDS
    assert event.alternatives[0].language == "en"


async def test_whisper_1_is_asked_for_in_full(hark: Service) -> None:
    """OF20: with this name the plugin reads the language of `verbose_json`."""
    stt = openai.STT(base_url=f"http://{hark.host}/v1", api_key="any", model="whisper-1")

    event = await stt.recognize([frame(hello())], conn_options=ONCE)

    assert said_in([event]) == HELLO_WORDS
    assert event.alternatives[0].language == "en"


async def test_live_through_the_deepgram_plugin(hark: Service) -> None:
    """DG13: interims and finals with words that have times; starts and ends in pairs."""
    stt = defined("livekit-deepgram", hark)["stt"]

    events = await spoken(stt, hello(after=3.0), finals=2)

    assert said_in(events) == HELLO_WORDS
    assert of(events, INTERIM)
    assert len(of(events, START)) == len(of(events, END)) == 2
    aligned = [word for event in of(events, FINAL) for word in event.alternatives[0].words]
    assert words(" ".join(aligned)) == HELLO_WORDS
    assert all(one.end_time <= later.start_time + 0.001 for one, later in pairwise(aligned))
    for event in of(events, FINAL):
        (best,) = event.alternatives
        assert 0 < best.start_time < best.end_time
        assert 0 < best.confidence <= 1


async def test_a_flush_and_the_end_are_clean(hark: Service) -> None:
    """DG7, DG8, DG14: Finalize, CloseStream, and a server that closes by itself."""
    stt = defined("livekit-deepgram", hark)["stt"]
    async with asyncio.timeout(LIMIT), stt.stream(conn_options=ONCE) as stream:
        for piece in pieces(hello(after=0.1)):
            stream.push_frame(frame(piece))
        stream.end_input()

        events = [event async for event in stream]

    assert said_in(events) == HELLO_WORDS
    assert sum(event.recognition_usage.audio_duration for event in of(events, USAGE)) > 4


async def test_a_file_through_the_deepgram_plugin(hark: Service) -> None:
    """DP2: a whole utterance at once, with words."""
    stt = defined("livekit-deepgram", hark)["stt"]

    event = await stt.recognize([frame(hello())], conn_options=ONCE)

    assert said_in([event]) == HELLO_WORDS
    assert words(" ".join(event.alternatives[0].words)) == HELLO_WORDS


@pytest.mark.parametrize("plugin", [openai, deepgram])
async def test_a_wrong_key_ends_the_stream(locked: Service, plugin: Any) -> None:
    """RH3, DG1: refused with 401 before the upgrade, which both plugins tell in their own way."""
    base = f"http://{locked.host}/v1"
    stt = (
        openai.STT(base_url=base, api_key="wrong", use_realtime=True)
        if plugin is openai
        else deepgram.STT(base_url=f"{base}/listen", api_key="wrong")
    )

    with pytest.raises((APIStatusError, WSServerHandshakeError)) as refused:
        await spoken(stt, bytes(2 * RATE), finals=1)

    told: Any = refused.value
    assert (told.status_code if isinstance(told, APIStatusError) else told.status) == 401
