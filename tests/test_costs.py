"""The cost table (stt/costs.py)."""

from __future__ import annotations

import pytest

from stt.costs import CostTable, between

TABLE = CostTable(
    encode=((100, 0.002), (500, 0.01)),
    step=((1, 0.001), (8, 0.004)),
    call=0.003,
    window=0.001,
    align=((100, 0.002), (500, 0.006)),
)


@pytest.mark.parametrize(
    ("size", "seconds"), [(50, 1.0), (100, 2.0), (150, 3.0), (200, 4.0), (300, 10.0), (400, 16.0)]
)
def test_between_follows_the_points(size, seconds):
    """Linear between points, proportional below the first, the last slope beyond the last."""
    assert between([(100, 2.0), (200, 4.0), (300, 10.0)], size) == pytest.approx(seconds)


def test_one_point_is_a_price():
    """A single point is taken as proportional."""
    assert between([(100, 2.0)], 250) == pytest.approx(5.0)


def test_a_batch_pays_the_call_once_and_each_window_alone():
    """call + n * (window + encode) + steps * step(n) (REC-65)."""
    assert TABLE.batch_s(500, 10, 8) == pytest.approx(0.003 + 8 * (0.001 + 0.01) + 10 * 0.004)
    assert TABLE.align_s(300) == pytest.approx(0.004)


def test_a_table_survives_a_file():
    """What is written as JSON is read as the same table."""
    assert CostTable.from_json(TABLE.to_json()) == TABLE


def test_an_older_table_lacks_fields():
    """What a table does not say costs nothing."""
    table = CostTable.from_json('{"encode": [[100, 0.5]], "call": 1}')

    assert table == CostTable(encode=((100, 0.5),), call=1.0)


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{",
        '{"encoder": 1}',
        '{"call": -1}',
        '{"call": "1"}',
        '{"call": NaN}',
        '{"step": 1}',
        '{"step": []}',
        '{"step": [[1]]}',
        '{"step": [[0, 1]]}',
        '{"step": [[2, 1], [1, 2]]}',
        '{"step": [[1, true]]}',
    ],
)
def test_what_is_no_table_is_refused(text):
    """A file of something else is a ValueError, not a table of nonsense."""
    with pytest.raises(ValueError, match=r"."):
        CostTable.from_json(text)
