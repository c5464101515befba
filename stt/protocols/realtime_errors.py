"""What is wrong with a client's event, in the words of OpenAI's Realtime API (client RE1 to RE8).

Each error names the field at fault (`param`, a dotted path) and the event it is about (`event_id`),
where they are known. They leave the session as it was (client section 2.4).
"""

from __future__ import annotations

from stt.errors import BadInput


class EventError(BadInput):
    """A client event that cannot be used; what the subclasses have in common."""

    code = "invalid_value"

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param
        self.event_id: str | None = None


class InvalidValue(EventError):
    """A wrong type or value (RE4)."""


class InvalidPayload(EventError):
    """No JSON, no object, or a binary message (RE3, RH8)."""

    code = "invalid_payload"


class UnknownEvent(EventError):
    """A type that is none of a client's (RE2)."""

    code = "unknown_event"


class UnsupportedEvent(EventError):
    """A type that belongs to conversations, of which there are none here (RC6)."""

    code = "unsupported_event"
    harmless = True


class InvalidAudio(EventError):
    """Audio that is not base64 (RE5)."""

    code = "invalid_audio"


class CommitEmpty(EventError):
    """A commit of less audio than a word can be heard in (RE1)."""

    code = "input_audio_buffer_commit_empty"
    harmless = True


class UnknownModel(EventError):
    """A model that is not served, where names are taken strictly (RQ7)."""

    code = "model_not_found"
    status = 404
