"""What operators and machines ask: is it alive, is it ready, what does it measure.

Health, metrics, and tickets for WebSocket URLs.
Says nothing about any transcript.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flask import Blueprint, Response

from api.answers import as_json
from stt.auth import TICKET_SECONDS, Authenticator, Principal, Whom
from stt.ids import DEFAULT_TENANT

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"  # Prometheus text format


def blueprint(
    *,
    state: Callable[[], Mapping[str, object]],
    ready: Callable[[], str | None],
    metrics_text: Callable[[], bytes],
    auth: Authenticator,
    whom: Whom,
) -> Blueprint:
    """The routes for operators.

    Args:
        state: what `/healthz` adds: model, model_origin, warning, sessions and so on.
        ready: None, or why no new session is taken now.
        metrics_text: the metrics in Prometheus' text format.
        auth: issues tickets.
        whom: the principal of the current request.
    """
    door = Blueprint("ops", __name__)

    @door.get("/healthz")
    def healthz() -> Response:
        """Alive: 200 as long as the process answers, also while the model loads (B23, RT-112)."""
        return _json({"status": "ok", **state()})

    @door.get("/readyz")
    def readyz() -> Response:
        """Ready for new sessions: 200, or 503 and why (RT-88, RT-112)."""
        reason = ready()
        if reason is None:
            return _json({"status": "ready"})
        return _json({"status": "not ready", "reason": reason}, 503)

    @door.get("/metrics")
    def metrics() -> Response:
        return _fresh(Response(metrics_text(), content_type=METRICS_TYPE))

    @door.post("/stt/ticket")
    def ticket() -> Response:
        """A single-use ticket for ``/stt/stream?ticket=`` (W30); without keys nobody needs one."""
        principal = whom() or Principal(DEFAULT_TENANT)
        return _json({"ticket": auth.issue_ticket(principal), "expires_in": TICKET_SECONDS})

    return door


def _json(body: Mapping[str, object], status: int = 200) -> Response:
    return _fresh(as_json(body, status))


def _fresh(response: Response) -> Response:
    """Not to be kept by any cache (HT5)."""
    response.headers["Cache-Control"] = "no-store"
    return response
