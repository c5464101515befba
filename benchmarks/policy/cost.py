"""Figures of what it cost: by second, over a long stream, and alone against in a batch.

CPU seconds of one core, as ``replay`` measured them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from benchmarks.policy.replay import Replay
from stt.engines.base import Engine
from stt.events import FEATURE_RATE, Window

MINUTE = 60.0  # seconds
BATCH = 8  # windows; the most the scheduler joins (REC-65)


def encoded(replay: Replay) -> float:
    """Seconds of encoder input, padding included."""
    return sum(call.frames for call in replay.calls) / FEATURE_RATE


def step_cost(replay: Replay, begin: float, end: float) -> float:
    """Mean CPU seconds of a step between two virtual times (QM-10, REC-93).

    A step is a call of the engine; what the stream itself cost in the time is shared among them.
    ``begin`` and ``end`` are whole seconds. Raises ValueError where there was no step.
    """
    steps = [call.cpu for call in replay.calls if begin <= call.at < end]
    if not steps:
        raise ValueError(f"no step between {begin:g} and {end:g} s")
    return (sum(steps) + sum(replay.stream_cpu[int(begin) : int(end)])) / len(steps)


def flatness(replay: Replay, *, early: int, late: int, minutes: int = 1) -> float:
    """How many times a step costs in late minutes what it costs in early ones (QM-10).

    ``early``, ``late``: the number of a minute, from 1; ``minutes``: how many from there on.
    """
    first, last = (
        step_cost(replay, (at - 1) * MINUTE, (at - 1 + minutes) * MINUTE) for at in (early, late)
    )
    return last / first


def invariance(windows: Sequence[Window], engine: Engine, *, seed: int = 0) -> tuple[int, int]:
    """How many texts were the same alone and in a batch, and how many were compared (QM-09).

    Each window is in two batches of 2 to 8: with others of its encoder length, whose decoding it
    shares (REC-65), and with any others.
    """
    alone = [engine.transcribe([window])[0].text for window in windows]
    lengths = [engine.frames(window.kind, window.seconds) for window in windows]
    same = compared = 0
    for batch in _batches(lengths, Random(seed)):
        answers = engine.transcribe([windows[at] for at in batch])
        same += sum(answer.text == alone[at] for answer, at in zip(answers, batch, strict=True))
        compared += len(batch)
    return same, compared


def _batches(lengths: Sequence[int], random: Random) -> Iterator[list[int]]:
    """Batches of window numbers: once by length, once mixed."""
    for sort in (True, False):
        order = list(range(len(lengths)))
        random.shuffle(order)
        if sort:
            order.sort(key=lengths.__getitem__)
        while order:
            size = random.randint(2, BATCH)
            yield order[:size]
            order = order[size:]
