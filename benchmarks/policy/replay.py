"""A recording through the speech core and an engine on a virtual clock (recognition REC-80).

The clock is the audio's: a piece of 100 ms arrives each 0.1 s, and nothing waits for real time. One
virtual worker answers the stream's requests, the most urgent first. What a call costs is measured
in CPU seconds and kept apart; how long it takes on the clock is chosen: nothing (the delays are
then those of the policy alone), a fixed time, or what it cost (computation-aware).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ParamSpec, TypeAlias, TypeVar

import numpy as np

from stt.engines.base import Engine
from stt.errors import EngineError
from stt.events import SAMPLE_RATE, Event, Hypothesis, Request, Samples, Window
from stt.speech.options import SpeechOptions
from stt.speech.stream import SpeechStream

P = ParamSpec("P")
T = TypeVar("T")
Count: TypeAlias = Callable[[str], int]
"""How many tokens a text has."""
AFTERWARDS = 1.5  # s of silence after each recording, so that an endpoint ends its last utterance


@dataclass(frozen=True, slots=True)
class Pace:
    """How the clock runs."""

    piece: float = 0.1
    """Seconds of audio that arrive at once."""
    delay: float | None = 0.0
    """Seconds a call takes on the virtual clock; None: the CPU seconds it cost."""
    afterwards: float = AFTERWARDS
    """Seconds of silence after the recording."""


@dataclass(frozen=True, slots=True)
class Said:
    """An event, and the virtual time at which it was said."""

    event: Event
    at: float


@dataclass(frozen=True, slots=True)
class Call:
    """A window that was recognised."""

    request: Request
    window: Window | None
    """None where windows are not kept."""
    hypothesis: Hypothesis | None
    """None: the engine failed."""
    at: float
    """Virtual time at which its audio was read."""
    received: float
    """Seconds of audio the stream had then."""
    seconds: float
    """Of audio in it."""
    frames: int
    """Feature frames the encoder got."""
    tokens: int
    """Tokens written behind the forced prefix; 0 where nobody counts them."""
    cpu: float
    """CPU seconds of the engine."""


@dataclass(slots=True)
class Replay:
    """What came of a recording."""

    seconds: float
    """Of audio, the silence afterwards included."""
    speech: float = 0.0
    """Seconds of speech, as the stream counts them."""
    said: list[Said] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    stream_cpu: list[float] = field(default_factory=list)
    """CPU seconds of the stream's own calls, for each second of the clock."""

    @property
    def engine_cpu(self) -> float:
        """CPU seconds of all calls of the engine."""
        return sum(call.cpu for call in self.calls)


def replay(
    samples: Samples,
    options: SpeechOptions,
    engine: Engine,
    pace: Pace | None = None,
    *,
    count: Count | None = None,
    keep: bool = False,
) -> Replay:
    """Play a recording; ``count`` counts tokens, ``keep`` keeps the windows with their audio."""
    pace = pace or Pace()
    player = _Player(options, engine, pace, count, keep)
    silence = np.zeros(round(pace.afterwards * SAMPLE_RATE), np.float32)
    return player.play(np.concatenate((samples, silence)))


@dataclass(frozen=True, slots=True)
class _Answer:
    """A call that the virtual worker is at."""

    request: Request
    outcome: Hypothesis | EngineError
    due: float


class _Player:
    """One stream, one virtual worker, one clock. No thread."""

    def __init__(
        self, options: SpeechOptions, engine: Engine, pace: Pace, count: Count | None, keep: bool
    ) -> None:
        self._stream = SpeechStream(options)
        self._engine = engine
        self._pace = pace
        self._count = count
        self._keep = keep
        self._now = 0.0
        self._waiting: list[Request] = []
        self._at_work: _Answer | None = None
        self._result = Replay(0.0)

    def play(self, audio: Samples) -> Replay:
        """All of it, and then the end of the stream."""
        result = self._result
        result.seconds = len(audio) / SAMPLE_RATE
        size = max(1, round(self._pace.piece * SAMPLE_RATE))
        for at in range(0, len(audio), size):
            piece = audio[at : at + size]
            self._run_until((at + len(piece)) / SAMPLE_RATE)
            self._tell(self._stream.receive_audio, piece)
            self._work()
        self._tell(self._stream.receive_end)
        self._work()
        while self._at_work:
            self._run_until(self._at_work.due)
        result.speech = self._stream.speech
        return result

    def _run_until(self, clock: float) -> None:
        """Let the worker end what it ends until then."""
        while self._at_work and self._at_work.due <= clock:
            answer, self._at_work = self._at_work, None
            self._now = answer.due
            self._hear(answer)
            self._work()
        self._now = max(self._now, clock)

    def _work(self) -> None:
        """Take requests, the most urgent first, until the worker is at one or there is none."""
        while self._waiting and self._at_work is None:
            self._waiting.sort(key=lambda request: (request.kind, request.number))
            request = self._waiting.pop(0)
            window = self._own(self._stream.window, request)
            if window is None:
                continue
            outcome, cpu = self._recognise(request, window)
            delay = cpu if self._pace.delay is None else self._pace.delay
            answer = _Answer(request, outcome, self._now + delay)
            if delay > 0:
                self._at_work = answer
            else:
                self._hear(answer)

    def _recognise(
        self, request: Request, window: Window
    ) -> tuple[Hypothesis | EngineError, float]:
        outcome: Hypothesis | EngineError
        begun = time.process_time()
        try:
            (outcome,) = self._engine.transcribe([window])
        except EngineError as error:
            outcome = error
        cpu = time.process_time() - begun
        hypothesis = outcome if isinstance(outcome, Hypothesis) else None
        self._result.calls.append(
            Call(
                request=request,
                window=window if self._keep else None,
                hypothesis=hypothesis,
                at=self._now,
                received=self._stream.received,
                seconds=window.seconds,
                frames=self._engine.frames(request.kind, window.seconds),
                tokens=self._tokens(window, hypothesis),
                cpu=cpu,
            )
        )
        return outcome, cpu

    def _tokens(self, window: Window, hypothesis: Hypothesis | None) -> int:
        if self._count is None or hypothesis is None:
            return 0
        return self._count(hypothesis.text[len(window.prefix) :])

    def _hear(self, answer: _Answer) -> None:
        """Give the stream its answer."""
        outcome = answer.outcome
        if isinstance(outcome, Hypothesis):
            self._tell(self._stream.receive_hypothesis, answer.request, outcome)
        else:
            self._tell(self._stream.receive_failure, answer.request, outcome)

    def _tell(self, tell: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """Tell the stream something; take what it says and asks."""
        self._own(tell, *args, **kwargs)
        self._result.said += [Said(event, self._now) for event in self._own(self._stream.events)]
        self._waiting += self._own(self._stream.requests)

    def _own(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call the stream; what that costs is the stream's."""
        begun = time.process_time()
        result = call(*args, **kwargs)
        costs = self._result.stream_cpu
        costs += [0.0] * (int(self._now) + 1 - len(costs))
        costs[int(self._now)] += time.process_time() - begun
        return result
