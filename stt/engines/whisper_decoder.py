"""The three calls of a Whisper model on several windows at once: encode, generate, align.

All windows given together have one encoder length. Greedy, without timestamp tokens. Knows nothing
of kinds, guards or devices beyond where an encoder output lies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import ctranslate2
import numpy as np
from faster_whisper.tokenizer import Tokenizer
from numpy.typing import NDArray

from stt.engines import whisper_tokens
from stt.engines.encoder_context import FRAMES_PER_SECOND
from stt.engines.whisper_tokens import Pieces, Prompt
from stt.errors import EngineError
from stt.events import SAMPLE_RATE, Task, Window, Word

SAMPLES_PER_FRAME = SAMPLE_RATE // FRAMES_PER_SECOND
POSITIONS = 448  # tokens Whisper's decoder has positions for, prompt included

Item = TypeVar("Item")
Key = TypeVar("Key")


@dataclass(slots=True, eq=False)
class Job:
    """One window on its way through the model; each step fills in its part."""

    window: Window
    features: NDArray[np.float32]
    """(n_mels, n_frames) float32, normalised, without padding."""
    row: int = 0
    """Its place in the encoder output."""
    language: str = "en"
    language_probability: float = 1.0
    tokenizer: Tokenizer | None = None
    prompt: Prompt = field(default_factory=lambda: Prompt([], [], 0, []))
    cap: int = 0
    """The most new tokens: more are a loop (REC-15), or have no position left."""
    tokens: list[int] = field(default_factory=list)
    """What the model wrote behind the forced prefix."""
    capped: bool = False
    """It would have written on."""
    average_logprob: float = 0.0
    no_speech_probability: float = 0.0
    pieces: Pieces = field(default_factory=lambda: Pieces([], []))
    words: tuple[Word, ...] = ()

    @property
    def frames(self) -> int:
        """Feature frames of audio."""
        return int(self.features.shape[1])

    @property
    def steps(self) -> int:
        """The most decoding steps, the forced prefix included (API-04)."""
        return self.cap + len(self.prompt.prefix)


def grouped(items: Iterable[Item], key: Callable[[Item], Key]) -> dict[Key, list[Item]]:
    """Items by their key, in order of first appearance."""
    groups: dict[Key, list[Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


class Decoder:
    """Calls the model; without state of its own, so any thread may use it."""

    def __init__(
        self,
        model: ctranslate2.models.Whisper,
        *,
        tokenizer_for: Callable[[Task, str], Tokenizer],
        suppressed: list[int],
    ) -> None:
        self._model = model
        self._tokenizer_for = tokenizer_for
        self._suppressed = suppressed

    def decode(
        self, jobs: Sequence[Job], length: int, *, again: bool = False
    ) -> ctranslate2.StorageView:
        """Encode windows padded to ``length`` feature frames, and write their texts.

        ``again`` leaves out previous text (REC-28) and grants more tokens. Returns the encoder
        output, for ``align``.
        """
        encoded = self._encode(jobs, length)
        self._find_languages(jobs, encoded)
        for job in jobs:
            self._prepare(job, self._tokenizer_for(job.window.task, job.language), again=again)
        for group in grouped(jobs, lambda job: len(job.prompt.context)).values():
            self._generate(group, encoded)
        for job in jobs:
            assert job.tokenizer is not None, "set above"
            tokens = whisper_tokens.text_tokens(job.tokenizer, job.tokens)
            job.pieces = whisper_tokens.split(job.tokenizer, job.window, job.prompt.prefix, tokens)
            job.tokens = tokens
            job.words = whisper_tokens.untimed(job.pieces)
        return encoded

    def align(self, jobs: Sequence[Job], encoded: ctranslate2.StorageView) -> None:
        """Give the words their times; one call per language and task (API-05)."""
        wanted = [job for job in jobs if job.window.word_times and job.pieces.words]
        for start, group in grouped(wanted, lambda job: tuple(job.prompt.start)).items():
            alignments = self._model.align(
                _rows(encoded, group),
                list(start),
                [job.prompt.prefix + job.tokens for job in group],
                [job.frames for job in group],
            )
            for job, alignment in zip(group, alignments, strict=True):
                job.words = whisper_tokens.timed(job.pieces, alignment, job.window.seconds)

    def _encode(self, jobs: Sequence[Job], length: int) -> ctranslate2.StorageView:
        """Padding is 0.0 after normalisation (REC-03). A CPU encodes each apart (REC-65)."""
        padded = np.zeros((len(jobs), jobs[0].features.shape[0], length), np.float32)
        for row, job in enumerate(jobs):
            job.row = row
            padded[row, :, : job.frames] = job.features
        view = ctranslate2.StorageView.from_array
        if self._model.device != "cpu" or len(jobs) == 1:
            return self._model.encode(view(padded))
        parts = [self._model.encode(view(padded[row : row + 1])) for row in range(len(jobs))]
        return view(np.concatenate([np.asarray(part) for part in parts]))  # API-11

    @staticmethod
    def _prepare(job: Job, tokenizer: Tokenizer, *, again: bool) -> None:
        """Its prompt, and how many tokens may follow."""
        job.tokenizer = tokenizer
        job.prompt = whisper_tokens.prompt_for(tokenizer, job.window, context=not again)
        job.cap = min(
            whisper_tokens.most_new_tokens(tokenizer, job.window.seconds, generous=again),
            POSITIONS - job.prompt.head - len(job.prompt.prefix),
        )
        if job.cap < 1:
            raise EngineError("the committed text of a window leaves no room for more")

    def _find_languages(self, jobs: Sequence[Job], encoded: ctranslate2.StorageView) -> None:
        """Take the languages that were given, detect the others on the encoder output."""
        unknown = []
        for job in jobs:
            if job.window.language is not None:
                job.language = job.window.language
            elif self._model.is_multilingual:
                unknown.append(job)
        if not unknown:
            return
        found = self._model.detect_language(_rows(encoded, unknown))
        for job, ranking in zip(unknown, found, strict=True):
            mark, probability = ranking[0]
            job.language, job.language_probability = mark[2:-2], float(probability)

    def _generate(self, jobs: Sequence[Job], encoded: ctranslate2.StorageView) -> None:
        """Decode windows whose start mark is at the same place (API-02).

        The longest window sets the number of steps of all. Whoever used more than its own is
        decoded again alone, so that its score, too, is the same as alone (REC-70).
        """
        steps = max(job.steps for job in jobs)
        head = jobs[0].prompt.head
        results = self._model.generate(
            _rows(encoded, jobs),
            [job.prompt.tokens for job in jobs],
            beam_size=1,
            max_length=steps + max(steps, head - 1),  # API-04
            return_scores=True,
            return_no_speech_prob=True,
            suppress_tokens=self._suppressed,
        )
        for job, result in zip(jobs, results, strict=True):
            written = result.sequences_ids[0]
            job.tokens = written[len(job.prompt.prefix) :]
            job.capped = len(job.tokens) >= job.cap
            if job.capped and job.steps < steps:
                self._generate([job], encoded)
                continue
            # the score is a mean over all steps, and a forced token adds 0; the end mark counts
            job.average_logprob = result.scores[0] * len(written) / (len(job.tokens) + 1)
            job.no_speech_probability = result.no_speech_prob


def _rows(encoded: ctranslate2.StorageView, jobs: Sequence[Job]) -> ctranslate2.StorageView:
    """The encoder outputs of some jobs; no copy where that is all of them, in order."""
    rows = [job.row for job in jobs]
    if rows == list(range(encoded.shape[0])):
        return encoded
    if encoded.device != "cpu":
        encoded = encoded.to_device(ctranslate2.Device.cpu)
    if encoded.dtype == ctranslate2.DataType.bfloat16:  # numpy has no such type
        encoded = encoded.to(ctranslate2.DataType.float32)
    return ctranslate2.StorageView.from_array(np.asarray(encoded)[rows])
