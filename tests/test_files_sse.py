"""Server-sent events: when a comment is due. What the events say is tested at the door."""

from __future__ import annotations

from collections.abc import Iterator

from api.files.leaving import ClientGone
from api.files.sse import DONE, KEEP_ALIVE, events
from stt.events import Final
from tests.doors import Clock


def frames(
    clock: Clock, *steps: tuple[float, Final | None], keep_alive: float = 5.0
) -> Iterator[str]:
    """The frames for utterances that come after so many seconds each."""

    def heard() -> Iterator[Final | None]:
        for seconds, final in steps:
            clock.now += seconds
            yield final

    return events(heard(), logprobs=False, keep_alive=keep_alive, clock=clock)


def final(text: str) -> Final:
    """An utterance."""
    return Final(0, text, 0.0, 1.0, language="en")


def kinds(said: Iterator[str]) -> list[str]:
    """Each frame as a word."""
    known = {KEEP_ALIVE: "comment", DONE: "end"}
    return [known.get(frame, "delta" if "text.delta" in frame else "done") for frame in said]


def test_os5_a_comment_after_each_quiet_interval() -> None:
    """OS5: none is due as long as text comes; empty utterances are no text."""
    beat, quiet = (1.0, None), (1.0, final(""))

    said = kinds(frames(Clock(), (1.0, final("a")), *[beat] * 4, quiet, *[beat] * 9))

    assert said == ["delta", "comment", "comment", "done", "end"]


def test_os5_a_comment_at_once_where_text_takes_its_time() -> None:
    """OS5: the client sees that it was let in; the next one is due an interval later."""
    said = kinds(frames(Clock(), *[(1.0, None)] * 5, (0.5, final("a"))))

    assert said == ["comment", "delta", "done", "end"]


def test_os5_text_puts_the_comment_off() -> None:
    """OS5: the interval counts from what was sent last."""
    said = kinds(
        frames(Clock(), (1.0, final("a")), (4.0, None), (0.5, final("b")), (4.0, None), (2.0, None))
    )

    assert said == ["delta", "delta", "comment", "done", "end"]


def test_a_client_that_has_left_is_told_nothing() -> None:
    """S12: the stream just ends."""

    def heard() -> Iterator[Final]:
        yield final("a")
        raise ClientGone

    assert kinds(events(heard(), logprobs=False, keep_alive=5.0, clock=Clock())) == ["delta"]


def test_os1_frames_are_utf_8_lines() -> None:
    """OS1: one data line each, whatever is in the text; other scripts are not escaped."""
    said = list(frames(Clock(), (0.0, final("line\nბარ\u2028data: {}"))))

    assert all(frame.count("\n") == 2 and frame.endswith("\n\n") for frame in said)
    assert "ბარ" in said[0]
