"""Tests that asyncapi.yaml tells what is said on /v1/realtime, GA and beta (client 2 and 3)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from stt.errors import EngineError
from stt.events import Word
from stt.protocols.base import Say
from stt.protocols.realtime import RealtimeProtocol
from stt.protocols.realtime_errors import InvalidValue
from stt.protocols.realtime_session import Config, NoiseReduction, SemanticVad, Transcription
from stt.protocols.realtime_shapes import Identity
from stt.protocols.realtime_update import Rules
from stt.replies import ChunkOpened, Committed, Opened, Speech, Transcript, problem
from stt.speech.options import SpeechOptions
from tests.described import check, messages

REALTIME = "/v1/realtime"
OPENED = Opened("s", "0000", 1, 24000, "linear16")
CONFIGS = [
    Config(),
    Config(logprobs=True, noise_reduction=NoiseReduction("far_field", 1.0)),
    Config(turn_detection=None, transcription=Transcription("base", "en", "p", ("en",), ("k",))),
    Config(turn_detection=SemanticVad()),
]

TAKEN = [
    example["payload"]
    for item in messages(REALTIME, "client")
    for example in item.message["examples"]
    if item.key != "commit"  # which needs audio before it
]


def codec(config: Config, *, beta: bool = False) -> RealtimeProtocol:
    """Of one connection."""
    identity = Identity("sess_ab12", 1_700_003_600)
    return RealtimeProtocol(
        config, identity, rules=Rules(model="base"), defaults=SpeechOptions(), beta=beta
    )


def answers(spoken: RealtimeProtocol, event: dict[str, Any]) -> Iterator[str]:
    """What a client's event is answered with at once."""
    for command in spoken.decode(json.dumps(event)):
        if isinstance(command, Say):
            yield from spoken.encode(command.reply)


def conversation(spoken: RealtimeProtocol) -> Iterator[str]:
    """Two items and an error, as a session tells of them."""
    said = Transcript("1", "Hello", is_final=False)
    final = Transcript(
        "1", "Hello.", is_final=True, language="en", words=(Word("Hello.", 0.0, 1.0, 0.9),)
    )
    for reply in (
        OPENED,
        ChunkOpened("1"),
        Speech("1", True, 0.5),
        said,
        Speech("1", False, 1.5),
        Committed("1", 1.6),
        final,
        ChunkOpened("2"),
        Committed("2", 2.6),
        problem(EngineError("the model failed"), "2"),
        Transcript("2", "", is_final=True),
        problem(InvalidValue("session.type must be a text", "session.type")),
    ):
        yield from spoken.encode(reply)


@pytest.mark.parametrize("beta", [False, True])
@pytest.mark.parametrize("config", CONFIGS)
def test_every_event_of_the_server_is_described(config: Config, beta: bool) -> None:
    """RS1 to RS12, whatever is configured."""
    spoken = codec(config, beta=beta)

    keys = [check(REALTIME, json.loads(text)) for text in conversation(spoken)]

    assert {"sessionCreated", "delta", "completed", "failed", "realtimeError"} <= set(keys)


def test_every_described_event_is_said() -> None:
    """Each message of the document is one that the codec makes."""
    said = set()
    for beta in (False, True):
        spoken = codec(Config(), beta=beta)
        said |= {check(REALTIME, json.loads(text)) for text in conversation(spoken)}
        for payload in TAKEN:
            said |= {check(REALTIME, json.loads(text)) for text in answers(spoken, payload)}

    assert said == {item.key for item in messages(REALTIME, "server")}


@pytest.mark.parametrize("payload", TAKEN, ids=str)
def test_examples_of_client_events_are_taken(payload: dict[str, Any]) -> None:
    """RC1 to RC5: each is understood."""
    assert list(codec(Config()).decode(json.dumps(payload)))
