"""The same model without streaming: ``WhisperModel.transcribe``, 30 s windows, whole files.

What a file sounds like to the model when it has all of it is the measure of the streaming policy
(QM-01). Texts are kept for the life of the object, which a sweep makes once.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from faster_whisper import WhisperModel

from benchmarks.policy.corpus import Recording, Spoken
from benchmarks.wer import EDGE, RATE
from stt.engines.models import find_model
from stt.engines.options import EngineOptions
from stt.engines.whisper_loading import choose_compute_type
from stt.events import Samples

PLAIN, BEST = 1, 5  # beams: greedy as `consistent`, and as `best` finals (REC-27)


@dataclass(frozen=True, slots=True)
class Transcript:
    """What the model heard in a whole recording."""

    text: str
    words: tuple[Spoken, ...] = ()
    """With times, where they were asked for."""


class Offline:
    """The reference model. One thread."""

    def __init__(self, options: EngineOptions) -> None:
        """Load it as the engine is loaded. Raises SettingError."""
        logging.getLogger("faster_whisper").setLevel(logging.WARNING)
        source = find_model(options.model, demo=options.demo)
        device = "cpu" if options.device == "auto" else options.device
        self._whisper = WhisperModel(
            source.path_or_name,
            device=device,
            compute_type=choose_compute_type(device, options.compute_type),
            cpu_threads=1,
        )
        self._known: dict[tuple[str, int, bool], Transcript] = {}

    def whole(self, recording: Recording, *, beam: int = PLAIN) -> Transcript:
        """The whole recording; with word times, from its own beginning, where nobody tells them."""
        key = (recording.name, beam, False)
        if key not in self._known:
            timed = not recording.words and beam == PLAIN
            samples = recording.samples[round(recording.shift * RATE) :]
            self._known[key] = self._hear(samples, recording.language, beam, timed)
        return self._known[key]

    def cut_out(self, recording: Recording) -> Transcript:
        """Each true utterance alone, with 0.3 s around it: what perfect endpoints would bring."""
        key = (recording.name, PLAIN, True)
        if key not in self._known:
            texts = []
            for utterance in recording.utterances:
                begin = max(0, round((utterance.start - EDGE) * RATE))
                audio = recording.samples[begin : round((utterance.end + EDGE) * RATE)]
                texts.append(self._hear(audio, recording.language, PLAIN, timed=False).text)
            self._known[key] = Transcript(" ".join(texts))
        return self._known[key]

    def tokens(self, text: str) -> int:
        """How many tokens the model's vocabulary writes a text with."""
        return len(self._whisper.hf_tokenizer.encode(text, add_special_tokens=False).ids)

    def _hear(self, samples: Samples, language: str | None, beam: int, timed: bool) -> Transcript:
        segments, _ = self._whisper.transcribe(
            samples,
            language=language,
            beam_size=beam,
            temperature=0.0,  # no fallback: it draws at random
            condition_on_previous_text=False,
            word_timestamps=timed,
        )
        heard = list(segments)
        return Transcript(
            "".join(segment.text for segment in heard).strip(),
            tuple(
                Spoken(word.word, word.start, word.end)
                for segment in heard
                for word in segment.words or ()
            ),
        )
