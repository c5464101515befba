"""How a session ends that was asked to: when everything has been said, or when that takes too long.

The session's lock must be held for every call.
"""

from __future__ import annotations

from collections.abc import Callable

from stt.replies import Problem, Reply
from stt_outbox import Outbox
from stt_timers import Timer


class Parting:
    """The close that is due, its last word, and the bound on the wait for it (client S10)."""

    def __init__(
        self, outbox: Outbox, say: Callable[[Reply], None], expect: Callable[[], Timer]
    ) -> None:
        """``expect`` starts the timer that ends the wait."""
        self._outbox = outbox
        self._say = say
        self._expect = expect
        self._asked: tuple[int, Problem | None, Timer] | None = None
        self._over = False

    def ask(self, code: int, farewell: Problem | None) -> None:
        """Close with this code as soon as may be, after this word. The first one counts."""
        if self._asked is None:
            self._asked = code, farewell, self._expect()

    def part(self) -> None:
        """Nothing more is to be said: close, if that was asked for."""
        if self._asked is None or self._over:
            return
        self._over = True
        code, farewell, timer = self._asked
        timer.cancel()
        if farewell is not None:
            self._say(farewell)
        self._outbox.close(code, "" if farewell is None else farewell.code)
