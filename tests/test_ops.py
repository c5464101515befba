"""Tests of health, metrics and the tickets."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from flask import Flask, request
from flask.testing import FlaskClient

from api import ops
from api.gate import install_gate
from stt.auth import TICKET_SECONDS, Authenticator, Principal
from stt.errors import Unauthorized
from tests.doors import Clock

STATE = {"model": "models/demo", "model_origin": "bundled", "warning": None, "sessions": 3}


class Desk:
    """The door with its collaborators at hand."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        self.reason: str | None = None
        self.auth = Authenticator(keys.items(), clock=Clock())
        app = Flask("hark")
        install_gate(
            app, allowed_origins=(), capacity=lambda: True, most_sockets=1, max_body_bytes=1000
        )
        app.register_blueprint(
            ops.blueprint(
                state=lambda: STATE,
                ready=lambda: self.reason,
                metrics_text=lambda: b"# HELP jobs_total Jobs.\njobs_total 5.0\n",
                auth=self.auth,
                whom=self.whom,
            )
        )
        self.http: FlaskClient = app.test_client()

    def whom(self) -> Principal | None:
        return self.auth.identify(authorization=request.headers.get("Authorization"))


@pytest.fixture(name="desk")
def _desk() -> Desk:
    return Desk({})


def test_health_says_what_runs(desk: Desk) -> None:
    """200 with the model and where it came from, ready or not (native B23, runtime RT-112)."""
    desk.reason = "the model is loading"

    answer = desk.http.get("/healthz")

    assert answer.status_code == 200
    assert answer.get_json() == {"status": "ok", **STATE}
    assert answer.headers["Cache-Control"] == "no-store"


def test_readiness_follows_the_service(desk: Desk) -> None:
    """503 and the reason while no session is taken, then 200 (runtime RT-88, RT-44)."""
    desk.reason = "the model is loading"
    before = desk.http.get("/readyz")
    desk.reason = None
    after = desk.http.get("/readyz")

    assert (before.status_code, before.get_json()) == (
        503,
        {"status": "not ready", "reason": "the model is loading"},
    )
    assert (after.status_code, after.get_json()) == (200, {"status": "ready"})


def test_metrics_are_handed_through(desk: Desk) -> None:
    """The text as it is, with the type that Prometheus expects (runtime RT-112)."""
    answer = desk.http.get("/metrics")

    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.text.endswith("jobs_total 5.0\n")


def test_a_ticket_stands_for_the_key() -> None:
    """POST /stt/ticket with a key gives a ticket of its tenant; without a key 401 (native W30)."""
    desk = Desk({"ka": "alice"})

    refused = desk.http.post("/stt/ticket")
    answer = desk.http.post("/stt/ticket", headers={"Authorization": "Bearer ka"})

    assert refused.status_code == 401
    assert answer.get_json()["expires_in"] == TICKET_SECONDS
    ticket = answer.get_json()["ticket"]
    assert desk.auth.identify(ticket=ticket) == Principal("alice")
    with pytest.raises(Unauthorized):
        desk.auth.identify(ticket=ticket)


def test_without_keys_a_ticket_does_no_harm(desk: Desk) -> None:
    """A client need not know whether keys are on."""
    assert desk.http.post("/stt/ticket").get_json()["ticket"]


def test_wrong_methods_are_json(desk: Desk) -> None:
    """405 in JSON here too (native HT2, HT4)."""
    answer = desk.http.post("/healthz")

    assert answer.status_code == 405
    assert answer.get_json() == {"message": "The method is not allowed for the requested URL."}
