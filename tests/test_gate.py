"""The gate: origins, handshakes, capacity, body limits and the shape of errors."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sockets import KEY, TEXT, Served, handshake, served, until

from api.gate import Origins

LIMIT = 4 << 20


@pytest.fixture(name="server", scope="module")
def _server() -> Iterator[Served]:
    with served(SOCKET_APP_SESSIONS="20") as server:
        yield server


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        ("http://localhost:5040", "stt.example", True),
        ("https://app.localhost", "stt.example", True),
        ("http://127.0.0.1:8000", "stt.example", True),
        ("http://[::1]:8000", "stt.example", True),
        ("https://stt.example", "stt.example", True),
        ("https://stt.example", "stt.example:443", True),
        ("http://STT.example:5055", "stt.example:5055", True),
        ("https://captions.example", "stt.example", True),
        ("https://evil.example", "stt.example", False),
        ("http://stt.example:81", "stt.example", False),
        ("http://localhost.evil.example", "stt.example", False),
        ("http://127.0.0.1.evil.example", "stt.example", False),
        ("http://localhost@evil.example", "stt.example", False),
        ("null", "stt.example", False),
        ("chrome-extension://abc", "stt.example", False),
        ("http://", "stt.example", False),
        ("http://x:99999", "stt.example", False),
        ("http://[", "stt.example", False),
    ],
)
def test_default_origins(origin: str, host: str, allowed: bool) -> None:
    """The same origin, loopback and listed origins pass, nothing that looks like them (RT-50)."""
    assert Origins(["https://captions.example/"]).allow(origin, host) is allowed


def test_null_and_star_only_where_listed() -> None:
    """File pages and everybody are let in by the list alone (native HT6)."""
    assert Origins(["null"]).allow("null", "x")
    assert Origins(["*"]).allow("https://any.example", "x")
    assert Origins(["*"]).allow("null", "x")


def test_cors_names_the_allowed_origin_without_credentials(server: Served) -> None:
    """An allowed origin is echoed, never with credentials; Retry-After can be read (HT6, RT-51)."""
    answer = server.ask("GET", "/healthz", "Origin: https://captions.example\r\n")

    assert answer.headers["access-control-allow-origin"] == "https://captions.example"
    assert "access-control-allow-credentials" not in answer.headers
    assert answer.headers["access-control-expose-headers"] == "Retry-After, X-Request-Id"
    assert "Origin" in answer.headers["vary"]


def test_foreign_origin_is_refused_on_every_door(server: Served) -> None:
    """A page of another site may neither read nor pop (RT-50): 403 without CORS headers."""
    for method, path in (("GET", "/healthz"), ("POST", "/upload"), ("OPTIONS", "/upload")):
        answer = server.ask(method, path, "Origin: https://evil.example\r\n")

        assert answer.status == 403
        assert answer.json["code"] == "forbidden"
        assert "access-control-allow-origin" not in answer.headers


def test_error_answers_have_cors_too(server: Served) -> None:
    """A page can read why it was refused (HT6)."""
    answer = server.ask("GET", "/full", "Origin: http://localhost:3000\r\n")

    assert answer.status == 429
    assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"


def test_preflight(server: Served) -> None:
    """OPTIONS of an allowed origin is answered for every path and without a key (HT7)."""
    asks = "Access-Control-Request-Method: DELETE\r\nAccess-Control-Request-Headers: x-y\r\n"

    answer = server.ask(
        "OPTIONS", "/upload", f"Origin: null\r\nAuthorization: Bearer wrong\r\n{asks}"
    )

    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == "null"
    assert {"GET", "POST", "DELETE", "OPTIONS"} <= set(
        answer.headers["access-control-allow-methods"].split(", ")
    )
    assert answer.headers["access-control-allow-headers"] == "content-type, authorization, x-y"


def test_plain_options_is_the_routes_own(server: Served) -> None:
    """OPTIONS without an origin tells the methods of the path."""
    answer = server.ask("OPTIONS", "/upload")

    assert answer.status == 200
    assert "POST" in answer.headers["allow"]


def test_authentication_refuses_before_the_upgrade(server: Served) -> None:
    """A bad key is HTTP 401 on doors and on sockets (RT-56, native W30)."""
    assert server.ask("GET", "/healthz", "Authorization: Bearer wrong\r\n").status == 401
    with server.frames("/echo", headers="Authorization: Bearer wrong\r\n") as peer:
        assert peer.answer.status == 401
        assert peer.answer.headers["www-authenticate"] == "Bearer"
        assert peer.answer.json["code"] == "unauthorized"


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        (handshake("/echo").replace(f"Sec-WebSocket-Key: {KEY}\r\n", ""), 400),
        (handshake("/echo", key="c2hvcnQ="), 400),
        (handshake("/echo", key="no base64!"), 400),
        (handshake("/echo", version="12"), 426),
        (handshake("/echo", version=""), 426),
        (handshake("/echo").replace("GET", "POST"), 405),
        (handshake("/echo").replace("GET", "HEAD"), 400),
        (handshake("/echo").replace("Upgrade: websocket\r\n", ""), 426),
        (handshake("/echo").replace("Connection: Upgrade\r\n", "Connection: close\r\n"), 426),
        (handshake("/echo").replace("HTTP/1.1", "HTTP/1.0"), 400),
        (handshake("/echo").replace("Host: 127.0.0.1\r\n", ""), 400),
        (handshake("/echo", "Origin: https://evil.example\r\n"), 403),
        (handshake("/echo", "Content-Length: 3\r\n") + "abc", 400),
        (handshake("/nowhere"), 404),
    ],
    ids=[
        *("no-key", "short-key", "bad-key", "version-12", "no-version", "post", "head"),
        *("no-upgrade", "no-connection", "http-1.0", "no-host", "foreign-origin", "body"),
        "unknown-path",
    ],
)
def test_bad_handshake(server: Served, request_text: str, status: int) -> None:
    """A handshake that cannot work is a 4xx with a JSON body, never 500 or 101 (F-14, LIB-11)."""
    answer = server.raw(request_text)

    assert answer.status == status
    assert answer.headers["content-type"] == "application/json"
    if status == 426:
        assert answer.headers["sec-websocket-version"] == "13"
        assert answer.headers["upgrade"] == "websocket"
    server.assert_serves()


def test_plain_http_where_a_websocket_belongs_is_told_so(server: Served) -> None:
    """RFC 9110, 15.5.22: 426, also where a proxy takes the Upgrade header off; and vice versa."""
    plain = server.ask("GET", "/echo")
    socket = server.raw(handshake("/healthz"))

    assert (plain.status, plain.headers["upgrade"]) == (426, "websocket")
    assert plain.json["code"] == "upgrade_required"
    assert "connect with ws://" in plain.json["error"]
    assert "forward the Upgrade header" in plain.json["error"]
    assert socket.status == 400
    assert "no WebSocket address" in socket.json["error"]


def test_deflate_is_not_negotiated(server: Served) -> None:
    """permessage-deflate is offered and not taken; a compressed frame is an error (F-07, RT-29)."""
    offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
    with server.frames("/echo", headers=offer) as peer:
        assert peer.answer.status == 101
        assert "sec-websocket-extensions" not in peer.answer.headers
        peer.send(TEXT | 0x40, b"\x00" * 100)
        assert peer.close_code() == 1002


def test_header_value_that_is_no_ascii_does_no_harm(server: Served) -> None:
    """Headers the handshake does not need never reach the WebSocket parser."""
    with server.frames("/echo", headers="User-Agent: caf\xe9 \x7f\r\n") as peer:
        assert peer.answer.status in (101, 400)
    server.assert_serves()


@pytest.mark.parametrize("spare", [0, 1])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_body_limit(server: Served, spare: int, chunked: bool) -> None:
    """A body of exactly the limit passes, one byte more is 413 (HT9, RT-47, LIB-23, F-20)."""
    body = b"x" * (LIMIT + spare)
    if chunked:
        head = "POST /upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        answer = server.raw(head.encode() + _chunks(body))
    else:
        answer = server.ask("POST", "/upload", body=body)

    if spare:
        assert answer.status == 413
        assert answer.json["code"] == "too_large"
    else:
        assert answer.json == {"bytes": LIMIT}


def _chunks(body: bytes) -> bytes:
    size = 1 << 16
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@pytest.mark.parametrize("path", ["/upload", "/json"])
def test_broken_chunks_are_the_clients_fault(server: Served, path: str) -> None:
    """Broken chunked framing, or a body that just ends, is 400 and not 500 (F-20)."""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

    answer = server.raw(head + "5\r\nhello\r\nnonsense\r\n\r\n")

    assert answer.status == 400
    assert answer.json["code"] == "bad_request"


def test_broken_json_is_400(server: Served) -> None:
    """The one error handler gives the error's status, text and code (F-20, AV4)."""
    answer = server.ask("POST", "/json", body=b'{"a":')

    assert answer.status == 400
    assert answer.json == {"error": "the body is not JSON", "code": "bad_json"}


def test_content_encoding_is_refused(server: Served) -> None:
    """A compressed body is 415, identity passes (RT-65, F-20)."""
    assert server.ask("POST", "/upload", "Content-Encoding: gzip\r\n", b"x").status == 415
    assert server.ask("POST", "/upload", "Content-Encoding: identity\r\n", b"x").status == 200


@pytest.mark.parametrize(
    ("method", "path", "status"), [("PUT", "/full", 405), ("GET", "/nothing", 404)]
)
def test_http_errors_are_json(server: Served, method: str, path: str, status: int) -> None:
    """405 and 404 are `{"message": ...}`, with werkzeug's words (HT2, HT3)."""
    answer = server.ask(method, path)

    assert answer.status == status
    assert list(answer.json) == ["message"]
    if status == 405:
        assert answer.json["message"] == "The method is not allowed for the requested URL."
        assert "GET" in answer.headers["allow"]


def test_crash_is_json_and_tells_nothing(server: Served) -> None:
    """500 is JSON without a traceback or the exception's text (HT4)."""
    server.expected_tracebacks += 1
    answer = server.ask("GET", "/broken")

    assert answer.status == 500
    assert list(answer.json) == ["message"]
    assert b"client's eyes" not in answer.body


def test_openai_shape_under_v1(server: Served) -> None:
    """Under /v1/ errors have OpenAI's shape, also for unknown paths (HT3)."""
    unknown = server.ask("GET", "/v1/nothing")
    full = server.ask("GET", "/v1/full")

    assert unknown.status == 404
    assert set(unknown.json["error"]) == {"message", "type", "param", "code"}
    assert full.status == 429
    assert full.headers["retry-after"] == "2"
    assert full.json["error"]["code"] == "queue_overload"


def test_one_openai_shape_for_all_errors(server: Served) -> None:
    """A refused key, an unknown path and a full queue have the types SDKs know (HT3, OE1)."""
    refused = server.ask("GET", "/v1/full", "Authorization: Bearer wrong\r\n").json["error"]

    assert (refused["type"], refused["code"]) == ("invalid_request_error", "invalid_api_key")
    assert server.ask("GET", "/v1/full").json["error"]["type"] == "rate_limit_error"
    assert server.ask("GET", "/v1/nothing").json["error"]["type"] == "invalid_request_error"


def test_json_is_never_stored(server: Served) -> None:
    """JSON answers say `no-store`, since a GET may pop (HT5, B28)."""
    assert server.ask("GET", "/healthz").headers["cache-control"] == "no-store"


def test_slots_are_counted_exactly(server: Served) -> None:
    """At the limit the next handshake is 503 with Retry-After; a free slot is taken (RT-46)."""
    peers = [server.frames("/echo") for _ in range(20)]
    try:
        assert [peer.answer.status for peer in peers] == [101] * 20
        with server.frames("/echo") as late:
            assert late.answer.status == 503
            assert late.answer.headers["retry-after"] == "2"
            assert late.answer.json["code"] == "too_many_sessions"
        assert server.ask("GET", "/healthz").status == 200
    finally:
        for peer in peers:
            peer.close()
    _until_served(server)


def _until_served(server: Served) -> None:
    def is_served() -> bool:
        with server.frames("/echo") as peer:
            return peer.answer.status == 101

    assert until(is_served)
