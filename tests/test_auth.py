"""Tests of API keys, tickets and client secrets."""

from __future__ import annotations

import pytest

from stt.auth import (
    MAX_SECRETS,
    MAX_SESSION_CHARS,
    MAX_TICKETS,
    TICKET_SECONDS,
    Authenticator,
    Principal,
    offered_key,
)
from stt.errors import BadInput, SettingError, TooLarge, Unauthorized

ALICE, BOB = Principal("alice"), Principal("bob")


class Clock:
    """Seconds that pass when told."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(name="clock")
def _clock() -> Clock:
    return Clock()


@pytest.fixture(name="auth")
def _auth(clock: Clock) -> Authenticator:
    return Authenticator([("key-a", "alice"), ("key-b", "bob"), ("key-b2", "bob")], clock=clock)


def test_without_keys_everybody_may_come_in(clock: Clock) -> None:
    """No keys: open, whatever a request carries (native HT-AUTH)."""
    auth = Authenticator([], clock=clock)

    assert not auth.required
    assert auth.identify(authorization="Bearer whatever", ticket="x") is None


@pytest.mark.parametrize(
    ("header", "principal"),
    [("Bearer key-a", ALICE), ("bearer  key-b ", BOB), ("BEARER key-b2", BOB)],
)
def test_a_key_gives_its_tenant(auth: Authenticator, header: str, principal: Principal) -> None:
    """The tenant is that of the key (native HT-AUTH, runtime RT-57)."""
    assert auth.identify(authorization=header) == principal


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Bearer key-", "Bearer key-a,key-b", "Basic key-a", "key-a",
     "Bearer \udc80", "Bearer ключ"],
)  # fmt: skip
def test_anything_else_is_refused(auth: Authenticator, header: str | None) -> None:
    """No key, another scheme, a wrong key, odd characters: 401 (native HT-AUTH)."""
    with pytest.raises(Unauthorized):
        auth.identify(authorization=header)


def test_a_browser_offers_its_key_as_a_subprotocol(auth: Authenticator) -> None:
    """`bearer.<key>` among the subprotocols counts as the key (native W30, runtime RT-54)."""
    assert auth.identify(subprotocols=["stt.v1", "bearer.key-a"]) == ALICE
    assert auth.identify(subprotocols=["realtime", "openai-insecure-api-key.key-b"]) == BOB
    with pytest.raises(Unauthorized):
        auth.identify(subprotocols=["stt.v1", "bearer.nobody"])


def test_a_wrong_header_is_not_saved_by_a_subprotocol(auth: Authenticator) -> None:
    """A header decides alone, where there is one."""
    with pytest.raises(Unauthorized):
        auth.identify(authorization="Bearer no", subprotocols=["bearer.key-a"])


def test_a_ticket_is_good_once(auth: Authenticator) -> None:
    """The second use of a ticket is refused (native W30, runtime RT-55)."""
    ticket = auth.issue_ticket(BOB)

    assert auth.identify(ticket=ticket) == BOB
    with pytest.raises(Unauthorized):
        auth.identify(ticket=ticket)


def test_a_ticket_expires(auth: Authenticator, clock: Clock) -> None:
    """A ticket is refused once its 60 s have passed (native W30)."""
    late, in_time = auth.issue_ticket(ALICE), auth.issue_ticket(ALICE)

    clock.now += TICKET_SECONDS - 0.1
    assert auth.identify(ticket=in_time) == ALICE
    clock.now += 0.1

    with pytest.raises(Unauthorized):
        auth.identify(ticket=late)


def test_waiting_tickets_are_bounded(auth: Authenticator, clock: Clock) -> None:
    """Beyond the bound the oldest ticket goes, and expired ones go first."""
    first = auth.issue_ticket(ALICE)
    tickets = [auth.issue_ticket(ALICE) for _ in range(MAX_TICKETS)]

    assert auth.identify(ticket=tickets[0]) == ALICE
    with pytest.raises(Unauthorized):
        auth.identify(ticket=first)

    clock.now += TICKET_SECONDS
    auth.issue_ticket(ALICE)
    assert len(auth._tickets) == 1


def test_keys_are_not_kept_in_clear(auth: Authenticator) -> None:
    """Neither keys nor tickets can be read from memory by name (runtime RT-56)."""
    ticket = auth.issue_ticket(ALICE)

    kept = repr(vars(auth))

    assert "key-a" not in kept
    assert ticket not in kept


@pytest.mark.parametrize(
    "keys", [[("", "a")], [("k", "")], [("k", "a"), ("k", "b")]], ids=["key", "tenant", "twice"]
)
def test_bad_keys_stop_the_start(keys: list[tuple[str, str]], clock: Clock) -> None:
    """Empty keys or tenants, or one key for two tenants, are a bad setting."""
    with pytest.raises(SettingError):
        Authenticator(keys, clock=clock)


@pytest.mark.parametrize("header", ["Token key-a", "token  key-a ", "Bearer key-a"])
def test_deepgram_clients_say_token(auth: Authenticator, header: str) -> None:
    """The scheme `Token` counts like `Bearer` (client DG1)."""
    assert auth.identify(authorization=header) == ALICE


@pytest.mark.parametrize(
    "offered",
    [
        ["token", "key-a"],
        ["bearer", "key-a"],
        ["realtime", "openai-insecure-api-key.key-a", "openai-beta.realtime-v1"],
        ["bearer.key-a", "stt.v1"],
    ],
)
def test_every_browsers_way_is_known(auth: Authenticator, offered: list[str]) -> None:
    """Native, OpenAI's and Deepgram's subprotocols (native W30, client RH2, DG1)."""
    assert offered_key(offered) == "key-a"
    assert auth.identify(subprotocols=offered) == ALICE


@pytest.mark.parametrize("offered", [[], [""], ["token"], ["stt.v1", "token", "key-a"]])
def test_no_key_is_read_where_none_is_offered(offered: list[str]) -> None:
    """The pair is the first two, as Deepgram's clients send it; a lone `token` is no key."""
    assert offered_key(offered) is None


def test_a_key_may_come_in_another_header(auth: Authenticator) -> None:
    """After `Authorization`, before subprotocols; a proxy's Basic is nobody's key (client RH2)."""
    assert auth.identify(api_key="key-a") == ALICE
    assert auth.identify(api_key="key-a", subprotocols=["bearer.key-b"]) == ALICE
    assert auth.identify(authorization="Bearer key-b", api_key="key-a") == BOB
    assert auth.identify(authorization="Basic eDp5", api_key="key-a") == ALICE
    with pytest.raises(Unauthorized):
        auth.identify(authorization="Bearer no", api_key="key-a")
    with pytest.raises(Unauthorized):
        auth.identify(api_key="no")


SESSION = {"type": "transcription", "audio": {"input": {"turn_detection": None}}}


def test_a_client_secret_stands_for_a_key_and_brings_its_session(auth: Authenticator) -> None:
    """Any number of times, in every place a key may stand, for the tenant that asked (CS1)."""
    value, _ = auth.issue_secret(BOB, seconds=600, session=SESSION)

    assert value.startswith("ek_")
    for _ in range(3):
        assert auth.identify(authorization=f"Bearer {value}") == Principal("bob", SESSION)
    assert auth.identify(api_key=value) == Principal("bob", SESSION)
    offered = ["realtime", f"openai-insecure-api-key.{value}"]
    assert auth.identify(subprotocols=offered) == Principal("bob", SESSION)


def test_the_session_of_a_secret_is_a_copy(auth: Authenticator) -> None:
    """What one session does to it changes no other's (client CS1)."""
    session: dict[str, object] = {"include": []}
    value, _ = auth.issue_secret(BOB, seconds=600, session=session)
    session["type"] = "realtime"

    for _ in range(2):
        principal = auth.identify(api_key=value)
        assert principal is not None
        assert principal.session == {"include": []}
        assert isinstance(principal.session, dict)
        principal.session["include"] = None


def test_a_client_secret_expires(clock: Clock) -> None:
    """An expired one is refused at connect, and says so; it tells when it will be (S14, CS1)."""
    auth = Authenticator([("key-a", "alice")], clock=clock, wall=lambda: 1_700_000_000.0)
    value, expires_at = auth.issue_secret(ALICE, seconds=10, session={})
    longer, _ = auth.issue_secret(ALICE, seconds=7200, session={})

    assert expires_at == 1_700_000_010.0
    clock.now += 9.9
    assert auth.identify(api_key=value) == Principal("alice", {})
    clock.now += 0.1

    with pytest.raises(Unauthorized, match="too old"):
        auth.identify(api_key=value)
    assert auth.identify(api_key=longer) == Principal("alice", {})


@pytest.mark.parametrize("seconds", [9.9, 7200.5, -1, float("nan"), float("inf")])
def test_a_client_secret_has_bounds(auth: Authenticator, seconds: float) -> None:
    """10 to 7200 s, and no session that fills the memory (client CS1)."""
    with pytest.raises(BadInput, match="10 to 7200"):
        auth.issue_secret(ALICE, seconds=seconds, session={})
    with pytest.raises(TooLarge):
        auth.issue_secret(ALICE, seconds=60, session={"prompt": "x" * MAX_SESSION_CHARS})


def test_secrets_are_bounded_by_tenant(auth: Authenticator, clock: Clock) -> None:
    """Who asks for too many loses the oldest, expired ones first; nobody else loses any."""
    bobs, _ = auth.issue_secret(BOB, seconds=7200, session={})
    first, _ = auth.issue_secret(ALICE, seconds=7200, session={})
    auth.issue_secret(ALICE, seconds=10, session={})
    clock.now += 60
    values = [auth.issue_secret(ALICE, seconds=600, session={})[0] for _ in range(MAX_SECRETS - 1)]

    assert auth.identify(api_key=first) == Principal("alice", {})  # the expired one went instead
    auth.issue_secret(ALICE, seconds=600, session={})

    with pytest.raises(Unauthorized):
        auth.identify(api_key=first)
    for value in (values[0], values[-1]):
        assert auth.identify(api_key=value) == Principal("alice", {})
    assert auth.identify(api_key=bobs) == Principal("bob", {})


def test_a_secret_brings_its_session_to_an_open_service(clock: Clock) -> None:
    """Without keys a known one configures; any other lets in as nobody in particular (CS1)."""
    auth = Authenticator([], clock=clock)
    value, _ = auth.issue_secret(BOB, seconds=60, session=SESSION)

    assert auth.identify(api_key=value) == Principal("bob", SESSION)
    assert auth.identify(api_key="ek_unknown") is None
    clock.now += 60
    assert auth.identify(api_key=value) is None


def test_secrets_of_an_open_service_are_bounded(clock: Clock) -> None:
    """However many tenants its clients make up."""
    auth = Authenticator([], clock=clock)
    values = [
        auth.issue_secret(Principal(f"t{number}"), seconds=60, session={})[0]
        for number in range(MAX_SECRETS + 1)
    ]

    assert auth.identify(api_key=values[0]) is None
    assert auth.identify(api_key=values[1]) == Principal("t1", {})


def test_neither_secret_nor_session_is_shown(auth: Authenticator) -> None:
    """A principal may land in a log; what it was configured with does not (runtime RT-56)."""
    value, _ = auth.issue_secret(BOB, seconds=60, session={"prompt": "hush"})

    assert value not in repr(vars(auth))
    assert repr(auth.identify(api_key=value)) == "Principal(tenant_id='bob')"
