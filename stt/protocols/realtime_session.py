"""The configuration of a Realtime transcription session, and what it means for a stream of speech.

Data only: `realtime_update` reads it from what clients send, `realtime_shapes` shows it to them.
Times are milliseconds here, as in that API.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

from stt.ids import as_hint
from stt.protocols.base import AudioFormat
from stt.speech.options import SpeechOptions

if TYPE_CHECKING:
    from stt.speech.endpointing import EndpointingOptions

PCM_RATES = (8_000, 16_000, 24_000, 44_100, 48_000)  # Hz (RC8)
G711_RATE = 8_000  # Hz (ITU-T G.711)
SHORTEST_SILENCE_MS = 100  # below it every syllable would be an utterance

Encoding: TypeAlias = Literal["pcm", "pcmu", "pcma"]
Eagerness: TypeAlias = Literal["low", "medium", "high", "auto"]

LONGEST_SILENCE: Mapping[Eagerness, float] = MappingProxyType(
    {"low": 8.0, "medium": 4.0, "high": 2.0, "auto": 4.0}
)
"""Seconds that `semantic_vad` waits at most (RC10)."""


@dataclass(frozen=True, slots=True)
class Format:
    """How the bytes in `input_audio_buffer.append` are to be read; always mono."""

    encoding: Encoding = "pcm"
    rate: int = 24_000
    """Hz."""

    @property
    def bytes_per_second(self) -> int:
        """PCM has 16 bits a sample, G.711 eight."""
        return self.rate * (2 if self.encoding == "pcm" else 1)


@dataclass(frozen=True, slots=True)
class Transcription:
    """What is known of the speech, and who is asked to write it down."""

    model: str = ""
    """As the client calls it (RQ7)."""
    language: str | None = None
    """As the client wrote it: ``en``, or ``en-US``."""
    prompt: str = ""
    languages: tuple[str, ...] = ()
    """Those that may be spoken."""
    keywords: tuple[str, ...] = ()
    delay: str | None = None
    """Kept and shown; text comes as soon as it is certain."""

    @property
    def spoken(self) -> str | None:
        """The one language there can be, as engines name it (ISO-639-1); None: detect it."""
        only = self.languages[0] if len(self.languages) == 1 else None
        named = self.language or only
        return None if named is None else primary(named)


@dataclass(frozen=True, slots=True)
class NoiseReduction:
    """Kept and shown; the recogniser was trained on noisy speech and hears the audio as it is."""

    type: Literal["near_field", "far_field"]
    strength: float | None = None


@dataclass(frozen=True, slots=True)
class ServerVad:
    """An utterance ends after so much silence."""

    threshold: float = 0.5
    """Kept and shown; how loud speech must be follows the noise (``stt.speech.vad``)."""
    prefix_padding_ms: int = 300
    """How much earlier than its speech an item is said to start."""
    silence_duration_ms: int = 500
    """As the SDKs describe the default; other texts of that API say 200 (RC9)."""


@dataclass(frozen=True, slots=True)
class SemanticVad:
    """The text decides how long a silence ends an utterance."""

    eagerness: Eagerness = "auto"
    prefix_padding_ms: int = 300


TurnDetection: TypeAlias = ServerVad | SemanticVad


@dataclass(frozen=True, slots=True)
class Config:
    """All that can be configured. ``turn_detection`` None: the client commits."""

    format: Format = field(default_factory=Format)
    transcription: Transcription = field(default_factory=Transcription)
    noise_reduction: NoiseReduction | None = None
    turn_detection: TurnDetection | None = field(default_factory=ServerVad)
    logprobs: bool = False
    """Whether `completed` says how sure its words are."""

    @property
    def manual(self) -> bool:
        """Whether the client's commits end the items."""
        return self.turn_detection is None

    @property
    def audio(self) -> AudioFormat:
        """The format as sessions know it."""
        encodings = {"pcm": "linear16", "pcmu": "mulaw", "pcma": "alaw"}
        return AudioFormat(encodings[self.format.encoding], self.format.rate)

    def speech(self, defaults: SpeechOptions) -> SpeechOptions:
        """What is wanted of the stream, on top of the service's defaults.

        Finals are consistent whatever the service says: deltas cannot be taken back (RQ3).
        """
        wanted = self.transcription
        return replace(
            defaults,
            language=wanted.spoken or defaults.language,
            task="transcribe",
            prompt=wanted.prompt or defaults.prompt,
            hotwords=as_hint(wanted.keywords) or defaults.hotwords,
            word_times=self.logprobs,
            interim_words=False,
            final="consistent",
            endpointing=_endpointing(self.turn_detection, defaults),
        )


def primary(language: str) -> str:
    """The language of a tag with a region: ``en`` of ``en-US``."""
    return language.replace("_", "-").split("-")[0].lower()


def _endpointing(turns: TurnDetection | None, defaults: SpeechOptions) -> EndpointingOptions:
    """The silences that end an utterance; without detection those of the service do.

    They end no item then, and only bring the text sooner.
    """
    usual = defaults.endpointing
    match turns:
        case ServerVad():
            silence = turns.silence_duration_ms / 1000
            return replace(usual, silence=silence, by_text=False)
        case SemanticVad():
            longest = LONGEST_SILENCE[turns.eagerness]
            return replace(
                usual,
                by_text=True,
                silence_after_sentence=longest / 8,
                silence=longest / 4,
                silence_unfinished=longest / 2,
                silence_without_text=longest,
            )
        case None:
            return usual
