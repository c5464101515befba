"""Tests that asyncapi.yaml tells what is said on /v1/listen (client section 4)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from stt.errors import EngineError
from stt.events import Word
from stt.protocols.base import Configure, Say
from stt.protocols.deepgram import DeepgramProtocol
from stt.protocols.deepgram_query import RAW, read_query
from stt.protocols.deepgram_results import SchemaError, Wanted
from stt.replies import ChunkOpened, Flushed, Silence, Speech, Transcript, Usage, problem
from tests.described import ASYNCAPI, OPENAPI, check, messages

LISTEN = "/v1/listen"
ASKED = [
    example["payload"]
    for item in messages(LISTEN, "client")
    if item.is_json
    for example in item.message["examples"]
]
TOO_MANY = {"type": "Configure", "keyterms": ["a" * 999, "b" * 999]}


def codec() -> DeepgramProtocol:
    """Of a client that wants to be told everything."""
    wanted = Wanted(
        "r1", "2026-01-01T00:00:00.000Z", interim_results=True, vad_events=True,
        utterance_ends=True, languages=True,
    )  # fmt: skip
    return DeepgramProtocol(wanted, Configure())


def answers(spoken: DeepgramProtocol, message: dict[str, Any]) -> Iterator[str]:
    """What a client's message is answered with at once."""
    for command in spoken.decode(json.dumps(message)):
        if isinstance(command, Say):
            yield from spoken.encode(command.reply)


def stream(spoken: DeepgramProtocol) -> Iterator[str]:
    """An utterance, a Finalize and two faults, as a session tells of them."""
    words = (Word("Hello", 0.5, 0.8, 0.9), Word(" there.", 0.8, 1.4, 0.8))
    final = Transcript("1", "Hello there.", is_final=True, end=1.4, words=words, language="en")
    for reply in (
        ChunkOpened("1"),
        Speech("1", True, 0.5),
        Transcript("1", "Hello", " the", start=0.5, end=1.2),
        Speech("1", False, 1.5),
        final,
        Silence(at=2.5),
        Flushed(False, 3.0),
        problem(EngineError("the model failed"), "1"),
        problem(SchemaError("unknown message type 'x'", '{"type": "x"}')),
    ):
        yield from spoken.encode(reply)


def test_every_message_of_the_server_is_described_and_the_other_way_round() -> None:
    """What the codec makes is in the document, and nothing else is (DG9 to DG15)."""
    spoken = codec()
    told = list(stream(spoken))
    for message in (TOO_MANY, *sorted(ASKED, key=lambda each: each["type"] == "CloseStream")):
        told += answers(spoken, message)
    told += spoken.encode(Usage(2.0, 1.0))

    said = [check(LISTEN, json.loads(text)) for text in told]

    assert set(said) == {item.key for item in messages(LISTEN, "server")}


@pytest.mark.parametrize("message", ASKED, ids=str)
def test_examples_of_client_messages_are_taken(message: dict[str, Any]) -> None:
    """DG6 to DG9: none is a SchemaError."""
    codec().decode(json.dumps(message))


def test_both_queries_name_the_same_encodings() -> None:
    """Those that are taken, live and for files (DG3)."""
    live = ASYNCAPI["channels"]["listen"]["bindings"]["ws"]["query"]["properties"]
    files = {each["name"]: each for each in OPENAPI["paths"][LISTEN]["post"]["parameters"]}

    named = live["encoding"]["enum"]

    assert named == files["encoding"]["schema"]["enum"]
    for encoding in named:
        assert (read_query([("encoding", encoding)]).encoding is not None) == (encoding in RAW)
