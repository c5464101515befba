"""Client secrets: what a server is given for its web pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api import realtime
from api.gate import install_gate
from stt.auth import Authenticator, Principal
from stt.protocols.realtime_update import Rules

RULES = Rules("base", languages=frozenset({"en", "de"}))
SECRETS, SESSIONS = "/v1/realtime/client_secrets", "/v1/realtime/transcription_sessions"


class Issuer:
    """Remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[Principal, float, Mapping[str, Any]]] = []

    def issue_secret(
        self, principal: Principal, *, seconds: float, session: Mapping[str, Any]
    ) -> tuple[str, float]:
        self.asked.append((principal, seconds, session))
        return "ek_1", 1_000_000.75 + seconds


@pytest.fixture(name="issuer")
def _issuer() -> Issuer:
    return Issuer()


@pytest.fixture(name="http")
def _http(issuer: Issuer) -> FlaskClient:
    return client(issuer)


def client(issuer: Any, whom: Principal | None = None, rules: Rules = RULES) -> FlaskClient:
    """A client of an app with the door alone, behind the gate."""
    app = Flask(__name__)
    install_gate(
        app, allowed_origins=(), capacity=lambda: True, most_sockets=1, max_body_bytes=100_000
    )
    app.register_blueprint(realtime.blueprint(issuer, lambda: whom, lambda: rules))
    return app.test_client()


def test_a_secret_comes_with_the_session_that_it_opens(http: FlaskClient, issuer: Issuer) -> None:
    """Value, end, and the whole session with an id of its own (client CS1)."""
    transcription = {"model": "whisper-1", "language": "de"}
    session = {"type": "transcription", "audio": {"input": {"transcription": transcription}}}
    answer = http.post(SECRETS, json={"session": session})

    body = answer.get_json()
    assert answer.status_code == 200
    assert (body["value"], body["expires_at"]) == ("ek_1", 1_000_600)
    assert body["session"].pop("id").startswith("sess_")
    assert body["session"] == {
        "type": "transcription",
        "object": "realtime.transcription_session",
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "transcription": transcription,
                "turn_detection": {
                    "type": "server_vad",
                    "threshold": 0.5,
                    "prefix_padding_ms": 300,
                    "silence_duration_ms": 500,
                },
            }
        },
    }
    [(principal, seconds, kept)] = issuer.asked
    assert (principal, seconds) == (Principal("0000"), 600)
    assert kept["audio"]["input"]["transcription"] == transcription


def test_what_is_kept_with_a_secret_says_also_what_is_off(
    http: FlaskClient, issuer: Issuer
) -> None:
    """While the answer leaves out what is not there (client CS3)."""
    session = {"audio": {"input": {"turn_detection": None}}}
    answer = http.post(SECRETS, json={"session": session}).get_json()

    assert "turn_detection" not in answer["session"]["audio"]["input"]
    assert "null" not in http.post(SECRETS, json={"session": session}).get_data(as_text=True)
    assert issuer.asked[0][2]["audio"]["input"]["turn_detection"] is None


@pytest.mark.parametrize("body", [b"", b"{}", b'{"session": null}', b'{"expires_after": null}'])
def test_a_secret_can_be_had_for_nothing(http: FlaskClient, body: bytes) -> None:
    """The session is the usual one (client CS1, OE3)."""
    answer = http.post(SECRETS, data=body)

    assert answer.status_code == 200
    assert answer.get_json()["session"]["audio"]["input"]["transcription"] == {"model": "base"}


@pytest.mark.parametrize("seconds", [10, 600, 7200])
def test_a_secret_is_good_as_long_as_was_asked(
    http: FlaskClient, issuer: Issuer, seconds: int
) -> None:
    """From 10 s to 2 h (client CS1)."""
    after = {"anchor": "created_at", "seconds": seconds}
    answer = http.post(SECRETS, json={"expires_after": after}).get_json()

    assert issuer.asked[0][1] == seconds
    assert answer["expires_at"] == 1_000_000 + seconds


def test_the_beta_s_session_carries_its_secret(http: FlaskClient, issuer: Issuer) -> None:
    """Flat, with the secret inside (client CS2)."""
    answer = http.post(
        SESSIONS,
        json={
            "input_audio_format": "g711_alaw",
            "turn_detection": None,
            "modalities": ["text"],
            "client_secret": {"expires_after": {"anchor": "created_at", "seconds": 30}},
        },
    )

    body = answer.get_json()
    assert answer.status_code == 200
    assert body.pop("id").startswith("sess_")
    assert body == {
        "object": "realtime.transcription_session",
        "input_audio_format": "g711_alaw",
        "input_audio_transcription": {"model": "base"},
        "modalities": ["text"],
        "client_secret": {"value": "ek_1", "expires_at": 1_000_030},
    }
    assert issuer.asked[0][2]["audio"]["input"]["format"] == {"type": "audio/pcma"}


def test_the_secret_belongs_to_the_keys_tenant(issuer: Issuer) -> None:
    """With keys on it opens sessions of that tenant alone (native HT-AUTH)."""
    client(issuer, Principal("alice")).post(SECRETS)

    assert issuer.asked[0][0] == Principal("alice")


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        (SECRETS, {"expires_after": {"seconds": 9}}, "expires_after.seconds"),
        (SECRETS, {"expires_after": {"seconds": "x"}}, "expires_after.seconds"),
        (SECRETS, {"expires_after": {"anchor": "now"}}, "expires_after.anchor"),
        (SECRETS, {"expires_after": 600}, "expires_after"),
        (SECRETS, {"session": "x"}, "session"),
        (SECRETS, {"session": {"type": "x"}}, "session.type"),
        (SECRETS, {"session": {"audio": {"input": {"format": {"rate": 1}}}}},
         "session.audio.input.format.rate"),
        (SESSIONS, {"input_audio_format": "x"}, "input_audio_format"),
        (SESSIONS, {"client_secret": {"expires_after": {"seconds": 1}}},
         "client_secret.expires_after.seconds"),
    ],
)  # fmt: skip
def test_a_bad_field_is_400_and_named(
    http: FlaskClient, issuer: Issuer, path: str, body: object, param: str
) -> None:
    """In OpenAI's shape (client OE1, CS3)."""
    answer = http.post(path, json=body)

    error = answer.get_json()["error"]
    assert answer.status_code == 400
    assert (error["type"], error["code"], error["param"]) == (
        "invalid_request_error", "invalid_value", param,
    )  # fmt: skip
    assert param in error["message"]
    assert issuer.asked == []


@pytest.mark.parametrize("path", [SECRETS, SESSIONS])
@pytest.mark.parametrize("body", [b"{", b"[]", b"5", b"\xff", b'{"a":' + b"[" * 50_000])
def test_a_body_that_is_no_object_is_400(http: FlaskClient, path: str, body: bytes) -> None:
    """Whatever it is (client OE3)."""
    answer = http.post(path, data=body)

    assert answer.status_code == 400
    assert answer.get_json()["error"]["code"] == "invalid_payload"


def test_in_strict_mode_another_model_is_404(issuer: Issuer) -> None:
    """`model_not_found` (client RQ7, OE1)."""
    http = client(issuer, rules=Rules("base", strict_model=True))
    session = {"audio": {"input": {"transcription": {"model": "whisper-1"}}}}
    answer = http.post(SECRETS, json={"session": session})

    assert answer.status_code == 404
    assert answer.get_json()["error"]["code"] == "model_not_found"


def test_the_longest_session_fits_what_is_kept_with_a_secret() -> None:
    """Hints in any script (client CS1; `stt.auth` bounds it)."""
    http = client(Authenticator((), clock=lambda: 0.0))
    transcription = {"prompt": "प" * 2000, "keywords": ["प" * 9] * 100}
    session = {"audio": {"input": {"transcription": transcription}}}

    assert http.post(SECRETS, json={"session": session}).status_code == 200
