"""What one live session was told: messages of the service in, events with their times out."""

from __future__ import annotations

import json

from benchmarks.load import Event
from benchmarks.policy.replay import Said
from stt.events import Final, Interim


class Transcript:
    """The events of one session; times are seconds of its stream."""

    def __init__(self) -> None:
        self.said: list[Said] = []
        self.stopped: dict[int, float] = {}
        """By utterance: when the client had read that its speech stopped."""
        self.word_bytes = 0
        """Of its messages, those that `words=none` would have saved."""
        self.problems: list[str] = []
        """Codes of the errors it was told."""
        self._utterances: dict[str, int] = {}
        self._open: set[int] = set()
        self._shown: dict[int, tuple[str, str]] = {}  # committed text and whole text, of the open

    @property
    def unfinished(self) -> int:
        """Utterances that have begun and have no final."""
        return len(self._open)

    def take(self, event: Event, at: float) -> None:
        """A message was read at ``at``."""
        match event["type"]:
            case "transcript":
                self._hear(event, at)
            case "chunk":
                self._open.add(self._utterance(event))
            case "speech_stopped":
                self.stopped[self._utterance(event)] = at
            case "error":
                self.problems.append(event["code"])

    def endpoint_delays(self) -> list[float]:
        """Of each final with text: since its client had read that the speech stopped (QM-06)."""
        return [
            one.at - self.stopped[one.event.utterance]
            for one in self.said
            if isinstance(one.event, Final)
            and one.event.text
            and one.event.utterance in self.stopped
        ]

    def texts(self) -> list[tuple[float, str]]:
        """The finals with text: where in the stream they begin, and what they say."""
        return [
            (one.event.start, one.event.text)
            for one in self.said
            if isinstance(one.event, Final) and one.event.text
        ]

    def _utterance(self, event: Event) -> int:
        return self._utterances.setdefault(event["chunk_id"], len(self._utterances))

    def _hear(self, event: Event, at: float) -> None:
        if "words" in event:
            shown = json.dumps({"words": event["words"]}, ensure_ascii=False, separators=(",", ":"))
            self.word_bytes += len(shown.encode()) - 1  # a comma for two braces
        utterance = self._utterance(event)
        start, end = event.get("start_ms", 0) / 1000, event.get("end_ms", 0) / 1000
        committed, text = self._whole(utterance, event)
        if event["is_final"]:
            self._open.discard(utterance)
            self._shown.pop(utterance, None)
            self.said.append(Said(Final(utterance, text, start, end), at))
        else:
            tail = text[len(committed) :]
            self.said.append(Said(Interim(utterance, committed, tail, start, end), at))

    def _whole(self, utterance: int, event: Event) -> tuple[str, str]:
        """Committed text and whole text; with ``text=delta`` a message tells only what is new."""
        _, before = self._shown.get(utterance, ("", ""))
        kept = before[: event.get("from", 0)]
        text = kept + event["text"]
        committed = kept + event.get("committed", "")
        if event.get("speech_final"):
            committed = text
        self._shown[utterance] = committed, text
        return committed, text
