"""When the audio of a second arrived."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stt.timeline import SPAN, ArrivalTimeline


def test_s5_a_second_arrives_with_the_frame_that_holds_it() -> None:
    """The clock of the first frame that reaches the second."""
    timeline = ArrivalTimeline()
    for n in range(1, 4):
        timeline.arrived(0.1 * n, 50.0 + n)

    assert timeline.when(0.05) == 51.0
    assert timeline.when(0.1) == 51.0
    assert timeline.when(0.15) == 52.0
    assert timeline.when(0.0) == 51.0


def test_what_has_not_come_has_no_clock() -> None:
    """Nothing heard yet, or a second that is still to come."""
    timeline = ArrivalTimeline()
    assert timeline.when(0.0) is None

    timeline.arrived(1.0, 7.0)

    assert timeline.when(1.01) is None


def test_the_first_frame_may_be_long() -> None:
    """All seconds of a snapshot of 30 s arrived with it, its beginning too (DM10)."""
    timeline = ArrivalTimeline()

    timeline.arrived(30.0, 7.0)

    assert timeline.when(2.0) == 7.0


def test_s6_old_arrivals_are_forgotten() -> None:
    """An hour of frames keeps the newest one or two minutes; older seconds have no clock."""
    timeline = ArrivalTimeline()
    for n in range(1, 36_001):
        timeline.arrived(n / 10, 1000 + n / 10)

    assert timeline.when(3600 - 2 * SPAN / 10 - 1) is None
    assert timeline.when(3600 - SPAN / 10 + 0.05) == 1000 + 3600 - SPAN / 10 + 0.1
    assert timeline.when(3600.0) == 4600.0


def test_s6_what_was_said_is_forgotten() -> None:
    """Up to a final's end, but for the frame that holds it; later audio keeps its clock (S6)."""
    timeline = ArrivalTimeline()
    for n in range(1, 101):
        timeline.arrived(n / 10, 1000.0 + n)

    timeline.forget(9.75)

    assert len(timeline) == 3
    assert timeline.when(9.7) is None
    assert [timeline.when(second) for second in (9.75, 9.8, 10.0)] == [1098.0, 1098.0, 1100.0]
    timeline.forget(99.0)
    assert timeline.when(10.0) == 1100.0


def test_s6_an_hour_without_finals_is_kept_in_bounds() -> None:
    """Frames of 20 ms, and no final that would let the timeline forget (S6)."""
    timeline = ArrivalTimeline()

    sizes = set()
    for n in range(1, 180_001):
        timeline.arrived(n / 50, n / 50)
        sizes.add(len(timeline))

    assert max(sizes) == 2 * SPAN


@given(st.lists(st.tuples(st.floats(0, 2), st.floats(0, 2)), min_size=1, max_size=40))
def test_later_seconds_never_arrived_earlier(steps: list[tuple[float, float]]) -> None:
    """Frames of any length: the clock rises with the second, and a frame's end has its clock."""
    timeline, end, clock, ends = ArrivalTimeline(), 0.0, 0.0, []
    for length, pause in steps:
        end, clock = end + length, clock + pause
        timeline.arrived(end, clock)
        ends.append(end)

    clocks = [timeline.when(second) for second in ends]

    assert None not in clocks
    assert clocks == sorted(clocks)  # type: ignore[type-var]
    assert clocks[-1] is not None
    assert clocks[-1] <= clock
