"""The cost table: interpolation, and what a batch costs."""

from __future__ import annotations

import pytest

from stt.costs import CostTable, between
from tests.queue_jobs import TINY


@pytest.mark.parametrize(
    ("size", "seconds"),
    [(100, 0.0027), (300, 0.0086), (1000, 0.036), (50, 0.00135), (4000, 0.462)],
)
def test_costs_between_measured_sizes_are_interpolated(size: int, seconds: float) -> None:
    """Linear between two points, proportional below the first, the last slope beyond (REC-67)."""
    assert between(TINY.encode, size) == pytest.approx(seconds)


def test_one_measured_size_means_proportional() -> None:
    """Of a table with one point nothing else is known."""
    assert between(((100, 0.01),), 50) == pytest.approx(0.005)
    assert between(((100, 0.01),), 300) == pytest.approx(0.03)


def test_a_batch_costs_each_encoding_and_one_decoding() -> None:
    """Windows are encoded apart and decoded together (REC-65): steps are paid once."""
    alone = TINY.batch_s(500, 20, 1)
    eight = TINY.batch_s(500, 20, 8)

    assert alone == pytest.approx(0.003 + 0.001 + 0.0145 + 20 * 0.0014)
    assert eight == pytest.approx(0.003 + 8 * (0.001 + 0.0145) + 20 * 0.0036)


def test_nothing_is_known_of_an_engine_that_was_not_measured() -> None:
    """The default table is free."""
    assert CostTable().batch_s(3000, 200, 8) == 0.0
