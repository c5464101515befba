"""The ladder as a picture: delays and cost over the sessions. The one user of matplotlib."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from benchmarks.replay.report import CHANGE, CPU, FIRST
from benchmarks.replay.rung import Rung, at

STYLE = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "hark",  # the same picture of the same figures
}
INK, MUTED = "#222222", "#767676"
LATE = 8.0  # s of delay from which on the axis is logarithmic, lest the rest is a flat line


PLAIN = FuncFormatter(lambda value, _: f"{value:g}")


@dataclass(frozen=True, slots=True)
class Curve:
    """A delay over the number of sessions: median as a line, 95th percentile as its broken one."""

    name: str
    colour: str
    delays: Callable[[Rung], Sequence[float]]


CURVES = (
    Curve("first text after speech onset", "#0072b2", lambda rung: rung.first),
    Curve("last change after speech end", "#d55e00", lambda rung: rung.change),
    Curve("final after its endpoint", "#009e73", lambda rung: rung.endpoint),
)  # colours that the colour-blind tell apart, after Okabe and Ito


def draw(rungs: Sequence[Rung], title: str, machine: str) -> Figure:
    """The picture; ``title`` says what was measured, ``machine`` on what."""
    with rc_context(STYLE):
        costs = any(rung.cpu is not None for rung in rungs)
        figure = Figure(figsize=(11.0 if costs else 7.0, 5.2), layout="constrained")
        figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold", color=INK)
        figure.supxlabel(machine, x=0.01, ha="left", fontsize=8.5, color=MUTED)
        if costs:
            left, right = figure.subplots(1, 2, width_ratios=(3, 2))
            _delays(left, rungs)
            _cost(right, rungs)
        else:
            _delays(figure.subplots(), rungs)
    return figure


def save_png(figure: Figure, path: Path) -> None:
    """Write the picture as PNG."""
    with rc_context(STYLE):
        figure.savefig(path, dpi=150, facecolor="white")


def as_svg(figure: Figure) -> str:
    """The picture as an SVG element to stand in a page."""
    text = io.StringIO()
    with rc_context(STYLE):
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()[text.getvalue().index("<svg") :]


def _delays(axes: Axes, rungs: Sequence[Rung]) -> None:
    sessions = [rung.sessions for rung in rungs]
    values: list[float] = []
    for curve in CURVES:
        for percent, line, marker in ((50, "-", "o"), (95, "--", "^")):
            delays = [at(curve.delays(rung), percent) for rung in rungs]
            label = f"{curve.name}, p{percent}"
            axes.plot(sessions, delays, line, marker=marker, ms=5, color=curve.colour, label=label)
            values += [value for value in delays if not isnan(value)]
    _bar(axes, FIRST, f"bar: first text\np50, {FIRST:g} s", CURVES[0].colour, below=True)
    _bar(axes, CHANGE, f"bar: last\nchange, {CHANGE:g} s", CURVES[1].colour)
    if values and max(values) > LATE:
        axes.set_yscale("symlog", linthresh=0.1)
        axes.yaxis.set_major_locator(FixedLocator([0, 0.1, 0.3, 1, 3, 10, 30, 100]))
        axes.yaxis.set_major_formatter(PLAIN)
        axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylim(min(0.0, *values, 0.0), 1.1 * max(0.0, *values, CHANGE, FIRST))
    axes.set_title("Delay", color=INK)
    axes.set_ylabel("delay (s)")
    _sessions(axes, sessions)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, frameon=False, fontsize=9)


def _cost(axes: Axes, rungs: Sequence[Rung]) -> None:
    known = [(rung.sessions, 1000 * rung.cpu) for rung in rungs if rung.cpu is not None]
    sessions = [count for count, _ in known]
    cost = [value for _, value in known]
    axes.plot(sessions, cost, "-o", ms=5, color=INK, label="CPU of the service")
    bars = [(count, 1000 * CPU[count]) for count in sessions if count in CPU]
    if bars:
        axes.plot(
            [count for count, _ in bars],
            [value for _, value in bars],
            linestyle="none",
            marker="_",
            ms=26,
            mew=2,
            color=CURVES[1].colour,
            label="bar",
        )
        for count, value in bars:
            axes.annotate(
                f"{value:g} ms",
                (count, value),
                xytext=(0, -12),
                textcoords="offset points",
                ha="center",
                fontsize=8.5,
                color=CURVES[1].colour,
            )
    axes.set_ylim(0.0, 1.15 * max(*cost, *(value for _, value in bars), 1.0))
    axes.set_title("Cost", color=INK)
    axes.set_ylabel("CPU (ms per second of recordings)")
    _sessions(axes, sessions)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, frameon=False, fontsize=9)


def _bar(axes: Axes, value: float, text: str, colour: str, *, below: bool = False) -> None:
    """A promised value, as a dotted line with its name beside its right end."""
    axes.axhline(value, color=colour, linestyle=":", linewidth=1.4)
    axes.annotate(
        text,
        (1.0, value),
        xycoords=("axes fraction", "data"),
        xytext=(5, 0),
        textcoords="offset points",
        ha="left",
        va="top" if below else "bottom",
        annotation_clip=False,
        fontsize=8.5,
        color=colour,
    )


def _sessions(axes: Axes, sessions: Sequence[int]) -> None:
    """The axis of sessions: logarithmic, marked where something was measured."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(list(sessions)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(PLAIN)
    axes.set_xlim(min(sessions) / 1.25, max(sessions) * 1.25)
    axes.set_xlabel("live sessions")
    axes.tick_params(colors=MUTED)
