"""A Realtime client's events: what each asks the session to do, and what is refused."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from stt.protocols.base import (
    AppendAudio,
    AudioFormat,
    Clear,
    Command,
    Commit,
    Configure,
    Say,
)
from stt.protocols.realtime_commands import Asked, Cleared, ClientEvents, Updated
from stt.protocols.realtime_errors import EventError
from stt.protocols.realtime_session import Config, Format, Transcription
from stt.protocols.realtime_update import Rules
from stt.replies import Note
from stt.speech.options import SpeechOptions

SECOND = 48_000  # bytes at 24 kHz


def client(config: Config | None = None) -> ClientEvents:
    """What hears a client that has just connected."""
    return ClientEvents(config or Config(), Rules(), SpeechOptions())


def told(events: ClientEvents, kind: str, **fields: Any) -> list[Command]:
    """The commands of an event that the session takes."""
    return list(events.commands(json.dumps({"type": kind, **fields})))


def append(events: ClientEvents, data: bytes, **fields: Any) -> list[Command]:
    return told(
        events, "input_audio_buffer.append", audio=base64.b64encode(data).decode(), **fields
    )


def refused(events: ClientEvents, message: str | bytes) -> EventError:
    """The error that a message raises."""
    with pytest.raises(EventError) as caught:
        list(events.commands(message))
    return caught.value


def notes(commands: list[Command]) -> list[object]:
    """What is passed on to the writer."""
    said = [command.reply for command in commands if isinstance(command, Say)]
    return [reply.body for reply in said if isinstance(reply, Note)]


def test_audio_is_appended_as_it_came() -> None:
    """Odd bytes included: the session keeps half a sample for the next append (client RC2, RE6)."""
    assert append(client(), b"abc") == [AppendAudio(b"abc")]


def test_a_long_append_comes_in_pieces() -> None:
    """No step of the session is longer than 10 s of audio (client RH7, RQ8)."""
    audio = bytes(range(256)) * (25 * SECOND // 256)

    commands = append(client(), audio)

    pieces = [command.data for command in commands if isinstance(command, AppendAudio)]
    assert [len(piece) for piece in pieces[:2]] == [10 * SECOND, 10 * SECOND]
    assert b"".join(pieces) == audio


def test_empty_audio_asks_for_nothing() -> None:
    """A no-op, and no error (client RC2)."""
    assert append(client(), b"") == []


@pytest.mark.parametrize("audio", ["****", "abc", "YWJj\n", "ÄÖÜ", "YW=Jj"])
def test_audio_that_is_no_base64_is_refused(audio: str) -> None:
    """`invalid_audio`, naming the field (client RE5)."""
    event = {"type": "input_audio_buffer.append", "audio": audio, "event_id": "e1"}
    error = refused(client(), json.dumps(event))

    assert (error.code, error.param, error.event_id) == ("invalid_audio", "audio", "e1")


@pytest.mark.parametrize("event", [{}, {"audio": None}, {"audio": 5}, {"audio": ["YQ=="]}])
def test_audio_that_is_no_text_is_refused(event: dict[str, Any]) -> None:
    """`invalid_value`, naming the field (client RE4)."""
    error = refused(client(), json.dumps({"type": "input_audio_buffer.append", **event}))

    assert (error.code, error.param) == ("invalid_value", "audio")


@pytest.mark.parametrize(
    "message", [b"\x00\x01", "", "{", "[]", "5", "null", '{"a":' + "[" * 100_000, "9" * 5000]
)
def test_what_is_no_json_object_is_refused(message: str | bytes) -> None:
    """Binary messages too: `invalid_payload` (client RE3, RH8)."""
    assert refused(client(), message).code == "invalid_payload"


@pytest.mark.parametrize("kind", ["start", "", None, 5, {}, "x" * 100_000])
def test_an_unknown_type_is_refused(kind: object) -> None:
    """`unknown_event`, in a short sentence (client RE2)."""
    error = refused(client(), json.dumps({"type": kind}))

    assert (error.code, error.param) == ("unknown_event", "type")
    assert len(error.message) < 200


@pytest.mark.parametrize(
    "kind",
    [
        "conversation.item.create", "conversation.item.retrieve", "conversation.item.delete",
        "conversation.item.truncate", "response.create", "response.cancel",
        "output_audio_buffer.clear",
    ],
)  # fmt: skip
def test_what_belongs_to_conversations_is_refused(kind: str) -> None:
    """`unsupported_event`: there is nobody to talk to (client RC6)."""
    assert refused(client(), json.dumps({"type": kind})).code == "unsupported_event"


@pytest.mark.parametrize(
    ("named", "echoed"),
    [("e1", "e1"), (5, None), (None, None), ("x" * 600, None), ("\ud800", "?")],
)
def test_an_error_names_the_event_that_it_is_about(named: object, echoed: str | None) -> None:
    """If its id is one, and can be sent back (client section 2.2)."""
    error = refused(client(), json.dumps({"type": "x", "event_id": named}))

    assert error.event_id == echoed


@pytest.mark.parametrize("manual", [True, False])
def test_a_commit_of_100_ms_or_more_commits(manual: bool) -> None:
    """With turn detection and without (client RC3)."""
    events = client(Config(turn_detection=None) if manual else None)
    append(events, bytes(SECOND // 10))

    assert told(events, "input_audio_buffer.commit") == [Commit()]


def test_a_commit_of_less_is_refused_and_keeps_what_there_is() -> None:
    """It says how much there is; with a little more it commits (client RE1)."""
    events = client()
    append(events, bytes(SECOND // 10 - 2))
    error = refused(events, '{"type": "input_audio_buffer.commit", "event_id": "e1"}')
    append(events, bytes(2))

    assert (error.code, error.event_id) == ("input_audio_buffer_commit_empty", "e1")
    assert "99.96 ms" in error.message
    assert told(events, "input_audio_buffer.commit") == [Commit()]


@pytest.mark.parametrize("kind", ["commit", "clear"])
def test_after_a_commit_or_a_clear_there_is_nothing_to_commit(kind: str) -> None:
    """The count begins anew (client RE1, RC4)."""
    events = client()
    append(events, bytes(SECOND))
    told(events, f"input_audio_buffer.{kind}")

    error = refused(events, '{"type": "input_audio_buffer.commit"}')

    assert "0.00 ms" in error.message


@pytest.mark.parametrize(
    ("audio", "size"),
    [(Format("pcm", 8000), 1600), (Format("pcm", 48000), 9600), (Format("pcmu", 8000), 800)],
)
def test_audio_is_counted_as_its_format_says(audio: Format, size: int) -> None:
    """100 ms are so many bytes (client RE1, RC8)."""
    events = client(Config(audio))
    append(events, bytes(size - 1))
    assert refused(events, '{"type": "input_audio_buffer.commit"}')
    append(events, bytes(1))

    assert told(events, "input_audio_buffer.commit") == [Commit()]


def test_clear_is_answered_behind_what_it_forgets() -> None:
    """The answer says where the session's audio stood (client RC4, RS11)."""
    events = client()
    append(events, bytes(2 * SECOND))

    clear, answer = told(events, "input_audio_buffer.clear")

    assert clear == Clear()
    assert notes([answer]) == [Cleared(2.0)]


def test_an_update_configures_the_session_and_is_answered_behind_it() -> None:
    """With everything that is in effect then (client RC1, RS2)."""
    events = client(Config(transcription=Transcription(model="base")))
    session = {"type": "transcription", "audio": {"input": {"turn_detection": None}}}

    configure, answer = told(events, "session.update", session=session)

    assert isinstance(configure, Configure)
    assert configure.manual
    assert configure.audio == AudioFormat("linear16", 24000)
    assert configure.speech.final == "consistent"
    config = Config(transcription=Transcription(model="base"), turn_detection=None)
    assert notes([answer]) == [Updated(config, "session.updated", flat=False)]


@pytest.mark.parametrize(
    ("kind", "session", "flat"),
    [
        ("session.update", {"input_audio_format": "pcm16"}, True),
        ("session.update", {"audio": {"input": {}}}, False),
        ("session.update", {}, False),
        ("session.update", {"type": "realtime", "turn_detection": None}, True),
        ("transcription_session.update", {"input_audio_format": "pcm16"}, True),
        ("transcription_session.update", {"audio": {"input": {}}}, True),
    ],
)
def test_either_nesting_is_taken_in_either_event(
    kind: str, session: dict[str, Any], flat: bool
) -> None:
    """And answered in the event's own name, in the shape of its time (client RC5, RC7, BT2)."""
    [note] = notes(told(client(), kind, session=session))

    assert isinstance(note, Updated)
    assert (note.event, note.flat) == (f"{kind}d", flat)


@pytest.mark.parametrize("event", [{}, {"session": None}, {"session": "x"}, {"session": []}])
def test_an_update_without_a_session_is_refused(event: dict[str, Any]) -> None:
    """`invalid_value`, naming the field (client RE4)."""
    error = refused(client(), json.dumps({"type": "session.update", "event_id": "e2", **event}))

    assert (error.code, error.param, error.event_id) == ("invalid_value", "session", "e2")


def test_a_refused_update_changes_nothing() -> None:
    """Not even what stood before the bad field (client section 2.4)."""
    events = client()
    bad = {"audio": {"input": {"format": {"type": "audio/pcmu"}, "turn_detection": 5}}}
    refused(events, json.dumps({"type": "session.update", "session": bad}))

    [configure, _] = told(events, "session.update", session={})

    assert isinstance(configure, Configure)
    assert configure.audio == AudioFormat("linear16", 24000)


def test_a_change_that_the_session_refuses_changes_nothing() -> None:
    """The rate stays, and so does what an append counts for (client RE7)."""
    events = client()
    rate = {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 48000}}}}
    message = json.dumps({"type": "session.update", "session": rate, "event_id": "e3"})
    for command in events.commands(message):
        if isinstance(command, Configure):
            break  # the session raised InvalidState here
        assert notes([command]) == [Asked("e3")]
    append(events, bytes(SECOND // 10))

    assert told(events, "input_audio_buffer.commit") == [Commit()]
    [configure, _] = told(events, "session.update", session={})
    assert isinstance(configure, Configure)
    assert configure.audio.sample_rate == 24000
