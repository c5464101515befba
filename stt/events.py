"""The vocabulary of recognition: what goes to an engine, what comes back, what a stream says.

Data only. Times are seconds; where a field does not say otherwise they count from the start of the
stream. Audio is float32, mono, 16 kHz. Nothing here imports anything of ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stt.errors import STTError

SAMPLE_RATE = 16_000  # Hz; Whisper hears nothing else
RATES = range(8_000, 48_001)  # Hz of the samples that clients may send (native W27)
MAX_CHANNELS = 8  # of them (runtime RT-61)
USUAL_RATES = {"mulaw": 8_000, "alaw": 8_000}
"""Hz of bare samples where nobody says: by encoding, G.711 being the telephone's; else 16 kHz."""

Samples: TypeAlias = NDArray[np.float32]
"""(n_samples,) float32, mono, 16 kHz, in [-1, 1]."""

FEATURE_RATE = 100  # feature frames a second: one is 10 ms of log-mel

Features: TypeAlias = NDArray[np.float32]
"""(n_frames, n_mels) log10 of mel energies, neither clipped nor scaled (recognition REC-02)."""

UNSPACED_LANGUAGES = frozenset({"zh", "ja", "th", "lo", "my", "yue"})
"""Written without spaces: words are characters, and texts are joined as they are (REC-13)."""

UNDECODED = "\ufffd"
"""Stands in a text for bytes that are no character, as when a token is part of one."""

# Whisper's own thresholds (openai/whisper transcribe.py), for the fields of Hypothesis. Measured
# with the demo model: speech, short and noisy pieces included, has a no-speech probability below
# 0.01; silence, noise, a tone and a hum come out as empty text.
NO_SPEECH_PROBABILITY = 0.6  # above it, an improbable text is none: nobody spoke
LOW_LOGPROB = -1.0  # mean log probability below which a text is improbable
GARBLED_RATIO = 2.4  # compression above which a text repeats itself

Task: TypeAlias = Literal["transcribe", "translate"]

FinalChoice: TypeAlias = Literal["consistent", "best"]
"""``consistent``: a final starts with what was committed. ``best``: it is decoded anew (REC-27)."""


class Kind(IntEnum):
    """Why a window is recognised; a smaller number is more urgent."""

    FINAL = 0
    """The utterance has ended; its text is awaited."""
    SPEC = 1
    """A final decoded before the endpoint is sure (recognition REC-52)."""
    INTERIM = 2
    """The utterance goes on; its text so far is welcome."""
    BULK = 3
    """A file, whose owner can wait behind live speech."""


@dataclass(frozen=True, slots=True)
class Word:
    """One written word of a hypothesis, or one character where the script has no spaces."""

    text: str
    """As it stands in the text, leading space included: joined, the words are the text."""
    start: float | None = None
    """Seconds; None where nobody asked for times."""
    end: float | None = None
    probability: float | None = None

    def as_dict(self) -> dict[str, str | int | float]:
        """The word as our protocol and the store write it (native M3); times in ms, where known."""
        shown: dict[str, str | int | float] = {"word": self.text.strip()}
        if self.start is not None and self.end is not None:
            shown |= {"start_ms": round(1000 * self.start), "end_ms": round(1000 * self.end)}
        if self.probability is not None:
            shown["probability"] = round(self.probability, 2)
        return shown


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """Audio for the engine, with what the engine must know about it."""

    samples: Samples
    """At most 30 s; empty where ``features`` are given."""
    kind: Kind
    features: Features | None = None
    """The same audio as log-mel; None: an engine that wants it computes it (``Engine.n_mels``)."""
    language: str | None = None
    """ISO-639-1, or None: detect it."""
    task: Task = "transcribe"
    previous: str = ""
    """Text before the window, as context; it may be cut."""
    prefix: str = ""
    """Committed text at the start of the window; the hypothesis starts with exactly this."""
    prompt: str = ""
    """The client's prompt: text as if it had been said before."""
    hotwords: str = ""
    """Words the client expects; they come before the prompt and outlast it."""
    word_times: bool = False
    """Whether ``Hypothesis.words`` need times."""
    beam: int = 1
    """Hypotheses kept while decoding; 1 is greedy."""

    @property
    def seconds(self) -> float:
        """Length of the audio."""
        if self.features is not None:
            return len(self.features) / FEATURE_RATE
        return len(self.samples) / SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What an engine answered for one window. Times count from the start of the window."""

    text: str
    words: tuple[Word, ...] = ()
    language: str | None = None
    language_probability: float = 0.0
    no_speech_probability: float = 0.0
    average_logprob: float = 0.0
    compression_ratio: float = 1.0
    """Bytes over zlib bytes; see ``GARBLED_RATIO``."""
    capped: bool = False
    """It reached the most tokens a window of this length may have: a loop, most likely (REC-15)."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """What the service's engine can do, as far as doors and streams must know."""

    languages: frozenset[str] = frozenset()
    """ISO-639-1 codes."""
    n_mels: int = 0
    """Mel bands its windows want as ``features``; 0: it wants ``samples``."""
    translates: bool = True
    """Whether it can translate into English."""


@dataclass(frozen=True, slots=True)
class Request:
    """A stream's wish to have a window recognised; ``SpeechStream.window`` reads its audio late."""

    number: int
    """Increases within the stream; the answer to an older number than the last is stale."""
    kind: Kind
    utterance: int
    seconds: float = field(default=1.0, compare=False)
    """About how much audio its window has when it is asked for; the queue plans with it."""


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """An utterance began."""

    utterance: int
    """Counts the utterances of the stream from 0; also on the events below."""
    start: float


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The endpoint of the utterance; its Final follows."""

    utterance: int
    end: float


@dataclass(frozen=True, slots=True)
class Interim:
    """The text of an utterance so far."""

    utterance: int
    committed: str
    """Will not change; the Final starts with it."""
    tail: str
    """May change. ``committed + tail`` is the text."""
    start: float
    end: float
    """How far the audio behind the text reaches."""
    language: str | None = None
    words: tuple[Word, ...] = ()
    """With times, where the client asked for them in interims."""


Reason: TypeAlias = Literal["silence", "filtered"]


@dataclass(frozen=True, slots=True)
class Final:
    """The text of an utterance; exactly one for each SpeechStarted, or else one Failed.

    None where it was given up.
    """

    utterance: int
    text: str
    """Stripped; empty with a reason."""
    start: float
    end: float
    """Of the last word, where words have times; else of the speech (client S4)."""
    words: tuple[Word, ...] = ()
    language: str | None = None
    language_probability: float = 0.0
    average_logprob: float = 0.0
    no_speech_probability: float = 0.0
    compression_ratio: float = 1.0
    reason: Reason | None = None
    """Why the text is empty."""
    revised: bool = False
    """``best`` finals: the text does not start with what was committed (REC-27)."""
    loops: int = 0
    """How many times a repeating phrase was cut out of the text (REC-14)."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The engine failed on an utterance; no Final follows. ``text`` is what was committed."""

    utterance: int
    error: STTError
    text: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """Everything received before ``receive_end`` has been said."""


Event: TypeAlias = SpeechStarted | SpeechEnded | Interim | Final | Failed | Ended
