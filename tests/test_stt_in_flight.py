"""What all connections hold together."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from stt_in_flight import InFlight


def test_the_books_are_balanced_whoever_writes_them() -> None:
    """RT-28: many threads add and take off; full is above the limit, not at it."""
    in_flight = InFlight(10)

    def book(size: int) -> None:
        for _ in range(1000):
            in_flight.change(size)
            in_flight.change(-size)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(book, range(1, 5)))
    in_flight.change(10)

    assert (in_flight.held, in_flight.full) == (10, False)
    in_flight.change(1)
    assert in_flight.full
