"""An engine that needs no model: for tests, demonstrations and load tests (``STT_ENGINE=fake``).

Its text follows from the length of the window, so that it only ever grows while a window grows, as
a perfect recogniser's would. Of the audio it only hears where the digital silence at its end
begins: a window that was read late, and so reaches into the pause behind an utterance, has the
words of the utterance and no more.
"""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from stt.costs import CostTable
from stt.errors import EngineError
from stt.events import FEATURE_RATE, SAMPLE_RATE, Hypothesis, Kind, Window, Word

Script: TypeAlias = Callable[[Window], Hypothesis | str]
"""What to answer for a window; may raise. A text becomes a hypothesis with evenly spread words."""

NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
WORD_SECONDS = 0.5  # of audio for one word of the default script
PAUSE = 0.1  # s of the silence at the end that still count: less than any final's window has
SILENT = -9.5  # log10 of mel energies below which a frame holds digital silence (see stt.mel)
REMEMBERED = 1000  # windows kept for tests; a load test must not fill the memory


def count_up(window: Window) -> str:
    """The default script: a digit per half second, "one two ... nine zero one ...".

    A window whose prefix ends on a digit goes on from there: its first words were cut off.
    """
    words, forced = int(_spoken(window) / WORD_SECONDS), window.prefix.split()
    first = (
        NUMBERS.index(forced[-1]) + 1 - len(forced) if forced[-1:] and forced[-1] in NUMBERS else 1
    )
    return " ".join(NUMBERS[(first + at) % len(NUMBERS)] for at in range(words))


def _spoken(window: Window) -> float:
    """Seconds up to PAUSE behind the last sound; all of a window without any, as tests make them.

    Never less for a longer window of the same audio, so that the text only grows.
    """
    if window.features is not None:
        sounds, rate = window.features.max(axis=1) > SILENT, FEATURE_RATE
    else:
        sounds, rate = window.samples != 0, SAMPLE_RATE
    if not sounds.any():
        return window.seconds
    silence = int(np.argmax(sounds[::-1])) / rate
    return window.seconds - max(silence - PAUSE, 0.0)


class FakeEngine:
    """An ``Engine`` that follows a script; any number of threads may call it.

    Args:
        script: What to answer.
        delay: Seconds every call takes, slept with the interpreter lock released.
        gate: While it is not set, calls wait before they answer: a test holds them by it.
        remember: How many windows are kept for tests; each keeps its audio in memory.
    """

    name = "fake"
    device = "cpu"
    model = "fake"
    translates = True
    languages = frozenset({"de", "en", "es", "fr", "hi", "ja", "zh"})
    n_mels = 0
    costs = CostTable()

    def __init__(
        self,
        script: Script = count_up,
        *,
        delay: float = 0.0,
        gate: threading.Event | None = None,
        remember: int = REMEMBERED,
    ) -> None:
        self._script = script
        self._delay = delay
        self._gate = gate
        self._closed = False
        self._changed = threading.Condition()  # guards the four below
        self.windows: deque[Window] = deque(maxlen=remember)
        """The windows of the last calls, oldest first; noted before a call waits."""
        self.batches: deque[int] = deque(maxlen=REMEMBERED)
        """How many windows each of the last calls had."""
        self.calls = 0
        self.busy = 0
        """Calls that have not answered yet."""

    def transcribe(self, batch: Sequence[Window]) -> list[Hypothesis]:
        """One hypothesis per window. Raises EngineError once closed, and what the script raises."""
        if self._closed:
            raise EngineError("the engine is closed")
        with self._changed:
            self.calls += 1
            self.busy += 1
            self.windows.extend(batch)
            self.batches.append(len(batch))
            self._changed.notify_all()
        try:
            self._work()
            return [self._answer(window) for window in batch]
        finally:
            with self._changed:
                self.busy -= 1
                self._changed.notify_all()

    def frames(self, kind: Kind, seconds: float) -> int:  # noqa: ARG002  of an interface
        """All windows may share a batch."""
        return 100

    def close(self) -> None:
        """Refuse further calls. Never raises; calls held by the gate stay held."""
        self._closed = True

    def wait_for(self, calls: int, timeout: float = 5.0) -> bool:
        """For tests: whether that many calls have begun before ``timeout`` seconds are over."""
        with self._changed:
            return self._changed.wait_for(lambda: self.calls >= calls, timeout)

    def _work(self) -> None:
        """Take as long as a model would."""
        if self._delay:
            time.sleep(self._delay)
        if self._gate is not None:
            self._gate.wait()

    def _answer(self, window: Window) -> Hypothesis:
        answer = self._script(window)
        return answer if isinstance(answer, Hypothesis) else hypothesis_of(answer, window)


def hypothesis_of(text: str, window: Window) -> Hypothesis:
    """A sure hypothesis of a text; it starts with the window's prefix.

    Words of the prefix stand for as many words of the script, as if the text had been forced:
    "uno dos" over "one two three" is "uno dos three".
    """
    prefix = window.prefix
    said = _split(text)
    rest = said[len(_split(prefix)) :]
    if rest and not prefix:
        rest[0] = rest[0].lstrip()
    texts = _split(prefix) + rest
    length = min(WORD_SECONDS, window.seconds / max(len(texts), 1))
    return Hypothesis(
        text="".join(texts),
        words=tuple(
            Word(word, round(at * length, 3), round((at + 1) * length, 3), 0.9)
            for at, word in enumerate(texts)
        ),
        language=window.language or "en",
        language_probability=1.0 if window.language else 0.9,
        no_speech_probability=0.0 if texts else 1.0,
        average_logprob=-0.1,
    )


def _split(text: str) -> list[str]:
    """Words with the space before them; joined, they are the text."""
    return re.findall(r"\s*\S+(?:\s+$)?", text)
