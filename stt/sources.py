"""Which tenant a source such as ``mic`` means: the newest session of that source (native AL10).

Older clients open a session for a source and read by the source's name, without the tenant (RD15).
Keeps a pointer per source, no transcripts; knows no HTTP.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable

SOURCES = ("mic", "file", "url", "stdin", "youtube", "unspecified")  # RD15


class Sources:
    """The newest tenant of each source (AL10). Thread-safe: one lock."""

    def __init__(self, *, ttl: float, clock: Callable[[], float]) -> None:
        """``ttl``: seconds a session can be found by its source; ``clock``: monotonic seconds."""
        self._ttl = ttl
        self._clock = clock
        self._lock = threading.Lock()
        self._newest: dict[tuple[str | None, str], tuple[str, float]] = {}

    def open(self, source: str, owner: str | None) -> str:
        """Begin a session; its tenant: a new one, or the owner's where keys are on (AL11)."""
        tenant = owner or uuid.uuid4().hex
        with self._lock:
            self._newest[owner, source] = tenant, self._clock() + self._ttl
        return tenant

    def tenant(self, source: str, owner: str | None) -> str | None:
        """The tenant of the newest session of a source, or None; an owner finds only its own."""
        with self._lock:
            tenant, expiry = self._newest.get((owner, source), (None, 0.0))
        return tenant if expiry > self._clock() else None
