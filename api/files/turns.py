"""How many files may be on their way, and how many bytes they may hold together (F-17, LIB-15)."""

from __future__ import annotations

import threading

from stt.errors import QueueFull


class Turns:
    """Each file on its way holds a thread of the server and its body; this bounds both.

    Any thread may call. A file too many is refused before its body is read.
    """

    def __init__(self, at_once: int, max_bytes: int) -> None:
        self._at_once = at_once
        self._max_bytes = max_bytes
        self._lock = threading.Lock()  # guards the two below, and those of every turn
        self._taken = 0
        self._held = 0

    def take(self) -> Turn:
        """One file more; whoever takes it releases it. Raises QueueFull."""
        with self._lock:
            if self._taken >= self._at_once:
                raise QueueFull(f"{self._at_once} files are being transcribed: try again later")
            self._taken += 1
        return Turn(self)

    @property
    def taken(self) -> int:
        """Files on their way."""
        return self._taken

    def hold(self, size: int) -> None:
        """For `Turn`: count bytes. Raises QueueFull where they are too many, and counts none."""
        with self._lock:
            if self._held + size > self._max_bytes:
                raise QueueFull("the files that are being transcribed fill the memory for them")
            self._held += size

    def give_back(self, size: int) -> None:
        """For `Turn`: a file is over."""
        with self._lock:
            self._taken -= 1
            self._held -= size


class Turn:
    """One file's place. Not for two threads at once."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._held = 0
        self._over = False

    def hold(self, size: int) -> None:
        """So many more bytes of the body are in memory, or will be. Raises QueueFull."""
        self._turns.hold(size)
        self._held += size

    def release(self) -> None:
        """Make room for the next file. Only the first call counts; never raises."""
        if not self._over:
            self._over = True
            self._turns.give_back(self._held)
