"""The way in of clients of OpenAI's Realtime API: `/v1/realtime` (client section 2.1).

Every connection is a transcription session, whatever its query says (RH1).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from dialects.base import Accepted, Asked, DoorOptions, Refusal
from stt.errors import BadInput, NotReady, STTError, TooManySessions
from stt.events import Abilities
from stt.protocols.realtime import RealtimeProtocol
from stt.protocols.realtime_fields import Place
from stt.protocols.realtime_session import Config, Transcription
from stt.protocols.realtime_shapes import Identity, new_session_id
from stt.protocols.realtime_update import Rules, updated, with_turns_of_model
from stt.replies import problem
from stt.served import ServedModel
from stt_surroundings import SessionOptions

LARGEST = 24 * 2**20
"""Bytes of a message: an append of 15 MiB is 20 MiB of base64 (RH7)."""
BUFFERED = 4096
"""Messages that may wait: pings stay readable behind minutes of unpaced audio (RQ8)."""
AGAIN = 1001
"""The close code of sessions that may be begun anew at once: SDKs reconnect on it (RE9)."""


@dataclass(frozen=True, slots=True)
class RealtimeOptions:
    """What every connection starts from."""

    door: DoorOptions = field(default_factory=DoorOptions)
    served: Callable[[], ServedModel | None] = lambda: None
    """The model; None while there is none."""
    strict_model: bool = False
    """Refuse other names (RQ7)."""
    longest: float = 3600.0
    """s that a session may last (RE8)."""

    def rules(self, abilities: Abilities) -> Rules:
        """What a client may ask for."""
        model = self.served()
        return Rules("" if model is None else model.id, self.strict_model, abilities.languages)


class RealtimeDialect:
    """See the module's docstring."""

    path = "/v1/realtime"
    early = False

    def __init__(self, options: RealtimeOptions) -> None:
        self._options = options

    def accept(self, asked: Asked) -> Accepted:
        """A client secret's configuration outranks the query's. Raises EventError."""
        options, door = self._options, self._options.door
        rules = options.rules(asked.abilities)
        config = _configured(asked, rules)
        usual = replace(
            door.session, speech=replace(door.session.speech, n_mels=asked.abilities.n_mels)
        )
        session_id = new_session_id()
        identity = Identity(session_id, int(time.time() + options.longest))
        return Accepted(
            asked.tenant,
            _session(usual, config),
            lambda _: RealtimeProtocol(
                config, identity, rules=rules, defaults=usual.speech, beta=_is_beta(asked)
            ),
            connection=replace(
                door.connection,
                longest=options.longest,
                idle_close=(AGAIN, door.connection.idle_close[1]),
            ),
            session_id=session_id,
        )

    def refuse(self, error: STTError) -> Refusal:
        """An error event, and a close code chosen by whether another try can help (RE9, RE10)."""
        usual = self._options.door.session.speech
        nobody = RealtimeProtocol(Config(), Identity("", 0), rules=Rules(), defaults=usual)
        messages = nobody.encode(problem(error))
        match error:
            case NotReady():
                return Refusal(messages, 1012)
            case TooManySessions():
                return Refusal(messages, 1013)
            case BadInput():
                return Refusal(messages, 1008)
            case _:
                return Refusal(messages, 1011)


def _configured(asked: Asked, rules: Rules) -> Config:
    """What a session begins with: the defaults, the query, the client secret's session.

    Raises EventError.
    """
    query = asked.query
    named = query.get("transcription_model") or query.get("model") or rules.model
    rules.check_model(named, "model")
    language = query.get("language") or None
    if language is not None:
        rules.check_language(Place("language", language), language)
    spoken = Transcription(model=named, language=language)
    config = with_turns_of_model(Config(transcription=spoken))
    session = asked.principal.session if asked.principal else None
    if session is not None:
        config = updated(config, Place("session", session), rules)
    return config


def _is_beta(asked: Asked) -> bool:
    """By header (RH4), or by the subprotocol that stands for it in browsers (RH2)."""
    offered = asked.headers.get("sec-websocket-protocol", "")
    return (
        "realtime=v1" in asked.headers.get("openai-beta", "")
        or "openai-beta.realtime-v1" in offered
    )


def _session(usual: SessionOptions, config: Config) -> SessionOptions:
    return replace(
        usual,
        speech=config.speech(usual.speech),
        sample_rate=config.audio.sample_rate,
        encoding=config.audio.encoding,
        auto_chunk=True,
        manual=config.manual,
        vad_events=True,
    )
