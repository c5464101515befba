"""The clocks of tenants: who is next, and who comes back without credit."""

from __future__ import annotations

from stt_tenants import MAX_CLOCKS, TenantClocks


def test_work_moves_a_clock() -> None:
    """The tenant that got less is lower, and a correction takes back (REC-67)."""
    clocks = TenantClocks()

    clocks.charge("a", 3.0)
    clocks.charge("b", 2.0)
    clocks.charge("a", -2.5)

    assert clocks.of("a") == 0.5
    assert clocks.of("b") == 2.0


def test_a_tenant_that_was_away_comes_back_at_the_level() -> None:
    """Whoever served alone for long is not shut out by one who comes then."""
    clocks = TenantClocks()
    for _ in range(10):
        clocks.rise(["old"])
        clocks.charge("old", 1.0)

    assert clocks.of("new") == 9.0
    assert clocks.of("old") == 10.0


def test_the_level_never_falls() -> None:
    """It follows the lowest of those who wait, and stays when nobody does."""
    clocks = TenantClocks()
    clocks.charge("a", 5.0)
    clocks.rise(["a"])
    clocks.rise([])
    clocks.charge("a", -3.0)
    clocks.rise(["a", "b"])

    assert clocks.of("b") == 5.0


def test_names_that_clients_make_up_fill_no_memory() -> None:
    """Who is below the level is forgotten, and of the others those a little ahead of it."""
    clocks = TenantClocks()
    clocks.charge("busy", 1000.0)
    for n in range(3 * MAX_CLOCKS):
        clocks.charge(f"made up {n}", 0.001)

    assert len(clocks) <= MAX_CLOCKS
    assert clocks.of("busy") == 1000.0
