"""Measures what a loaded Whisper model costs on this machine (recognition REC-67).

The scheduler needs to know how many windows fit into a batch, not to the percent: so about a second
is spent at the start, and a model that is too big for that is measured at its short lengths alone.
The time is that of the process's CPU, because the calls run in CTranslate2's threads and other
programs make wall time lie; the smallest of a few runs, because nothing makes a call cheaper than
it is. On a GPU it is wall time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

import ctranslate2
import numpy as np
from faster_whisper.tokenizer import Tokenizer

from stt.costs import TOKENS_PER_SECOND, CostTable, Points, between
from stt.engines import whisper_prompt
from stt.events import FEATURE_RATE

ENCODER_FRAMES = (100, 500, 1000, 300, 2000, 3000)
BATCHES = (1, 8, 4, 2)  # both by what tells most, should the time be over
MEMORY = 500  # feature frames, 5 s: what a usual window decodes from
FEW, MANY = 2, 8  # decoding steps; their difference is what the steps alone cost
ROUNDS = 3
WORD_TOKEN = 1000  # any token of the vocabulary that is text
PYTHON = 0.0005  # s, this engine's own code for a window: features scaled, prompt, words
# How much the next length may exceed a straight line: attention grows with the square.
STEEPER = 1.5


class Meter:
    """Times single calls of a model, with noise for audio. For one thread; nobody else may run."""

    def __init__(self, model: ctranslate2.models.Whisper, tokenizer: Tokenizer) -> None:
        self._model = model
        self.clock = time.process_time if model.device == "cpu" else time.perf_counter
        """Seconds of what is counted: CPU of the process, or on a GPU wall time."""
        self._noise = np.random.default_rng(0)
        self._start = tokenizer.sot_sequence
        self._prompt = [*self._start, tokenizer.no_timestamps]
        # without its end mark a text never ends: the number of steps is ours
        self._suppressed = [*whisper_prompt.suppressed(tokenizer), tokenizer.eot]

    def encode(self, frames: int, *, batch: int = 1, rounds: int = ROUNDS) -> float:
        """Seconds to encode ``batch`` windows of ``frames`` in one call."""
        features = self._features(frames, batch)
        return self.least(lambda: self._model.encode(features), rounds)

    def generate(
        self, batch: int, steps: int, *, memory: int = MEMORY, beam: int = 1, rounds: int = ROUNDS
    ) -> float:
        """Seconds to decode exactly ``steps`` tokens for each window of a batch."""
        encoded = self._memory(memory, batch)
        return self.least(
            lambda: self._model.generate(
                encoded,
                [self._prompt] * batch,
                beam_size=beam,
                max_length=2 * steps,
                return_scores=True,
                return_no_speech_prob=True,
                suppress_tokens=self._suppressed,
            ),
            rounds,
        )

    def step(
        self, batch: int, *, memory: int = MEMORY, beam: int = 1, rounds: int = ROUNDS
    ) -> tuple[float, float]:
        """Seconds of one decoding step of a batch, and of what precedes the first."""
        few = self.generate(batch, FEW, memory=memory, beam=beam, rounds=rounds)
        many = self.generate(batch, MANY, memory=memory, beam=beam, rounds=rounds)
        step = max(many - few, 0.0) / (MANY - FEW)
        return step, max(few - FEW * step, 0.0)

    def align(self, frames: int, *, rounds: int = ROUNDS) -> float:
        """Seconds for the word times of one window at 4 tokens a second."""
        encoded = self._model.encode(self._features(frames, 1))
        tokens = [WORD_TOKEN] * max(int(TOKENS_PER_SECOND * frames / FEATURE_RATE), 1)
        return self.least(
            lambda: self._model.align(encoded, self._start, [tokens], [frames]), rounds
        )

    def _memory(self, frames: int, batch: int) -> ctranslate2.StorageView:
        """Encoder outputs to decode from; on a CPU one for all, to save the time."""
        if self._model.device != "cpu":
            return self._model.encode(self._features(frames, batch))
        one = np.asarray(self._model.encode(self._features(frames, 1)))
        return ctranslate2.StorageView.from_array(np.repeat(one, batch, axis=0))

    def _features(self, frames: int, batch: int) -> ctranslate2.StorageView:
        shape = (batch, self._model.n_mels, frames)
        return ctranslate2.StorageView.from_array(
            self._noise.standard_normal(shape, dtype=np.float32)
        )

    def least(self, call: Callable[[], object], rounds: int) -> float:
        """Seconds of the quickest of some calls."""
        times = []
        for _ in range(rounds):
            begun = self.clock()
            call()
            times.append(self.clock() - begun)
        return min(times)


def measured(
    model: ctranslate2.models.Whisper,
    tokenizer: Tokenizer,
    *,
    aligns: bool,
    budget: float = 1.0,
) -> CostTable:
    """The cost table of a model, in about ``budget`` seconds; word times only where it has them."""
    meter = Meter(model, tokenizer)
    begun = meter.clock()

    def left() -> float:
        return budget - (meter.clock() - begun)

    meter.generate(1, 1, rounds=1)  # the first call of a kind takes memory, and is not counted
    step: list[tuple[int, float]] = []
    fixed: list[tuple[int, float]] = []
    for batch in BATCHES:
        if step and left() < budget / 2:
            break
        each, before = meter.step(batch, rounds=2)
        step.append((batch, each))
        fixed.append((batch, before))
    window = _slope(sorted(fixed))
    encode = _lengths(ENCODER_FRAMES, meter.encode, left)
    return CostTable(
        encode=encode,
        step=tuple(sorted(step)),
        call=max(fixed[0][1] - window, 0.0),
        window=window + PYTHON,
        align=_aligned(meter) if aligns else CostTable().align,
    )


def _lengths(sizes: Iterable[int], cost: Callable[..., float], left: Callable[[], float]) -> Points:
    """Points at as many sizes as the time allows, two at least: they make a slope."""
    points: list[tuple[int, float]] = []
    for size in sizes:
        expected = STEEPER * between(sorted(points), size) if points else 0.0
        if len(points) >= 2 and expected > left():
            continue
        rounds = ROUNDS if ROUNDS * expected < left() else 1
        points.append((size, cost(size, rounds=rounds)))
    return tuple(sorted(points))


def _aligned(meter: Meter) -> Points:
    """Word times at two lengths."""
    return tuple((frames, meter.align(frames, rounds=1)) for frames in (100, MEMORY))


def _slope(points: Sequence[tuple[int, float]]) -> float:
    """Seconds each further window adds, from the smallest to the largest batch; never below 0."""
    if len(points) < 2:
        return 0.0
    (few, low), (many, high) = points[0], points[-1]
    return max(high - low, 0.0) / (many - few)
