"""Live speech through the `openai` package's Realtime connection."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from openai import AsyncOpenAI
from openai.types.beta.realtime import TranscriptionSession, TranscriptionSessionUpdatedEvent
from openai.types.beta.realtime.realtime_server_event import (
    RealtimeServerEvent as BetaServerEvent,
)
from openai.types.beta.realtime.transcription_session import ClientSecret
from openai.types.realtime import ClientSecretCreateResponse
from websockets.exceptions import InvalidStatus

from tests_clients.printed import defined, python
from tests_clients.realtime import (
    COMMITTED,
    DETECTED,
    RATE,
    TEXT,
    append,
    check_items,
    completed,
    first,
    hear,
    of,
    session,
    speak,
)
from tests_clients.service import KEY, Service
from tests_clients.sounds import HELLO_WORDS, hello, said, words
from tests_clients.strict import by_type, strictly

VAD = {"type": "server_vad", "threshold": 0.5, "silence_duration_ms": 500}


class BetaSession(TranscriptionSession):
    """The type wants a client secret, which a connection that is open has no use for."""

    client_secret: ClientSecret | None = None  # type: ignore[assignment]


class BetaUpdated(TranscriptionSessionUpdatedEvent):
    """The event with such a session."""

    session: BetaSession


BETA_EVENTS = by_type(BetaServerEvent) | {"transcription_session.updated": BetaUpdated}


def connecting(running: Service) -> Any:
    """A connection as docs/clients.md makes it, to be entered."""
    client = defined("openai-realtime", running)["client"]
    return client.realtime.connect(extra_query={"intent": "transcription"})


def test_the_printed_program_prints_what_was_said(hark: Service) -> None:
    """docs/clients.md: deltas while the clip is spoken, and the whole, which they make up."""
    deltas, _, whole = python("openai-realtime", hark).strip().partition("\nall: ")

    assert deltas == whole
    assert words(whole) == HELLO_WORDS


async def test_speech_becomes_words_as_it_is_said(hark: Service) -> None:
    """RO1, RO3: real words in real time, two utterances, texts that only grow."""
    async with connecting(hark) as connection:
        assert (await first(connection, "session.created")).session.type == "transcription"
        await connection.session.update(session=session(detect=VAD))
        updated = (await first(connection, "session.updated")).session.audio.input
        speaking = asyncio.create_task(speak(connection, hello(RATE)))

        events = await hear(connection, completed(2))
        speaking.cancel()

    assert updated.turn_detection.silence_duration_ms == 500
    assert updated.format.rate == RATE
    assert words(" ".join(check_items(events, DETECTED))) == HELLO_WORDS


async def test_words_come_before_the_speaker_stops(counting: Service) -> None:
    """RO3: an utterance of four seconds has deltas before its end is found."""
    async with connecting(counting) as connection:
        await connection.session.update(session=session(detect=VAD))
        speaking = asyncio.create_task(speak(connection, said(4.0, rate=RATE)))

        events = await hear(connection, completed(1))
        speaking.cancel()

    kinds = [event.type for event in events]
    assert kinds.index(f"{TEXT}delta") < kinds.index("input_audio_buffer.speech_stopped")


async def test_audio_faster_than_real_time_is_heard_whole(counting: Service) -> None:
    """Three utterances at once, and the place of each on the session's clock (RS3, RS4)."""
    async with connecting(counting) as connection:
        await connection.session.update(session=session(detect=VAD))
        await append(connection, said(1.0, 2.0, 1.0, rate=RATE))

        events = await hear(connection, completed(3))

    assert all(check_items(events, DETECTED))
    starts = [event.audio_start_ms for event in of(events, "input_audio_buffer.speech_started")]
    ends = [event.audio_end_ms for event in of(events, "input_audio_buffer.speech_stopped")]
    assert starts == pytest.approx([500, 3000, 6500], abs=700)
    assert all(start < end for start, end in zip(starts, ends, strict=True))


async def test_a_commit_ends_an_item(counting: Service) -> None:
    """RO2: without detection one commit is one item, pauses or not, and the next is chained."""
    async with connecting(counting) as connection:
        await connection.session.update(session=session(detect=None))
        for _ in range(2):
            await append(connection, said(1.0, 1.0, rate=RATE))
            await connection.input_audio_buffer.commit()

        events = await hear(connection, completed(2))

    assert all(check_items(events, COMMITTED))


@pytest.mark.parametrize("model", ["gpt-realtime-whisper", "gpt-live-transcribe"])
async def test_some_models_detect_nothing(counting: Service, model: str) -> None:
    """RQ5: with these names and no word of detection, the client commits."""
    settings = session(model=model)
    del settings["audio"]["input"]["turn_detection"]
    async with connecting(counting) as connection:
        await connection.session.update(session=settings)
        await append(connection, said(1.0, rate=RATE))
        await connection.input_audio_buffer.commit()

        events = await hear(connection, completed(1))

    assert all(check_items(events, COMMITTED))


async def test_audio_before_the_settings_is_kept(counting: Service) -> None:
    """RQ6: what was appended first is in the item."""
    async with connecting(counting) as connection:
        await append(connection, said(2.0, pause=0.1, rate=RATE))
        await connection.session.update(session=session(detect=None))
        await connection.input_audio_buffer.commit()

        events = await hear(connection, completed(1))

    (end,) = of(events, f"{TEXT}completed")
    assert len(words(end.transcript)) >= 4


async def test_new_settings_lose_nothing(counting: Service) -> None:
    """RQ4: an update in mid-utterance neither ends the item nor restarts the clock."""
    audio = said(4.0, rate=RATE)
    async with connecting(counting) as connection:
        await connection.session.update(session=session(detect=VAD))
        await append(connection, audio[: len(audio) // 2])
        await connection.session.update(session=session(detect=VAD | {"threshold": 0.6}))
        await append(connection, audio[len(audio) // 2 :])

        events = await hear(connection, completed(1))

    (text,) = check_items(events, DETECTED)
    assert len(words(text)) >= 8


async def test_errors_keep_the_connection(counting: Service) -> None:
    """RE1-RE5: each has its code and names the event; the session goes on."""
    bad: list[tuple[Any, str]] = [
        ({"type": "input_audio_buffer.commit"}, "input_audio_buffer_commit_empty"),
        ({"type": "nonsense"}, "unknown_event"),
        ({"type": "input_audio_buffer.append", "audio": "!"}, "invalid_audio"),
        ({"type": "session.update", "session": 1}, "invalid_value"),
        ({"type": "response.create"}, "unsupported_event"),
    ]
    async with connecting(counting) as connection:
        await connection.session.update(session=session(detect=None))
        await first(connection, "session.updated")
        for number, (event, code) in enumerate(bad):
            await connection.send(event | {"event_id": f"mine_{number}"})

            error = (await first(connection, "error")).error

            assert (error.code, error.event_id) == (code, f"mine_{number}")
            assert error.type == "invalid_request_error"
        await connection.input_audio_buffer.clear()
        assert await first(connection, "input_audio_buffer.cleared")


async def test_a_wrong_rate_is_named(counting: Service) -> None:
    """RE4, RC8: the path of the value that is refused."""
    settings = session()
    settings["audio"]["input"]["format"]["rate"] = 22_050
    async with connecting(counting) as connection:
        await connection.session.update(session=settings)

        error = (await first(connection, "error")).error

    assert (error.code, error.param) == ("invalid_value", "session.audio.input.format.rate")


async def test_a_key_is_asked_for(locked: Service) -> None:
    """RH3: the printed key opens; another one is refused with 401, before the upgrade."""
    stranger = AsyncOpenAI(base_url=f"http://{locked.host}/v1", api_key="wrong")

    with pytest.raises(InvalidStatus) as refused:
        await stranger.realtime.connect(model="whisper-1").enter()
    async with connecting(locked) as connection:
        assert await first(connection, "session.created")

    assert refused.value.response.status_code == 401


async def test_a_client_secret_opens_a_session(locked: Service) -> None:
    """CS1, CS3: a browser's key, its settings, and the connection that it opens."""
    client = defined("openai-realtime", locked)["client"]
    create = client.realtime.client_secrets.with_raw_response.create
    answer = await create(
        session=session(detect=VAD), expires_after={"anchor": "created_at", "seconds": 60}
    )
    secret = strictly(ClientSecretCreateResponse, answer.http_response.json())
    assert isinstance(secret, ClientSecretCreateResponse)
    browser = AsyncOpenAI(base_url=f"http://{locked.host}/v1", api_key=secret.value)

    async with browser.realtime.connect(model="whisper-1") as connection:
        created = await first(connection, "session.created")

    assert created.session.audio.input.turn_detection.silence_duration_ms == 500


async def test_the_beta_still_works(counting: Service) -> None:
    """BT1-BT6: the former shape, by its header: flat settings, `created`, the same texts."""
    plain = f"ws://{counting.host}/v1"  # this part of the package takes TLS for granted
    client = AsyncOpenAI(
        base_url=f"http://{counting.host}/v1", api_key=KEY, websocket_base_url=plain
    )
    async with client.beta.realtime.connect(model="gpt-4o-realtime-preview") as connection:
        created = (await hear(connection, len, BETA_EVENTS))[0]
        await connection.transcription_session.update(
            session={
                "input_audio_format": "pcm16",
                "input_audio_transcription": {"model": "whisper-1", "language": "en"},
                "turn_detection": {"type": "server_vad", "silence_duration_ms": 500},
            }
        )
        await append(connection, said(1.0, rate=RATE))

        heard = await hear(connection, completed(1), BETA_EVENTS)

    assert created.session.input_audio_format == "pcm16"
    assert of(heard, "transcription_session.updated")
    assert of(heard, "conversation.item.created")
    assert of(heard, f"{TEXT}completed")[0].transcript
