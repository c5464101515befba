"""How a session's configuration reads on the wire: as clients of today know it, and the beta's way.

Both show all that is in effect; the answers to HTTP requests leave out what is not there (CS3).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from stt.protocols.realtime_session import (
    Config,
    Format,
    NoiseReduction,
    SemanticVad,
    Transcription,
    TurnDetection,
)
from stt.protocols.realtime_update import BETA_TYPES, LOGPROBS
from stt.protocols.wire import JSON

OBJECT = "realtime.transcription_session"
_BETA_NAMES = {encoding: name for name, encoding in BETA_TYPES.items()}


def new_session_id() -> str:
    """An id as these clients know them, which no other session has."""
    return f"sess_{secrets.token_hex(12)}"


@dataclass(frozen=True, slots=True)
class Identity:
    """What a session is called, and until when it lasts."""

    id: str
    expires_at: int
    """Seconds since 1970 (RE8)."""

    def as_dict(self) -> JSON:
        """The first members of a session."""
        return {"id": self.id, "object": OBJECT, "expires_at": self.expires_at}


def session(config: Config, identity: Identity) -> JSON:
    """The session of `session.created` and `session.updated` (client section 2.2)."""
    return {"type": "transcription", **identity.as_dict(), **wishes(config)}


def wishes(config: Config) -> JSON:
    """All that can be configured; read as an update, it brings this configuration back."""
    return {
        "include": [LOGPROBS] if config.logprobs else None,
        "audio": {
            "input": {
                "format": _format(config.format),
                "transcription": _transcription(config.transcription),
                "noise_reduction": _noise(config.noise_reduction),
                "turn_detection": _whole_turns(config.turn_detection),
            }
        },
    }


def created_session(config: Config, session_id: str) -> JSON:
    """The session in the answer to `client_secrets` (CS1): it has not begun, so it has no end."""
    heard = {
        "format": _format(config.format),
        "transcription": _transcription(config.transcription),
        "noise_reduction": _noise(config.noise_reduction),
        "turn_detection": _turns(config.turn_detection),
    }
    shown: JSON = {"type": "transcription", "id": session_id, "object": OBJECT}
    if config.logprobs:
        shown["include"] = [LOGPROBS]
    return shown | {"audio": {"input": _without_nulls(heard)}}


def flat(config: Config) -> JSON:
    """The members of the beta's session that say what is in effect (BT3); the rest where set."""
    shown = {
        "input_audio_format": _BETA_NAMES[config.format.encoding],
        "input_audio_transcription": _transcription(config.transcription),
        "turn_detection": _turns(config.turn_detection),
        "modalities": ["text"],
    }
    if config.noise_reduction is not None:
        shown["input_audio_noise_reduction"] = {"type": config.noise_reduction.type}
    if config.logprobs:
        shown["include"] = [LOGPROBS]
    return shown


def created_flat(config: Config, session_id: str, secret: JSON) -> JSON:
    """The answer to `transcription_sessions` (CS2)."""
    shown = _without_nulls(flat(config))
    return {"id": session_id, "object": OBJECT, **shown, "client_secret": secret}


def _format(audio: Format) -> JSON:
    """G.711 has one rate, which is not shown."""
    kind = f"audio/{audio.encoding}"
    return {"type": kind, "rate": audio.rate} if audio.encoding == "pcm" else {"type": kind}


def _transcription(wanted: Transcription) -> JSON:
    shown: JSON = {
        "model": wanted.model,
        "language": wanted.language,
        "prompt": wanted.prompt,
        "languages": list(wanted.languages),
        "keywords": list(wanted.keywords),
        "delay": wanted.delay,
    }
    return {name: value for name, value in shown.items() if value}


def _noise(noise: NoiseReduction | None) -> JSON | None:
    if noise is None:
        return None
    return _without_nulls({"type": noise.type, "strength": noise.strength})


def _turns(turns: TurnDetection | None) -> JSON | None:
    if turns is None:
        return None
    if isinstance(turns, SemanticVad):
        return {"type": "semantic_vad", "eagerness": turns.eagerness}
    return {
        "type": "server_vad",
        "threshold": turns.threshold,
        "prefix_padding_ms": turns.prefix_padding_ms,
        "silence_duration_ms": turns.silence_duration_ms,
    }


def _whole_turns(turns: TurnDetection | None) -> JSON | None:
    """With what is taken and has no effect: nobody is prompted, as nobody answers here (RS11)."""
    shown = _turns(turns)
    if shown is not None and shown["type"] == "server_vad":
        shown["idle_timeout_ms"] = None
    return shown


def _without_nulls(shown: JSON) -> JSON:
    return {name: value for name, value in shown.items() if value is not None}
