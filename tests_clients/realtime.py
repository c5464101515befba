"""Reading a Realtime connection of the `openai` package, and what an item's events must be."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from itertools import groupby
from typing import Any

from openai.types.realtime.realtime_server_event import RealtimeServerEvent
from pydantic import BaseModel

from tests_clients.sounds import paced, pieces
from tests_clients.strict import by_type, strictly

RATE = 24_000  # Hz; what the types allow
LIMIT = 30.0  # s; a deadline for what is waited for
EVENTS = by_type(RealtimeServerEvent)
PUBLISHED = ("session.id", "session.object", "session.expires_at")
"""Fields of a session that the published API has and the package's type leaves out."""

ITEM = "conversation.item."
TEXT = f"{ITEM}input_audio_transcription."
DETECTED = [  # RO1: less the deltas, which may come early (RO3), and the older `created` (RO4)
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    f"{ITEM}added",
    f"{ITEM}done",
    f"{TEXT}completed",
]
COMMITTED = DETECTED[2:]
"""RO2: the same without voice detection."""


def session(*, detect: Mapping[str, Any] | None = None, model: str = "whisper-1") -> Any:
    """The settings of a session, in the shape of today (GA)."""
    pcm = {"type": "audio/pcm", "rate": RATE}
    heard = {"format": pcm, "transcription": {"model": model, "language": "en"}}
    return {"type": "transcription", "audio": {"input": heard | {"turn_detection": detect}}}


async def hear(
    connection: Any,
    enough: Callable[[list[Any]], Any],
    types: Mapping[str, type[BaseModel]] = EVENTS,
) -> list[Any]:
    """All events up to the one that makes it enough, each exactly what its type says."""
    heard: list[Any] = []
    async with asyncio.timeout(LIMIT):
        while not (heard and enough(heard)):
            raw = json.loads(await connection.recv_bytes())
            heard.append(strictly(types[raw["type"]], raw, *PUBLISHED))
    return heard


async def first(connection: Any, kind: str) -> Any:
    """The first event of this type to come."""
    return (await hear(connection, lambda heard: heard[-1].type == kind))[-1]


def completed(number: int) -> Callable[[list[Any]], bool]:
    """So many items have their text."""
    return lambda heard: len(of(heard, f"{TEXT}completed")) == number


def of(events: Iterable[Any], kind: str) -> list[Any]:
    """Those of a type."""
    return [event for event in events if event.type == kind]


async def append(connection: Any, audio: bytes) -> None:
    """Audio as fast as it goes."""
    for piece in pieces(audio, RATE):
        await connection.input_audio_buffer.append(audio=base64.b64encode(piece).decode())


async def speak(connection: Any, audio: bytes) -> None:
    """Audio at the pace of a microphone."""
    stream: AsyncIterator[bytes] = paced(audio, RATE)
    async for piece in stream:
        await connection.input_audio_buffer.append(audio=base64.b64encode(piece).decode())


def check_items(events: list[Any], order: list[str]) -> list[str]:
    """Hold each item to the rules of order; the transcripts, in their order.

    RO1-RO3: one order of events. RQ3: texts of two items never mix, and deltas joined are the
    transcript. RS5: items are chained. S13: nothing follows an item's end.
    """
    items: dict[str, list[Any]] = {}
    for event in events:
        if item := item_of(event):
            items.setdefault(item, []).append(event)
    texts = [e.item_id for e in events if e.type in (f"{TEXT}delta", f"{TEXT}completed")]
    assert [item for item, _ in groupby(texts)] == list(items)

    before, transcripts = None, []
    for item, own in items.items():
        told = [e.type for e in own if e.type not in (f"{TEXT}delta", f"{ITEM}created")]
        assert told == order, item
        (end,) = of(own, f"{TEXT}completed")
        assert own[-1] is end
        assert "".join(event.delta for event in of(own, f"{TEXT}delta")) == end.transcript
        assert of(own, "input_audio_buffer.committed")[0].previous_item_id == before
        assert end.usage.type != "duration" or end.usage.seconds > 0
        before = item
        transcripts.append(end.transcript)
    return transcripts


def item_of(event: Any) -> str | None:
    """The id of the item that an event is about."""
    if event.type.startswith(ITEM) and hasattr(event, "item"):
        return str(event.item.id)
    return getattr(event, "item_id", None)
