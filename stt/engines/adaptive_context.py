"""Raises the encoder lengths of a model that short input does not suit (recognition REC-45).

A profile can be wrong for the speech that really comes. The guard (REC-44) says so window by
window; when it had to help too often, all windows of that kind get more from then on.
"""

from __future__ import annotations

import logging
import threading
from collections import deque

from stt.engines.encoder_context import FULL, EncoderContext
from stt.events import Kind

log = logging.getLogger("stt.engines")

WINDOWS = 100  # REC-45: of the last so many short windows of a kind ...
MOST_RETRIES = 5  # ... more than this were decoded again: the minimum is too low


class AdaptiveContext:
    """Encoder lengths that only grow. Any thread may use it; it calls nobody under its lock."""

    def __init__(self, context: EncoderContext) -> None:
        self._lock = threading.Lock()  # guards what is remembered, and the change of the context
        self._context = context
        self._interims: deque[bool] = deque(maxlen=WINDOWS)
        """Whether each of the last short windows was decoded again."""
        self._finals: deque[bool] = deque(maxlen=WINDOWS)

    @property
    def context(self) -> EncoderContext:
        """The numbers that hold now."""
        return self._context

    def length(self, kind: Kind, frames: int) -> int:
        """Feature frames to encode; takes no lock."""
        return self._context.length(kind, frames)

    def note(self, kind: Kind, length: int, *, retried: bool) -> None:
        """Remember whether a window that was encoded at ``length`` had to be decoded again."""
        if length >= FULL:  # no more can be given
            return
        with self._lock:
            recent = self._interims if kind is Kind.INTERIM else self._finals
            recent.append(retried)
            if sum(recent) <= MOST_RETRIES:
                return
            recent.clear()
            self._context = now = self._context.raised(kind)
        interim = kind is Kind.INTERIM
        log.warning(
            "more than %d of %d %s had to be decoded again at 30 s; the encoder gets at least "
            "%d feature frames of them from now on",
            MOST_RETRIES,
            WINDOWS,
            "interims" if interim else "finals",
            now.min_interim if interim else now.min_final,
        )
