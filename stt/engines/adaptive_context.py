"""Raises the encoder lengths of a model that short input does not suit (recognition REC-45).

A profile can be wrong for the speech that really comes. The guard (REC-44) says so window by
window; when it had to help too often, all windows of that kind get more from then on. When it
hardly had to for a long time, they get a step less again, but never less than the profile says.

Only windows whose length is the minimum of their kind say something of it. One whose own audio is
longer does not, nor does one that 30 s do not help.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from dataclasses import dataclass, field

from stt.engines.encoder_context import FULL, EncoderContext, grid
from stt.events import Kind

log = logging.getLogger("stt.engines")

WINDOWS = 100  # REC-45: where of the last so many windows at the minimum ...
MOST_RETRIES = 5  # ... more than this were helped by 30 s, the minimum is too low
CLEAN = 500  # where of so many no more than MOST_RETRIES were, one step less is tried
LONGEST = 8 * CLEAN  # each time that was in vain it takes twice as many, up to so many


class AdaptiveContext:
    """Encoder lengths that go up and come down. Any thread may use it; its lock is a leaf."""

    def __init__(self, context: EncoderContext) -> None:
        """``context``: what the profile or the setting says; no length goes below it."""
        self._lock = threading.Lock()  # guards what is remembered, and the change of the context
        self._floor = context
        self._context = context
        self._interims = _Record()
        self._finals = _Record()

    @property
    def context(self) -> EncoderContext:
        """The numbers that hold now."""
        return self._context

    def length(self, kind: Kind, frames: int) -> int:
        """Feature frames to encode; takes no lock."""
        return self._context.length(kind, frames)

    def note(self, kind: Kind, length: int, *, helped: bool) -> None:
        """Remember a window that was encoded at ``length``.

        ``helped``: it looked wrong and, decoded again at 30 s, no longer did. A window that still
        did is not to be noted.
        """
        with self._lock:
            before = self._context
            if length != grid(before.least(kind)):  # its own audio, or an older minimum
                return
            record = self._interims if kind is Kind.INTERIM else self._finals
            above = before.least(kind) > self._floor.least(kind)
            match record.step(helped=helped and length < FULL, above=above):
                case 1:
                    self._context = before.raised(kind)
                case -1:
                    self._context = before.lowered(kind, self._floor)
            now = self._context
        if now.least(kind) != before.least(kind):
            _tell(kind, before.least(kind), now.least(kind))


@dataclass(slots=True)
class _Record:
    """What the windows at the minimum of one kind were like."""

    recent: deque[bool] = field(default_factory=lambda: deque(maxlen=WINDOWS))
    """Whether 30 s helped, of each."""
    windows: int = 0
    """Since the minimum changed, or less was last thought of; also the next."""
    retries: int = 0
    patience: int = CLEAN
    """Windows after which less is tried."""
    fell: bool = False
    """Whether the last change was to less."""

    def step(self, *, helped: bool, above: bool) -> int:
        """Count a window; whether the minimum is to go up (1), down (-1) or to stay (0).

        ``above``: it may go down.
        """
        self.recent.append(helped)
        self.windows += 1
        self.retries += helped
        if sum(self.recent) > MOST_RETRIES:
            if self.fell:  # less was tried in vain
                self.patience = min(2 * self.patience, LONGEST)
            self._begin(fell=False)
            return 1
        if not above or self.windows < self.patience:
            return 0
        clean = self.retries * CLEAN <= MOST_RETRIES * self.windows
        self._begin(fell=clean or self.fell)
        return -1 if clean else 0

    def _begin(self, *, fell: bool) -> None:
        self.recent.clear()
        self.windows = self.retries = 0
        self.fell = fell


def _tell(kind: Kind, before: int, now: int) -> None:
    kinds = "interims" if kind is Kind.INTERIM else "finals"
    if now > before:
        log.warning(
            "more than %d of %d %s had to be decoded again, and 30 s helped; the encoder gets at "
            "least %d feature frames of them from now on",
            MOST_RETRIES,
            WINDOWS,
            kinds,
            now,
        )
    else:
        log.info(
            "hardly any %s had to be decoded again; the encoder gets %d feature frames of them at "
            "least, no longer %d",
            kinds,
            now,
            before,
        )
