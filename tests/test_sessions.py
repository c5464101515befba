"""Tests of POST /session."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.doors import House, build

REFUSAL = {
    "error": "source must be one of ['mic', 'file', 'url', 'stdin', 'youtube', 'unspecified']"
}


@pytest.fixture(name="house")
def _house() -> Iterator[House]:
    house = build()
    yield house
    house.store.close()


def test_a_session_is_a_new_tenant(house: House) -> None:
    """200 with 32 hexadecimal digits and the source; each time another tenant (native AL7)."""
    answers = [house.http.post("/session", json={"source": "mic"}) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    tenants = [answer.get_json()["tenant_id"] for answer in answers]
    assert all(re.fullmatch("[0-9a-f]{32}", tenant) for tenant in tenants)
    assert tenants[0] != tenants[1]
    assert answers[0].get_json() == {"tenant_id": tenants[0], "source": "mic"}


def test_the_source_may_stand_in_the_query(house: House) -> None:
    """?source= works, and no source at all is unspecified (native AL7)."""
    assert house.http.post("/session?source=url").get_json()["source"] == "url"
    assert house.http.post("/session").get_json()["source"] == "unspecified"


@pytest.mark.parametrize(
    "body", [b'{"source": "bogus"}', b'{"source": 5}', b'{"source": null}', b"[1]", b"mic",
             b'{"a":' + b"[" * 100_000],
)  # fmt: skip
def test_a_bad_source_is_400(house: House, body: bytes) -> None:
    """Its sentence names the sources (native AL9)."""
    answer = house.http.post("/session", data=body, content_type="application/json")

    assert (answer.status_code, answer.get_json()) == (400, REFUSAL)


def test_with_keys_the_session_is_the_keys_tenant() -> None:
    """A key can neither mint nor reach another tenant (native AL11, HT-AUTH)."""
    house = build({"ka": "alice"})

    refused = house.http.post("/session", json={"source": "mic"})
    opened = house.http.post(
        "/session", json={"source": "mic"}, headers={"Authorization": "Bearer ka"}
    )

    assert refused.status_code == 401
    assert opened.get_json() == {"tenant_id": "alice", "source": "mic"}
    house.store.close()
