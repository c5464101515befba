"""How far ahead of real time a client may send audio: a token bucket of audio seconds.

Pure: the caller brings the clock, and does the waiting. A client that sends faster than the rate is
slowed by not being read (back-pressure), so nothing it sent is lost (runtime RT-27, F-12).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PaceOptions:
    """Audio seconds a second, and how many may come at once."""

    rate: float = 1.5
    burst: float = 10.0


class Pace:
    """One session's bucket; used by its reader thread only."""

    def __init__(self, options: PaceOptions, now: float) -> None:
        self._options = options
        self._level = options.burst
        self._filled = now

    def spend(self, seconds: float, now: float) -> float:
        """Take audio seconds out; how long to wait before reading on."""
        options = self._options
        refill = (now - self._filled) * options.rate
        self._level = min(options.burst, self._level + refill) - seconds
        self._filled = now
        return max(0.0, -self._level / options.rate)
