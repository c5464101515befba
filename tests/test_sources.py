"""Tests of the pointers from sources to tenants."""

from __future__ import annotations

from stt.sources import Sources
from tests.doors import Clock


def test_the_newest_session_counts() -> None:
    """A source means the tenant opened last, other sources have their own (native AL10)."""
    sources = Sources(ttl=10, clock=Clock())
    sources.open("mic", None)

    newest = sources.open("mic", None)

    assert sources.tenant("mic", None) == newest
    assert sources.tenant("file", None) is None


def test_a_pointer_expires() -> None:
    """After its time a source means nobody (native AL10)."""
    clock = Clock()
    sources = Sources(ttl=10, clock=clock)
    tenant = sources.open("mic", None)

    clock.now += 9.9
    assert sources.tenant("mic", None) == tenant
    clock.now += 0.1

    assert sources.tenant("mic", None) is None


def test_owners_do_not_see_each_other() -> None:
    """With keys on a source means the key's own tenant only (native AL11)."""
    sources = Sources(ttl=10, clock=Clock())

    assert sources.open("mic", "alice") == "alice"
    assert sources.tenant("mic", "alice") == "alice"
    assert sources.tenant("mic", "bob") is None
    assert sources.tenant("mic", None) is None
