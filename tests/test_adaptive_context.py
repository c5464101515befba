"""Encoder lengths that go up where short input fails (stt/engines/adaptive_context.py)."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

import pytest

from stt.engines.adaptive_context import CLEAN, LONGEST, AdaptiveContext
from stt.engines.encoder_context import EncoderContext, grid
from stt.events import Kind


@pytest.fixture(name="context")
def _context():
    """Interims from 2 s, finals from 10 s."""
    return AdaptiveContext(EncoderContext(200, 1000))


def note(context, kind, retries, windows):
    """Some windows as short as their kind may be, the first of them helped by 30 s."""
    for number in range(windows):
        length = grid(context.context.least(kind))
        context.note(kind, length, helped=number < retries)


def test_few_retries_change_nothing(context):
    """5 in 100 windows is what a model may need (REC-45)."""
    for _ in range(4):
        note(context, Kind.INTERIM, 5, 100)

    assert context.context == EncoderContext(200, 1000)


def test_more_than_five_percent_raise_the_minimum_of_that_kind(context, caplog):
    """6 retries in 100 windows move the minimum one step up, and the log says so once (REC-45)."""
    with caplog.at_level(logging.WARNING, "stt.engines"):
        note(context, Kind.INTERIM, 6, 100)

    assert context.context == EncoderContext(250, 1000)
    assert context.length(Kind.INTERIM, 10) == 250
    (record,) = caplog.records
    assert "interims" in record.getMessage()
    assert "at least 250 feature frames" in record.getMessage()


def test_it_is_over_the_last_hundred_windows(context):
    """Retries further apart do not add up."""
    for _ in range(3):
        note(context, Kind.INTERIM, 3, 101)

    assert context.context.min_interim == 200


def test_after_a_move_the_count_begins_anew(context):
    """Each step has to be earned."""
    note(context, Kind.INTERIM, 11, 20)
    assert context.context.min_interim == 250

    note(context, Kind.INTERIM, 1, 1)
    assert context.context.min_interim == 300


@pytest.mark.parametrize("kind", [Kind.FINAL, Kind.SPEC, Kind.BULK])
def test_all_but_interims_count_as_finals(context, kind):
    """What may become a final has the minimum of finals."""
    note(context, kind, 6, 6)

    assert context.context == EncoderContext(200, 1250)


def test_thirty_seconds_are_the_end(context):
    """Windows in full context move nothing up (API-08)."""
    full = AdaptiveContext(EncoderContext(3000, 2000))
    for _ in range(100):
        full.note(Kind.FINAL, 3000, helped=True)
    assert full.context == EncoderContext(3000, 2000)

    note(full, Kind.FINAL, 6, 6)
    note(full, Kind.INTERIM, 6, 6)
    assert full.context == EncoderContext(3000, 3000)


def test_threads_move_it_once(context):
    """Many workers that see the same trouble move it one step each six retries, not more."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: note(context, Kind.INTERIM, 1, 1), range(18)))

    assert context.context.min_interim == 350


def test_windows_longer_than_the_minimum_do_not_count(context):
    """Their own audio set their length, so they say nothing of the minimum (REC-45)."""
    for _ in range(24):
        context.note(Kind.FINAL, 2000, helped=True)
        context.note(Kind.INTERIM, 250, helped=True)

    assert context.context == EncoderContext(200, 1000)


def test_windows_of_an_older_minimum_do_not_count(context):
    """What was encoded before the last move says nothing of the new minimum."""
    note(context, Kind.INTERIM, 6, 6)
    for _ in range(100):
        context.note(Kind.INTERIM, 200, helped=True)

    assert context.context.min_interim == 250


def test_a_minimum_comes_down_again_after_clean_windows(context, caplog):
    """500 windows with hardly a retry take it one step down, and the log says so (REC-45)."""
    note(context, Kind.FINAL, 12, 12)
    assert context.context.min_final == 1500

    with caplog.at_level(logging.INFO, "stt.engines"):
        note(context, Kind.FINAL, 5, CLEAN - 1)
        assert context.context.min_final == 1500
        note(context, Kind.FINAL, 0, 1)

    assert context.context.min_final == 1250
    assert "finals" in caplog.text
    assert "1250 feature frames of them at least, no longer 1500" in caplog.text
    note(context, Kind.FINAL, 0, CLEAN)
    assert context.context.min_final == 1000


def test_it_does_not_come_down_while_windows_still_fail(context):
    """More than 1 in 100: the minimum stays where it is, until a stretch is clean."""
    note(context, Kind.INTERIM, 6, 6)
    for _ in range(5):
        note(context, Kind.INTERIM, 2, 100)
    assert context.context.min_interim == 250

    note(context, Kind.INTERIM, 0, CLEAN)
    assert context.context.min_interim == 200


@pytest.mark.parametrize("least", [200, 220])
def test_it_never_goes_below_the_profile(least):
    """Nor does what the profile says have to be a length of the grid."""
    context = AdaptiveContext(EncoderContext(least, 1000))
    note(context, Kind.INTERIM, 6, 6)
    note(context, Kind.INTERIM, 0, 3 * CLEAN)

    assert context.context == EncoderContext(least, 1000)


def test_it_comes_down_from_30_s_too():
    """Where every window is encoded in full no retry can happen, so less is tried (REC-45)."""
    context = AdaptiveContext(EncoderContext(200, 2000))
    note(context, Kind.FINAL, 6, 6)
    assert context.context.min_final == 3000

    note(context, Kind.FINAL, 0, CLEAN)

    assert context.context.min_final == 2000


def test_less_in_vain_is_tried_less_often(context):
    """A minimum that has to go up after it came down waits twice as long, and not for ever."""
    waits = []
    for _ in range(6):
        note(context, Kind.INTERIM, 6, 6)
        waits.append(0)
        while context.context.min_interim > 200:
            note(context, Kind.INTERIM, 0, 1)
            waits[-1] += 1

    assert waits == [CLEAN, 2 * CLEAN, 4 * CLEAN, LONGEST, LONGEST, LONGEST]
