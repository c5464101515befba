"""How much work each tenant has received: the clocks that make the queue fair (REC-63, QM-12).

Start-time fair queueing with equal weights (Goyal, Vin, Cheng, SIGCOMM 1996): the tenant whose
clock is lowest is next, its clock moves by the work it gets, and the *level*, the lowest clock
among those who wait, moves up with them. A tenant that was away comes back at the level: it has no
saved-up credit. Pure: no lock, no real clock.
"""

from __future__ import annotations

from collections.abc import Iterable

MAX_CLOCKS = 4096  # tenants that may be remembered ahead of the level; ids come from clients


class TenantClocks:
    """The clock of each tenant, in seconds of work."""

    def __init__(self) -> None:
        self._work: dict[str, float] = {}
        self._level = 0.0

    def of(self, tenant: str) -> float:
        """Where a tenant stands; the lowest is next."""
        return max(self._work.get(tenant, 0.0), self._level)

    def charge(self, tenant: str, seconds: float) -> None:
        """A tenant got so much work; negative: it was charged too much before."""
        self._work[tenant] = self.of(tenant) + seconds
        if len(self._work) > MAX_CLOCKS:
            self._forget()

    def rise(self, waiting: Iterable[str]) -> None:
        """The level follows the lowest clock of these tenants, who wait now; never down."""
        lowest = min((self.of(tenant) for tenant in waiting), default=self._level)
        self._level = max(self._level, lowest)

    def _forget(self) -> None:
        """Below the level a clock says nothing; of the rest those furthest ahead are kept."""
        ahead = {tenant: work for tenant, work in self._work.items() if work > self._level}
        kept = sorted(ahead, key=lambda tenant: -ahead[tenant])[: MAX_CLOCKS // 2]
        self._work = {tenant: ahead[tenant] for tenant in kept}

    def __len__(self) -> int:
        return len(self._work)
