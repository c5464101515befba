"""What a client says of its session, onto the configuration it had (client RC1, RC5, RC7).

Both nestings are read wherever one is: the present one under ``audio.input``, and the flat one of
the beta. Only what is there changes; null switches off. What correct clients may send is never
refused, if only by ignoring it (RQ1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import get_args

from stt.ids import MAX_HINT, fitting
from stt.protocols.realtime_errors import UnknownModel
from stt.protocols.realtime_fields import Place
from stt.protocols.realtime_session import (
    G711_RATE,
    PCM_RATES,
    SHORTEST_SILENCE_MS,
    Config,
    Eagerness,
    Encoding,
    Format,
    NoiseReduction,
    SemanticVad,
    ServerVad,
    Transcription,
    TurnDetection,
    primary,
)

LOGPROBS = "item.input_audio_transcription.logprobs"
CLIENT_TURNS = ("gpt-realtime-whisper", "gpt-live-transcribe")
"""Models whose clients find the turns themselves, and say nothing of it (RQ5)."""

TYPES: dict[str, Encoding] = {"audio/pcm": "pcm", "audio/pcmu": "pcmu", "audio/pcma": "pcma"}
BETA_TYPES: dict[str, Encoding] = {"pcm16": "pcm", "g711_ulaw": "pcmu", "g711_alaw": "pcma"}
FLAT = {
    "format": "input_audio_format",
    "transcription": "input_audio_transcription",
    "noise_reduction": "input_audio_noise_reduction",
    "turn_detection": "turn_detection",
}
"""The beta's names (BT3), beside the members of ``audio.input``."""
LONGEST_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Rules:
    """What the service can do for a session."""

    model: str = ""
    """The name of the served model; empty while it is not known."""
    strict_model: bool = False
    """Refuse other models' names (RQ7)."""
    languages: frozenset[str] = frozenset()
    """ISO-639-1, of the engine."""

    def check_model(self, name: str, param: str) -> None:
        """Raises UnknownModel: this name is not served, and names are taken strictly."""
        if self.strict_model and self.model and name != self.model:
            raise UnknownModel(f"the model {name[:200]!r} is not served; {self.model} is", param)

    def check_language(self, place: Place, language: str) -> None:
        """Raises InvalidValue: the engine does not know this language."""
        if self.languages and primary(language) not in self.languages:
            raise place.wrong("a language that the model knows, as ISO-639-1 code")


def is_flat(session: Place) -> bool:
    """Whether a session is written as the beta wrote it (BT3)."""
    fields = session.fields()
    return "audio" not in fields and any(name in fields for name in FLAT.values())


def updated(config: Config, session: Place, rules: Rules) -> Config:
    """The configuration after an update. Raises InvalidValue and UnknownModel, changing nothing."""
    kind = session.find("type")
    if kind is not None and not kind.is_null():
        kind.choice(("transcription", "realtime"))
    found = _members(session)
    if (place := found.get("format")) is not None:
        config = replace(config, format=_format(place, config.format))
    if (place := found.get("transcription")) is not None:
        config = replace(config, transcription=_transcription(place, config.transcription, rules))
        if "turn_detection" not in found and _names_model(place):
            config = with_turns_of_model(config)
    if (place := found.get("noise_reduction")) is not None:
        config = replace(config, noise_reduction=_noise(place, config.noise_reduction))
    if (place := found.get("turn_detection")) is not None:
        config = replace(config, turn_detection=_turns(place, config.turn_detection))
    if (place := session.find("include")) is not None:
        config = replace(config, logprobs=LOGPROBS in place.texts())
    return config


def with_turns_of_model(config: Config) -> Config:
    """Without turn detection where the model's name says that the client does it (RQ5)."""
    if config.transcription.model.startswith(CLIENT_TURNS):
        return replace(config, turn_detection=None)
    return config


def _names_model(transcription: Place) -> bool:
    return isinstance(transcription.value, dict) and "model" in transcription.value


def _members(session: Place) -> dict[str, Place]:
    """What is configured, by the present names, wherever it stands; nested outranks flat."""
    found = {name: place for name, flat in FLAT.items() if (place := session.find(flat))}
    audio = session.find("audio")
    heard = None if audio is None or audio.is_null() else audio.find("input")
    if heard is not None and not heard.is_null():
        found |= {name: place for name in FLAT if (place := heard.find(name))}
    return found


def _format(place: Place, had: Format) -> Format:
    """Raises InvalidValue, also for a rate that is not served (RC8, RE4)."""
    if place.is_null():
        return Format()
    if isinstance(place.value, str):  # the beta's form (BT4)
        encoding = BETA_TYPES[place.choice(BETA_TYPES)]
        return Format(encoding) if encoding == "pcm" else Format(encoding, G711_RATE)
    kind = place.find("type")
    encoding = had.encoding if kind is None else TYPES[kind.choice(TYPES)]
    if encoding != "pcm":
        return Format(encoding, G711_RATE)
    rate = place.find("rate")
    if rate is None or rate.is_null():
        return had if had.encoding == "pcm" else Format()
    if isinstance(rate.value, bool) or rate.value not in PCM_RATES:
        raise rate.wrong(f"one of {', '.join(map(str, PCM_RATES))}")
    return Format("pcm", int(rate.whole(0, max(PCM_RATES))))


def _transcription(place: Place, had: Transcription, rules: Rules) -> Transcription:
    """Null brings the defaults back: a session that transcribes nothing would be none."""
    if place.is_null():
        return Transcription(model=rules.model)
    place.fields()
    wanted = had
    for name, read in _READERS.items():
        if (member := place.find(name)) is not None:
            wanted = read(wanted, member, rules)
    return wanted


def _read_model(had: Transcription, place: Place, rules: Rules) -> Transcription:
    if place.is_null():
        return replace(had, model=rules.model)
    name = place.text() or rules.model
    rules.check_model(name, place.path)
    return replace(had, model=name)


def _read_language(had: Transcription, place: Place, rules: Rules) -> Transcription:
    language = None if place.is_null() else place.text() or None
    if language is not None:
        rules.check_language(place, language)
    return replace(had, language=language)


def _read_prompt(had: Transcription, place: Place, _: Rules) -> Transcription:
    """What is too long loses its beginning, as a model hears only the end of it."""
    return replace(had, prompt="" if place.is_null() else place.text()[-MAX_HINT:].strip())


def _read_languages(had: Transcription, place: Place, rules: Rules) -> Transcription:
    languages = place.texts()
    for language in languages:
        rules.check_language(place, language)
    return replace(had, languages=languages)


def _read_keywords(had: Transcription, place: Place, _: Rules) -> Transcription:
    return replace(had, keywords=fitting(filter(None, map(str.strip, place.texts()))))


def _read_delay(had: Transcription, place: Place, _: Rules) -> Transcription:
    return replace(had, delay=None if place.is_null() else place.text())


_READERS: dict[str, Callable[[Transcription, Place, Rules], Transcription]] = {
    "model": _read_model,
    "language": _read_language,
    "prompt": _read_prompt,
    "languages": _read_languages,
    "keywords": _read_keywords,
    "delay": _read_delay,
}


def _noise(place: Place, had: NoiseReduction | None) -> NoiseReduction | None:
    if place.is_null():
        return None
    kind, strength = place.find("type"), place.find("strength")
    usual = NoiseReduction("near_field") if had is None else had
    return NoiseReduction(
        usual.type if kind is None else kind.choice(("near_field", "far_field")),
        usual.strength if strength is None or strength.is_null() else strength.number(0, 100),
    )


def _turns(place: Place, had: TurnDetection | None) -> TurnDetection | None:
    """Fields of the kind it had stay; another kind begins with its defaults."""
    if place.is_null():
        return None
    kind = place.find("type")
    usual = "semantic_vad" if isinstance(had, SemanticVad) else "server_vad"
    if (usual if kind is None else kind.choice(("server_vad", "semantic_vad"))) == "server_vad":
        return _server_vad(place, had if isinstance(had, ServerVad) else ServerVad())
    return _semantic_vad(place, had if isinstance(had, SemanticVad) else SemanticVad())


def _server_vad(place: Place, had: ServerVad) -> ServerVad:
    usual = ServerVad()
    threshold = place.find("threshold")
    if threshold is not None:
        level = usual.threshold if threshold.is_null() else threshold.number(0, 1)
        had = replace(had, threshold=level)
    padding = _ms(place, "prefix_padding_ms", had.prefix_padding_ms, usual.prefix_padding_ms)
    silence = _ms(place, "silence_duration_ms", had.silence_duration_ms, usual.silence_duration_ms)
    return replace(
        had,
        prefix_padding_ms=padding,
        silence_duration_ms=max(silence, SHORTEST_SILENCE_MS),
    )


def _semantic_vad(place: Place, had: SemanticVad) -> SemanticVad:
    eagerness = place.find("eagerness")
    if eagerness is None:
        return had
    if eagerness.is_null():
        return replace(had, eagerness="auto")
    allowed: tuple[Eagerness, ...] = get_args(Eagerness)
    return replace(had, eagerness=eagerness.choice(allowed))


def _ms(place: Place, name: str, had: int, usual: int) -> int:
    member = place.find(name)
    if member is None:
        return had
    return usual if member.is_null() else member.whole(0, LONGEST_MS)
