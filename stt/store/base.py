"""The one interface of every transcript store: tenant -> chunk -> text (native DM7, section 9).

A *ticket* is the arrival time of the audio at the server, in ns since the epoch. It settles every
race: text of an older ticket never replaces that of a newer one (native B3), and text whose ticket
is older than the chunk's removal does not bring the chunk back (native B27, RE5).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Stored:
    """The transcript of one chunk."""

    tenant: str
    chunk_id: str
    text: str
    """Never blank: a blank text is not stored (native FI3)."""
    ticket: int
    """Arrival of the audio, ns since the epoch; retention counts from it (native RE1)."""
    is_final: bool = False
    words: str = "[]"
    """JSON: a list of {"word", "start_ms", "end_ms", "probability"}."""


Edit = Callable[[Sequence[Stored]], dict[str, str | None]]
"""Sees a tenant's chunks in order, says what changes: chunk id -> new text, None: remove it."""


class TranscriptStore(Protocol):
    """Thread-safe. Reads see every put whose future is done. Raises StoreError."""

    def put(self, row: Stored) -> Future[None]:
        """Keep a transcript; never blocks. The future is done when it would survive ``kill -9``."""

    def get(self, tenant: str, chunk_id: str) -> Stored | None:
        """One chunk, or None."""

    def has(self, tenant: str) -> bool:
        """Whether a tenant has any chunk."""

    def chunks(self, tenant: str) -> list[Stored]:
        """All chunks of a tenant: decimal ids by value, then the others by arrival (native DM9)."""

    def edit(self, tenant: str, edit: Edit) -> None:
        """Read a tenant's chunks and change them in one step: two pops never give the same text."""

    def sweep(self, older_than: int) -> int:
        """Remove every chunk whose ticket is below ``older_than`` (ns); how many (native RE1)."""

    def healthy(self) -> bool:
        """Whether it can be read and written now."""

    def close(self) -> None:
        """Write what is waiting, then let go. Never raises."""
