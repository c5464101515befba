"""Calls at a later time, all on one thread, without polling.

The callbacks run on that thread and must be short. Any thread may call any method; no callback runs
with the lock held.
"""

from __future__ import annotations

import heapq
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

log = logging.getLogger("stt.timers")


@dataclass(eq=False, slots=True)
class Timer:
    """One call to come."""

    call: Callable[[], object] = field(repr=False)
    cancelled: bool = False

    def cancel(self) -> None:
        """Do not call any more; a call already under way goes on."""
        self.cancelled = True
        self.call = _nothing


def _nothing() -> None:
    return None


class Timers:
    """A heap of calls and the thread that makes them. ``start`` once, ``close`` once."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._heap: list[tuple[float, int, Timer]] = []
        self._numbers = count()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="stt-timers", daemon=True)

    def start(self) -> None:
        """Start the thread, in the process that serves."""
        self._thread.start()

    def after(self, seconds: float, call: Callable[[], object]) -> Timer:
        """Call ``call`` in ``seconds``, once, unless cancelled or closed before."""
        timer = Timer(call)
        with self._changed:
            heapq.heappush(self._heap, (time.monotonic() + seconds, next(self._numbers), timer))
            self._changed.notify()
        return timer

    def every(self, seconds: float, call: Callable[[], object]) -> None:
        """Call ``call`` again and again, ``seconds`` after each call's end."""

        def again() -> None:
            try:
                call()
            finally:
                self.after(seconds, again)

        self.after(seconds, again)

    def close(self) -> None:
        """Make no more calls. Never raises."""
        with self._changed:
            self._closed = True
            self._heap.clear()
            self._changed.notify()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(5)

    def _run(self) -> None:
        while (timer := self._next()) is not None:
            if timer.cancelled:
                continue
            try:
                timer.call()
            except Exception:  # one bad call must not end the others
                log.exception("a timed call failed")

    def _next(self) -> Timer | None:
        """The next timer that is due; waits for it. None once closed."""
        with self._changed:
            while not self._closed:
                if not self._heap:
                    self._changed.wait()
                    continue
                due = self._heap[0][0] - time.monotonic()
                if due <= 0:
                    return heapq.heappop(self._heap)[2]
                self._changed.wait(due)
            return None
