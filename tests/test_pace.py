"""The token bucket of audio seconds (runtime RT-27)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stt.pace import Pace, PaceOptions


def test_real_time_never_waits() -> None:
    """A live client is never slowed."""
    pace = Pace(PaceOptions(rate=1.5, burst=1.0), 0.0)

    assert [pace.spend(0.1, 0.1 * n) for n in range(1, 100)] == [0.0] * 99


def test_a_burst_is_free_and_then_the_rate_holds() -> None:
    """Ten seconds come at once; beyond them a second of audio costs 1 / 1.5 s (RT-27)."""
    pace = Pace(PaceOptions(rate=1.5, burst=10.0), 5.0)

    assert pace.spend(10.0, 5.0) == 0.0
    assert pace.spend(3.0, 5.0) == pytest.approx(2.0)
    assert pace.spend(0.0, 7.0) == pytest.approx(0.0)


def test_a_pause_refills_no_more_than_the_burst() -> None:
    """A client that was silent for an hour may not send an hour at once."""
    pace = Pace(PaceOptions(rate=1.5, burst=10.0), 0.0)
    pace.spend(10.0, 0.0)

    assert pace.spend(11.5, 3600.0) == pytest.approx(1.0)


@given(
    st.lists(st.tuples(st.floats(0, 60), st.floats(0, 60)), min_size=1, max_size=50),
    st.floats(0.5, 100),
    st.floats(0, 60),
)
def test_who_waits_as_told_keeps_the_rate(
    sent: list[tuple[float, float]], rate: float, burst: float
) -> None:
    """With the waits kept, no more than burst + rate x time was ever taken (RT-27)."""
    pace, now, total = Pace(PaceOptions(rate, burst), 0.0), 0.0, 0.0
    for seconds, pause in sent:
        now += pause
        total += seconds
        now += pace.spend(seconds, now)
        assert total <= burst + rate * now + 1e-6 * (1 + total)
