"""Addresses that only this machine can reach (stt/addresses.py)."""

from __future__ import annotations

from stt.addresses import is_loopback


def test_loopback_addresses() -> None:
    """Addresses of this machine only; an unknown name is not taken for one (RT-53)."""
    for host in ("127.0.0.1", "127.1.2.3", "localhost", "LOCALHOST", "::1", "[::1]"):
        assert is_loopback(host), host
    for host in (
        "0.0.0.0",
        "192.168.0.7",
        "::",
        "example.org",
        "127.0.0.1.example.org",
        "x.localhost",
    ):
        assert not is_loopback(host), host
