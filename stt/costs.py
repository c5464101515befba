"""What recognition costs: a table measured on the machine at hand, and its arithmetic. Data only.

Seconds of CPU of one core (recognition REC-67). The scheduler plans batches and admission with it,
the capacity simulation replays it (REC-81).
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import TypeAlias

Points: TypeAlias = tuple[tuple[int, float], ...]
"""(size, seconds), by rising size; sizes in between are interpolated."""

TOKENS_PER_SECOND = 4.0  # of speech, text tokens in most languages (recognition section 2.6)


@dataclass(frozen=True, slots=True)
class CostTable:
    """CPU seconds of the parts of a model call."""

    encode: Points = ((100, 0.0),)
    """One window, by the feature frames the encoder gets."""
    step: Points = ((1, 0.0),)
    """One decoding step of a whole batch, by its windows."""
    call: float = 0.0
    """Fixed, of each call."""
    window: float = 0.0
    """Fixed, of each window: features, text, the way through the runtime."""
    align: Points = ((100, 0.0),)
    """Word times of one window, by the feature frames the encoder gets."""

    def encode_s(self, frames: int) -> float:
        """To encode one window of ``frames`` feature frames."""
        return between(self.encode, frames)

    def step_s(self, batch: int) -> float:
        """One decoding step of ``batch`` windows."""
        return between(self.step, batch)

    def align_s(self, frames: int) -> float:
        """Word times of one window of ``frames`` feature frames."""
        return between(self.align, frames)

    def batch_s(self, frames: int, steps: float, batch: int) -> float:
        """A call with ``batch`` windows, each of ``frames``, with ``steps`` decoding steps."""
        return (
            self.call + batch * (self.window + self.encode_s(frames)) + steps * self.step_s(batch)
        )

    def to_json(self) -> str:
        """The table as text, for a file."""
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str) -> CostTable:
        """The table in a text of ``to_json``; what it lacks costs nothing.

        Raises ValueError for anything else.
        """
        found = json.loads(text)
        if not isinstance(found, dict) or found.keys() - {field.name for field in fields(cls)}:
            raise ValueError("not a cost table")
        free = cls()
        return cls(
            encode=_points(found.get("encode", free.encode)),
            step=_points(found.get("step", free.step)),
            call=_seconds(found.get("call", free.call)),
            window=_seconds(found.get("window", free.window)),
            align=_points(found.get("align", free.align)),
        )


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise ValueError(f"{value!r} must be seconds")
    return float(value)


def _points(value: object) -> Points:
    try:
        points = tuple((int(size), _seconds(seconds)) for size, seconds in value)  # type: ignore[attr-defined]
    except TypeError as error:
        raise ValueError(f"{value!r} must be pairs of size and seconds") from error
    sizes = [size for size, _ in points]
    if not points or sizes != sorted({*sizes}) or sizes[0] < 1:
        raise ValueError(f"{value!r} must be by rising size")
    return points


def between(points: Sequence[tuple[int, float]], size: int) -> float:
    """Linear between two points; proportional below the first, the last slope beyond the last."""
    sizes = [point[0] for point in points]
    at = min(max(bisect_left(sizes, size), 1), len(points) - 1)
    if len(points) == 1:
        return points[0][1] * size / sizes[0]
    if size < sizes[0]:
        return points[0][1] * size / sizes[0]
    (left, low), (right, high) = points[at - 1], points[at]
    return low + (high - low) * (size - left) / (right - left)
