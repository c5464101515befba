"""The ids and the hints clients give: checked here, whatever door they come through.

Ids are those of chunks, tenants and sessions (native DM1, DM2, DM8). Hints are texts for the model.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

from stt.errors import BadInput

MAX_LENGTH = 128
MAX_HINT = 1000  # characters; the model takes a good 200 tokens of it at most
DEFAULT_TENANT = "0000"
"""Whoever names no tenant, where no keys are set (native DM1)."""


class Mint:
    """Ids for the chunks that the server names, for all sessions (native W33, client S13).

    Milliseconds since 1970 that only increase, so that none comes twice, not after a restart
    either. Any thread may call it; a leaf call (AC2).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest = 0  # guarded by the lock

    def __call__(self) -> str:
        with self._lock:
            self._newest = max(self._newest + 1, time.time_ns() // 1_000_000)
            return str(self._newest)


def checked_id(value: object, name: str) -> str:
    """A client's id as we keep it: a number becomes its decimal string.

    Legal: 1-128 printable characters. Raises BadInput naming ``name`` otherwise (native W11).
    """
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**MAX_LENGTH:
        return str(value)
    if isinstance(value, str) and 0 < len(value) <= MAX_LENGTH and value.isprintable():
        return value
    raise BadInput(
        f"{name} must be 1 to {MAX_LENGTH} printable characters or a whole number, "
        f"got {shortened(value)}"
    )


def checked_hint(value: str, name: str) -> str:
    """A prompt or hot words, without blanks around them.

    Raises BadInput naming ``name`` and the limit above 1000 characters (client-S1).
    """
    if len(value) > MAX_HINT:
        raise BadInput(f"{name} may have {MAX_HINT} characters, got {len(value)}")
    return value.strip()


def as_hint(words: Iterable[str]) -> str:
    """Words that may be said, as one hint for the model."""
    return ", ".join(words)


def fitting(words: Iterable[str]) -> tuple[str, ...]:
    """As many words as one hint holds; the first are taken to matter most."""
    kept: list[str] = []
    for word in words:
        if len(as_hint([*kept, word])) > MAX_HINT:
            break
        kept.append(word)
    return tuple(kept)


def shortened(value: object) -> str:
    """A value as a message may show it: at most 60 characters, whatever it is."""
    try:
        shown = repr(value)
    except (ValueError, RecursionError):  # an int of too many digits, lists too deep for Python
        return f"a {type(value).__name__} too large to show"
    return shown if len(shown) <= 60 else shown[:57] + "..."
