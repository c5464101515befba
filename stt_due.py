"""Finals that are due: a timer for each, so that no client waits for ever (native W8)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from stt.speech.chunk import Chunk
from stt_timers import Timer, Timers
from stt_track import Track


class Due:
    """Of one session, whose lock must be held for every call."""

    def __init__(
        self, wait: float, *, timers: Timers, ring: Callable[[Track, Chunk], object]
    ) -> None:
        """``wait``: s until a final is late; ``ring`` is called then, without the lock."""
        self._wait = wait
        self._timers = timers
        self._ring = ring
        self._waiting: dict[str, Timer] = {}  # by chunk

    def expect(self, track: Track, chunk: Chunk) -> None:
        """No more audio belongs to a chunk; the first word of that counts."""
        if chunk.id not in self._waiting:  # else its utterance had ended when the client commits
            call = partial(self._ring, track, chunk)
            self._waiting[chunk.id] = self._timers.after(self._wait, call)

    def said(self, chunk_id: str) -> None:
        """A chunk has its final."""
        timer = self._waiting.pop(chunk_id, None)
        if timer is not None:
            timer.cancel()
