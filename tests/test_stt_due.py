"""Finals that are due: when the session is told that one is late."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from stt.protocols.base import AudioFormat
from stt.speech.chunk import Chunk
from stt.speech.options import SpeechOptions
from stt_due import Due
from stt_timers import Timer, Timers
from stt_track import Track

TRACK = Track(None, SpeechOptions(), AudioFormat())


@dataclass
class Desk:
    """Timers that ring when the test says so."""

    timers: list[tuple[float, Timer]] = field(default_factory=list)
    late: list[str] = field(default_factory=list)

    def after(self, seconds: float, call: object) -> Timer:
        """Remember a call to come."""
        timer = Timer(call)  # type: ignore[arg-type]
        self.timers.append((seconds, timer))
        return timer

    def due(self) -> Due:
        """What is tested."""
        return Due(
            30.0, timers=cast(Timers, self), ring=lambda _, chunk: self.late.append(chunk.id)
        )

    def ring(self) -> None:
        """All of the time passes."""
        for _, timer in self.timers:
            timer.call()


def test_a_final_that_does_not_come_is_late_after_the_wait() -> None:
    """The session hears of the chunk then (W8)."""
    desk = Desk()

    desk.due().expect(TRACK, Chunk("7"))
    desk.ring()

    assert [seconds for seconds, _ in desk.timers] == [30.0]
    assert desk.late == ["7"]


def test_a_final_in_time_is_never_late() -> None:
    """And nothing of its chunk is kept until the timer is over (W8)."""
    desk = Desk()
    due = desk.due()
    due.expect(TRACK, Chunk("7"))

    due.said("7")
    due.said("of another")
    desk.ring()

    assert desk.late == []
    assert all(timer.cancelled for _, timer in desk.timers)


def test_a_final_is_expected_once() -> None:
    """A commit of an utterance that has ended gives it no more time (W8, RC3)."""
    desk = Desk()
    due = desk.due()

    due.expect(TRACK, Chunk("7"))
    due.expect(TRACK, Chunk("7"))
    due.expect(TRACK, Chunk("8"))

    assert len(desk.timers) == 2
