"""The streaming policy in the table of ``make bench``: the demo model on the acceptance set."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from statistics import mean

import numpy as np

from benchmarks.policy.corpus import Recording, minute, phases, recordings
from benchmarks.policy.cost import flatness, invariance
from benchmarks.policy.evaluate import Evaluation, Outcome, build, evaluate
from benchmarks.policy.offline import Offline
from benchmarks.policy.replay import replay
from benchmarks.policy.settings import Setting
from benchmarks.server import machine_busy
from benchmarks.sessions import Plan
from benchmarks.table import Row, percentile
from stt.engines.base import Engine
from stt.engines.options import DEMO_MODEL

CONSISTENT, BEST = 1.0, 0.3  # points of word error rate above offline (QM-01)
ERASURE = 0.3  # QM-03
FIRST = 0.3  # s beyond the step until the first text (QM-04)
LAGGING = 2.0  # s (QM-05)
FINAL = 0.02  # s beyond the endpoint (QM-06)
COST = 35.0  # ms for each second of speech (QM-08)
FLAT, HOUR_FLAT = 1.05, 1.2  # QM-10; the last ten minutes of an hour over the first ten
ONE_WINDOW = 30.0  # s; longer files are more than one window offline, and errors of their seams
LONG, HOUR = 15, 60  # minutes


def policy_rows(plan: Plan) -> list[Row]:
    """All of it; the stream of an hour only in full rounds. No service is started."""
    setting = Setting().having("model", str(DEMO_MODEL))
    found = recordings(language="en")
    often = phases(found, plan.rounds, setting.pace.piece)
    offline = Offline(setting.engine)
    engine = build(setting)
    try:
        with _others() as rest:
            plain = evaluate(often, setting, offline, engine=engine)
        rows = _word_rows("consistent", plain, CONSISTENT, rest)
        rows += _promise_rows(plain.total, rest)
        rows += _delay_rows(plain.total, setting, rest)
        with _others() as rest:
            best = evaluate(often, setting.having("final", "best"), offline, engine=engine)
        rows += _word_rows("best", best, BEST, rest)
        with _others() as rest:
            rows.append(_batch_row(found, setting, engine, rest))
        rows += _flat_rows(found, setting, engine, HOUR if plan.rounds > 1 else LONG)
    finally:
        engine.close()
    return rows


def _word_rows(final: str, evaluation: Evaluation, bar: float, rest: list[float]) -> list[Row]:
    short = [one for one in evaluation.heard if one.recording.seconds <= ONE_WINDOW]
    streamed, whole = Outcome(), Outcome()
    for one in short:
        streamed.streamed.add(one.recording.text or "", one.streamed)
        whole.streamed.add(one.recording.text or "", one.offline)
    total = evaluation.total
    name = f"policy, {final}: WER above offline"
    assert total.above is not None, "the manifest has texts"
    return [
        Row(
            name,
            [total.above],
            "points",
            rest,
            bar,
            f"streamed {total.streamed}, whole files {total.offline}",
        ),
        Row(
            f"{name}, files up to {ONE_WINDOW:g} s",
            [100 * (streamed.streamed.rate - whole.streamed.rate)],
            "points",
            rest,
            bar,
            f"streamed {streamed.streamed}, whole files {whole.streamed}",
        ),
    ]


def _promise_rows(total: Outcome, rest: list[float]) -> list[Row]:
    return [
        Row("policy: committed words that changed", [total.changed], "", rest, 0),
        Row("policy: words withdrawn for each final one", [total.erasure], "", rest, ERASURE),
    ]


def _delay_rows(total: Outcome, setting: Setting, rest: list[float]) -> list[Row]:
    step, endpoint = setting.speech.step, setting.speech.endpointing.silence
    late = f"p99 {percentile(total.final, 99):.2f} s; {endpoint} s of it is the endpoint"
    first = f"p50 {percentile(total.first, 50):.2f} s, n={len(total.first)}"
    lag = f"a committed word lags its end by {mean(total.lag):.2f} s"
    cost = 1000 * total.per_speech(total.engine_cpu + total.stream_cpu)
    parts = (
        f"stream {1000 * total.per_speech(total.stream_cpu):.2f} ms, encoded "
        f"{total.per_speech(total.encoded):.1f} s, {total.per_speech(total.tokens):.1f} tokens"
    )
    return [
        Row(
            "policy: first text after onset, p95",
            [percentile(total.first, 95)],
            "s",
            rest,
            step + FIRST,
            first,
        ),
        Row("policy: LAAL", [mean(total.laal)], "s", rest, LAGGING, lag),
        Row(
            "policy: final after last word, p50",
            [percentile(total.final, 50)],
            "s",
            rest,
            endpoint + FINAL,
            late,
        ),
        Row("policy: CPU ms for each s of speech, alone", [cost], "ms", rest, COST, parts),
    ]


def _batch_row(
    found: Sequence[Recording], setting: Setting, engine: Engine, rest: list[float]
) -> Row:
    """Windows of files of all kinds; those of the long ones are more of the same."""
    windows = []
    for recording in found:
        if recording.seconds <= ONE_WINDOW:
            options = replace(setting.speech, language=recording.language, n_mels=engine.n_mels)
            played = replay(recording.samples, options, engine, keep=True)
            windows += [call.window for call in played.calls if call.window is not None]
    same, compared = invariance(windows, engine)
    differing = 100 * (1 - same / compared)
    note = f"{compared} texts of {len(windows)} windows"
    return Row("policy: texts that differ in a batch", [differing], "%", rest, 0, note)


def _flat_rows(
    found: Sequence[Recording], setting: Setting, engine: Engine, minutes: int
) -> list[Row]:
    """One stream in which each minute is the same; an hour of it shows the last row."""
    one = minute(recording for recording in found if recording.seconds > ONE_WINDOW)
    options = replace(setting.speech, language="en", n_mels=engine.n_mels)
    with _others() as rest:
        played = replay(np.tile(one, minutes), options, engine)
    late = flatness(played, early=1, late=LONG)
    rows = [Row(f"policy: step cost, minute {LONG} / minute 1", [late], "", rest, FLAT)]
    if minutes == HOUR:
        last = flatness(played, early=1, late=HOUR - 9, minutes=10)
        rows.append(
            Row(
                f"policy: step cost, last / first 10 minutes of {HOUR}", [last], "", rest, HOUR_FLAT
            )
        )
    return rows


@contextmanager
def _others() -> Iterator[list[float]]:
    """A list that gets, at the end, what others used of the machine meanwhile, in % of one core."""
    rest: list[float] = []
    wall, own, busy = time.monotonic(), time.process_time(), machine_busy()
    yield rest
    used = machine_busy() - busy - (time.process_time() - own)
    rest.append(max(0.0, 100 * used / (time.monotonic() - wall)))
