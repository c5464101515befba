"""What a session's replies read like to a Realtime client."""

from __future__ import annotations

import json
from typing import Any

import pytest

from stt.errors import (
    Dropped,
    EngineError,
    IdleTimeout,
    InvalidState,
    NotReady,
    QueueFull,
    RateLimited,
    SessionExpired,
    STTError,
)
from stt.protocols.realtime_commands import Asked, Cleared, Updated
from stt.protocols.realtime_errors import InvalidValue
from stt.protocols.realtime_replies import ServerEvents
from stt.protocols.realtime_session import Config
from stt.protocols.realtime_shapes import Identity
from stt.replies import (
    ChunkOpened,
    Committed,
    Degraded,
    Flushed,
    Note,
    Opened,
    Pong,
    Problem,
    Reply,
    Silence,
    Speech,
    Transcript,
    Usage,
    problem,
)

GREETING = Opened("sess_ab", "0000", 2**21, 24000, "linear16")


def server(*, beta: bool = False) -> ServerEvents:
    return ServerEvents(Config(), Identity("sess_ab", 5), beta=beta)


def events(replies: ServerEvents, *given: Reply) -> list[dict[str, Any]]:
    """The events for these replies."""
    return [json.loads(message) for reply in given for message in replies.messages(reply)]


def test_the_greeting_is_session_created() -> None:
    """With the session's id and end (client RS1, RE8)."""
    [event] = events(server(), GREETING)

    assert event["type"] == "session.created"
    assert event["session"]["id"] == "sess_ab"
    assert event["session"]["expires_at"] == 5
    assert event["session"]["type"] == "transcription"


def test_the_beta_is_greeted_in_its_own_shape() -> None:
    """By its header (client RH4, BT3)."""
    [event] = events(server(beta=True), GREETING)

    assert event["session"]["input_audio_format"] == "pcm16"
    assert "audio" not in event["session"]


def test_every_event_has_an_id_of_its_own() -> None:
    """Ids are unique in the session (client section 2.3)."""
    replies = server()
    said = events(
        replies, GREETING, ChunkOpened("1"), Speech("1", True, 1.0), Speech("1", False, 2.0),
        Transcript("1", "hello", is_final=True),
    )  # fmt: skip

    ids = [event["event_id"] for event in said]
    assert len(said) == 8
    assert len(set(ids)) == 8
    assert all(name.startswith("event_ab_") for name in ids)


def test_an_update_is_shown_and_holds_for_what_follows() -> None:
    """In its turn: what was said before it was said under the old settings (client RS2, RQ4)."""
    replies = server()
    manual = Config(turn_detection=None)
    said = events(
        replies,
        ChunkOpened("1"),
        Speech("1", True, 1.0),
        Note(Updated(manual, "session.updated", flat=False)),
        ChunkOpened("2"),
        Speech("2", True, 2.0),
    )

    assert [event["type"] for event in said] == [
        "input_audio_buffer.speech_started", "session.updated",
    ]  # fmt: skip
    assert said[1]["session"]["audio"]["input"]["turn_detection"] is None


def test_who_writes_as_the_beta_did_reads_its_events_from_then_on() -> None:
    """Its session, and its one event for an item (client BT2, BT3, BT5)."""
    replies = server()
    said = events(
        replies,
        Note(Updated(Config(turn_detection=None), "transcription_session.updated", flat=True)),
        ChunkOpened("1"),
        Committed("1", 1.0),
    )

    assert [event["type"] for event in said] == [
        "transcription_session.updated", "input_audio_buffer.committed",
        "conversation.item.created",
    ]  # fmt: skip
    assert said[0]["session"]["input_audio_format"] == "pcm16"
    assert said[0]["session"]["client_secret"] == {"value": "", "expires_at": 5}


def test_cleared_is_said_and_what_it_forgets_is_not() -> None:
    """The item that was open is none (client RS11)."""
    said = events(
        server(), ChunkOpened("1"), Speech("1", True, 1.0), Note(Cleared(2.0)),
        Transcript("1", "late", is_final=True),
    )  # fmt: skip

    assert [event["type"] for event in said] == [
        "input_audio_buffer.speech_started", "input_audio_buffer.cleared",
    ]  # fmt: skip


def test_a_clients_mistake_is_an_error_that_names_it() -> None:
    """Its type, code, sentence, field and event (client RS12)."""
    cause = InvalidValue("x must be y", "session.x")
    cause.event_id = "e1"

    [event] = events(server(), problem(cause))

    assert event["type"] == "error"
    assert event["error"] == {
        "type": "invalid_request_error",
        "code": "invalid_value",
        "message": "x must be y",
        "param": "session.x",
        "event_id": "e1",
    }


def test_a_format_that_cannot_change_now_names_its_update() -> None:
    """The session refuses it, and knows no event (client RE7)."""
    [event] = events(server(), Note(Asked("e7")), problem(InvalidState("audio waits")))

    assert event["error"]["code"] == "invalid_state"
    assert event["error"]["param"] == "session.audio.input.format"
    assert event["error"]["event_id"] == "e7"


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (problem(STTError("failed")), "internal_error"),
        (problem(SessionExpired("over"), close_code=1001), "session_expired"),
        (Problem("slow_consumer", "unread", close_code=1013), "slow_consumer"),
    ],
)
def test_an_error_of_the_server_is_one(said: Problem, code: str) -> None:
    """Before a close as well (client RE8, RE10)."""
    [event] = events(server(), said)

    assert (event["error"]["type"], event["error"]["code"]) == ("server_error", code)
    assert event["error"]["param"] is None


@pytest.mark.parametrize(
    "reply",
    [
        problem(QueueFull(), "1", interim=True), problem(Dropped(), "1", interim=True),
        problem(RateLimited("slow")), problem(NotReady("stops")), problem(IdleTimeout("idle")),
        Degraded(active=True), Silence(), Pong(1), Usage(1.0, 1.0), Flushed(True), Note("?"),
    ],
)  # fmt: skip
def test_what_no_correct_client_can_do_anything_about_is_not_said(reply: Reply) -> None:
    """Many stop for good at any `error` (client RQ1)."""
    assert events(server(), ChunkOpened("1"), reply) == []


@pytest.mark.parametrize(
    ("said", "end"),
    [
        (problem(EngineError("broken"), "1"), "failed"),
        (problem(NotReady("stops"), "1"), "failed"),
        (problem(QueueFull(), "1", interim=True), "completed"),
    ],
)
def test_a_failed_utterance_fails_its_item_when_that_ends(said: Problem, end: str) -> None:
    """`failed`, not `error` (client RQ1, RS9); a refused interim fails nothing."""
    shown = events(
        server(), ChunkOpened("1"), Speech("1", True, 1.0), Speech("1", False, 2.0),
        said, Transcript("1", "", is_final=True),
    )  # fmt: skip

    assert shown[-1]["type"] == f"conversation.item.input_audio_transcription.{end}"
    assert "error" not in [event["type"] for event in shown]


def test_text_in_any_script_is_written_as_it_is() -> None:
    """UTF-8, as JSON over WebSockets is (RFC 6455, section 5.6)."""
    replies = server()
    said = [
        message
        for reply in (ChunkOpened("1"), Transcript("1", "नमस्ते"))
        for message in replies.messages(reply)
    ]

    assert "नमस्ते" in said[0]
