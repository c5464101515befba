"""POST /session: a tenant for a source, which older clients ask for first (native AL7, AL10).

Opens no connection and keeps no audio; a streaming session is another thing.
"""

from __future__ import annotations

import json

from flask import Blueprint, Response, request

from api.answers import as_json
from stt.auth import Whom
from stt.sources import SOURCES, Sources


def blueprint(whom: Whom, sources: Sources) -> Blueprint:
    """The route POST /session.

    Args:
        whom: the principal of the current request; with keys on its tenant is the answer (AL11).
        sources: remembers the newest tenant of each source.
    """
    door = Blueprint("sessions", __name__)

    @door.post("/session")
    def session() -> Response:
        principal = whom()
        source = _source()
        if source not in SOURCES:
            return _answer({"error": f"source must be one of {list(SOURCES)}"}, 400)  # AL9
        tenant = sources.open(source, principal.tenant_id if principal else None)
        return _answer({"tenant_id": tenant, "source": source}, 200)

    return door


def _source() -> str | None:
    """``source`` of the JSON body, else of the query, else unspecified; None: cannot be read."""
    data = request.get_data(parse_form_data=False).strip()
    try:
        body = json.loads(data) if data else {}
    except (ValueError, RecursionError):
        return None
    if not isinstance(body, dict):
        return None
    source = body.get("source", request.args.get("source", "unspecified"))
    return source if isinstance(source, str) else None


def _answer(body: dict[str, str], status: int) -> Response:
    return as_json(body, status)
