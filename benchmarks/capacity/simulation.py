"""Sessions, the real queue and virtual workers in virtual time: discrete events (REC-81).

Real are the streams (``SpeechStream`` with its VAD, endpointer and policy) and the queue. Simulated
are the clock, the audio, the words and how long a worker takes. Nothing waits and nothing reads a
clock of the machine, so the same seed gives the same figures everywhere.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import count

import numpy as np

from benchmarks.capacity.costs import TINY, Costs
from benchmarks.capacity.figures import OWN, Outcome, Targets, summed
from benchmarks.capacity.recording import Heard, Recording, Style
from benchmarks.capacity.speaker import Speaker
from benchmarks.capacity.work import Piece, Work, call_s
from stt.engines.encoder_context import EncoderContext
from stt.events import FEATURE_RATE, Kind, Window
from stt.speech.options import SpeechOptions
from stt_batches import Plan
from stt_ingest import JobQueue
from stt_job import Job, QueueOptions

PIECE = 0.1  # s of audio in a message, as clients send it
RECORDINGS = 8  # the sessions share them, each from a place of its own
MARGIN = 64  # feature frames behind the audio, as in the tables of recognition 2.7
SHORT = EncoderContext(0, 0, MARGIN)  # windows as short as their audio
DRAIN = 600.0  # s that the work left over at the end may take before it counts as lost
MOST_FRONT_END = 0.95  # of the cores: beyond it nothing is left to recognise with


@dataclass(frozen=True, slots=True)
class Setup:
    """What the sessions meet. One core for each worker."""

    costs: Costs = TINY
    workers: int = 1
    context: EncoderContext = SHORT
    max_batch: int = 8
    speech: SpeechOptions = field(default_factory=lambda: SpeechOptions(language="en"))
    queue: QueueOptions = field(default_factory=QueueOptions)
    style: Style = field(default_factory=Style)
    targets: Targets = OWN
    seed: int = 1
    seconds: float = 60.0
    """Measured; what comes before is the warm-up."""
    warm_up: float = 5.0


Crowd = dict[str, int]
"""Sessions by tenant."""


@lru_cache(maxsize=4)
def recordings(style: Style, seed: int) -> list[Recording]:
    """The recordings of a seed, made once."""
    rng = np.random.default_rng(seed)
    return [Recording(style, rng) for _ in range(RECORDINGS)]


def simulate(setup: Setup, crowd: Crowd) -> dict[str, Outcome]:
    """What each tenant's sessions come to; deterministic for ``setup.seed``."""
    return _Simulation(setup, crowd).run()


class _Simulation:
    """One run. Single-threaded."""

    def __init__(self, setup: Setup, crowd: Crowd) -> None:
        self._setup = setup
        self._now = 0.0
        self._numbers = count()
        self._due: list[tuple[float, int, Callable[[], None]]] = []  # a heap
        self._queue = JobQueue(setup.queue, takers=setup.workers, clock=lambda: self._now)
        self._queue.plan(Plan(self._frames, setup.costs.table))
        self._idle = setup.workers
        self._end = setup.warm_up + setup.seconds
        self._speakers: list[Speaker] = []
        self._of: dict[tuple[str, ...], Speaker] = {}
        self._work: list[Work] = []
        front = sum(crowd.values()) * setup.costs.hearing_s() / setup.workers
        if front > MOST_FRONT_END:
            raise ValueError(f"hearing {sum(crowd.values())} sessions takes more than the cores")
        self._share = 1.0 - front  # of a core that is left for its worker
        self._admit(crowd)

    def run(self) -> dict[str, Outcome]:
        """Everything that happens, in the order of its time."""
        while self._due and self._due[0][0] <= self._end + DRAIN:
            self._now, _, happen = heapq.heappop(self._due)
            happen()
            self._dispatch()
        return {
            tenant: summed(
                [speaker for speaker in self._speakers if speaker.tenant == tenant],
                self._work,
                (self._setup.warm_up, self._end),
                cores=self._setup.workers,
                costs=self._setup.costs,
                everybody=self._speakers,
            )
            for tenant in dict.fromkeys(speaker.tenant for speaker in self._speakers)
        }

    def _admit(self, crowd: Crowd) -> None:
        setup = self._setup
        tapes = recordings(setup.style, setup.seed)
        rng = np.random.default_rng(setup.seed)
        for number, tenant in enumerate(
            t for t, sessions in crowd.items() for _ in range(sessions)
        ):
            recording = tapes[number % len(tapes)]
            speaker = Speaker(
                recording,
                self._queue,
                lambda: self._now,
                tenant=tenant,
                number=number,
                begun=float(rng.uniform(0, PIECE)),
                offset=float(rng.uniform(0, recording.seconds)),
                options=setup.speech,
            )
            self._speakers.append(speaker)
            self._of[speaker.lane] = speaker
            self._at(speaker.begun + PIECE, partial(self._speak, speaker, 1))

    def _at(self, time: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._due, (time, next(self._numbers), happen))

    def _speak(self, speaker: Speaker, piece: int) -> None:
        speaker.speak(PIECE)
        due = speaker.begun + (piece + 1) * PIECE
        if due <= self._end:
            self._at(due, partial(self._speak, speaker, piece + 1))
        else:
            speaker.hang_up()

    def _dispatch(self) -> None:
        """Give idle workers what waits."""
        while self._idle and (batch := self._queue.take_now(self._setup.max_batch)):
            answers: list[tuple[Job, Heard]] = []
            pieces: list[Piece] = []
            for job in batch:
                window = job.window()
                if window is None:
                    self._queue.charge(job, 0.0)
                    self._queue.finish(job)
                    continue
                self._queue.charge(job, window.seconds)
                heard = self._of[job.lane].recording.hear(window)
                answers.append((job, heard))
                pieces.append(self._piece(job, window, heard))
            if pieces:
                self._idle -= 1
                cpu = call_s(self._setup.costs, pieces)
                self._work.append(Work(self._now, cpu, tuple(pieces)))
                self._at(self._now + cpu / self._share, partial(self._answer, answers))

    def _frames(self, kind: Kind, seconds: float) -> int:
        return self._setup.context.length(kind, round(seconds * FEATURE_RATE))

    def _piece(self, job: Job, window: Window, heard: Heard) -> Piece:
        frames = self._frames(window.kind, window.seconds)
        waited = self._now - job.enqueued
        return Piece(window.kind, frames, heard.steps, window.word_times, waited)

    def _answer(self, answers: list[tuple[Job, Heard]]) -> None:
        """A worker is done: every job's owner is told, as ``WorkerPool._work`` does."""
        self._idle += 1
        for job, heard in answers:
            job.on_done(heard.hypothesis)
            self._queue.finish(job)
