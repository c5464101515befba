"""Turns of files: how many, how many bytes, and that each is given back once."""

from __future__ import annotations

import pytest

from api.files.turns import Turns
from stt.errors import QueueFull


def test_a_file_too_many_is_refused() -> None:
    """F-17: until one of the others is over."""
    turns = Turns(2, 100)
    first, _ = turns.take(), turns.take()

    with pytest.raises(QueueFull, match=r"^2 files are being transcribed"):
        turns.take()
    first.release()

    assert turns.taken == 1
    turns.take()


def test_a_turn_is_given_back_once() -> None:
    """Whoever ends a request may do so twice; the next file's turn is its own (F-17)."""
    turns = Turns(1, 100)
    first = turns.take()
    first.hold(100)
    first.release()
    second = turns.take()
    second.hold(60)

    first.release()

    assert turns.taken == 1
    with pytest.raises(QueueFull):
        second.hold(41)
    second.hold(40)


def test_bytes_too_many_are_refused_and_not_counted() -> None:
    """All files share one memory; what was refused takes none of it (F-17, RT-65)."""
    turns = Turns(3, 100)
    first, second = turns.take(), turns.take()
    first.hold(70)

    with pytest.raises(QueueFull, match="memory"):
        second.hold(31)
    second.hold(30)
    first.release()

    third = turns.take()
    third.hold(70)
