"""Who makes a request: keys, subprotocols and tickets, behind the gate (api/access.py)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, jsonify

from api.access import OPEN_PATHS, asking, count_refusals, whom
from api.gate import install_gate
from stt.auth import Authenticator, Principal
from stt.errors import TooManySessions
from tests.doors import Clock

KEY = {"Authorization": "Bearer ka"}
HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


class Desk:
    """An app with one plain route and one that only a WebSocket handshake reaches."""

    def __init__(self) -> None:
        self.has_room = True
        self.overloaded = False
        self.refusals: list[str] = []
        self.meanwhile: Callable[[], None] = lambda: None
        """Called while a request is being answered."""
        self.auth = Authenticator([("ka", "alice")], clock=Clock())
        self.app = Flask("hark")
        install_gate(
            self.app,
            allowed_origins=(),
            capacity=self._capacity,
            most_sockets=1,
            max_body_bytes=1000,
            authenticate=asking(self.auth),
        )
        count_refusals(self.app, self.refusals.append)

        def who() -> Any:
            self.meanwhile()
            principal = whom()
            return jsonify(principal and principal.tenant_id)

        self.app.add_url_rule("/who", "who", who)
        self.app.add_url_rule("/healthz", "health", who)
        self.app.add_url_rule("/stream", "stream", who, websocket=True)

    def _capacity(self) -> bool:
        if self.overloaded:
            raise TooManySessions("too much speech")
        return self.has_room

    def ask(self, path: str, **headers: str) -> tuple[int, Any]:
        """Status and JSON of a GET."""
        answer = self.app.test_client().get(path, headers=headers)
        return answer.status_code, answer.get_json()

    def shake(self, query: str = "", **headers: str) -> tuple[int, Any]:
        """The same of a WebSocket handshake."""
        return self.ask(f"/stream{query}", **HANDSHAKE, **headers)

    def ticket(self) -> str:
        """A fresh one, as a query."""
        return f"?ticket={self.auth.issue_ticket(Principal('alice'))}"


@pytest.fixture(name="desk")
def _desk() -> Desk:
    return Desk()


def test_the_key_is_known_to_the_door(desk: Desk) -> None:
    """By header anywhere, by subprotocol from a browser; nobody without (native W30, HT-AUTH)."""
    assert desk.ask("/who", **KEY) == (200, "alice")
    assert desk.shake(**KEY) == (200, "alice")
    assert desk.shake(**{"Sec-WebSocket-Protocol": "stt.v1, bearer.ka"}) == (200, "alice")
    assert desk.ask("/who")[0] == 401
    assert desk.shake()[0] == 401


def test_open_paths_need_no_key(desk: Desk) -> None:
    """Health and the documents are read by everybody, as nobody."""
    assert "/healthz" in OPEN_PATHS
    assert desk.ask("/healthz") == (200, None)
    assert whom() is None  # nor is there anybody without a request


def test_a_ticket_opens_a_websocket_once(desk: Desk) -> None:
    """W30, RT-55."""
    ticket = desk.ticket()

    assert desk.shake(ticket) == (200, "alice")
    assert desk.shake(ticket)[0] == 401


def test_a_ticket_is_no_key_elsewhere(desk: Desk) -> None:
    """It neither opens another path nor is spent there (RT-55)."""
    ticket = desk.ticket()

    assert desk.ask(f"/who{ticket}")[0] == 401
    assert desk.ask(f"/nowhere{ticket}")[0] == 401
    assert desk.ask(f"/who{ticket}", **KEY) == (200, "alice")
    assert desk.shake(ticket) == (200, "alice")


@pytest.mark.parametrize("lacking", ["room", "a slot", "a header"])
def test_a_refusal_for_another_reason_spends_no_ticket(desk: Desk, lacking: str) -> None:
    """A client may try again with the ticket it has (RT-46, RT-55)."""
    ticket = desk.ticket()

    if lacking == "room":
        desk.has_room = False
        assert desk.shake(ticket)[0] == 503
        desk.has_room = True
    elif lacking == "a slot":
        others: list[int] = []
        desk.meanwhile = lambda: others.append(desk.shake(ticket)[0])
        assert desk.shake(**KEY)[0] == 200
        desk.meanwhile = lambda: None
        assert others == [503]
    else:
        assert desk.ask(f"/stream{ticket}", **HANDSHAKE | {"Sec-WebSocket-Version": "12"})[0] == 426

    assert desk.shake(ticket) == (200, "alice")


def test_a_bad_key_takes_no_slot(desk: Desk) -> None:
    """The slot of a handshake that is refused is free again (RT-46)."""
    assert [desk.shake("?ticket=old")[0] for _ in range(3)] == [401] * 3
    assert desk.shake(**KEY)[0] == 200


def test_refused_handshakes_are_counted_by_code(desk: Desk) -> None:
    """Of WebSocket routes alone, and none that came in is counted here."""
    desk.shake()
    desk.ask("/who")
    desk.has_room = False
    desk.shake(**KEY)

    assert desk.refusals == ["unauthorized", "not_ready"]


def test_a_machine_at_its_limit_says_so_before_the_upgrade(desk: Desk) -> None:
    """503 with Retry-After, as when every slot is taken; the slot is free again (REC-74, RT-46)."""
    desk.overloaded = True
    answer = desk.app.test_client().get("/stream", headers=HANDSHAKE | KEY)
    desk.overloaded = False

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert answer.get_json() == {"error": "too much speech", "code": "too_many_sessions"}
    assert desk.refusals == ["too_many_sessions"]
    assert desk.shake(**KEY) == (200, "alice")
