"""The gate before every door: who may come in, how much they may bring, and how a refusal reads.

Origin and CORS, the WebSocket handshake, capacity, body limits; how an error reads is in `answers`.
It runs before the handler of a request and decides nothing about what the request asks.
"""

from __future__ import annotations

import base64
import binascii
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import IO
from urllib.parse import urlsplit

from flask import Flask, Request, Response, g, request
from werkzeug.routing.exceptions import WebsocketMismatch

from api.answers import NO_HANDSHAKE, Shape, UpgradeRequired, install_answers
from stt.addresses import is_loopback
from stt.errors import (
    BadInput,
    Forbidden,
    NotReady,
    TooLarge,
    TooManySessions,
)

Authenticate = Callable[[Request], None]
"""Raises Unauthorized or Forbidden; may leave what it learned in ``flask.g``."""

PREFLIGHT_S = 600  # how long a browser may remember the answer to a preflight
METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
HEADERS = "content-type, authorization"
DEFAULT_PORTS = {"http": 80, "https": 443}
SECURITY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""Of every page that names no other: nothing is loaded from anywhere, and no script runs."""


class UnsupportedCoding(BadInput):
    """A body that is compressed."""

    code = "unsupported_encoding"
    status = 415


class Origins:
    """The origins that browsers may come from (native HT6, runtime RT-50)."""

    def __init__(self, allowed: Collection[str]) -> None:
        self._allowed = frozenset(origin.strip().rstrip("/").lower() for origin in allowed)

    def allow(self, origin: str, host: str) -> bool:
        """Whether a page of ``origin`` may use the service that it calls ``host``.

        The same origin and loopback origins always may; the scheme is left out of the comparison,
        since a proxy may have taken TLS off.
        """
        if "*" in self._allowed or origin.lower() in self._allowed:
            return True
        try:
            parts = urlsplit(origin.lower())
            name, port = parts.hostname, parts.port or DEFAULT_PORTS[parts.scheme]
        except (KeyError, ValueError):
            return False  # null, or a scheme that no page of ours has
        if not name:
            return False
        return _is_local(name) or host.lower() in (parts.netloc, f"{parts.netloc}:{port}")


class BoundedBody:
    """A request body of unknown length that refuses to be longer than the limit (LIB-23, RT-47)."""

    def __init__(self, stream: IO[bytes], limit: int) -> None:
        self._stream = stream
        self._left = limit

    def read(self, size: int = -1) -> bytes:
        """Read at most ``size`` bytes. Raises TooLarge, or BadInput where the framing is broken."""
        return self._take(self._stream.read, size)

    def readline(self, size: int = -1) -> bytes:
        """Read a line of at most ``size`` bytes; raises as `read` does."""
        return self._take(self._stream.readline, size)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readline, b"")

    def _take(self, read: Callable[[int], bytes], size: int) -> bytes:
        most = self._left + 1
        try:
            data = read(most if size < 0 else min(size, most))
        except Exception as error:  # each WSGI server has its own
            raise BadInput("the request body is broken or incomplete") from error
        self._left -= len(data)
        if self._left < 0:
            raise TooLarge("the request body is longer than the limit")
        return data


def install_gate(
    app: Flask,
    *,
    allowed_origins: Collection[str],
    capacity: Callable[[], bool],
    most_sockets: int,
    max_body_bytes: int,
    authenticate: Authenticate | None = None,
    larger: Mapping[str, int] | None = None,
    shapes: Mapping[str, Shape] | None = None,
) -> None:
    """Put the gate before every route of ``app``.

    Args:
        allowed_origins: beside the same origin and loopback; ``null`` and ``*`` are possible.
        capacity: whether the service takes new sessions now; asked at each handshake. Where it
            knows better why not, it raises.
        most_sockets: open WebSockets, each of which holds a thread (LIB-15); counted exactly.
        max_body_bytes: of a request, with and without Content-Length (native HT9).
        authenticate: asked at each request whose origin is allowed, preflights excepted; at a
            WebSocket handshake last of all, so that none that fails otherwise spends a ticket.
        larger: paths whose bodies may have so many bytes instead: those for files.
        shapes: how errors read below a path, where it is neither OpenAI's shape nor ours.
    """
    origins = Origins(allowed_origins)
    limits = dict(larger or {})
    install_answers(app, shapes or {})
    slots = threading.BoundedSemaphore(most_sockets)

    @app.before_request
    def _check() -> Response | None:
        _check_origin(origins)
        if _is_preflight():
            return Response(status=204)
        _check_kind(app)
        is_handshake = request.url_rule is not None and request.url_rule.websocket
        if is_handshake:
            _check_handshake()
            g.hark_slot = _take_slot(slots, capacity)
        if authenticate is not None:
            authenticate(request)
        if not is_handshake:
            most = limits.get(request.path, max_body_bytes)
            request.max_content_length = most + 1  # BoundedBody speaks first
            _check_body(most)
        return None

    @app.teardown_request
    def _give_back(_: BaseException | None) -> None:
        if g.pop("hark_slot", False):
            slots.release()

    app.after_request(_add_headers)


def _check_origin(origins: Origins) -> None:
    """Refuse a page of another site: an upgrade has no preflight, and a GET may pop (RT-50)."""
    origin = request.headers.get("Origin")
    if origin is None:  # no browser, or a plain navigation
        return
    if not origins.allow(origin, request.host):
        raise Forbidden(f"the origin {origin[:200]!r} is not allowed")
    g.hark_origin = origin


def _check_kind(app: Flask) -> None:
    """Refuse plain HTTP where only a WebSocket may come, and the other way round."""
    if not isinstance(request.routing_exception, WebsocketMismatch):
        return
    if any(rule.websocket and rule.rule == request.path for rule in app.url_map.iter_rules()):
        raise UpgradeRequired(NO_HANDSHAKE)
    raise BadInput("this is no WebSocket address: /docs tells which are")


def _is_preflight() -> bool:
    wants = "Access-Control-Request-Method" in request.headers
    return request.method == "OPTIONS" and "Origin" in request.headers and wants


def _check_handshake() -> None:
    """Refuse what the library would answer with 500 (LIB-11; RFC 6455, section 4.2.1)."""
    if request.method != "GET" or request.environ.get("SERVER_PROTOCOL") != "HTTP/1.1":
        raise BadInput("a WebSocket handshake is a GET of HTTP/1.1")
    if request.headers.get("Sec-WebSocket-Version") != "13":
        raise UpgradeRequired("the WebSocket version must be 13")
    if not _is_key(request.headers.get("Sec-WebSocket-Key", "")):
        raise BadInput("Sec-WebSocket-Key must be 16 bytes in base64")
    if "Host" not in request.headers:
        raise BadInput("the Host header is missing")
    if request.content_length or "Transfer-Encoding" in request.headers:
        raise BadInput("a WebSocket handshake has no body")


def _take_slot(slots: threading.BoundedSemaphore, capacity: Callable[[], bool]) -> bool:
    """Count one more WebSocket; raises TooManySessions or NotReady (RT-46)."""
    if not slots.acquire(blocking=False):
        raise TooManySessions("too many sessions, try again in a moment")
    try:
        room = capacity()
    except BaseException:
        slots.release()
        raise
    if not room:
        slots.release()
        raise NotReady("not ready for new sessions, or shutting down")
    return True


def _check_body(most: int) -> None:
    """Bound the request body before anybody reads it (native HT9, runtime RT-47, RT-65)."""
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise UnsupportedCoding(
            f"Content-Encoding {encoding[:40]!r} is not supported: send the body as it is"
        )
    if (request.content_length or 0) > most:
        raise TooLarge(f"the request body is longer than {most} bytes")
    if "Transfer-Encoding" in request.headers:
        request.environ["wsgi.input"] = BoundedBody(request.environ["wsgi.input"], most)


def _add_headers(response: Response) -> Response:
    if response.is_json:
        response.headers.setdefault("Cache-Control", "no-store")  # HT5: a GET may pop or delete
    if response.mimetype == "text/html":
        response.headers.setdefault("Content-Security-Policy", SECURITY)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.vary.add("Origin")
    origin = g.get("hark_origin")
    if origin is not None:  # never with credentials: there are no cookies (HT6, RT-52)
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = "Retry-After, X-Request-Id"
        if _is_preflight():
            asked = request.headers.get("Access-Control-Request-Headers")
            response.headers["Access-Control-Allow-Methods"] = METHODS
            response.headers["Access-Control-Allow-Headers"] = (
                f"{HEADERS}, {asked}" if asked else HEADERS
            )
            response.headers["Access-Control-Max-Age"] = str(PREFLIGHT_S)
    return response


def _is_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False


def _is_local(name: str) -> bool:
    """A loopback address, or a name that browsers resolve to one (RFC 6761, section 6.3)."""
    return name.endswith(".localhost") or is_loopback(name)
