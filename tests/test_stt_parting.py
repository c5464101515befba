"""How a session ends that was asked to."""

from __future__ import annotations

from stt.replies import Problem, Reply
from stt_outbox import Closing, Outbox
from stt_parting import Parting

FAREWELL = Problem("session_expired", "too long", close_code=1001)


class Leaving:
    """A parting, and what it says."""

    def __init__(self) -> None:
        self.outbox = Outbox()
        self.said: list[Reply] = []
        self.parting = Parting(self.outbox, self.said.append)


def test_nobody_parts_unasked() -> None:
    """A session that has said everything goes on (S10)."""
    leaving = Leaving()

    leaving.parting.part()

    assert leaving.outbox.get(0) is None


def test_the_first_wish_counts_and_the_last_word_is_said_once() -> None:
    """A second close, and whatever settles later, change nothing (S10, RE8)."""
    leaving = Leaving()
    leaving.parting.ask(1001, FAREWELL)
    leaving.parting.ask(1000, None)

    leaving.parting.part()
    leaving.parting.part()

    assert leaving.said == [FAREWELL]
    assert leaving.outbox.get(0) == Closing(1001, "session_expired")


def test_a_normal_close_needs_no_word() -> None:
    """A client that ended its audio hears the close alone (S10)."""
    leaving = Leaving()

    leaving.parting.ask(1000, None)
    leaving.parting.part()

    assert (leaving.said, leaving.outbox.get(0)) == ([], Closing(1000))
