"""A Realtime client's events as commands (client section 2.2).

Used by the connection's reader thread only. What an event changes of later replies travels with
them, as a note: `Updated`, `Cleared`, `Asked`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from stt.errors import BadBase64, BadInput, BadJSON
from stt.ids import shortened
from stt.protocols.base import AppendAudio, Clear, Command, Commit, Configure, Say
from stt.protocols.realtime_errors import (
    CommitEmpty,
    EventError,
    InvalidAudio,
    InvalidPayload,
    InvalidValue,
    UnknownEvent,
    UnsupportedEvent,
)
from stt.protocols.realtime_fields import Place
from stt.protocols.realtime_session import Config
from stt.protocols.realtime_update import Rules, is_flat, updated
from stt.protocols.wire import JSON, decoded_base64, json_object
from stt.replies import Note
from stt.speech.options import SpeechOptions

LONGEST_PIECE = 10.0  # s of audio in one command
SHORTEST_COMMIT = 0.1  # s (RE1)
LONGEST_EVENT_ID = 512  # characters; it is echoed, so it is bounded
CONVERSATION = ("conversation.", "response.", "output_audio_buffer.")
"""Events of conversations begin like this (RC6)."""


@dataclass(frozen=True, slots=True)
class Updated:
    """The configuration changed, and is to be shown."""

    config: Config
    event: str
    """The type of the event to show it in."""
    flat: bool
    """Show it as the beta wrote it; such a client reads the beta's items (BT5)."""


@dataclass(frozen=True, slots=True)
class Cleared:
    """What was not committed is forgotten."""

    at: float
    """Seconds of audio that had come."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Another audio format was asked for; if the session refuses it, this event is to blame."""

    event_id: str | None


class ClientEvents:
    """See the module's docstring."""

    def __init__(self, config: Config, rules: Rules, defaults: SpeechOptions) -> None:
        """``defaults``: what the service wants of speech where the client says nothing."""
        self._config = config
        self._rules = rules
        self._defaults = defaults
        self._uncommitted = 0.0  # s of audio since the client's last commit or clear
        self._received = 0.0

    def commands(self, message: str | bytes) -> Iterator[Command]:
        """What a message asks for. Raises EventError; the session goes on."""
        event = _parsed(message)
        try:
            yield from self._commands(event)
        except EventError as error:
            error.event_id = _event_id(event)
            raise

    def _commands(self, event: JSON) -> Iterator[Command]:
        kind = event.get("type")
        match kind:
            case "input_audio_buffer.append":
                yield from self._append(event)
            case "input_audio_buffer.commit":
                yield self._commit()
            case "input_audio_buffer.clear":
                self._uncommitted = 0.0
                yield Clear()
                yield Say(Note(Cleared(self._received)))
            case "session.update" | "transcription_session.update":
                yield from self._update(event, kind)
            case str() if kind.startswith(CONVERSATION):
                raise UnsupportedEvent(
                    f"{shortened(kind)} belongs to conversations; this session transcribes", "type"
                )
            case _:
                raise UnknownEvent(f"unknown event type {shortened(kind)}", "type")

    def _append(self, event: JSON) -> Iterator[Command]:
        """Audio before the first update is kept like any other (RQ6).

        A long one comes in pieces: each is heard in one step, and pings are answered between them.
        """
        data = _audio(event.get("audio"))
        seconds = len(data) / self._config.format.bytes_per_second
        self._uncommitted += seconds
        self._received += seconds
        size = round(LONGEST_PIECE * self._config.format.bytes_per_second)
        for at in range(0, len(data), size):
            yield AppendAudio(data[at : at + size])

    def _commit(self) -> Command:
        """With turn detection too, all audio since the client's own last commit counts.

        What the detection has committed meanwhile is not known here; a commit that finds nothing
        left makes an item without text, so that its client does not wait in vain.
        """
        held = round(self._uncommitted, 6)  # a sum of many floats
        if held < SHORTEST_COMMIT:
            raise CommitEmpty(
                f"the input audio buffer is too small to commit: it has {1000 * held:.2f} ms of "
                f"audio and needs {1000 * SHORTEST_COMMIT:.0f} ms"
            )
        self._uncommitted = 0.0
        return Commit()

    def _update(self, event: JSON, kind: str) -> Iterator[Command]:
        if "session" not in event:
            raise InvalidValue("session is missing", "session")
        session = Place("session", event["session"])
        config = updated(self._config, session, self._rules)
        flat = kind.startswith("transcription_session") or is_flat(session)
        if config.audio != self._config.audio:
            yield Say(Note(Asked(_event_id(event))))
        yield Configure(config.speech(self._defaults), config.manual, config.audio)
        self._config = config  # the session took it
        yield Say(Note(Updated(config, f"{kind}d", flat)))


def _parsed(message: str | bytes) -> JSON:
    """The object in a text message; deep nesting and endless integers included (RE3, RH8)."""
    if isinstance(message, bytes):
        raise InvalidPayload("events are text messages; this one was binary")
    try:
        return json_object(message, "an event")
    except BadJSON as error:
        raise InvalidPayload(error.message) from None


def _audio(value: object) -> bytes:
    try:
        return decoded_base64(value, "audio")
    except BadBase64 as error:
        raise InvalidAudio(error.message, "audio") from None
    except BadInput as error:
        raise InvalidValue(error.message, "audio") from None


def _event_id(event: JSON) -> str | None:
    """The client's id of an event; one that cannot be echoed is none."""
    named = event.get("event_id")
    if isinstance(named, str) and len(named) <= LONGEST_EVENT_ID:
        return named.encode("utf-8", "replace").decode()
    return None
