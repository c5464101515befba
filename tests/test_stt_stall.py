"""The watch over clients that fall silent in mid-utterance, on a clock that the tests move."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest

from stt_stall import StallWatch
from stt_timers import Timers


class FakeTimers:
    """A clock, and the calls that wait for it."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waiting: list[tuple[float, Callable[[], object]]] = []
        self.armed = 0

    def after(self, seconds: float, call: Callable[[], object]) -> None:
        """As `Timers.after`."""
        self.armed += 1
        self.waiting.append((self.now + seconds, call))

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and make the calls that are due meanwhile, each at its time."""
        end = self.now + seconds
        while due := [entry for entry in self.waiting if entry[0] <= end]:
            first = min(due, key=lambda entry: entry[0])
            self.waiting.remove(first)
            self.now = first[0]
            first[1]()
        self.now = end


class Client:
    """A client whose utterance is open or not, under a watch."""

    def __init__(self, wait: float = 3.0) -> None:
        self.timers = FakeTimers()
        self.speaking = True
        self.ended: list[float] = []
        self.watch = StallWatch(
            wait,
            timers=cast(Timers, self.timers),
            ring=self._ring,
            clock=lambda: self.timers.now,
        )

    def _ring(self) -> None:
        if self.watch.rang(speaking=self.speaking):
            self.speaking = False
            self.ended.append(self.timers.now)

    def talk(self, seconds: float) -> None:
        """Send messages of 100 ms at the pace of speech."""
        for _ in range(round(10 * seconds)):
            self.watch.heard(0.1, speaking=self.speaking)
            self.timers.pass_time(0.1)


@pytest.fixture(name="client")
def _client() -> Client:
    return Client()


def test_an_utterance_ends_a_while_after_the_last_audio(client: Client) -> None:
    """The wait counts from when the audio of the last message would be over."""
    client.talk(10)

    client.timers.pass_time(60)

    assert client.ended == [pytest.approx(113.0)]


def test_a_client_that_goes_on_in_time_is_left_alone(client: Client) -> None:
    """A pause shorter than the wait ends nothing."""
    for _ in range(5):
        client.talk(1)
        client.timers.pass_time(2.9)

    assert client.ended == []


def test_audio_arms_no_timer_each_time(client: Client) -> None:
    """A minute of speech in 600 messages takes a timer for each wait, not for each message."""
    client.talk(60)

    assert len(client.timers.waiting) == 1
    assert client.timers.armed <= 21


def test_no_timer_waits_while_nothing_is_open(client: Client) -> None:
    """A silent session costs nothing; an utterance that ended by itself lets the timer go."""
    client.talk(1)
    client.speaking = False
    client.talk(10)

    assert client.timers.waiting == []
    assert client.ended == []


def test_the_next_utterance_is_watched_again(client: Client) -> None:
    """Also when the one before was ended by the watch."""
    for _ in range(2):
        client.speaking = True
        client.talk(1)
        client.timers.pass_time(10)

    assert len(client.ended) == 2


def test_a_long_message_stands_for_its_time(client: Client) -> None:
    """A client that sends 5 s of audio every 5 s is not cut between two messages."""
    for _ in range(3):
        client.watch.heard(5.0, speaking=True)
        client.timers.pass_time(5.0)
    assert client.ended == []

    client.timers.pass_time(10)

    assert client.ended == [pytest.approx(118.0)]


def test_zero_switches_the_watch_off() -> None:
    """Then an utterance waits for ever."""
    client = Client(wait=0.0)

    client.talk(1)
    client.timers.pass_time(1000)

    assert client.timers.armed == 0
    assert client.ended == []
