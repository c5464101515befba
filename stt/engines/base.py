"""The one interface of every recogniser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from stt.costs import CostTable
from stt.events import Hypothesis, Kind, Window


class Engine(Protocol):
    """Audio windows in, hypotheses out. Called by several worker threads at once."""

    name: str
    """For people: engine, model and device, such as ``faster-whisper base int8 on cpu``."""
    device: str
    """Where it computes: ``cpu`` or ``cuda``. Batches are larger on a GPU (recognition REC-76)."""
    model: str
    """The model's name or folder."""
    translates: bool
    """Whether it can translate into English."""
    languages: frozenset[str]
    """The ISO-639-1 codes it accepts."""
    n_mels: int
    """Mel bands of the features it wants in a window; 0: it wants samples."""
    costs: CostTable
    """What its calls cost on this machine, measured when it was loaded (recognition REC-67)."""

    def frames(self, kind: Kind, seconds: float) -> int:
        """Feature frames the encoder gets for a window: only equal ones share a batch (REC-65).

        A cheap leaf call; the queue makes it under its lock.
        """

    def transcribe(self, batch: Sequence[Window]) -> list[Hypothesis]:
        """One hypothesis per window, in order.

        The text of a window is the same alone and in any batch (recognition REC-70). Raises
        EngineError when any window cannot be recognised: the caller then tries them one by one.
        """

    def close(self) -> None:
        """Let go of the model. Never raises."""
