"""When the audio of second t arrived: the base of every latency that a user would feel (S5).

Pure data: the caller brings the clock. One writer at a time (the session's lock).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left

SPAN = 600  # arrivals kept, at least: a minute of 100 ms frames


class ArrivalTimeline:
    """Arrivals of the newest audio: (audio end in s, clock in s), both increasing."""

    def __init__(self) -> None:
        self._ends = array("d")  # eight bytes each, for there are many sessions
        self._clocks = array("d")
        self._forgotten = -1.0  # the end of the newest audio whose arrival is forgotten

    def arrived(self, end: float, clock: float) -> None:
        """Audio up to ``end`` seconds was there at ``clock``."""
        if len(self._ends) == 2 * SPAN:
            self._forgotten = self._ends[SPAN - 1]
            del self._ends[:SPAN], self._clocks[:SPAN]
        self._ends.append(end)
        self._clocks.append(clock)

    def when(self, second: float) -> float | None:
        """The clock when the audio of ``second`` had arrived; None when it is forgotten."""
        if not self._ends or second > self._ends[-1] or second <= self._forgotten:
            return None
        return self._clocks[bisect_left(self._ends, second)]

    def forget(self, second: float) -> None:
        """Nobody asks any more for audio before ``second``; its own frame is kept (S6)."""
        before = min(bisect_left(self._ends, second), len(self._ends) - 1)
        if before > 0:
            self._forgotten = self._ends[before - 1]
            del self._ends[:before], self._clocks[:before]

    def __len__(self) -> int:
        return len(self._ends)
