"""A session's replies as a Realtime server's events (client section 2.3).

Used by the connection's writer thread only.
"""

from __future__ import annotations

import itertools
import json

from stt.errors import BadInput, IdleTimeout, InvalidState, NotReady, RateLimited
from stt.protocols import realtime_shapes as shapes
from stt.protocols.realtime_commands import Asked, Cleared, Updated
from stt.protocols.realtime_errors import EventError
from stt.protocols.realtime_items import Items
from stt.protocols.realtime_session import Config
from stt.protocols.wire import JSON
from stt.replies import (
    ChunkOpened,
    Committed,
    Note,
    Opened,
    Problem,
    Reply,
    Speech,
    Transcript,
)

UNSAID = (IdleTimeout, NotReady, RateLimited)
"""What happens to clients that do nothing wrong: many stop for good at any `error` (RQ1).

The close tells of the first two; the third says that audio is read slowly, and loses none.
"""


class ServerEvents:
    """See the module's docstring."""

    def __init__(self, config: Config, identity: shapes.Identity, *, beta: bool) -> None:
        """``beta``: the client said so in its handshake (RH4)."""
        self._config = config
        self._identity = identity
        self._beta = beta
        self._items = Items()
        self._asked: str | None = None
        self._numbers = itertools.count(1)

    def messages(self, reply: Reply) -> list[str]:
        """The events for a reply, each with an id of its own."""
        return [self._written(event) for event in self._events(reply)]

    def _written(self, event: JSON) -> str:
        number = f"event_{self._identity.id.removeprefix('sess_')}_{next(self._numbers)}"
        whole = {"type": event["type"], "event_id": number, **event}
        return json.dumps(whole, ensure_ascii=False, separators=(",", ":"))

    def _events(self, reply: Reply) -> list[JSON]:
        match reply:
            case Transcript():
                return self._items.hear_text(reply, self._config, beta=self._beta)
            case Speech():
                return self._items.hear_speech(reply, self._config, beta=self._beta)
            case ChunkOpened():
                self._items.open(reply.chunk_id)
                return []
            case Committed():
                return self._items.hear_commit(reply, beta=self._beta)
            case Problem():
                return self._problem(reply)
            case Note():
                return self._note(reply.body)
            case Opened():
                return [self._session("session.created", flat=self._beta)]
            case _:
                return []  # usage, pongs, flushes, the load: nothing that this protocol says

    def _note(self, note: object) -> list[JSON]:
        match note:
            case Updated():
                self._config = note.config
                self._beta = self._beta or note.flat
                return [self._session(note.event, flat=note.flat)]
            case Cleared():
                more = self._items.clear(note.at, self._config, beta=self._beta)
                return [{"type": "input_audio_buffer.cleared"}, *more]
            case Asked():
                self._asked = note.event_id
        return []

    def _session(self, event: str, *, flat: bool) -> JSON:
        if not flat:
            return {"type": event, "session": shapes.session(self._config, self._identity)}
        shown = {**self._identity.as_dict(), **shapes.flat(self._config)}
        if event == "transcription_session.updated":  # whose type demands one; this is none
            shown["client_secret"] = {"value": "", "expires_at": self._identity.expires_at}
        return {"type": event, "session": shown}

    def _problem(self, problem: Problem) -> list[JSON]:
        """An error of the client's own; what fails of an item is said when the item ends (RQ1)."""
        cause = problem.cause
        if problem.chunk_id is not None:
            if not problem.interim:
                self._items.fail(problem)
            return []
        if isinstance(cause, UNSAID):
            return []
        param, event_id = None, None
        if isinstance(cause, EventError):
            param, event_id = cause.param, cause.event_id
        elif isinstance(cause, InvalidState):
            param, event_id = "session.audio.input.format", self._asked
        error = {
            "type": "invalid_request_error" if isinstance(cause, BadInput) else "server_error",
            "code": problem.code,
            "message": problem.message,
            "param": param,
            "event_id": event_id,
        }
        return [{"type": "error", "error": error}]
