"""Whisper on this machine's CPU or GPU: CTranslate2's model, called directly.

``WhisperModel.transcribe`` pads every window to 30 s; live windows are far shorter and cost far
less when encoded as they are (recognition section 1). So features, encoding, decoding and alignment
are called one by one, and faster-whisper gives the loading, the mel bands and the tokenizer.

Thread safety: ``transcribe`` may run in ``num_workers`` threads at once. CTranslate2's calls are
safe and release the interpreter lock; what the engine counts is behind locks of its own.

It never chooses an utterance, filters a text or retries a failed batch.
"""

from __future__ import annotations

import logging
import math
import threading
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from faster_whisper.tokenizer import Tokenizer

from stt.costs import CostTable
from stt.engines import whisper_costs, whisper_features, whisper_prompt
from stt.engines.adaptive_context import AdaptiveContext
from stt.engines.encoder_context import FULL, EncoderContext
from stt.engines.models import ModelSource
from stt.engines.options import EngineOptions
from stt.engines.profile import ModelProfile
from stt.engines.whisper_decoder import Decoder
from stt.engines.whisper_decoding import Decoding, grouped
from stt.engines.whisper_loading import load
from stt.errors import EngineError
from stt.events import (
    FEATURE_RATE,
    GARBLED_RATIO,
    LOW_LOGPROB,
    NO_SPEECH_PROBABILITY,
    Hypothesis,
    Kind,
    Task,
    Window,
)
from stt.mel import window_log_mel

log = logging.getLogger("stt.engines")

LONGEST = 30  # seconds of audio in a window
FEW_WORDS = 2.0  # s of an interim's window, below which a word or two are improbable by nature


class FasterWhisperEngine:
    """An ``Engine``; see the module for its threads."""

    decoder: ClassVar[type[Decoder]] = Decoder
    """What writes the texts; a measurement may put another in its place."""

    def __init__(self, source: ModelSource, options: EngineOptions) -> None:
        """Load the model, decode once, measure it. Raises SettingError; may take seconds."""
        folder = source.path_or_name
        profile = ModelProfile.of_model(Path(folder), options.profile)
        loaded = load(folder, options)
        self._whisper = loaded.whisper
        self.word_times = loaded.word_times
        """Whether the model can say when its words were spoken; else they have no times."""
        self._context = AdaptiveContext(
            EncoderContext.parse(options.encoder_context, profile.context)
        )
        self._tokenizers: dict[tuple[Task, str], Tokenizer] = {}
        self._lock = threading.Lock()  # guards the count
        self._closed = False
        self.source = source
        self.model = source.name or folder
        self.name = f"faster-whisper {self.model} {loaded.compute_type} on {loaded.device}"
        self.device: str = loaded.device
        """``cpu`` or ``cuda``."""
        self.multilingual: bool = self._whisper.model.is_multilingual
        self.translates: bool = self.multilingual and profile.translates
        self.languages = self._known_languages()
        self.n_mels: int = self._whisper.model.n_mels
        self.short_context_retries = 0
        """Short windows that were decoded again, at 30 s (``short_context_retry_total``, REC-44).

        Not those that had 30 s before: their context was not short.
        """
        english = self._tokenizer("transcribe", "en")
        suppressed = whisper_prompt.suppressed(english)
        self._decoder = self.decoder(
            self._whisper.model,
            tokenizer_for=self._tokenizer,
            suppressed=suppressed,
            previous_tokens=profile.previous_tokens,
        )
        self.costs = CostTable()
        if options.calibrate:
            self.costs = whisper_costs.measured(
                self._whisper.model, english, aligns=self.word_times
            )

    @property
    def encoder_context(self) -> EncoderContext:
        """The encoder lengths that hold now (REC-45 may have raised them)."""
        return self._context.context

    def transcribe(self, batch: Sequence[Window]) -> list[Hypothesis]:
        """One hypothesis per window, in order; the same alone and in any batch (REC-70).

        A text starts with its ``Window.prefix``, whose words are the first of the hypothesis;
        without a prefix it starts without a space. A language that was given has probability 1.
        Samples that are no numbers give a score that is none, at the cost of one decode (API-07).
        Words have no times where the model cannot tell them. Raises EngineError for a window above
        30 s, an unknown language, features of another model, or what the model raises.
        """
        if self._closed:
            raise EngineError("the engine is closed")
        for window in batch:
            self._check(window)
        try:
            return self._transcribe(batch)
        except (RuntimeError, ValueError) as error:
            raise EngineError(f"the model failed: {error}") from error

    def frames(self, kind: Kind, seconds: float) -> int:
        """Feature frames the encoder gets for a window of that length."""
        return self._context.length(kind, int(seconds * FEATURE_RATE))

    def close(self) -> None:
        """Let go of the model. Never raises."""
        self._closed = True
        try:
            self._whisper.model.unload_model()
        except RuntimeError:
            log.warning("the model could not be unloaded", exc_info=True)

    def _check(self, window: Window) -> None:
        if window.seconds > LONGEST:
            raise EngineError(
                f"a window of {window.seconds:.2f} s is longer than the {LONGEST} s Whisper hears"
            )
        if window.language is not None and window.language not in self.languages:
            known = ", ".join(sorted(self.languages))
            raise EngineError(f"{self.model} does not know the language {window.language}: {known}")
        if window.features is not None and window.features.shape[1:] != (self.n_mels,):
            raise EngineError(
                f"features of shape {window.features.shape}: {self.model} hears {self.n_mels} bands"
            )

    def _transcribe(self, batch: Sequence[Window]) -> list[Hypothesis]:
        """Recognise windows of equal encoder length together; what looks wrong, again at 30 s.

        A text that was cut off is decoded again even at 30 s, with more tokens.
        """
        decodings = [self._hear(window) for window in batch]
        wrong: dict[Decoding, int] = {}  # and the length it was encoded at
        heard = [decoding for decoding in decodings if decoding.frames]
        for length, group in grouped(heard, self._length).items():
            encoded = self._decoder.decode(group, length)
            doubtful = [
                one for one in group if self._looks_wrong(one) and (length < FULL or one.capped)
            ]
            good = [one for one in group if one not in doubtful]
            if self.word_times:
                self._decoder.align(good, encoded)
            for one in good:
                self._context.note(one.window.kind, length, helped=False)
            wrong |= dict.fromkeys(doubtful, length)
        if wrong:
            self._decode_again(wrong)
        return [_hypothesis(decoding) for decoding in decodings]

    def _decode_again(self, wrong: Mapping[Decoding, int]) -> None:
        """Decode windows at 30 s that looked wrong at the length they are given with (REC-44).

        One that looks wrong there, too, says nothing of its length: it is noise, or mumbled.
        """
        decodings = list(wrong)
        encoded = self._decoder.decode(decodings, FULL, again=True)
        if self.word_times:
            self._decoder.align(decodings, encoded)
        short = {one: length for one, length in wrong.items() if length < FULL}
        for one, length in short.items():
            if not self._looks_wrong(one):
                self._context.note(one.window.kind, length, helped=True)
        with self._lock:
            self.short_context_retries += len(short)

    def _hear(self, window: Window) -> Decoding:
        """Log-mel of the window alone, computed here where the window does not bring it."""
        features = window.features
        if features is None:
            features = window_log_mel(window.samples, self.n_mels)
        return Decoding(window, whisper_features.scaled(features))

    def _length(self, decoding: Decoding) -> int:
        return self._context.length(decoding.window.kind, decoding.frames)

    @staticmethod
    def _looks_wrong(decoding: Decoding) -> bool:
        """Whether its text is cut off, repeats itself or is improbable: the guard (REC-44).

        A score that is no number is not: its loop would only be repeated (API-07). Nor is the first
        interim of an utterance improbable: its word or two are half heard, the next hears more.
        """
        if math.isnan(decoding.average_logprob):
            return False
        window = decoding.window
        begun = window.kind is not Kind.INTERIM or window.seconds >= FEW_WORDS
        silent = decoding.no_speech_probability > NO_SPEECH_PROBABILITY
        unsure = decoding.average_logprob < LOW_LOGPROB and not silent and begun
        repeats = _compression_ratio(decoding.pieces.text) > GARBLED_RATIO
        return decoding.capped or unsure or repeats

    def _tokenizer(self, task: Task, language: str) -> Tokenizer:
        """faster-whisper's tokenizer of a task and language; threads share it."""
        key = (task, language)
        if key not in self._tokenizers:
            self._tokenizers[key] = Tokenizer(
                self._whisper.hf_tokenizer, self.multilingual, task=task, language=language
            )
        return self._tokenizers[key]

    def _known_languages(self) -> frozenset[str]:
        """faster-whisper lists ``yue`` for every model; only large-v3 has a token for it."""
        codes: Iterable[str] = self._whisper.supported_languages
        token = self._whisper.hf_tokenizer.token_to_id
        return frozenset(
            code for code in codes if not self.multilingual or token(f"<|{code}|>") is not None
        )


def _compression_ratio(text: str) -> float:
    """Bytes over zlib bytes (openai/whisper utils.py)."""
    data = text.encode()
    return len(data) / len(zlib.compress(data))


def _hypothesis(decoding: Decoding) -> Hypothesis:
    if not decoding.frames:  # not one feature frame of audio: nothing was decoded
        return Hypothesis(decoding.window.prefix, language=decoding.window.language)
    text = decoding.pieces.text
    return Hypothesis(
        text=text,
        words=decoding.words,
        language=decoding.language,
        language_probability=decoding.language_probability,
        no_speech_probability=decoding.no_speech_probability,
        average_logprob=decoding.average_logprob,
        compression_ratio=_compression_ratio(text) if text else 1.0,
        capped=decoding.capped,
    )
