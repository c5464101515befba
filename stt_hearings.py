"""The files on their way, so that a service that stops brings them to an end in time (AD8).

Each is driven by the thread of its request (`stt_file`); here is only who they are. One lock, and
while it is held nothing is called that takes another.
"""

from __future__ import annotations

import threading

from stt.errors import NotReady
from stt_file import Hearing


class Hearings:
    """See the module's docstring. Any thread may call."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._open: set[Hearing] = set()
        self._ended = False

    def add(self, file: Hearing) -> None:
        """A file that begins, until `remove`. Raises NotReady after `end`."""
        with self._changed:
            if self._ended:
                raise NotReady("the service is shutting down")
            self._open.add(file)

    def remove(self, file: Hearing) -> None:
        """It is over; may be said more than once."""
        with self._changed:
            self._open.discard(file)
            self._changed.notify_all()

    def end(self, timeout: float) -> bool:
        """Take no more; let the files come to their end for so many seconds, then fail them.

        Whether all came to their end.
        """
        with self._changed:
            self._ended = True
            done = self._changed.wait_for(lambda: not self._open, timeout)
            late = tuple(self._open)
        for file in late:
            file.interrupt(NotReady("the service is shutting down: send the file again"))
        return done
