"""What recognition costs in the simulation: the tables of two models, or one measured here.

CPU seconds of one core. The built-in tables are those of recognition sections 2.1 to 2.3: a 2-core
Xeon, int8, the middle of each range. What a service adds around its model is assumed (recognition
2.7, OPEN-04).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stt.costs import CostTable, Points
from stt.engines.encoder_context import FULL

AROUND = 0.0005  # s of each window that the service adds to a measured engine's own code


@dataclass(frozen=True, slots=True)
class Costs:
    """A model's table, and the service around the model."""

    table: CostTable
    call: float = 0.003
    """Python, of each model call (2.7)."""
    window: float = 0.001
    """Python, of each window, the engine's own included (2.7)."""
    front_end: float = 0.002
    """Of each second of audio: voice activity, the stream, log-mel (2.7)."""

    def batch_s(self, frames: int, steps: float, times: Sequence[bool]) -> float:
        """A batch of windows of equal ``frames``; ``times``: of each, whether it wants word times.

        Without the cost of the call, which batches of other lengths may share.
        """
        count = len(times)
        model = self.table.batch_s(frames, steps, count) - self.table.call
        return model + count * self.window + sum(times) * self.table.align_s(frames)

    def call_s(self) -> float:
        """What a call costs whatever is in it."""
        return self.call + self.table.call

    def slowed(self, factor: float) -> Costs:
        """The same on a machine that is so many times slower."""
        return Costs(
            table=CostTable(
                encode=_scaled(self.table.encode, factor),
                step=_scaled(self.table.step, factor),
                call=factor * self.table.call,
                window=factor * self.table.window,
                align=_scaled(self.table.align, factor),
            ),
            call=factor * self.call,
            window=factor * self.window,
            front_end=factor * self.front_end,
        )


def _scaled(points: Points, factor: float) -> Points:
    return tuple((size, factor * seconds) for size, seconds in points)


def _ms(*points: tuple[int, float]) -> Points:
    return _scaled(points, 0.001)


# Encoder and the fixed part of `generate` (section 2.1), which grows with the encoder's output:
# 2.7 + 1.2, 5.4 + 1.8, 14.5 + 2.7, 36.5 + 4.5, 322 + 10 ms. Steps: section 2.2.
TINY = Costs(
    CostTable(
        encode=_ms((100, 3.9), (200, 7.2), (500, 17.2), (1000, 41.0), (3000, 332.0)),
        step=_ms((1, 1.41), (2, 1.85), (4, 2.40), (8, 3.75), (16, 6.6), (32, 17.8)),
        align=_ms((100, 2.5), (200, 3.4), (500, 8.0), (1000, 21.0), (3000, 110.0)),
    ),
)

# Only single steps of base were measured: 2.3 to 2.6 ms where tiny takes 1.3 to 1.4. The steps of
# batches are those of tiny times the same 1.8, the fixed part of `generate` is twice tiny's.
BASE = Costs(
    CostTable(
        encode=_ms((100, 8.0), (200, 15.6), (500, 38.9), (1000, 101.5), (3000, 751.0)),
        step=_scaled(TINY.table.step, 1.8),
        align=_ms((100, 4.3), (200, 7.5), (500, 15.0), (1000, 33.0), (3000, 159.0)),
    ),
)

MODELS = {"tiny": TINY, "base": BASE}


def named(name: str) -> Costs:
    """The costs of a model of ``MODELS``, or those in a JSON file.

    The file holds a ``stt.costs.CostTable``, as ``python -m benchmarks.costs --json`` writes it;
    what it lacks costs nothing, but for ``encode`` and ``step``. Raises ValueError for anything
    else.
    """
    if name in MODELS:
        return MODELS[name]
    try:
        table = CostTable.from_json(Path(name).read_text(encoding="utf-8"))
        if not (table.encode_s(FULL) and table.step_s(1)):
            raise ValueError("its encoder or its decoder costs nothing")
    except (OSError, ValueError) as error:
        known = ", ".join(MODELS)
        raise ValueError(f"{name} is neither of {known} nor a cost table: {error}") from error
    return Costs(table, window=AROUND)
