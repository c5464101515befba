"""One simulated session: a recording, the real stream, and what its client is told.

It stands where ``stt_session`` stands in the service: it feeds the stream, notes its events, and
puts its requests into the real queue. All times are seconds of the simulation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import cast

from benchmarks.capacity.recording import Recording
from stt.errors import STTError
from stt.events import (
    SAMPLE_RATE,
    Event,
    Failed,
    Final,
    Hypothesis,
    Interim,
    Kind,
    Request,
    SpeechEnded,
    SpeechStarted,
    Window,
)
from stt.speech.options import SpeechOptions
from stt.speech.stream import SpeechStream
from stt_ingest import JobQueue
from stt_job import Job
from stt_submission import batch_group, submit
from stt_surroundings import SessionObserver

SLACK = 0.2  # s by which a final's times may miss those of its words


class _Unheard:
    """Takes no notice of what ``submit`` tells: an account says more."""

    def job_accepted(self, kind: Kind, seconds: float) -> None:
        """The queue took it."""

    def job_refused(self, code: str) -> None:
        """Its utterance gets no text, which the account sees."""

    def replaced(self) -> None:
        """A newer window of the same audio is there."""


UNHEARD = cast(SessionObserver, _Unheard())  # submit tells a session's observer no more than these


@dataclass(frozen=True, slots=True)
class Told:
    """An interim or a final."""

    at: float
    """When it was said."""
    delay: float
    """Of an interim: since its newest audio was spoken. Of a final: since its last word ended."""
    endpoint: float = 0.0
    """Of a final: since its endpoint fired."""
    is_final: bool = False


@dataclass(slots=True)
class Account:
    """What one session was told, and what was wrong with it."""

    told: list[Told] = field(default_factory=list)
    utterances: int = 0
    finals: int = 0
    out_of_order: int = 0
    changed: int = 0
    """Committed texts that a later event of the utterance did not start with (QM-02)."""
    wrong: int = 0
    """Finals that are not the words that were spoken."""


class Speaker:
    """A session of ``tenant`` whose first sample is spoken at ``begun``, at ``offset`` s of it."""

    def __init__(
        self,
        recording: Recording,
        queue: JobQueue,
        clock: Callable[[], float],
        *,
        tenant: str,
        number: int,
        begun: float,
        offset: float,
        options: SpeechOptions,
    ) -> None:
        self.tenant = tenant
        self.begun = begun
        self.recording = recording
        self.account = Account()
        self._queue = queue
        self._clock = clock
        self._options = options
        self._stream = SpeechStream(options)
        self.lane = ("session", tenant, str(number))
        self._origin = round(offset * SAMPLE_RATE)
        self._fed = 0
        self._endpoints: dict[int, float] = {}
        self._committed: dict[int, str] = {}
        self._last_final = -1
        self._hung_up = False
        self._cut_off: int | None = None  # the utterance that hanging up ended

    def speak(self, seconds: float) -> None:
        """The next piece of audio has come in."""
        count = round(seconds * SAMPLE_RATE)
        piece = self.recording.piece(self._origin + self._fed, count)
        self._fed += count
        self._stream.receive_audio(piece)
        self._step()

    def hang_up(self) -> None:
        """No more audio: the open utterance gets its final, cut off as it is."""
        self._hung_up = True
        self._stream.receive_end()
        self._step()

    def spoken(self, start: float, end: float) -> float:
        """Seconds of speech between two times of the simulation."""
        shift = self._shift
        words = self.recording.between(start + shift, end + shift)
        return sum(min(word.end, end + shift) - max(word.start, start + shift) for word in words)

    @property
    def _shift(self) -> float:
        """From the simulation's time to the recording's."""
        return self._origin / SAMPLE_RATE - self.begun

    def _step(self) -> None:
        """Note what the stream says, submit what it asks, as ``Session._step`` does."""
        for event in self._stream.events():
            self._note(event)
        for request in self._stream.requests():
            self._submit(request)

    def _submit(self, request: Request) -> None:
        job = Job(
            tenant=self.tenant,
            lane=self.lane,
            kind=request.kind,
            window=partial(self._window, request),
            on_done=partial(self._receive, request),
            on_error=partial(self._fail, request),
            promised=request.kind is not Kind.INTERIM,
            utterance=request.utterance,
            seconds=request.seconds,
            grows=request.kind is Kind.INTERIM,
            step=self._options.step,
            group=batch_group(self._options, request.kind),
        )
        try:
            submit(job, self._queue, UNHEARD)
        except STTError as error:
            self._fail(request, error)

    def _window(self, request: Request) -> Window | None:
        return self._stream.window(request)

    def _receive(self, request: Request, hypothesis: Hypothesis) -> None:
        self._stream.receive_hypothesis(request, hypothesis)
        self._step()

    def _fail(self, request: Request, error: STTError) -> None:
        self._stream.receive_failure(request, error)
        self._step()

    def _note(self, event: Event) -> None:
        now, account = self._clock(), self.account
        match event:
            case SpeechStarted():
                account.utterances += 1
            case SpeechEnded():
                self._endpoints[event.utterance] = now
                if self._hung_up:
                    self._cut_off = event.utterance
            case Interim():
                self._keep_to(event.utterance, event.committed)
                self._committed[event.utterance] = event.committed
                account.told.append(Told(now, now - self.begun - event.end))
            case Final():
                self._keep_to(event.utterance, event.text)
                self._finish(event.utterance)
                self._judge(event, now)
            case Failed():
                self._finish(event.utterance)

    def _keep_to(self, utterance: int, text: str) -> None:
        """Count it when what was committed is not the beginning of a later text."""
        before = self._committed.get(utterance, "")
        self.account.changed += not text.strip().startswith(before.strip())

    def _finish(self, utterance: int) -> None:
        self.account.finals += 1
        self.account.out_of_order += utterance <= self._last_final
        self._last_final = utterance
        self._committed.pop(utterance, None)

    def _judge(self, final: Final, now: float) -> None:
        origin = self._origin / SAMPLE_RATE
        start, end = origin + final.start - SLACK, origin + final.end + SLACK
        words = self.recording.between(start, end)
        inside = [word for word in words if word.start >= start and word.end <= end]
        is_whole = final.start > SLACK and final.utterance != self._cut_off
        self.account.wrong += is_whole and [word.text for word in inside] != final.text.split()
        spoken = self.recording.last_end(end) - self._shift
        fired = self._endpoints.pop(final.utterance, now)
        self.account.told.append(Told(now, now - spoken, now - fired, is_final=True))
