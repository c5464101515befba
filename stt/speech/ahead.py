"""The final of an open utterance, decoded before its endpoint is sure (recognition REC-52).

In a short silence nobody knows yet whether the speaker has ended. The final is asked for all the
same; it counts if no speech follows what its window held. Pure state: it asks for nothing itself.
Positions are samples since the stream began.
"""

from __future__ import annotations

from dataclasses import dataclass

from stt.events import Hypothesis, Request


@dataclass(slots=True)
class Ahead:
    """What is known of the newest spec of an utterance."""

    request: Request | None = None
    """Outstanding."""
    asked_after: int | None = None
    """The end of the speech after which it was asked for: each silence has one spec."""
    heard: int | None = None
    """The end of the speech that its window held; None until it is read."""
    answer: Hypothesis | None = None

    def read(self, speech_end: int) -> None:
        """Its window is read now."""
        self.heard = self.asked_after = speech_end

    @property
    def under_way(self) -> bool:
        """Whether a window has been read whose answer is still to come."""
        return self.request is not None and self.heard is not None

    def final(self, speech_end: int) -> Hypothesis | None:
        """Its answer, if that holds the speech up to there and all there is."""
        return self.answer if self.heard == speech_end else None

    def becomes_final(self, speech_end: int) -> bool:
        """Whether its answer, still to come, will: its window has the speech, or will have it."""
        return self.request is not None and self.heard in (None, speech_end)
