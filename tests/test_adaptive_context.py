"""Encoder lengths that grow where short input fails (stt/engines/adaptive_context.py)."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

import pytest

from stt.engines.adaptive_context import AdaptiveContext
from stt.engines.encoder_context import EncoderContext
from stt.events import Kind


@pytest.fixture(name="context")
def _context():
    """Interims from 2 s, finals from 10 s."""
    return AdaptiveContext(EncoderContext(200, 1000))


def note(context, kind, retries, windows):
    """Some windows, the first of them decoded again."""
    for number in range(windows):
        context.note(kind, 200, retried=number < retries)


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
    """Windows in full context neither count nor move anything (API-08)."""
    full = AdaptiveContext(EncoderContext(3000, 2000))
    for _ in range(100):
        full.note(Kind.FINAL, 3000, retried=True)
    assert full.context == EncoderContext(3000, 2000)

    note(full, Kind.FINAL, 6, 6)
    note(full, Kind.INTERIM, 6, 6)
    assert full.context == EncoderContext(3000, 3000)


def test_threads_move_it_once(context):
    """Many workers that see the same trouble move it one step each six retries, not more."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: note(context, Kind.INTERIM, 1, 1), range(18)))

    assert context.context.min_interim == 350
