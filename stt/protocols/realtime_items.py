"""The items of a Realtime conversation: a session's replies in, events in OpenAI's order out.

An item is a chunk: announced when speech starts, committed when it ends or the client says so, and
completed by its final. Deltas come as soon as text is certain, also before the commit (RO3), and
never before the item before is through (RQ3): what comes early is kept. Pure state of one
connection, used by its writer thread only. Times are whole milliseconds since the session began.
"""

from __future__ import annotations

from dataclasses import dataclass

from stt.events import UNSPACED_LANGUAGES
from stt.protocols.realtime_deltas import growth, logprobs
from stt.protocols.realtime_session import Config
from stt.protocols.wire import JSON
from stt.replies import Committed, Problem, Speech, Transcript

TRANSCRIPTION = "conversation.item.input_audio_transcription"


@dataclass(slots=True)
class _Item:
    """One item that is not through yet."""

    id: str
    start: int | None = None
    """Where its audio begins, the padding before its speech included."""
    end: int = 0
    speaking: bool = False
    announced: bool = False
    """Whether `speech_started` was said."""
    asked: int | None = None
    """Where the client committed it, in mid-speech: it waits to hear where that ends."""
    committed: bool = False
    seconds: float = 0.0
    known: str = ""
    """Text that will not change."""
    sent: str = ""
    """What the client has of it: its deltas, joined."""
    unspaced: bool = False
    final: Transcript | None = None
    failure: Problem | None = None


class Items:
    """See the module's docstring. Events have no ids of their own yet."""

    def __init__(self) -> None:
        self._open: dict[str, _Item] = {}  # by chunk, in their order
        self._previous: str | None = None
        self._accounted = 0  # the audio before it belongs to committed items, or was cleared

    def open(self, chunk_id: str) -> None:
        """A chunk was named; nothing is said of it yet."""
        self._open[chunk_id] = _Item(f"item_{chunk_id}")

    def hear_speech(self, reply: Speech, config: Config, *, beta: bool) -> list[JSON]:
        """Speech began or ended."""
        item = self._open.get(reply.chunk_id)
        if item is None:
            return []
        item.speaking = reply.started
        turns = config.turn_detection
        if reply.started:
            padding = 0 if turns is None else turns.prefix_padding_ms
            if item.start is None:
                item.start = max(self._accounted, _ms(reply.at) - padding, 0)
            return [] if turns is None else _announced(item)
        item.end = _ms(reply.at)
        if turns is None and item.asked is None:
            return []
        return self._commit(item, beta=beta)

    def hear_commit(self, reply: Committed, *, beta: bool) -> list[JSON]:
        """The client committed a chunk."""
        item = self._open.get(reply.chunk_id)
        if item is None or item.committed:
            return []
        item.asked = _ms(reply.at)
        if item.announced and item.speaking:
            return []  # where it ends is said next, and before the commit (RO1)
        return self._commit(item, beta=beta)

    def hear_text(self, said: Transcript, config: Config, *, beta: bool) -> list[JSON]:
        """More text is certain, or all of it."""
        item = self._open.get(said.chunk_id)
        if item is None:
            return []
        item.known = said.committed
        item.unspaced = item.unspaced or said.language in UNSPACED_LANGUAGES
        if said.is_final:
            item.final = said
        return self._proceed(config, beta=beta)

    def fail(self, problem: Problem) -> None:
        """An utterance of a chunk failed: its item will, when its final comes (RS9)."""
        item = self._open.get(problem.chunk_id or "")
        if item is not None:
            item.failure = problem

    def clear(self, at: float, config: Config, *, beta: bool) -> list[JSON]:
        """What was not committed when the session had ``at`` s of audio is forgotten."""
        self._accounted = max(self._accounted, _ms(at))
        self._open = {
            chunk_id: item
            for chunk_id, item in self._open.items()
            if item.committed or item.asked is not None
        }
        return self._proceed(config, beta=beta)

    def _commit(self, item: _Item, *, beta: bool) -> list[JSON]:
        """No more audio belongs to an item (RO1, RO2)."""
        if item.committed:
            return []
        start, end = self._span(item)
        item.committed = True
        item.seconds = (end - start) / 1000
        self._accounted = max(self._accounted, end)
        events: list[JSON] = []
        if item.announced:
            stop = max(item.end, (item.start or 0) + 1)  # livekit takes the difference (RQ2)
            events.append(_event("input_audio_buffer.speech_stopped", item, audio_end_ms=stop))
        events.append(_chained("input_audio_buffer.committed", self._previous, item_id=item.id))
        names = ("created",) if beta else ("added", "done")
        events += [
            _chained(f"conversation.item.{name}", self._previous, item=_shown(item))
            for name in names
        ]
        self._previous = item.id
        return events

    def _span(self, item: _Item) -> tuple[int, int]:
        """The audio of an item: its speech, or all that came where the client cut it (S2)."""
        if item.asked is not None and not item.announced:
            return self._accounted, max(item.asked, self._accounted)
        start = self._accounted if item.start is None else item.start
        return start, max(item.end, start)

    def _proceed(self, config: Config, *, beta: bool) -> list[JSON]:
        """Say what may be said now: of the first item, and of those behind the ones that end."""
        events: list[JSON] = []
        for chunk_id, item in list(self._open.items()):
            if item.final is not None:
                events += self._commit(item, beta=beta)
            events += _grown(item)
            if item.final is None:
                break
            del self._open[chunk_id]
            events.append(_failed(item) or _completed(item, item.final, config, beta=beta))
        return events


def _announced(item: _Item) -> list[JSON]:
    """`speech_started`, once; not of an item whose audio has ended already."""
    if item.announced or item.committed:
        return []
    item.announced = True
    return [_event("input_audio_buffer.speech_started", item, audio_start_ms=item.start)]


def _grown(item: _Item) -> list[JSON]:
    """A delta, where there is more text than was sent."""
    delta = growth(item.sent, item.known, unspaced=item.unspaced)
    if not delta:
        return []
    item.sent += delta
    return [_event(f"{TRANSCRIPTION}.delta", item, content_index=0, delta=delta)]


def _completed(item: _Item, final: Transcript, config: Config, *, beta: bool) -> JSON:
    """The transcript is what was sent, whatever the final says: deltas were believed (RQ3)."""
    event = _event(
        f"{TRANSCRIPTION}.completed",
        item,
        content_index=0,
        transcript=item.sent,
        usage={"type": "duration", "seconds": item.seconds},
    )
    if final.language and not beta:
        event["languages"] = [{"code": final.language}]
    if config.logprobs and (entries := logprobs(final.words, item.sent)):
        event["logprobs"] = entries
    return event


def _failed(item: _Item) -> JSON | None:
    """What to say in place of `completed`; None where all went well."""
    failure, final = item.failure, item.final
    if failure is not None:
        code, message = failure.code, failure.message
    elif final is not None and final.timed_out and not item.sent:
        code, message = "timeout", "the transcript was not ready in time"
    else:
        return None
    error = {"type": "server_error", "code": code, "message": message, "param": None}
    return _event(f"{TRANSCRIPTION}.failed", item, content_index=0, error=error)


def _event(kind: str, item: _Item, **fields: object) -> JSON:
    return {"type": kind, "item_id": item.id, **fields}


def _chained(kind: str, previous: str | None, **fields: object) -> JSON:
    return {"type": kind, "previous_item_id": previous, **fields}


def _shown(item: _Item) -> JSON:
    return {
        "id": item.id,
        "object": "realtime.item",
        "type": "message",
        "role": "user",
        "status": "completed",
        "content": [{"type": "input_audio", "transcript": None}],
    }


def _ms(seconds: float) -> int:
    return round(1000 * seconds)
