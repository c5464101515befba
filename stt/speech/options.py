"""What a client wants of a stream. Data only; composes the options of the rooms beside it."""

from __future__ import annotations

from dataclasses import dataclass, field

from stt.events import FinalChoice, Kind, Task
from stt.speech.endpointing import EndpointingOptions
from stt.speech.policy import PolicyOptions
from stt.speech.vad import VadOptions


@dataclass(frozen=True, slots=True)
class SpeechOptions:
    """See the module's docstring."""

    language: str | None = None
    """ISO-639-1; None: detect it."""
    task: Task = "transcribe"
    prompt: str = ""
    """Text as if it had been said before."""
    hotwords: str = ""
    """Words the client expects to be said."""
    step: float = 1.0
    """Seconds of new audio between two interims of an utterance."""
    first_step: float = 0.4
    """Seconds from the onset of an utterance to its first interim, if that is less than a step."""
    next_step: float = 0.25
    """Seconds between two interims as long as an utterance has no text, likewise."""
    interims: bool = True
    """False: only finals, as files want it."""
    word_times: bool = True
    """Whether finals carry words with times."""
    interim_words: bool = False
    """Whether interims do."""
    final: FinalChoice = "consistent"
    """Whether a final keeps to what was committed, or is decoded anew (REC-27)."""
    n_mels: int = 0
    """Mel bands of the features in its windows; 0: windows carry samples (``Engine.n_mels``)."""
    kind: Kind = Kind.FINAL
    """The kind of the requests for finals: ``Kind.BULK`` for files."""
    vad: VadOptions = field(default_factory=VadOptions)
    endpointing: EndpointingOptions = field(default_factory=EndpointingOptions)
    policy: PolicyOptions = field(default_factory=PolicyOptions)
