"""How other people's clients come in or are refused, over real sockets (client RH2, RH3, DG1)."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.sockets import TEXT, Frames, Served, served

KEY = "Authorization: Bearer key\r\n"
FOREIGN = "Origin: https://evil.example\r\n"


@pytest.fixture(name="server", scope="module")
def _server() -> Iterator[Served]:
    with served() as server:
        yield server


def offered(names: str) -> str:
    """The header with which a browser offers subprotocols."""
    return f"Sec-WebSocket-Protocol: {names}\r\n"


def text(peer: Frames) -> str:
    """The next message."""
    said = peer.message()
    assert said is not None
    return said.decode()


@pytest.mark.parametrize(
    ("path", "names", "chosen"),
    [
        ("/v1/realtime", "realtime, openai-insecure-api-key.key", "realtime"),
        (
            "/v1/realtime",
            "openai-insecure-api-key.key, openai-beta.realtime-v1, realtime",
            "realtime",
        ),
        ("/v1/listen", "token, key", "token"),
        ("/v1/listen", "bearer, key", "bearer"),
    ],
)
def test_each_door_selects_its_subprotocol(
    server: Served, path: str, names: str, chosen: str
) -> None:
    """A browser wants one of those it offers; the key is never repeated (RH2, DG1, RT-54)."""
    with server.frames(path, headers=offered(names)) as peer:
        assert peer.answer.status == 101
        assert peer.answer.headers["sec-websocket-protocol"] == chosen


def test_a_client_without_subprotocols_is_answered_with_none(server: Served) -> None:
    """Keys in headers need none (RH2)."""
    with server.frames("/v1/realtime", headers=KEY) as peer:
        assert peer.answer.status == 101
        assert "sec-websocket-protocol" not in peer.answer.headers
        assert json.loads(text(peer)) == ["alice", None]


@pytest.mark.parametrize("headers", ["", "Authorization: Bearer no\r\n", offered("realtime")])
def test_a_realtime_client_is_refused_before_the_upgrade(server: Served, headers: str) -> None:
    """401 over HTTP, in OpenAI's shape (RH3, OE1)."""
    with server.frames("/v1/realtime", headers=headers) as peer:
        assert peer.answer.status == 401
        error = peer.answer.json["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "invalid_api_key")
    assert error["message"]
    assert error["param"] is None


@pytest.mark.parametrize("path", ["/v1/realtime", "/v1/listen"])
def test_a_page_of_another_site_is_kept_out(server: Served, path: str) -> None:
    """CORS does not hold for WebSockets: the origin is checked, key or not (BR5, RT-50)."""
    with server.frames(path, headers=KEY + FOREIGN) as peer:
        assert peer.answer.status == 403
    with server.frames(path, headers=KEY + "Origin: http://localhost:3000\r\n") as peer:
        assert peer.answer.status == 101


def test_s14_an_expired_secret_is_refused_and_a_running_session_lives_on(server: Served) -> None:
    """Expired at connect: 401. What was begun with it goes on (client S14, CS1)."""
    secret, _ = server.ask("POST", "/secret").json
    browser = offered(f"realtime, openai-insecure-api-key.{secret}")

    with server.frames("/v1/realtime", headers=browser) as running:
        assert json.loads(text(running)) == ["bob", {"type": "transcription"}]
        server.ask("POST", "/later?s=601")
        with server.frames("/v1/realtime", headers=browser) as late:
            assert late.answer.status == 401
        running.send(TEXT, b"still here")
        assert text(running) == "still here"


def test_a_secret_opens_no_other_door(server: Served) -> None:
    """403 before the upgrade (client CS1)."""
    secret, _ = server.ask("POST", "/secret").json
    with server.frames("/v1/listen", headers=f"Authorization: Bearer {secret}\r\n") as peer:
        assert peer.answer.status == 403
