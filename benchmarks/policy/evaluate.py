"""Recordings through one setting, and what it comes to: the figures of a row of the table."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from benchmarks.policy import delays
from benchmarks.policy.corpus import Recording
from benchmarks.policy.cost import encoded
from benchmarks.policy.offline import BEST, PLAIN, Offline
from benchmarks.policy.replay import Replay, replay
from benchmarks.policy.settings import Setting
from benchmarks.policy.transcript import (
    committed_changed,
    erasure,
    final_text,
    revised,
    spaced,
)
from benchmarks.wer import WordErrors
from stt.engines.base import Engine
from stt.engines.table import create_engine

TOTAL = "all"
Build = Callable[[Setting], Engine]


@dataclass(slots=True)
class Outcome:
    """What some recordings came to under one setting."""

    files: int = 0
    audio: float = 0.0
    """Seconds of the recordings."""
    speech: float = 0.0
    """Seconds of speech in them, as the stream counts it."""
    streamed: WordErrors = field(default_factory=WordErrors)
    """Finals against what is said (QM-01)."""
    offline: WordErrors = field(default_factory=WordErrors)
    """The same model on the whole files, against what is said."""
    cut: WordErrors = field(default_factory=WordErrors)
    """The same model on each true utterance, against what is said; where it was asked for."""
    against: WordErrors = field(default_factory=WordErrors)
    """Finals against the same model on the whole files."""
    changed: int = 0
    """Broken promises (QM-02)."""
    revised: int = 0
    """Finals that say that they are not what was committed."""
    failed: int = 0
    """Utterances without a final."""
    erased: int = 0
    finals: int = 0
    """Words of the finals."""
    first: list[float] = field(default_factory=list)
    laal: list[float] = field(default_factory=list)
    lag: list[float] = field(default_factory=list)
    final: list[float] = field(default_factory=list)
    change: list[float] = field(default_factory=list)
    engine_cpu: float = 0.0
    stream_cpu: float = 0.0
    encoded: float = 0.0
    tokens: int = 0
    windows: int = 0
    capped: int = 0
    retries: int = 0
    """Windows that the engine decoded again at 30 s (REC-44)."""

    @property
    def above(self) -> float | None:
        """Points of word error rate above the model offline; None: nobody wrote down a text."""
        if not self.streamed.words:
            return None
        return 100 * (self.streamed.rate - self.offline.rate)

    @property
    def erasure(self) -> float:
        """Erased words for each word of the finals (QM-03)."""
        return self.erased / self.finals if self.finals else 0.0

    def per_speech(self, amount: float) -> float:
        """An amount for each second of speech (QM-08)."""
        return amount / self.speech if self.speech else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """One recording with all that was made of it."""

    recording: Recording
    replay: Replay
    streamed: str
    offline: str
    cut: str | None


@dataclass(slots=True)
class Evaluation:
    """The outcomes by group, the last one that of all, and each recording's texts."""

    outcomes: dict[str, Outcome]
    heard: list[Heard]

    @property
    def total(self) -> Outcome:
        """Of all recordings."""
        return self.outcomes[TOTAL]


def build(setting: Setting) -> Engine:
    """The engine of a setting. Raises SettingError."""
    return create_engine("faster-whisper", setting.engine)


def evaluate(
    recordings: Iterable[Recording],
    setting: Setting,
    offline: Offline,
    *,
    engine: Engine | None = None,
    cut: bool = False,
) -> Evaluation:
    """Replay every recording; with ``cut`` compare with its true utterances cut out, too.

    ``engine``: else one is built of the setting, and closed. Raises SettingError.
    """
    own = engine or build(setting)
    outcomes: dict[str, Outcome] = {}
    total = Outcome()
    heard = []
    try:
        for recording in recordings:
            one = _hear(recording, setting, offline, own, cut)
            heard.append(one)
            for outcome in (outcomes.setdefault(recording.group, Outcome()), total):
                _add(outcome, one, offline)
        total.retries = getattr(own, "short_context_retries", 0)  # of engines that count them
    finally:
        if engine is None:
            own.close()
    return Evaluation({**outcomes, TOTAL: total}, heard)


def _hear(
    recording: Recording, setting: Setting, offline: Offline, engine: Engine, cut: bool
) -> Heard:
    language = None if setting.detect else recording.language
    options = replace(setting.speech, language=language, n_mels=engine.n_mels)
    played = replay(recording.samples, options, engine, setting.pace, count=offline.tokens)
    beam = BEST if options.final == "best" else PLAIN
    return Heard(
        recording,
        played,
        final_text(played.said, recording.language),
        offline.whole(recording, beam=beam).text,
        offline.cut_out(recording).text if cut and recording.utterances else None,
    )


def _add(outcome: Outcome, one: Heard, offline: Offline) -> None:
    """Add a recording to an outcome."""
    recording, said, language = one.recording, one.replay.said, one.recording.language
    outcome.files += 1
    outcome.audio += recording.seconds
    outcome.speech += one.replay.speech
    pairs = [(outcome.against, one.offline, one.streamed)]
    if recording.text is not None:
        pairs += [
            (outcome.streamed, recording.text, one.streamed),
            (outcome.offline, recording.text, one.offline),
        ]
        if one.cut is not None:
            pairs.append((outcome.cut, recording.text, one.cut))
    for errors, reference, hypothesis in pairs:
        errors.add(spaced(reference, language), spaced(hypothesis, language))
    outcome.changed += committed_changed(said, language)
    outcome.revised += revised(said)
    outcome.failed += delays.failures(said)
    erased, words = erasure(said, language)
    outcome.erased += erased
    outcome.finals += words
    _add_delays(outcome, one, offline)
    outcome.engine_cpu += one.replay.engine_cpu
    outcome.stream_cpu += sum(one.replay.stream_cpu)
    outcome.encoded += encoded(one.replay)
    outcome.windows += len(one.replay.calls)
    outcome.tokens += sum(call.tokens for call in one.replay.calls)
    outcome.capped += sum(
        call.hypothesis.capped for call in one.replay.calls if call.hypothesis is not None
    )


def _add_delays(outcome: Outcome, one: Heard, offline: Offline) -> None:
    """By the true words, or else by those of the model offline (QM-05)."""
    words = one.recording.words or tuple(
        word.later(one.recording.shift) for word in offline.whole(one.recording).words
    )
    heard = delays.utterances(one.replay.said, words, one.recording.language)
    outcome.first += delays.first_words(heard)
    outcome.laal += delays.laal(heard)
    outcome.lag += delays.commit_lags(heard)
    outcome.final += delays.finals(heard)
    outcome.change += delays.last_changes(heard)
