"""Calls at a later time, on one thread."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Iterator

import pytest

from stt_timers import Timers

WAIT = 10.0  # s; a deadline, not a delay


@pytest.fixture
def timers() -> Iterator[Timers]:
    """Timers that run."""
    running = Timers()
    running.start()
    yield running
    running.close()


def test_calls_come_in_the_order_of_their_times(timers: Timers) -> None:
    """A later call set first does not hold up an earlier one set after it."""
    called: queue.Queue[str] = queue.Queue()
    timers.after(0.06, lambda: called.put("third"))
    timers.after(0.03, lambda: called.put("second"))
    timers.after(0.0, lambda: called.put("first"))

    assert [called.get(timeout=WAIT) for _ in range(3)] == ["first", "second", "third"]


def test_equal_times_keep_their_order(timers: Timers) -> None:
    """Calls due at once are made in the order they were set, one by one on one thread."""
    called: queue.Queue[tuple[int, str]] = queue.Queue()
    for n in range(20):
        timers.after(0.0, lambda n=n: called.put((n, threading.current_thread().name)))  # type: ignore[misc]

    assert [called.get(timeout=WAIT) for _ in range(20)] == [(n, "stt-timers") for n in range(20)]


def test_a_cancelled_call_is_not_made(timers: Timers) -> None:
    """Cancelling keeps the call away and lets go of what it held."""
    called: queue.Queue[str] = queue.Queue()
    timer = timers.after(0.01, lambda: called.put("cancelled"))
    timers.after(0.02, lambda: called.put("kept"))

    timer.cancel()

    assert called.get(timeout=WAIT) == "kept"
    assert called.empty()


def test_a_bad_call_does_not_end_the_others(
    timers: Timers, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception is logged and the thread goes on (AV4)."""
    called: queue.Queue[str] = queue.Queue()

    def bad() -> None:
        raise RuntimeError("bad call")

    with caplog.at_level(logging.ERROR, "stt.timers"):
        timers.after(0.0, bad)
        timers.after(0.0, lambda: called.put("next"))
        assert called.get(timeout=WAIT) == "next"

    assert "a timed call failed" in caplog.text


def test_repeated_calls_survive_their_errors(timers: Timers) -> None:
    """`every` calls again and again, also after an exception (RE2)."""
    called: queue.Queue[int] = queue.Queue()

    def call() -> None:
        called.put(1)
        raise RuntimeError("bad call")

    timers.every(0.001, call)

    assert [called.get(timeout=WAIT) for _ in range(3)] == [1, 1, 1]


def test_a_callback_may_set_timers(timers: Timers) -> None:
    """No lock is held during a call (AC2)."""
    called: queue.Queue[str] = queue.Queue()

    timers.after(0.0, lambda: timers.after(0.0, lambda: called.put("inner")))

    assert called.get(timeout=WAIT) == "inner"


def test_closing_ends_the_thread_and_its_calls() -> None:
    """After close no call is made; closing twice or before the start does no harm."""
    Timers().close()
    timers = Timers()
    timers.start()
    called: list[int] = []
    timers.after(60, lambda: called.append(1))

    timers.close()
    timers.close()
    timers.after(0.0, lambda: called.append(2))

    assert "stt-timers" not in {thread.name for thread in threading.enumerate()}
    assert called == []


def test_a_callback_may_close() -> None:
    """Closing from the timers' own thread does not wait for itself."""
    timers = Timers()
    timers.start()
    done = threading.Event()

    def close() -> None:
        timers.close()
        done.set()

    timers.after(0.0, close)

    assert done.wait(WAIT)
