"""Writes the texts of several windows at once: the calls of a Whisper model after its encoder.

All windows given together have one encoder length. Without timestamp tokens. Knows nothing of
kinds, guards or devices.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import ctranslate2
from faster_whisper.tokenizer import Tokenizer

from stt.engines import whisper_prompt, whisper_tokens
from stt.engines.whisper_decoding import Decoding, grouped
from stt.engines.whisper_encoder import Encoded
from stt.errors import EngineError
from stt.events import FEATURE_RATE, Task

NO_REPEAT = 3  # tokens of a phrase that may not come twice in a second decode (REC-28)


class Decoder:
    """Calls the model; without state of its own, so any thread may use it."""

    def __init__(
        self,
        model: ctranslate2.models.Whisper,
        *,
        tokenizer_for: Callable[[Task, str], Tokenizer],
        suppressed: list[int],
        previous_tokens: int,
    ) -> None:
        self._model = model
        self._tokenizer_for = tokenizer_for
        self._suppressed = suppressed
        self._previous_tokens = previous_tokens

    def decode(self, decodings: Sequence[Decoding], length: int, *, again: bool = False) -> Encoded:
        """Encode windows padded to ``length`` feature frames, and write their texts.

        ``again`` leaves out previous text, forbids repeated phrases (REC-28) and grants more
        tokens. Returns the encoder outputs, for ``align``.
        """
        encoded = Encoded(self._model, decodings, length)
        self._find_languages(decodings, encoded)
        for decoding in decodings:
            self._prepare(decoding, length, again=again)
        for group in grouped(decodings, _batch_class).values():
            self._generate(group, encoded, again=again)
        for decoding in decodings:
            assert decoding.tokenizer is not None, "set above"
            tokens = whisper_tokens.text_tokens(decoding.tokenizer, decoding.tokens)
            decoding.pieces = whisper_tokens.split(
                decoding.tokenizer, decoding.window, decoding.prompt.prefix, tokens
            )
            decoding.tokens = tokens
            decoding.words = whisper_tokens.untimed(decoding.pieces)
        return encoded

    def align(self, decodings: Sequence[Decoding], encoded: Encoded) -> None:
        """Give the words their times; one call per language and task (API-05)."""
        wanted = [one for one in decodings if one.window.word_times and one.pieces.words]
        for start, group in grouped(wanted, lambda one: tuple(one.prompt.start)).items():
            alignments = self._model.align(
                encoded.rows(group),
                list(start),
                [decoding.prompt.prefix + decoding.tokens for decoding in group],
                [decoding.frames for decoding in group],
            )
            for decoding, alignment in zip(group, alignments, strict=True):
                decoding.words = whisper_tokens.timed(
                    decoding.pieces, alignment, decoding.window.seconds
                )

    def _find_languages(self, decodings: Sequence[Decoding], encoded: Encoded) -> None:
        """Take the languages that were given, detect the others on the encoder output."""
        unknown = []
        for decoding in decodings:
            if decoding.window.language is not None:
                decoding.language = decoding.window.language
            elif self._model.is_multilingual:
                unknown.append(decoding)
        if not unknown:
            return
        found = self._model.detect_language(encoded.rows(unknown))
        for decoding, ranking in zip(unknown, found, strict=True):
            mark, probability = ranking[0]
            decoding.language, decoding.language_probability = mark[2:-2], float(probability)

    def _prepare(self, decoding: Decoding, length: int, *, again: bool) -> None:
        """Its prompt, and how many tokens may follow.

        A beam search that may go on longer can end with another text. So that a batch does not
        change it (REC-70), all windows of one length get as many steps as the longest of them
        could need; the cap of a window is its own all the same.
        """
        window = decoding.window
        decoding.tokenizer = tokenizer = self._tokenizer_for(window.task, decoding.language)
        most = whisper_prompt.most_new_tokens(tokenizer, window.seconds, generous=again)
        previous = 0 if again else self._previous_tokens
        decoding.prompt = prompt = whisper_prompt.prompt_for(
            tokenizer, window, previous=previous, new_tokens=most
        )
        decoding.cap = min(most, prompt.room)
        if decoding.cap < 1:
            raise EngineError("the committed text of a window leaves no room for more")
        reach = decoding.cap
        if decoding.beam > 1:
            longest = whisper_prompt.most_new_tokens(
                tokenizer, length / FEATURE_RATE, generous=again
            )
            reach = min(longest, prompt.room)
        decoding.steps = reach + len(prompt.prefix)

    def _generate(self, decodings: Sequence[Decoding], encoded: Encoded, *, again: bool) -> None:
        """Decode windows of one batch class together.

        The longest window sets the number of steps of all. Whoever used more than its own is
        decoded again alone, so that its score, too, is the same as alone (REC-70).
        """
        steps = max(decoding.steps for decoding in decodings)
        head = decodings[0].prompt.head
        results = self._model.generate(
            encoded.rows(decodings),
            [decoding.prompt.tokens for decoding in decodings],
            beam_size=decodings[0].beam,
            max_length=steps + max(steps, head - 1),  # API-04
            no_repeat_ngram_size=NO_REPEAT if again else 0,
            return_scores=True,
            return_no_speech_prob=True,
            suppress_tokens=self._suppressed,
        )
        for decoding, result in zip(decodings, results, strict=True):
            written = result.sequences_ids[0]
            tokens = written[len(decoding.prompt.prefix) :]
            decoding.capped = len(tokens) >= decoding.cap
            if decoding.capped and decoding.steps < steps:
                self._generate([decoding], encoded, again=again)
                continue
            decoding.tokens = tokens[: decoding.cap]
            # the score is a mean over all steps, and a forced token adds 0; the end mark counts
            decoding.average_logprob = result.scores[0] * len(written) / (len(tokens) + 1)
            decoding.no_speech_probability = result.no_speech_prob


def _batch_class(decoding: Decoding) -> tuple[int, ...]:
    """What windows that are decoded together share: the place of their start mark (API-02), the
    beam, and with a beam the number of steps."""
    return len(decoding.prompt.context), decoding.beam, decoding.steps if decoding.beam > 1 else 0
