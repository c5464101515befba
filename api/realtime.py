"""Secrets for web pages that transcribe: `client_secrets`, and the beta's form of it (client 2.5).

A page gets a secret that is good for a while and for `/v1/realtime` alone, with the configuration
of its sessions, from a server that keeps the key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from flask import Blueprint, Response, request

from api.answers import as_json
from stt.auth import SECRET_SECONDS, Principal, Whom
from stt.errors import BadJSON
from stt.ids import DEFAULT_TENANT
from stt.protocols import realtime_shapes as shapes
from stt.protocols.realtime_errors import InvalidPayload
from stt.protocols.realtime_fields import Place
from stt.protocols.realtime_session import Config, Transcription
from stt.protocols.realtime_update import Rules, updated
from stt.protocols.wire import JSON, json_object

USUAL_SECONDS = 600  # where `expires_after` says nothing (CS1)


class Issuer(Protocol):
    """Who knows secrets."""

    def issue_secret(
        self, principal: Principal, *, seconds: float, session: Mapping[str, Any]
    ) -> tuple[str, float]:
        """A new secret, and when it expires in seconds since 1970."""


def blueprint(issuer: Issuer, whom: Whom, rules: Callable[[], Rules]) -> Blueprint:
    """The two routes.

    Args:
        issuer: keeps what the secrets stand for.
        whom: the principal of the current request.
        rules: what a session may ask for, as of now.
    """
    door = Blueprint("realtime", __name__)

    def issue(config: Config, seconds: int) -> JSON:
        principal = whom() or Principal(DEFAULT_TENANT)
        value, expires_at = issuer.issue_secret(
            principal, seconds=seconds, session=shapes.wishes(config)
        )
        return {"value": value, "expires_at": int(expires_at)}

    @door.post("/v1/realtime/client_secrets")
    def client_secrets() -> Response:
        body = _body()
        session = body.find("session")
        config = _config(session, rules())
        secret = issue(config, _seconds(body))
        return as_json(
            {**secret, "session": shapes.created_session(config, shapes.new_session_id())}
        )

    @door.post("/v1/realtime/transcription_sessions")
    def transcription_sessions() -> Response:
        body = _body()
        config = _config(body, rules())
        asked = body.find("client_secret")
        secret = issue(config, USUAL_SECONDS if asked is None else _seconds(asked))
        return as_json(shapes.created_flat(config, shapes.new_session_id(), secret))

    return door


def _body() -> Place:
    """The JSON object of the request; none at all is an empty one. Raises InvalidPayload."""
    data = request.get_data(parse_form_data=False).strip()
    try:
        return Place("", json_object(data or b"{}", "the body"))
    except BadJSON as error:
        raise InvalidPayload(error.message) from None


def _config(session: Place | None, rules: Rules) -> Config:
    """Raises EventError."""
    usual = Config(transcription=Transcription(model=rules.model))
    return usual if session is None or session.is_null() else updated(usual, session, rules)


def _seconds(place: Place) -> int:
    """How long a secret is good for; counted from its creation, which is the only anchor."""
    after = place.find("expires_after")
    if after is None or after.is_null():
        return USUAL_SECONDS
    anchor, seconds = after.find("anchor"), after.find("seconds")
    if anchor is not None and not anchor.is_null():
        anchor.choice(("created_at",))
    return USUAL_SECONDS if seconds is None or seconds.is_null() else seconds.whole(*SECRET_SECONDS)
