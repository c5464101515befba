"""Windows of a corpus, decoded again and again under other profiles of the model (REC-42).

The windows are collected once, as the stream asks for them, and are the same for every profile. So
profiles differ in what they make of the same audio, and in nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.policy.corpus import Recording
from benchmarks.policy.replay import AFTERWARDS, Call, replay
from benchmarks.policy.transcript import units
from benchmarks.wer import RATE, edits
from stt.engines.base import Engine
from stt.events import Kind, Samples, Window
from stt.speech.options import SpeechOptions

Answer = Callable[[Window], "Decoded"]
PROBE = 256  # samples by which the place of a window is looked for, before all are compared


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Windows whose texts, joined, are compared with one truth."""

    windows: tuple[Window, ...]
    """Free: without a forced prefix, so that every word is the profile's own."""
    truth: tuple[str, ...] | None
    """The words in them; None: what the model hears at 30 s is the truth."""
    language: str | None


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a profile made of a window."""

    text: str
    capped: bool
    """It ran into the token cap (REC-15), even decoded again."""
    retried: bool
    """The guard had it decoded again at 30 s (REC-44)."""


@dataclass(slots=True)
class Score:
    """What a profile made of samples."""

    errors: int = 0
    words: int = 0
    windows: int = 0
    capped: int = 0
    retried: int = 0

    @property
    def rate(self) -> float:
        """Errors for each word."""
        return self.errors / self.words if self.words else 0.0


@dataclass(frozen=True, slots=True)
class Collected:
    """All windows of a corpus."""

    interims: list[Sample]
    """One window each."""
    finals: list[Sample]
    """The whole utterances of a recording."""
    continued: list[Sample]
    """One window each, with the text before it: of utterances whose window was cut (REC-22)."""
    speech: float
    """Seconds."""


def collect(recordings: Iterable[Recording], engine: Engine) -> Collected:
    """Play every recording: live, and in whole utterances. The engine must not be fed features."""
    found = Collected([], [], [], 0.0)
    speech = 0.0
    for recording in recordings:
        options = SpeechOptions(language=recording.language, word_times=False)
        live = replay(recording.samples, options, engine, keep=True)
        whole = replay(recording.samples, replace(options, interims=False), engine, keep=True)
        speech += live.speech
        for call, window in _windows(live.calls):
            sample = Sample((window,), _spoken(recording, call, window), recording.language)
            if window.previous:
                found.continued.append(sample)
            if window.kind is Kind.INTERIM:
                found.interims.append(_without_previous(sample))
        windows = tuple(replace(window, previous="") for _, window in _windows(whole.calls))
        text = recording.text
        truth = None if text is None else tuple(units(text, recording.language))
        if windows:
            found.finals.append(Sample(windows, truth, recording.language))
    return replace(found, speech=speech)


def _windows(calls: Sequence[Call]) -> Iterator[tuple[Call, Window]]:
    """The calls and their windows, which from now on are free."""
    for call in calls:
        assert call.window is not None, "they are kept"
        yield call, replace(call.window, prefix="")


def _without_previous(sample: Sample) -> Sample:
    windows = tuple(replace(window, previous="") for window in sample.windows)
    return replace(sample, windows=windows)


def _spoken(recording: Recording, call: Call, window: Window) -> tuple[str, ...] | None:
    """The words whose middle lies in a window; None where nobody wrote down their times."""
    if not recording.words:
        return None
    silence = np.zeros(round(AFTERWARDS * RATE), np.float32)
    audio = np.concatenate((recording.samples, silence))[: round(call.received * RATE)]
    start = place(audio, window.samples) / RATE
    end = start + window.seconds
    return tuple(
        unit
        for word in recording.words
        if start <= (word.start + word.end) / 2 < end
        for unit in units(word.text, recording.language)
    )


def place(audio: Samples, part: Samples) -> int:
    """Where a part was last cut out of the audio, in samples. Raises ValueError if it was not."""
    last = len(audio) - len(part)
    for at in reversed(np.flatnonzero(audio[: max(0, last + 1)] == part[0])):
        probe = audio[at : at + PROBE]
        if np.array_equal(probe, part[: len(probe)]) and np.array_equal(
            audio[at : at + len(part)], part
        ):
            return int(at)
    raise ValueError("the window is no part of the audio")


def score(samples: Iterable[Sample], decode: Answer, full: Answer) -> Score:
    """What ``decode`` makes of the samples; ``full`` decodes at 30 s, the truth of some.

    Of a live window's text the last word does not count where the model itself is the truth: it may
    be half a word, and the policy holds it back (REC-20).
    """
    total = Score()
    for sample in samples:
        decoded = [decode(window) for window in sample.windows]
        heard = _words(sample, decoded)
        if sample.truth is None:
            truth = _words(sample, [full(window) for window in sample.windows])
            if sample.windows[0].kind is Kind.INTERIM:
                truth, heard = truth[:-1], heard[: max(0, len(truth) - 1)]
        else:
            truth = list(sample.truth)
        total.errors += edits(truth, heard)
        total.words += len(truth)
        total.windows += len(decoded)
        total.capped += sum(one.capped for one in decoded)
        total.retried += sum(one.retried for one in decoded)
    return total


def _words(sample: Sample, decoded: Sequence[Decoded]) -> list[str]:
    return [word for one in decoded for word in units(one.text, sample.language)]
