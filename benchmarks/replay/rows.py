"""The live figures of ``make bench``: the demo model at 1, 4 and 40 sessions."""

from __future__ import annotations

from benchmarks.policy.corpus import recordings
from benchmarks.replay.live import Asked, climb
from benchmarks.replay.offline import offline
from benchmarks.replay.report import CHANGE, CPU, FIRST, KILOBYTES, WORSE
from benchmarks.replay.rung import Rung, at
from benchmarks.sessions import Plan
from benchmarks.table import Row
from benchmarks.wer import KINDS, WordErrors

LIVE = (1, 4, 40)
QUICK = 5  # recordings


def word_rows(plan: Plan) -> list[Row]:
    """One round of each: it is as long as the recordings."""
    files = recordings(kinds=KINDS, language="en")[: QUICK if plan.rounds == 1 else None]
    whole = offline(files)
    return [row for sessions in LIVE for row in rung_rows(climb(Asked(files), sessions), whole)]


def rung_rows(rung: Rung, whole: WordErrors) -> list[Row]:
    """The rows of one rung; ``whole``: the errors of the same model on whole files."""
    name = f"demo model, {rung.sessions} live"
    rest = [rung.cost.rest if rung.cost else 0.0]
    lost = f"{rung.lost} sessions lost, {rung.unfinished} finals missing"
    late = f"generator late by {1000 * rung.lateness:.1f} ms (p99)"
    changed = f"erasure {rung.erasure:.2f}, {rung.changed} committed changed"
    final = f"final p50 {at(rung.final, 50):.2f} s, after endpoint {at(rung.endpoint, 50):.3f} s"
    told = f"streamed {rung.errors}, whole files {whole}"
    return [
        Row(
            f"{name}: CPU s per audio s",
            [rung.cpu or 0.0],
            "s",
            rest,
            CPU.get(rung.sessions),
            f"{rung.cpu_of_stream or 0.0:.3f} with the pauses between clips",
        ),
        Row(
            f"{name}: first text after onset, p50",
            [at(rung.first, 50)],
            "s",
            rest,
            FIRST,
            f"p95 {at(rung.first, 95):.2f} s, n={len(rung.first)}; {late}",
        ),
        Row(
            f"{name}: last change after speech, p50",
            [at(rung.change, 50)],
            "s",
            rest,
            CHANGE,
            final,
        ),
        Row(
            f"{name}: last change after speech, p95",
            [at(rung.change, 95)],
            "s",
            rest,
            CHANGE,
            lost,
        ),
        Row(
            f"{name}: text to a client per 50 s",
            [rung.text_kilobytes],
            "kB",
            rest,
            KILOBYTES,
            f"{rung.kilobytes:.1f} kB with word times; {changed}",
        ),
        Row(
            f"{name}: WER above offline",
            [100 * (rung.errors.rate - whole.rate)],
            "points",
            rest,
            WORSE,
            told,
        ),
    ]
