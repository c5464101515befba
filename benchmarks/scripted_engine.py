"""An engine that costs what a model costs and says what a script says.

A model with random weights (benchmarks/random_model.py) hardly ever ends a text and writes
nonsense, so a stream, a scheduler or a server that runs on it behaves like none in use. Here the
real model is called for every window, and is forced to decode exactly the tokens of the script's
text: forced tokens cost what free ones do (recognition 1.7). What it writes is thrown away.

In a batch all windows take the steps of the longest text, where a real decoder lets go of those
that have ended; their texts are about equally long, because their encoder lengths are equal.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TypeAlias

from stt.engines.fake import hypothesis_of
from stt.engines.faster_whisper import FasterWhisperEngine
from stt.engines.models import ModelSource
from stt.engines.options import EngineOptions
from stt.engines.whisper_decoder import Decoder
from stt.engines.whisper_decoding import Decoding
from stt.engines.whisper_prompt import POSITIONS
from stt.events import Hypothesis, Window

Script: TypeAlias = Callable[[Window], Hypothesis | str]
"""What to answer for a window; a text starts with ``Window.prefix``, or is made to."""

NUMBERS = ("zero", "one,", "two", "three,", "four,", "five", "six,", "seven", "eight,", "nine,")
"""The commas are tokens of their own: 1.6 tokens a word."""
WORDS_PER_SECOND = 2.5  # so 4 tokens a second, as most languages have (recognition 2.6)


def count_on(window: Window) -> str:
    """The default script: counts on from the window's prefix or the text before it.

    A window of s seconds has 2.5 s words, whatever part of them is committed; so a text only grows
    while its window does, and goes on where it was when the window is cut.
    """
    said = window.prefix.split()
    last = (said or window.previous.split() or [""])[-1].strip(",.")
    digits = [number.strip(",") for number in NUMBERS]
    begin = digits.index(last) + 1 if last in digits else 1
    more = max(int(window.seconds * WORDS_PER_SECOND) - len(said), 0)
    words = [NUMBERS[(begin + number) % len(NUMBERS)] for number in range(more)]
    space = " " if words and window.prefix and not window.prefix[-1].isspace() else ""
    return window.prefix + space + " ".join(words)


class ForcingDecoder(Decoder):
    """Decodes a window's prefix and its end mark, and no further."""

    def _prepare(self, decoding: Decoding, length: int, *, again: bool) -> None:
        super()._prepare(decoding, length, again=again)
        decoding.steps = len(decoding.prompt.prefix) + 1
        decoding.cap = POSITIONS  # what comes after is no loop but the rest of the batch


class ScriptedEngine(FasterWhisperEngine):
    """An ``Engine`` with the costs of a model and the text of a script; threads as its parent."""

    decoder = ForcingDecoder

    def __init__(
        self, source: ModelSource, options: EngineOptions, *, script: Script = count_on
    ) -> None:
        """Load the model. Raises SettingError."""
        super().__init__(source, options)
        self._script = script
        self.name = f"scripted on {self.name}"

    def transcribe(self, batch: Sequence[Window]) -> list[Hypothesis]:
        """The script's hypotheses, after the model has worked for them.

        Raises EngineError as its parent, and what the script raises.
        """
        answers = [self._answer(window) for window in batch]
        super().transcribe(
            [
                dataclasses.replace(window, prefix=answer.text)
                for window, answer in zip(batch, answers, strict=True)
            ]
        )
        return answers

    def _answer(self, window: Window) -> Hypothesis:
        answer = self._script(window)
        return answer if isinstance(answer, Hypothesis) else hypothesis_of(answer, window)

    @staticmethod
    def _looks_wrong(decoding: Decoding) -> bool:  # noqa: ARG004  of the parent
        """The guard is off: all that a random model writes looks wrong."""
        return False
