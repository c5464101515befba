"""How an answer reads: the shape of an error by its door, request ids, when to try again.

Below ``/v1/`` are other people's clients: OpenAI's shape, unless a door has its own. A door that
has several makes the bodies itself (`refusal`). The headers of all errors are made here.
"""

from __future__ import annotations

import json
import logging
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from flask import Flask, Response, current_app, g, request
from werkzeug.exceptions import HTTPException, NotFound

from stt.errors import BadInput, STTError
from stt.formats import openai_error
from stt.ids import shortened

log = logging.getLogger("stt.gate")

Shape = Callable[[int, str, str | None, str | None], Mapping[str, Any]]
"""The body of an error: status, message, code, the field at fault. It may ask `request_id`."""

FOREIGN = "/v1/"
"""Where other people's clients come in: their shape of errors (HT3), and request ids (OF23)."""
SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
RETRIED = (408, 409, 425, 429)
"""Of the refusals below 500, those after which trying again can help (client OE2)."""
MOST_LOGGED = 300  # characters of a path, or of a sentence
RETRY_S = 2  # where nobody knows better
NO_HANDSHAKE = (
    "this is a WebSocket address: connect with ws:// (wss:// with TLS); "
    "behind a proxy forward the Upgrade header"
)
SHAPES = "hark_shapes"  # where the Flask app keeps them


class UpgradeRequired(BadInput):
    """A WebSocket address without a handshake, or a version other than 13 (RFC 6455, 4.4)."""

    code = "upgrade_required"
    status = 426


def install_answers(app: Flask, shapes: Mapping[str, Shape]) -> None:
    """Have every answer of ``app`` read as it should; first of all that is done to a request.

    ``shapes``: how errors read below a path, where it is neither OpenAI's shape nor ours.
    """
    app.extensions[SHAPES] = dict(shapes)

    @app.before_request
    def _name() -> None:
        if _is_foreign():
            g.request_id = _request_id()

    app.after_request(_log)
    app.after_request(_dress_foreign)
    app.register_error_handler(STTError, _say_error)
    app.register_error_handler(HTTPException, _say_http_error)


def request_id() -> str:
    """Of the current request, where other people's clients come in; else empty."""
    return str(g.get("request_id", ""))


def _is_foreign() -> bool:
    return request.path.startswith(FOREIGN) or request.path == FOREIGN.rstrip("/")


def _request_id() -> str:
    """The client's own, if it can stand in a log, else a new one (OF23)."""
    given = request.headers.get("X-Request-Id", "")
    return given if SANE_ID.fullmatch(given) else str(uuid.uuid4())


def _dress_foreign(response: Response) -> Response:
    """Request id, and whether the SDK's own retries can help (client OF23, OE2)."""
    if not _is_foreign():
        return response
    known, status = request_id(), response.status_code
    response.headers["X-Request-Id"] = known
    if status in (429, 503):
        response.headers.setdefault("Retry-After", str(RETRY_S))
    elif 400 <= status < 500 and status not in RETRIED:
        response.headers["X-Should-Retry"] = "false"
    return response


def _log(response: Response) -> Response:
    """One line for each refusal on any door, and for every answer where ids are told (OF23).

    The path without its query, which may hold a key.
    """
    status, refused = response.status_code, g.get("refused")
    if refused is not None or _is_foreign():
        known = f", request_id={request_id()}" if _is_foreign() else ""
        why = "" if refused is None else f": {in_one_line(refused)}"
        path = in_one_line(request.path)
        log.info("%s %s: %d%s%s", request.method, path, status, known, why)
    return response


def in_one_line(text: str) -> str:
    """A client's text as the log may show it."""
    return "".join(c if c.isprintable() else "?" for c in text[:MOST_LOGGED])


def refused(sentence: str) -> None:
    """The current request is refused, for this reason: it goes into the log."""
    g.refused = sentence


def as_json(body: object, status: int = 200) -> Response:
    """An answer in JSON, as all doors write it: one line that people can read, and its end.

    Half a surrogate pair is no UTF-8; it stays escaped.
    """
    text = json.dumps(body, ensure_ascii=False).encode(errors="backslashreplace")
    return Response(text + b"\n", status, content_type="application/json")


def refusal(error: STTError, body: Mapping[str, Any], *, retry: bool = True) -> Response:
    """An error whose body a door makes; ``retry``: say when to try again, where that can help."""
    refused(error.message)
    response = as_json(body, error.status)
    return _dress_refusal(response, error, retry=retry)


def _say_error(error: STTError) -> Response:
    """The JSON answer to any error Hark knows by name."""
    response = _body(error.status, error.message, error.code, error.param)
    return _dress_refusal(response, error, retry=True)


def _dress_refusal(response: Response, error: STTError, *, retry: bool) -> Response:
    """The headers that go with an error."""
    if retry and error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, UpgradeRequired):
        response.headers["Sec-WebSocket-Version"] = "13"
        response.headers["Upgrade"] = "websocket"  # RFC 9110, section 15.5.22
    return response


def _say_http_error(error: HTTPException) -> Response:
    """404, 405, 500 and their like as JSON (native HT2 to HT4); keeps Allow and other headers."""
    status = error.code or 500
    response = _body(status, _sentence(error), None)
    for name, value in error.get_headers(request.environ):
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response


def _sentence(error: HTTPException) -> str:
    """Werkzeug's own speaks of a URL that was typed into a browser."""
    if isinstance(error, NotFound):
        return f"there is nothing at {shortened(request.path)}: /docs tells what there is"
    return error.description or error.name


def _body(status: int, message: str, code: str | None, param: str | None = None) -> Response:
    """The body in the shape of its door: its own, OpenAI's under /v1/ (HT3), else the older one."""
    g.error_code = code  # ours, for whoever counts
    refused(message)
    shapes: Mapping[str, Shape] = current_app.extensions[SHAPES]
    shape = next((shape for path, shape in shapes.items() if request.path.startswith(path)), None)
    if shape is not None:
        return as_json(shape(status, message, code, param), status)
    if _is_foreign():
        return as_json(openai_error(status, message, code, param=param), status)
    if code is None:
        return as_json({"message": message}, status)
    return as_json({"error": message, "code": code}, status)
