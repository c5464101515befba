"""Tests of API keys and tickets."""

from __future__ import annotations

import pytest

from stt.auth import MAX_TICKETS, TICKET_SECONDS, Authenticator, Principal
from stt.errors import SettingError, Unauthorized

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
