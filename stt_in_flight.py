"""The bytes received and not used yet, of all WebSocket connections together (runtime RT-28).

Each connection has bounds of its own; many of them together could still fill the memory. So who is
above its fair share while all hold too much must go (1013: try again later).
"""

from __future__ import annotations

import threading

MOST = 256 * 2**20
"""Bytes."""
FAIR_SHARE = 2**20
"""Bytes that a connection may hold even then."""
CROWDED = "the server holds too many bytes"
"""Why it must go."""


class InFlight:
    """See the module's docstring."""

    def __init__(self, limit: int = MOST) -> None:
        self.limit = limit
        self.held = 0
        """Bytes; read it without a lock."""
        self._lock = threading.Lock()

    def change(self, by: int) -> None:
        """Add what a connection has got, or take off what it gave away. Any thread."""
        with self._lock:
            self.held += by

    @property
    def full(self) -> bool:
        """Whether a connection above its fair share must go."""
        return self.held > self.limit
