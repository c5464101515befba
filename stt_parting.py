"""How a session ends that was asked to: when everything has been said.

That is bounded, as a final that does not come in time is given up (`stt_due`). The session's lock
must be held for every call.
"""

from __future__ import annotations

from collections.abc import Callable

from stt.replies import Problem, Reply
from stt_outbox import Outbox


class Parting:
    """The close that is due, and its last word (client S10)."""

    def __init__(self, outbox: Outbox, say: Callable[[Reply], None]) -> None:
        self._outbox = outbox
        self._say = say
        self._asked: tuple[int, Problem | None] | None = None
        self._over = False

    def ask(self, code: int, farewell: Problem | None) -> None:
        """Close with this code as soon as may be, after this word. The first one counts."""
        self._asked = self._asked or (code, farewell)

    def part(self) -> None:
        """Nothing more is to be said: close, if that was asked for."""
        if self._asked is None or self._over:
            return
        self._over = True
        code, farewell = self._asked
        if farewell is not None:
            self._say(farewell)
        self._outbox.close(code, "" if farewell is None else farewell.code)
