"""The grammar of ``STT_ENCODER_CONTEXT``, for those who read it and for those who use it.

``auto``, ``full`` or a number of seconds, for all windows or for a kind: ``interim=5,final=full``.
What it means for a model is the engine's business (recognition section 5).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

LEAST = 0.5  # seconds, the shortest length in use
FULL = 30.0  # seconds, Whisper's training length
ALLOWED = (
    f"auto, full, or seconds from {LEAST:g} to {FULL:g}; or such for a kind: interim=5,final=10"
)
"""What a value may be, as the end of a sentence that begins "must be"."""


@dataclass(frozen=True, slots=True)
class ContextSetting:
    """The least seconds of each kind of window; None: as the model's profile has it."""

    interim: float | None = None
    final: float | None = None
    """For finals, what may become one, and files."""

    @classmethod
    def parse(cls, text: str) -> ContextSetting:
        """What a text says, in any case and with any blanks. Raises ValueError."""
        text = tidied(text)
        if "=" not in text:
            least = _least(text)
            return cls(least, least)
        named: dict[str, float | None] = {}
        for part in text.split(","):
            kind, _, value = part.partition("=")
            if kind not in ("interim", "final") or kind in named:
                raise ValueError(part)
            named[kind] = _least(value)
        return cls(**named)


def tidied(text: str) -> str:
    """Without blanks, in lower case."""
    return "".join(text.lower().split())


def _least(text: str) -> float | None:
    """The seconds one value means."""
    match text:
        case "auto":
            return None
        case "full":
            return FULL
    seconds = float(text)
    if not (math.isfinite(seconds) and LEAST <= seconds <= FULL):
        raise ValueError(text)
    return seconds
