"""The one interface of every recogniser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from stt.events import Hypothesis, Window


class Engine(Protocol):
    """Audio windows in, hypotheses out. Called by several worker threads at once."""

    name: str
    """For people: engine, model and device, such as ``faster-whisper base int8 on cpu``."""
    model: str
    """The model's name or folder."""
    multilingual: bool
    languages: frozenset[str]
    """The ISO-639-1 codes it accepts."""

    def transcribe(self, batch: Sequence[Window]) -> list[Hypothesis]:
        """One hypothesis per window, in order.

        The text of a window is the same alone and in any batch (recognition REC-70). Raises
        EngineError when any window cannot be recognised: the caller then tries them one by one.
        """

    def close(self) -> None:
        """Let go of the model. Never raises."""
