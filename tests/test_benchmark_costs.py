"""The cost-table command (benchmarks/costs.py)."""

from __future__ import annotations

import sys

import pytest

from benchmarks import costs
from benchmarks.costs import Figures, printed
from benchmarks.random_model import make
from stt.costs import CostTable
from stt.engines.whisper_costs import PYTHON

FIGURES = Figures(
    encode={1: ((100, 0.002), (3000, 0.3)), 8: ((100, 0.003),)},
    mel=0.0002,
    step=((1, 0.001), (8, 0.004)),
    fixed=((1, 0.003), (8, 0.010)),
    beam_step=((1, 0.002), (8, 0.02)),
    align=((100, 0.002),),
)


def test_figures_become_the_table_that_a_scheduler_reads():
    """What each further window adds is per window, the rest is per call (REC-83)."""
    table = FIGURES.as_table()

    assert table.encode == ((100, 0.002), (3000, 0.3))
    assert table.window == pytest.approx(0.001 + PYTHON)
    assert table.call == pytest.approx(0.002)
    assert table.align == ((100, 0.002),)


def test_tables_are_in_milliseconds():
    """What was not measured is a dash."""
    shown = printed(FIGURES)

    assert "| encoder | 2 | 300 |" in shown
    assert "| word times, 4 tokens/s | 2 | - |" in shown
    assert "| step for each window | 1 | 0.5 |" in shown
    assert "| 100 frames | 2 | 3 |" in shown


def test_command_measures_a_model_and_writes_its_table(tmp_path, monkeypatch, capsys):
    """A folder in, three tables and a file out."""
    make("nano", tmp_path / "nano")
    file = tmp_path / "costs.json"
    arguments = ["costs", "--model", str(tmp_path / "nano"), "--quick", "--json", str(file)]
    monkeypatch.setattr(sys, "argv", arguments)

    costs.main()

    table = CostTable.from_json(file.read_text())
    assert [frames for frames, _ in table.encode] == [100, 500, 1000]
    assert table.step_s(8) > table.step_s(1) > 0
    assert "| encoder for each window, ms | batch 1 | batch 8 |" in capsys.readouterr().out
