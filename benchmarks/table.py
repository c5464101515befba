"""The printed table: figure, measured value, bar, whether it is reached, how busy it was."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median

SHOWN = ("numpy", "ctranslate2", "faster-whisper", "flask", "gunicorn", "simple-websocket")


@dataclass(frozen=True, slots=True)
class Row:
    """One figure, measured in one or more rounds; what is shown is their median."""

    figure: str
    rounds: Sequence[float]
    unit: str
    rest: Sequence[float]
    """For each round: CPU that others used meanwhile, in % of one core."""
    bar: float | None = None
    """The most that is allowed; None: nothing was promised."""
    note: str = ""

    @property
    def measured(self) -> float:
        """The median of the rounds."""
        return median(self.rounds)

    @property
    def reached(self) -> str:
        """Whether the median is within the bar."""
        if self.bar is None:
            return "-"
        return "yes" if self.measured <= self.bar else "**no**"

    def cells(self) -> list[str]:
        """As the table shows it."""
        spread = f" ({shown(min(self.rounds))}-{shown(max(self.rounds))})"
        return [
            self.figure,
            f"{shown(self.measured)} {self.unit}{spread if len(self.rounds) > 1 else ''}",
            "-" if self.bar is None else f"{shown(self.bar)} {self.unit}",
            self.reached,
            f"{median(self.rest):.0f} %",
            self.note,
        ]


HEAD = ["figure", "measured: median (least-most)", "bar", "reached", "rest of machine", "note"]


def shown(value: float) -> str:
    """Three significant digits, never an exponent."""
    size = abs(value)
    return f"{value:.{0 if size >= 100 else 1 if size >= 10 else 2 if size >= 0.1 else 3}f}"


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that ``percent`` % of the values do not exceed (nearest rank)."""
    if not values:
        raise ValueError("nothing was measured")
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100).__trunc__() - 1)]


def table(rows: Sequence[Row]) -> str:
    """The rows in columns, in Markdown."""
    lines = [HEAD, *(row.cells() for row in rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(HEAD))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    )


def machine(command: str = "benchmarks") -> str:
    """What the figures were measured on and with."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{_processor()}, {len(os.sched_getaffinity(0))} cores, {memory:.0f} GiB, "
        f"Linux {platform.release()}\n"
        f"Python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in SHOWN)
        + f"\nCommand: {' '.join((f'python -m {command}', *sys.argv[1:]))}"
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
