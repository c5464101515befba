"""One utterance of a stream: from its onset to its final.

It keeps what is known of the utterance and turns hypotheses into what is said of it. It does not
decide where it begins or ends, what is asked of an engine, nor when it is spoken of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from stt.errors import STTError
from stt.events import (
    SAMPLE_RATE,
    Failed,
    Final,
    Hypothesis,
    Interim,
    Kind,
    Request,
    Window,
    Word,
)
from stt.speech.excerpt import Excerpt
from stt.speech.options import SpeechOptions
from stt.speech.policy import CommitPolicy
from stt.speech.text import is_unspoken, loops, split, without

# A detected language is kept when it is this probable after 2 s, in any case after 10 s (REC-30).
_SURE_LANGUAGE = 0.7
_LANGUAGE_AFTER = 2 * SAMPLE_RATE
_LANGUAGE_AT_LAST = 10 * SAMPLE_RATE
_BEST_BEAM = 5  # of a final that is decoded anew (REC-27)


class Utterance:
    """Speech between two endpoints. Positions are samples since the stream began."""

    def __init__(
        self,
        number: int,
        start: int,
        excerpt: Excerpt,
        options: SpeechOptions,
    ) -> None:
        self._options = options
        self.number = number
        self.start = start
        self.excerpt = excerpt
        self.end = start
        self.audio_end: int | None = None  # None while it is open
        self.read_until = excerpt.start  # how far the newest window reached
        self.language = options.language
        self.policy = CommitPolicy(options.policy)
        self.doubtful = False
        """Its newest hypothesis repeated itself: the next window goes without context (REC-14)."""
        self.request: Request | None = None
        self.outcome: Final | Failed | None = None
        self._said = ("", "")
        self._before: list[Word] = []  # words before the window, with times of the stream
        self._newest: tuple[Word, ...] = ()  # of the newest hypothesis, with times of the stream
        self._heard_until = excerpt.start
        self._heard_language: str | None = None

    @property
    def audio_start(self) -> int:
        """Where its audio starts, the pre-roll included."""
        return self.excerpt.start

    @property
    def window_seconds(self) -> float:
        """Length of the newest window."""
        return (self.read_until - self.excerpt.window_start) / SAMPLE_RATE

    def seconds_of(self, kind: Kind, end: int) -> float:
        """Length of the window of a kind that ends at sample ``end``."""
        start = self.excerpt.start if self._anew(kind) else self.excerpt.window_start
        return (end - start) / SAMPLE_RATE

    def _anew(self, kind: Kind) -> bool:
        """Whether a window of this kind is all of the utterance, decoded freely (REC-27)."""
        return self._options.final == "best" and kind not in (Kind.INTERIM, Kind.SPEC)

    @property
    def silent(self) -> bool:
        """Whether no text has been said of it yet."""
        return self._said == ("", "")

    def window(self, kind: Kind, end: int, previous: str) -> Window:
        """Its audio up to sample ``end`` for an engine, with what is known about it.

        ``previous``: the text of earlier utterances. A final of choice ``best`` is decoded anew, so
        its window is all of the utterance and its committed words are not forced.
        """
        options = self._options
        self.read_until = end
        best = self._anew(kind)
        samples, features = self.excerpt.window(end, whole=best)
        text = previous if best else f"{previous} {self.policy.before}"
        timed = options.word_times
        if kind is Kind.INTERIM:
            timed = options.interim_words or options.policy.needs_times
        if kind in (Kind.INTERIM, Kind.SPEC):
            timed = timed or self.window_seconds > options.policy.soft  # to cut it between words
        return Window(
            samples=samples,
            kind=kind,
            features=features,
            language=self.language,
            task=options.task,
            previous="" if self.doubtful else text.strip(),
            prefix="" if best else self.policy.prefix,
            prompt=options.prompt,
            hotwords=options.hotwords,
            word_times=timed,
            beam=_BEST_BEAM if best else 1,
        )

    def update(self, hypothesis: Hypothesis) -> None:
        """Take an interim hypothesis of the window up to ``read_until``."""
        heard = self.read_until - self.audio_start
        sure = hypothesis.language_probability > _SURE_LANGUAGE and heard >= _LANGUAGE_AFTER
        if self.language is None and (sure or heard >= _LANGUAGE_AT_LAST):
            self.language = hypothesis.language
        self._heard_language = hypothesis.language
        self._heard_until = self.read_until
        self.policy.update(hypothesis, self.window_seconds)
        if self._options.interim_words:
            self._newest = (*self._before, *self._shifted(hypothesis.words))

    def cut(self, words: Sequence[Word]) -> None:
        """Cut the window that was heard last if it is long; ``words`` are of its hypothesis."""
        place = self.policy.cut(words, self.window_seconds)
        if place is not None:
            self._before += self._shifted(place.words)
            self.excerpt.cut(place.at)

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
            words=_spelling(self._newest, said[0] + said[1]) or (),
        )

    def close(self, end: int, audio_end: int) -> None:
        """The endpoint: from now on only the answer to the request for its final counts."""
        self.end, self.audio_end = end, audio_end

    def finish(self, hypothesis: Hypothesis) -> None:
        """Take the hypothesis of its last window, which starts with the committed words in it."""
        committed = self.policy.committed
        if is_unspoken(hypothesis):  # what was committed has been said and stays
            self._conclude(hypothesis, committed, committed)
        else:
            self._conclude(hypothesis, committed, self.policy.finish(hypothesis), len(committed))

    def revise(self, hypothesis: Hypothesis) -> None:
        """Take a free hypothesis of the whole utterance (``best``, REC-27)."""
        committed = self.policy.committed
        if is_unspoken(hypothesis):
            self._conclude(hypothesis, committed, committed)
            return
        self._before.clear()
        self.excerpt.window_start = self.excerpt.start  # its times count from there
        self._conclude(hypothesis, committed, hypothesis.text.strip())

    def fail(self, error: STTError) -> None:
        """The engine failed on the final."""
        self.outcome = Failed(self.number, error, self.policy.committed)

    def _conclude(self, hypothesis: Hypothesis, committed: str, whole: str, fixed: int = 0) -> None:
        """Its final, with the loops cut out of the text behind the ``fixed`` first characters."""
        language = hypothesis.language or self.language
        spans = [span for span in loops(whole, hypothesis.language) if span[0] >= fixed]
        text = without(whole, spans)
        words = self._words(hypothesis, text)
        spoken = words[-1].end if words else None
        self.outcome = Final(
            utterance=self.number,
            text=text,
            start=self.start / SAMPLE_RATE,
            end=self.end / SAMPLE_RATE if spoken is None else spoken,
            words=words,
            language=language,
            language_probability=hypothesis.language_probability,
            average_logprob=hypothesis.average_logprob,
            no_speech_probability=hypothesis.no_speech_probability,
            compression_ratio=hypothesis.compression_ratio,
            reason=None if text else "filtered",
            revised=not text.startswith(committed),
            loops=len(spans),
        )

    def _words(self, hypothesis: Hypothesis, text: str) -> tuple[Word, ...]:
        """The words of the final, with times since the start of the stream; joined, the text.

        Where the hypotheses do not spell the text (an engine that does not hold to the prefix, a
        loop that was cut), the words have no times.
        """
        words = (*self._before, *self._shifted(hypothesis.words))
        if not words:
            return ()
        return _spelling(words, text) or tuple(map(Word, split(text, hypothesis.language)))

    def _shifted(self, words: Sequence[Word]) -> list[Word]:
        """Words of the window with times of the stream, within the speech of the utterance.

        An alignment gives the silence before speech to the first word, and of what follows to the
        last.
        """
        return [
            replace(word, start=self._in_stream(word.start), end=self._in_stream(word.end))
            for word in words
        ]

    def _in_stream(self, time: float | None) -> float | None:
        if time is None:
            return None
        latest = self.read_until if self.audio_end is None else self.end
        since = self.excerpt.window_start / SAMPLE_RATE + time
        return round(max(self.start / SAMPLE_RATE, min(since, latest / SAMPLE_RATE)), 3)


def _spelling(words: Sequence[Word], text: str) -> tuple[Word, ...] | None:
    """The words with spaces as the text has them; None where they do not spell the text.

    A window that was cut begins with a word without the space before it. Words that are not in the
    text, as those of a loop that was cut, are left out.
    """
    spelt: list[Word] = []
    at = 0
    for word in words:
        bare = word.text.strip()
        start = len(text) - len(text[at:].lstrip())
        if bare and text.startswith(bare, start):
            spelt.append(replace(word, text=text[at : start + len(bare)]))
            at = start + len(bare)
    return None if text[at:].strip() else tuple(spelt)
