"""The ladder as a table: a column of figures for each number of sessions, with the bars."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isnan

from benchmarks.replay.rung import Rung, at
from benchmarks.table import columns, shown

FIRST = 0.6  # s, the most that the median of the first text may take
CHANGE = 0.65  # s, the most of the last change after the end of speech, median and p95
CPU = {1: 0.030, 4: 0.025}  # CPU s per s of recordings, by sessions
KILOBYTES = 15.0  # to a client per 50 s of recordings
WORSE = 1.0  # points of word error rate above the same model on whole files (QM-01)


@dataclass(frozen=True, slots=True)
class Figure:
    """A column: what it is, how to get it, and how much it may be."""

    name: str
    unit: str
    value: Callable[[Rung], float | None]
    bar: Callable[[Rung], float | None] = lambda _: None

    def cell(self, rung: Rung) -> str:
        """As the table shows it: ``!`` behind a value above its bar, ``-`` for none."""
        value, bar = self.value(rung), self.bar(rung)
        if value is None or isnan(value):
            return "-"
        text = str(value) if isinstance(value, int) else shown(value)
        return f"{text}{' !' if bar is not None and value > bar else ''}"


def figures(offline: float | None = None) -> list[Figure]:
    """The columns; ``offline``: the word error rate of the same model on whole files."""
    return [
        Figure("first text after onset p50", "s", lambda r: at(r.first, 50), lambda _: FIRST),
        Figure("first text p95", "s", lambda r: at(r.first, 95)),
        Figure("last change after speech p50", "s", lambda r: at(r.change, 50), lambda _: CHANGE),
        Figure("last change p95", "s", lambda r: at(r.change, 95), lambda _: CHANGE),
        Figure("final after speech p50", "s", lambda r: at(r.final, 50)),
        Figure("final p95", "s", lambda r: at(r.final, 95)),
        Figure("final after endpoint p50", "s", lambda r: at(r.endpoint, 50)),
        Figure("after endpoint p99", "s", lambda r: at(r.endpoint, 99)),
        Figure("LAAL p50", "s", lambda r: at(r.laal, 50)),
        Figure("CPU per audio s", "s", lambda r: r.cpu, lambda r: CPU.get(r.sessions)),
        Figure("CPU per s, pauses counted", "s", lambda r: r.cpu_of_stream),
        Figure("text per 50 s", "kB", lambda r: r.text_kilobytes, lambda _: KILOBYTES),
        Figure("with word times", "kB", lambda r: r.kilobytes),
        Figure("word errors", "%", lambda r: 100 * r.errors.rate if r.errors.words else None),
        Figure(
            "above offline",
            "points",
            lambda r: None if offline is None else 100 * (r.errors.rate - offline),
            lambda _: WORSE,
        ),
        Figure("erasure", "", lambda r: r.erasure),
        Figure("committed changed", "", lambda r: r.changed, lambda _: 0),
        Figure("sessions lost", "", lambda r: r.lost, lambda _: 0),
        Figure("finals missing", "", lambda r: r.unfinished, lambda _: 0),
        Figure("errors told", "", lambda r: r.problems),
        Figure("generator late p99", "ms", lambda r: 1000 * r.lateness),
        Figure("rest of machine", "% core", lambda r: r.cost.rest if r.cost else None),
    ]


def lines(rungs: Sequence[Rung], offline: float | None = None) -> list[list[str]]:
    """Head and body: a figure in each line, a rung in each column, the bar last."""
    head = ["figure", *(f"{rung.sessions} live" for rung in rungs), "unit", "bar"]
    body = []
    for figure in figures(offline):
        bars = {bar for rung in rungs if (bar := figure.bar(rung)) is not None}
        promised = " / ".join(f"{one:g}" for one in sorted(bars, reverse=True)) or "-"
        body.append([figure.name, *(figure.cell(rung) for rung in rungs), figure.unit, promised])
    return [head, *body]


def ladder_table(rungs: Sequence[Rung], offline: float | None = None) -> str:
    """The ladder in Markdown."""
    head, *body = lines(rungs, offline)
    return columns(head, body)
