"""When a client falls silent in mid-utterance: a muted microphone, a dead network.

Silence that is heard ends an utterance; where no audio comes there is none to hear, and the final
would never come. So the wall clock decides: after a while without audio the utterance ends as if
the client had asked for it (recognition REC-55). The chunk stays open, and audio may follow.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from stt_timers import Timers


class StallWatch:
    """Of one session, whose lock must be held for every call.

    Thousands of sessions are silent at any time and cost nothing: no timer waits while no utterance
    is open, and audio only moves the time; the timer that waits looks at it when it rings.
    """

    def __init__(
        self,
        wait: float,
        *,
        timers: Timers,
        ring: Callable[[], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``wait``: s without audio, 0: for ever. ``ring``: called without the lock; see `rang`."""
        self._wait = wait
        self._timers = timers
        self._ring = ring
        self._clock = clock
        self._due = 0.0
        self._armed = False

    def heard(self, seconds: float, *, speaking: bool) -> None:
        """Audio came, and after it an utterance is open or not.

        A message of so many seconds stands for as much time: the next is not late before that.
        """
        self._due = self._clock() + seconds + self._wait
        if speaking:
            self._arm()

    def rang(self, *, speaking: bool) -> bool:
        """The timer has called: whether the open utterance must end now."""
        self._armed = False
        if speaking and self._clock() < self._due:
            self._arm()
            return False
        return speaking

    def _arm(self) -> None:
        if self._wait > 0 and not self._armed:
            self._armed = True
            self._timers.after(self._due - self._clock(), self._ring)
