"""One window on its way through the model, and what groups such windows. Data only."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from faster_whisper.tokenizer import Tokenizer
from numpy import float32
from numpy.typing import NDArray

from stt.engines.whisper_prompt import Prompt
from stt.engines.whisper_tokens import Pieces
from stt.events import Window, Word

Item = TypeVar("Item")
Key = TypeVar("Key")


@dataclass(slots=True, eq=False)
class Decoding:
    """One window; each step fills in its part."""

    window: Window
    features: NDArray[float32]
    """(n_frames, n_mels) float32, clipped and scaled, without padding."""
    row: int = 0
    """Its place in the encoder output."""
    language: str = "en"
    language_probability: float = 1.0
    tokenizer: Tokenizer | None = None
    prompt: Prompt = field(default_factory=lambda: Prompt([], [], 0, []))
    cap: int = 0
    """The most new tokens: more are a loop (REC-15), or have no position left."""
    steps: int = 0
    """The most decoding steps, the forced prefix included (API-04)."""
    tokens: list[int] = field(default_factory=list)
    """What the model wrote behind the forced prefix."""
    capped: bool = False
    """It would have written on."""
    average_logprob: float = 0.0
    no_speech_probability: float = 0.0
    pieces: Pieces = field(default_factory=lambda: Pieces([], []))
    words: tuple[Word, ...] = ()

    @property
    def frames(self) -> int:
        """Feature frames of audio."""
        return len(self.features)

    @property
    def beam(self) -> int:
        """Hypotheses kept while decoding."""
        return self.window.beam


def grouped(items: Iterable[Item], key: Callable[[Item], Key]) -> dict[Key, list[Item]]:
    """Items by their key, in order of first appearance."""
    groups: dict[Key, list[Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups
