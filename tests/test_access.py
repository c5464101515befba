"""Who makes a request: keys, tickets and client secrets, behind the gate (api/access.py)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, abort, jsonify

from api.access import OPEN_PATHS, SECRET_PATHS, asking, count_refusals, whom
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

    def __init__(self, *keys: tuple[str, str]) -> None:
        self.has_room = True
        self.overloaded = False
        self.refusals: list[str] = []
        self.meanwhile: Callable[[], None] = lambda: None
        """Called while a request is being answered."""
        self.auth = Authenticator(keys, clock=Clock())
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
            if principal is not None and principal.session is not None:
                return jsonify(principal.tenant_id, principal.session)
            return jsonify(principal and principal.tenant_id)

        self.app.add_url_rule("/who", "who", who)
        self.app.add_url_rule("/healthz", "health", who)
        for path in ("/stream", "/v1/realtime", "/v1/listen"):
            self.app.add_url_rule(path, path, who, websocket=True)
        self.app.add_url_rule("/v1/listen", "file", who, methods=["POST"])

    def _capacity(self) -> bool:
        if self.overloaded:
            raise TooManySessions("too much speech")
        return self.has_room

    def ask(self, path: str, **headers: str) -> tuple[int, Any]:
        """Status and JSON of a GET."""
        answer = self.app.test_client().get(path, headers=headers)
        return answer.status_code, answer.get_json()

    def shake(self, query: str = "", *, path: str = "/stream", **headers: str) -> tuple[int, Any]:
        """The same of a WebSocket handshake."""
        return self.ask(f"{path}{query}", **HANDSHAKE, **headers)

    def secret(self, tenant: str = "alice") -> str:
        """A fresh client secret."""
        return self.auth.issue_secret(Principal(tenant), seconds=600, session={"a": 1})[0]

    def ticket(self) -> str:
        """A fresh one, as a query."""
        return f"?ticket={self.auth.issue_ticket(Principal('alice'))}"


@pytest.fixture(name="desk")
def _desk() -> Desk:
    return Desk(("ka", "alice"))


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


def test_a_refusal_without_a_code_of_ours_is_counted_by_its_status(desk: Desk) -> None:
    """As an error of Flask's own is: never as "None"."""

    def broken() -> None:
        abort(500)

    desk.meanwhile = broken
    desk.shake(**KEY)

    assert desk.refusals == ["500"]


def test_a_machine_at_its_limit_says_so_before_the_upgrade(desk: Desk) -> None:
    """503 with Retry-After, as when every slot is taken; the slot is free again (REC-74, RT-46)."""
    desk.overloaded = True
    answer = desk.app.test_client().get("/stream", headers=HANDSHAKE | KEY)
    desk.overloaded = False

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert answer.get_json() == {"error": "too much speech", "code": "too_many_sessions"}
    assert desk.refusals == ["too_many_sessions"]
    assert desk.shake(**KEY) == (200, "alice")


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Token ka"},
        {"X-API-Key": "ka"},
        {"api-key": "ka"},
        {"X-API-Key": "", "api-key": "ka"},
    ],
)
def test_other_peoples_clients_name_their_key_elsewhere(
    desk: Desk, headers: dict[str, str]
) -> None:
    """Deepgram's scheme, `X-API-Key`, Azure's `api-key`, at every door (client DG1, RH2)."""
    assert desk.ask("/who", **headers) == (200, "alice")
    assert desk.shake(path="/v1/realtime", **headers) == (200, "alice")
    assert desk.ask("/who", **{name: "no" for name in headers})[0] == 401


def test_a_key_in_the_query_opens_websockets_alone(desk: Desk) -> None:
    """`?api_key=` for browsers, which set no headers; addresses are easily seen (RH2, RT-55)."""
    assert desk.shake("?api_key=ka") == (200, "alice")
    assert desk.shake("?api_key=ka", path="/v1/listen") == (200, "alice")
    assert desk.shake("?api_key=no")[0] == 401
    assert desk.ask("/who?api_key=ka")[0] == 401
    assert desk.app.test_client().post("/v1/listen?api_key=ka").status_code == 401


@pytest.mark.parametrize(
    ("path", "offered"),
    [
        ("/v1/realtime", "realtime, openai-insecure-api-key.ka, openai-beta.realtime-v1"),
        ("/v1/listen", "token, ka"),
    ],
)
def test_browsers_offer_their_key_as_a_subprotocol(desk: Desk, path: str, offered: str) -> None:
    """OpenAI's and Deepgram's ways (client RH2, DG1)."""
    assert desk.shake(path=path, **{"Sec-WebSocket-Protocol": offered}) == (200, "alice")


def test_a_client_secret_opens_the_realtime_door_alone(desk: Desk) -> None:
    """Elsewhere 403: no transcripts, no files, no further secrets (client CS1)."""
    bearer = {"Authorization": f"Bearer {desk.secret()}"}

    assert desk.shake(path="/v1/realtime", **bearer) == (200, ["alice", {"a": 1}])
    assert frozenset({"/v1/realtime"}) == SECRET_PATHS
    for path in ("/stream", "/v1/listen"):
        assert desk.shake(path=path, **bearer)[0] == 403
    status, said = desk.ask("/who", **bearer)
    assert (status, said["code"]) == (403, "forbidden")
    assert "/v1/realtime" in said["error"]
    assert desk.ask("/v1/realtime/client_secrets", **bearer)[0] == 403


def test_a_client_secret_is_no_more_than_nobody_in_an_open_service() -> None:
    """It brings its session to the realtime door; elsewhere all are nobody (client CS1)."""
    desk = Desk()
    known, unknown = ({"X-API-Key": value} for value in (desk.secret("bob"), "ek_x"))

    assert desk.shake(path="/v1/realtime", **known) == (200, ["bob", {"a": 1}])
    assert desk.shake(path="/v1/realtime", **unknown) == (200, None)
    assert desk.ask("/who", **known) == (200, None)


def test_refusals_in_openais_shape_are_counted_too(desk: Desk) -> None:
    """By our code, whatever their body says (client OE1, RH3)."""
    status, said = desk.shake(path="/v1/realtime")

    assert (status, said["error"]["type"]) == (401, "invalid_request_error")
    assert desk.refusals == ["unauthorized"]
