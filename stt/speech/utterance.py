"""One utterance of a stream: from its onset to its final.

It keeps what is known of the utterance and turns hypotheses into what is said of it. It holds no
audio, and it does not decide where it begins or ends, nor when it is spoken of.
"""

from __future__ import annotations

from dataclasses import replace

from stt.errors import STTError
from stt.events import SAMPLE_RATE, Failed, Final, Hypothesis, Interim, Request, Word
from stt.speech.policy import LocalAgreement, PolicyOptions
from stt.speech.text import is_unspoken, split

# A detected language is kept when it is this probable after 2 s, in any case after 10 s (REC-30).
_SURE_LANGUAGE = 0.7
_LANGUAGE_AFTER = 2 * SAMPLE_RATE
_LANGUAGE_AT_LAST = 10 * SAMPLE_RATE


class Utterance:
    """Speech between two endpoints. Positions are samples since the stream began."""

    def __init__(
        self,
        number: int,
        start: int,
        audio_start: int,
        language: str | None,
        policy: PolicyOptions,
    ) -> None:
        self.number = number
        self.start = start
        self.audio_start = audio_start
        self.end = start
        self.audio_end: int | None = None  # None while it is open
        self.read_until = audio_start  # how far the newest window reached
        self.language = language
        self.policy = LocalAgreement(policy)
        self.request: Request | None = None
        self.outcome: Final | Failed | None = None
        self._said = ("", "")
        self._heard_until = audio_start
        self._heard_language: str | None = None

    def update(self, hypothesis: Hypothesis) -> None:
        """Take an interim hypothesis of the audio up to ``read_until``."""
        heard = self.read_until - self.audio_start
        sure = hypothesis.language_probability > _SURE_LANGUAGE and heard >= _LANGUAGE_AFTER
        if self.language is None and (sure or heard >= _LANGUAGE_AT_LAST):
            self.language = hypothesis.language
        self._heard_language = hypothesis.language
        self._heard_until = self.read_until
        self.policy.update(hypothesis)

    def interim(self) -> Interim | None:
        """The text so far; None when it was said already."""
        said = (self.policy.committed, self.policy.tail)
        if said == self._said:
            return None
        self._said = said
        return Interim(
            utterance=self.number,
            committed=said[0],
            tail=said[1],
            start=self.start / SAMPLE_RATE,
            end=self._heard_until / SAMPLE_RATE,
            language=self.language or self._heard_language,
        )

    def close(self, end: int, audio_end: int, request: Request) -> None:
        """The endpoint: from now on only the answer to ``request`` counts."""
        self.end, self.audio_end, self.request = end, audio_end, request

    def finish(self, hypothesis: Hypothesis) -> None:
        """Take the hypothesis of the whole utterance."""
        filtered = is_unspoken(hypothesis)
        # What was committed has been said and stays, even where the filter turns the rest down.
        text = self.policy.committed if filtered else self.policy.finish(hypothesis)
        self.outcome = Final(
            utterance=self.number,
            text=text,
            start=self.start / SAMPLE_RATE,
            end=self.end / SAMPLE_RATE,
            words=self._words(hypothesis, text),
            language=hypothesis.language or self.language,
            language_probability=hypothesis.language_probability,
            average_logprob=hypothesis.average_logprob,
            no_speech_probability=hypothesis.no_speech_probability,
            compression_ratio=hypothesis.compression_ratio,
            reason=None if text else "filtered",
        )

    def fail(self, error: STTError) -> None:
        """The engine failed on the whole utterance."""
        self.outcome = Failed(self.number, error, self.policy.committed)

    def _words(self, hypothesis: Hypothesis, text: str) -> tuple[Word, ...]:
        """The words of the final, with times since the start of the stream.

        Joined, they are the text. Where the hypothesis does not spell the text (an engine that
        does not hold to the prefix), its words have no times.
        """
        words = hypothesis.words
        if not words:
            return ()
        if "".join(word.text for word in words).strip() != text:
            return tuple(Word(piece) for piece in split(text, hypothesis.language))
        shifted = [
            replace(word, start=self._shifted(word.start), end=self._shifted(word.end))
            for word in words
        ]
        shifted[0] = replace(shifted[0], text=shifted[0].text.lstrip())
        shifted[-1] = replace(shifted[-1], text=shifted[-1].text.rstrip())
        return tuple(shifted)

    def _shifted(self, time: float | None) -> float | None:
        """A time of the window as a time of the stream, within the audio of the utterance."""
        if time is None:
            return None
        latest = self.audio_start if self.audio_end is None else self.audio_end
        return min(self.audio_start / SAMPLE_RATE + max(0.0, time), latest / SAMPLE_RATE)
