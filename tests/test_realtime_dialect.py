"""The way in of Realtime clients: what a handshake means, and how it is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dialects.base import Accepted, Asked, DoorOptions
from dialects.realtime import RealtimeDialect, RealtimeOptions
from stt.auth import Principal
from stt.errors import NotReady, SessionInUse, STTError, TooManySessions
from stt.events import Abilities
from stt.protocols.realtime_errors import EventError
from stt.replies import Opened
from stt.served import ServedModel
from stt.speech.options import SpeechOptions
from stt_connection import ConnectionOptions
from stt_surroundings import SessionOptions
from tests.service import running

ABLE = Abilities(frozenset({"en", "de"}), n_mels=80)
DOOR = DoorOptions(
    session=SessionOptions(speech=SpeechOptions(language="en", final="best", step=0.5)),
    connection=ConnectionOptions(idle_timeout=77.0),
)


def dialect(**options: Any) -> RealtimeDialect:
    return RealtimeDialect(RealtimeOptions(DOOR, lambda: ServedModel("base", 0), **options))


def accepted(
    query: str = "",
    *,
    headers: dict[str, str] | None = None,
    principal: Principal | None = None,
    **options: Any,
) -> Accepted:
    """What a handshake is answered with."""
    pairs = tuple((name, value) for name, _, value in (p.partition("=") for p in query.split("&")))
    asked = Asked(pairs if query else (), headers or {}, principal, ABLE)
    return dialect(**options).accept(asked)


def greeting(made: Accepted) -> dict[str, Any]:
    """The session that the client is shown first."""
    with running() as core:
        session = core.session()
        protocol = made.protocol(session)
    [message] = protocol.encode(Opened(session.id, "0000", 1, 24000, "linear16"))
    event = json.loads(message)
    assert event["type"] == "session.created"
    shown: dict[str, Any] = event["session"]
    return shown


def shown(query: str = "", **more: Any) -> dict[str, Any]:
    """What is configured from the start, as the client is shown it."""
    heard: dict[str, Any] = greeting(accepted(query, **more))["audio"]["input"]
    return heard


@pytest.mark.parametrize(
    ("query", "model"),
    [
        ("", "base"),
        ("intent=transcription", "base"),
        ("model=gpt-4o-mini-transcribe", "gpt-4o-mini-transcribe"),
        ("intent=transcription&model=whisper-1", "whisper-1"),
        ("model=gpt-realtime&transcription_model=whisper-1", "whisper-1"),
        ("model=", "base"),
        ("intent=conversation&model=gpt-realtime", "gpt-realtime"),
    ],
)
def test_every_connection_transcribes_whatever_its_query(query: str, model: str) -> None:
    """Intent and model are optional; the model is the default one (client RH1, RQ7)."""
    assert shown(query)["transcription"] == {"model": model}


def test_a_session_begins_with_24_khz_and_turn_detection() -> None:
    """The server names the items and tells of speech (client RC8, RC9)."""
    session = accepted().session

    assert (session.encoding, session.sample_rate) == ("linear16", 24000)
    assert (session.auto_chunk, session.vad_events, session.manual) == (True, True, False)
    assert session.speech.endpointing.silence == 0.5
    assert (session.speech.language, session.speech.step) == ("en", 0.5)
    assert (session.speech.final, session.speech.n_mels) == ("consistent", 80)


def test_a_model_whose_clients_find_the_turns_begins_without_detection() -> None:
    """They may commit before they say anything else (client RQ5)."""
    made = accepted("model=gpt-realtime-whisper")

    assert made.session.manual
    assert greeting(made)["audio"]["input"]["turn_detection"] is None


def test_the_language_may_stand_in_the_query() -> None:
    """As clients of a peer write it; one that is not known is refused."""
    assert accepted("language=de-AT").session.speech.language == "de"

    with pytest.raises(EventError) as caught:
        accepted("language=xx")
    assert (caught.value.code, caught.value.param) == ("invalid_value", "language")


def test_in_strict_mode_the_query_may_name_the_served_model_only() -> None:
    """Other names are refused with `model_not_found` (client RQ7)."""
    assert shown("model=base", strict_model=True)["transcription"] == {"model": "base"}
    assert shown(strict_model=True)["transcription"] == {"model": "base"}

    with pytest.raises(EventError) as caught:
        accepted("model=whisper-1", strict_model=True)
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


@pytest.mark.parametrize(
    ("headers", "beta"),
    [
        ({}, False),
        ({"openai-beta": "realtime=v1"}, True),
        ({"openai-beta": "assistants=v2, realtime=v1"}, True),
        ({"openai-beta": "assistants=v2"}, False),
        ({"sec-websocket-protocol": "realtime, openai-beta.realtime-v1"}, True),
        ({"sec-websocket-protocol": "realtime, openai-insecure-api-key.k"}, False),
    ],
)
def test_the_beta_is_known_by_its_header(headers: dict[str, str], beta: bool) -> None:
    """Or by the subprotocol that stands for it in browsers (client RH2, RH4, BT1)."""
    assert ("input_audio_format" in greeting(accepted(headers=headers))) is beta


def test_a_client_secret_brings_its_configuration() -> None:
    """It outranks the query; what it does not name stays (client CS1)."""
    secret = {
        "audio": {
            "input": {
                "format": {"type": "audio/pcmu"},
                "transcription": {"language": "de"},
                "turn_detection": None,
            }
        }
    }
    made = accepted("model=whisper-1&language=en", principal=Principal("alice", secret))

    assert made.tenant == "alice"
    assert (made.session.encoding, made.session.sample_rate) == ("mulaw", 8000)
    assert made.session.manual
    assert made.session.speech.language == "de"
    assert greeting(made)["audio"]["input"]["transcription"] == {
        "model": "whisper-1", "language": "de",
    }  # fmt: skip


def test_the_tenant_is_the_principals() -> None:
    """Without keys there is one for all (native HT-AUTH)."""
    assert accepted(principal=Principal("alice")).tenant == "alice"
    assert accepted("tenant_id=bob").tenant == "0000"


def test_a_session_has_an_id_and_an_end_that_are_told() -> None:
    """The end is when the connection will be closed (client RE8)."""
    made, other = accepted(longest=100.0), accepted()
    told = greeting(made)

    assert made.session_id == told["id"]
    assert told["id"].startswith("sess_")
    assert made.session_id != other.session_id
    assert made.connection.longest == 100.0
    assert 3400 < greeting(other)["expires_at"] - told["expires_at"] <= 3501


def test_a_client_that_falls_silent_may_come_again() -> None:
    """Its SDK reconnects on 1001, and not on 1000 (client RE9, S11)."""
    connection = accepted().connection

    assert connection.idle_timeout == 77.0
    assert connection.idle_close == (1001, "idle_timeout")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (EventError("no", "model"), 1008),
        (TooManySessions("full"), 1013),
        (SessionInUse("twice"), 1011),
        (STTError("broken"), 1011),
    ],
)
def test_a_refused_session_hears_an_error_and_then_the_close(error: STTError, code: int) -> None:
    """The code says whether another try can help (client RE9, RE10)."""
    refusal = dialect().refuse(error)

    [event] = [json.loads(message) for message in refusal.messages]
    assert (event["type"], event["error"]["code"]) == ("error", error.code)
    assert refusal.code == code


def test_a_service_that_stops_says_so_by_its_close_alone() -> None:
    """An `error` would keep clients from trying again (client RQ1, RE9)."""
    refusal = dialect().refuse(NotReady("stopping"))

    assert (list(refusal.messages), refusal.code) == ([], 1012)
