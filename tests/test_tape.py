"""The audio that is kept."""

from __future__ import annotations

import numpy as np
import pytest

from stt.speech.tape import Tape
from tests.speech import noise


def test_reads_back_what_was_appended() -> None:
    """A read across pieces gives exactly the samples between the two positions."""
    audio = noise(3.5)
    tape = Tape()

    for at in range(0, len(audio), 1700):
        tape.append(audio[at : at + 1700])

    np.testing.assert_array_equal(audio[1234:50_000], tape.read(1234, 50_000))


def test_reading_gives_a_copy() -> None:
    """Whoever has a window may do with it what it likes."""
    tape = Tape()
    tape.append(np.full(100, 0.5, np.float32))

    tape.read(0, 100)[:] = 0

    assert tape.read(0, 100).min() == 0.5


def test_mends_what_is_no_sample() -> None:
    """NaN and infinities become 0, what is far beyond full scale is cut; the caller's stay."""
    given = np.array([0.5, np.nan, np.inf, -9.0], np.float32)

    kept = Tape().append(given)

    assert kept.tolist() == [0.5, 0.0, 0.0, -1.0]
    assert given[3] == -9.0


def test_forgets() -> None:
    """What was forgotten is gone, and a long piece can be forgotten in parts."""
    tape = Tape()
    tape.append(noise(10))

    tape.forget(5 * 16_000 + 1)

    assert tape.start == 5 * 16_000
    assert len(tape.read(0, tape.end)) == 5 * 16_000


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_bad_samples_are_silence(bad: float) -> None:
    """NaN and infinities become 0, samples beyond full scale are clipped."""
    tape = Tape()

    clean = tape.append(np.array([0.25, bad, 3.0, -1e30], np.float32))

    assert clean.tolist() == [0.25, 0.0, 1.0, -1.0]


def test_nothing_in_nothing_out() -> None:
    """Empty audio and empty ranges are fine."""
    tape = Tape()

    tape.append(np.zeros(0, np.float32))

    assert len(tape.read(0, 100)) == 0
    assert tape.end == 0
