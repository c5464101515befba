"""The rows of ``make bench`` about the streaming policy (benchmarks/policy/rows.py)."""

from __future__ import annotations

import pytest

from benchmarks.policy import rows
from benchmarks.policy.corpus import recordings
from benchmarks.sessions import Plan


@pytest.fixture(name="few")
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two short clips, and minutes that are counted down to a few."""
    few = recordings(kinds=["quiet", "clipped"])
    monkeypatch.setattr(rows, "recordings", lambda **_: few)
    monkeypatch.setattr(rows, "ONE_WINDOW", 4.0)  # so that one of them is a long one
    monkeypatch.setattr(rows, "LONG", 2)
    monkeypatch.setattr(rows, "HOUR", 11)


@pytest.mark.slow
@pytest.mark.usefixtures("few")
def test_the_rows_have_the_figures_of_the_policy() -> None:
    """Words against offline, promises, delays, cost, batches and flatness (QM-01 to QM-10)."""
    found = {row.figure: row for row in rows.policy_rows(Plan(rounds=3, seconds=1.0))}

    assert list(found) == [
        "policy, consistent: WER above offline",
        "policy, consistent: WER above offline, files up to 4 s",
        "policy: committed words that changed",
        "policy: words withdrawn for each final one",
        "policy: first text after onset, p95",
        "policy: LAAL",
        "policy: final after last word, p50",
        "policy: CPU ms for each s of speech, alone",
        "policy, best: WER above offline",
        "policy, best: WER above offline, files up to 4 s",
        "policy: texts that differ in a batch",
        "policy: step cost, minute 2 / minute 1",
        "policy: step cost, last / first 10 minutes of 11",
    ]
    assert all(len(row.rest) == len(row.rounds) == 1 for row in found.values())
    assert found["policy: committed words that changed"].measured == 0
    assert found["policy: texts that differ in a batch"].measured == 0
    assert 0.0 < found["policy: first text after onset, p95"].measured < 1.3
    assert "(0/15)" in found["policy, consistent: WER above offline, files up to 4 s"].note


@pytest.mark.usefixtures("few")
def test_a_quick_round_leaves_out_the_hour() -> None:
    """It would be most of the time."""
    figures = [row.figure for row in rows.policy_rows(Plan(rounds=1, seconds=1.0))]

    assert figures[-1] == "policy: step cost, minute 2 / minute 1"
