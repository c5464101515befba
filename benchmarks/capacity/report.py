"""The simulation's tables, and its rows for ``make bench``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from benchmarks.capacity.costs import BASE, TINY
from benchmarks.capacity.figures import Outcome
from benchmarks.capacity.questions import (
    LONG,
    SHORT,
    capacity,
    fairness,
    loaded,
    windows_of,
)
from benchmarks.capacity.simulation import Setup
from benchmarks.sessions import Plan
from benchmarks.table import Row, columns, shown
from stt.events import FEATURE_RATE

LOADS = (1.0, 1.5, 2.0, 3.0)
FLOODS = (2.0, 3.0)
USUAL = 0.75  # of the nominal load, for QM-06
HEAD = (
    "sessions",
    "interim p50 / p95",
    "updates/s",
    "final p50 / p95 / p99",
    "after the endpoint p50 / p95 / p99",
    "cores used",
    "windows a call",
    "CPU ms per speech s",
    "lost, out of order, changed, wrong",
)
WORK = ("kind", "windows per speech s", "encoded", "steps", "waited p50 / p95", "of the work")


def cells(outcome: Outcome) -> list[str]:
    """An outcome under ``HEAD``."""
    one = outcome
    return [
        str(one.sessions),
        _times(one.interim_at(50), one.interim_at(95)),
        f"{one.updates:.2f}",
        _times(one.final_at(50), one.final_at(95), one.final_at(99)),
        _times(one.endpoint_at(50), one.endpoint_at(95), one.endpoint_at(99)),
        f"{100 * one.utilisation:.0f} %",
        f"{one.batch:.1f}",
        f"{1000 * one.cpu:.0f}",
        f"{one.lost}, {one.out_of_order}, {one.changed}, {one.wrong}",
    ]


def capacity_table(setups: Sequence[tuple[str, Setup]]) -> str:
    """The most sessions a core serves as promised, for each named setup (REC-85)."""
    lines = []
    for name, setup in setups:
        found = capacity(setup)
        per_core = shown(found.sessions / setup.workers)
        lines.append([name, per_core, ", ".join(found.beyond), *cells(found.outcome)])
    return columns(("model, windows, workers", "a core", "one more breaks", *HEAD), lines)


def overload_table(setup: Setup, nominal: int) -> str:
    """From the nominal load to three times as much (REC-71)."""
    lines = [[f"{times:g}x", *cells(loaded(setup, nominal, times))] for times in LOADS]
    return columns(("load", *HEAD), lines)


def work_table(setup: Setup, sessions: int) -> str:
    """What the workers do at a load: what limits it."""
    lines = [
        [
            share.kind.name.lower(),
            f"{share.windows:.2f}",
            f"{share.frames / FEATURE_RATE:.1f} s",
            f"{share.steps:.0f}",
            _times(share.waited_at(50), share.waited_at(95)),
            f"{100 * share.cpu:.0f} %",
        ]
        for share in loaded(setup, sessions, 1.0).shares
    ]
    return columns(WORK, lines)


def usual_table(setup: Setup, nominal: int, share: float) -> str:
    """Finals at a part of the nominal load (QM-06)."""
    return columns(("load", *HEAD), [[f"{share:g}x", *cells(loaded(setup, nominal, share))]])


def fairness_table(setup: Setup, nominal: int) -> str:
    """A light tenant beside a flooding one (QM-12)."""
    lines = []
    for times in FLOODS:
        result = fairness(setup, nominal, times)
        lines += [
            [f"{times:g}x", "light, alone", "", *cells(result.alone)],
            ["", "light, beside", shown(result.ratio), *cells(result.beside)],
            ["", "flooding", "", *cells(result.flood)],
        ]
    return columns(("load", "tenant", "final p95 against alone", *HEAD), lines)


def capacity_rows(plan: Plan) -> list[Row]:
    """Simulated with the costs of recognition section 2: nothing of this machine is in them."""
    setup = Setup(workers=2, seconds=60.0 if plan.rounds > 1 else 20.0)
    rows, nominal = [], 0
    for model, costs in (("tiny", TINY), ("base", BASE)):
        for least, bar in ((SHORT, 40.0), (LONG, 20.0)):
            found = capacity(replace(setup, costs=costs, context=windows_of(least)))
            name = f"simulated {model}, {_windows(least)}: sessions a core"
            promised = bar if model == "tiny" else None  # QM-11
            note = f"{1000 * found.outcome.cpu:.0f} ms CPU per speech s"
            rows.append(
                Row(name, [found.sessions / 2], "sessions", [0.0], promised, note, at_least=True)
            )
            if model == "tiny" and least == SHORT:
                nominal = found.sessions
    return rows + _rows_at(setup, nominal)


def _rows_at(setup: Setup, nominal: int) -> list[Row]:
    """Finals at the usual load, beyond the nominal one, and beside a flood."""
    usual, double = loaded(setup, nominal, USUAL), loaded(setup, nominal, 2.0)
    beside = fairness(setup, nominal, 3.0)
    after = "final after its endpoint"
    return [
        Row(f"simulated at {USUAL:.0%}: {after}, p50", [usual.endpoint_at(50)], "s", [0.0], 0.02),
        Row(f"simulated at {USUAL:.0%}: {after}, p99", [usual.endpoint_at(99)], "s", [0.0], 0.15),
        Row(
            "simulated at 200%: final after last word, p95",
            [double.final_at(95)],
            "s",
            [0.0],
            setup.speech.endpointing.silence + 0.28,  # REC-71
            f"{double.lost} finals lost, {double.updates:.2f} updates per speech s",
        ),
        Row("simulated flood at 300%: light tenant's final p95", [beside.ratio], "x", [0.0], 1.2),
    ]


def _windows(least: int) -> str:
    return "short windows" if least == SHORT else f"windows of {least / 100:g} s or more"


def _times(*seconds: float) -> str:
    return " / ".join(f"{value:.2f}" for value in seconds) + " s"
