"""The query of `/stt/stream`: what a client chooses when it connects (native section 11).

Pure: text in, choices out. A bad value is refused by name (client-S1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from stt.errors import BadInput, UnsupportedAudio
from stt.events import (
    MAX_CHANNELS,
    RATES,
    SAMPLE_RATE,
    USUAL_RATES,
    Abilities,
    FinalChoice,
    Task,
)
from stt.ids import DEFAULT_TENANT, checked_hint, checked_id, shortened
from stt.protocols.native import NativeOptions, WordsChoice
from stt.protocols.native_tuning import Tuning, read_tuning

WIDTHS = {"linear16": 2, "linear32": 4, "float32": 4, "mulaw": 1, "alaw": 1}
"""Bytes of a bare sample, by encoding."""
CONTAINERS = ("auto", "webm", "ogg", "opus", "mp4", "mp3", "flac", "wav", "aac")
"""Encodings that mean any container (client-protocols BR3): its content says which."""
ENCODINGS = (*WIDTHS, *CONTAINERS)
SWITCH = {"1": True, "true": True, "0": False, "false": False, "": False}


@dataclass(frozen=True, slots=True)
class NativeQuery:
    """A checked query."""

    tenant_id: str = DEFAULT_TENANT
    session_id: str | None = None
    sample_rate: int = 16000
    encoding: str = "linear16"
    channels: int = 1
    channel: int | None = None
    auto_chunk: bool = False
    vad_events: bool = False
    subscribe: bool = False
    native: NativeOptions = field(default_factory=NativeOptions)
    language: str | None = None
    """None here and below: the service's default."""
    task: Task | None = None
    prompt: str | None = None
    hotwords: str | None = None
    final: FinalChoice | None = None
    tuning: Tuning = field(default_factory=Tuning)

    @property
    def contained(self) -> bool:
        """Whether the audio comes in a container, which says its rate and channels itself."""
        return self.encoding in CONTAINERS


def read_query(query: Mapping[str, str], abilities: Abilities) -> NativeQuery:
    """The choices in a query. Raises BadInput or UnsupportedAudio, naming the parameter.

    Unknown parameters are ignored, as older servers did. ``abilities`` are the engine's.
    """
    session_id = query.get("session_id")
    encoding = _encoding(query.get("encoding", "linear16"))
    channels = _channels(query.get("channels", "1"))
    return NativeQuery(
        tenant_id=checked_id(query.get("tenant_id", DEFAULT_TENANT), "tenant_id"),
        session_id=None if session_id is None else checked_id(session_id, "session_id"),
        sample_rate=_sample_rate(query.get("sample_rate"), encoding),
        encoding=encoding,
        channels=channels,
        channel=_channel(query.get("channel"), encoding, channels),
        auto_chunk=_switch(query, "auto_chunk"),
        vad_events=_switch(query, "vad_events"),
        subscribe=_choice(query, "subscribe", ("", "tenant")) == "tenant",
        native=NativeOptions(
            sample_bytes=1 if encoding in CONTAINERS else WIDTHS[encoding] * channels,
            json_append=_choice(query, "json_audio", ("snapshot", "append")) == "append",
            text_delta=_choice(query, "text", ("whole", "delta")) == "delta",
            words=_words(query.get("words", "final")),
        ),
        language=_language(query.get("language"), abilities.languages),
        task=_task(query.get("task"), translates=abilities.translates),
        prompt=_hint(query, "prompt"),
        hotwords=_hint(query, "hotwords"),
        final=_final(query.get("final")),
        tuning=read_tuning(query),
    )


def _sample_rate(value: str | None, encoding: str) -> int:
    """In Hz; of an encoding that says none, its usual one."""
    if value is None:
        return USUAL_RATES.get(encoding, SAMPLE_RATE)
    served = f"{RATES[0]} to {RATES[-1]} Hz"
    return _whole(value, RATES, f"sample_rate={shortened(value)} is not served: {served}")


def _encoding(value: str) -> str:
    if value not in ENCODINGS:
        served = ", ".join(ENCODINGS)
        raise UnsupportedAudio(f"encoding={shortened(value)} is not served: one of {served}")
    return value


def _channels(value: str) -> int:
    problem = f"channels={shortened(value)} are not served: 1 to {MAX_CHANNELS}"
    return _whole(value, range(1, MAX_CHANNELS + 1), problem)


def _channel(value: str | None, encoding: str, channels: int) -> int | None:
    """The channel to hear; None: all of them."""
    if value is None:
        return None
    shown = f"channel={shortened(value)}"
    if encoding in CONTAINERS:
        raise UnsupportedAudio(f"{shown} is for bare samples; of a container all are heard")
    return _whole(value, range(channels), f"{shown} is not there: 0 to {channels - 1}")


def _whole(value: str, allowed: range, problem: str) -> int:
    """A number in plain digits. Raises UnsupportedAudio with the problem otherwise."""
    plain = value.isascii() and value.isdecimal() and len(value) <= 5
    if not plain or int(value) not in allowed:
        raise UnsupportedAudio(problem)
    return int(value)


def _switch(query: Mapping[str, str], name: str) -> bool:
    value = query.get(name, "")
    if value.lower() not in SWITCH:
        raise BadInput(f"{name} must be 0 or 1, got {shortened(value)}")
    return SWITCH[value.lower()]


def _choice(query: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str:
    """The value of a parameter; its first allowed value is the default."""
    value = query.get(name, allowed[0])
    if value not in allowed:
        choices = " or ".join(choice for choice in allowed if choice)
        raise BadInput(f"{name} must be {choices}, got {shortened(value)}")
    return value


def _task(value: str | None, *, translates: bool) -> Task | None:
    if value == "translate" and not translates:
        raise BadInput("task=translate is not served: this model cannot translate")
    match value:
        case None | "transcribe" | "translate":
            return value
    raise BadInput(f"task must be transcribe or translate, got {shortened(value)}")


def _language(value: str | None, languages: frozenset[str]) -> str | None:
    if value is None or value == "auto":
        return None
    if value.lower() not in languages:
        raise BadInput(f"language={shortened(value)} is not served; use a code such as en, or auto")
    return value.lower()


def _hint(query: Mapping[str, str], name: str) -> str | None:
    value = query.get(name)
    return None if value is None else checked_hint(value, name)


def _final(value: str | None) -> FinalChoice | None:
    match value:
        case None | "consistent" | "best":
            return value
    raise BadInput(f"final must be consistent or best, got {shortened(value)}")


def _words(value: str) -> WordsChoice:
    match value:
        case "final" | "interim" | "none":
            return value
    raise BadInput(f"words must be final, interim or none, got {shortened(value)}")
