"""What the streams of a session ask, on its way to the workers and back.

A request becomes a job; the window is read when a worker takes it, and its answer goes to the
stream. Requests are submitted with no lock held: a queue that must displace another session's job
has its owner told, who takes that session's lock (AE2).
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import partial
from typing import Protocol

from stt.errors import Refused, STTError, Superseded
from stt.events import Hypothesis, Kind, Request, Window
from stt.speech.stream import SpeechStream
from stt_job import Job
from stt_submission import batch_group, submit
from stt_surroundings import Surroundings
from stt_track import Track


class Owner(Protocol):
    """The session, as far as it is needed here."""

    id: str
    tenant: str

    def step(self, track: Track) -> AbstractContextManager[SpeechStream]:
        """Change a track; what follows from it is said and asked at the end of the block."""

    def complain(self, error: STTError, chunk_id: str) -> None:
        """Tell the client of an interim that was refused; its lock is held."""


class Dispatch:
    """The way of one session's requests. Any thread calls it; all but `job` without the lock."""

    def __init__(
        self, owner: Owner, around: Surroundings, lock: AbstractContextManager[object]
    ) -> None:
        """``lock``: the session's."""
        self._owner = owner
        self._around = around
        self._lock = lock
        self._lane = ("session", owner.tenant, owner.id)

    def job(self, track: Track, request: Request) -> Job:
        """A request of a track as the queue knows it; the session's lock must be held."""
        return Job(
            tenant=self._owner.tenant,
            lane=self._lane,
            kind=request.kind,
            window=partial(self._window, track, request),
            on_done=partial(self._receive, track, request),
            on_error=partial(self._fail, track, request),
            promised=request.kind is not Kind.INTERIM,  # a live stream's final is never lost (AD3)
            utterance=(track.label, request.utterance),
            seconds=request.seconds,
            grows=request.kind is Kind.INTERIM,
            step=track.speech.step,
            group=batch_group(track.speech, request.kind),
            label=chunk.id if (chunk := track.chunk_of(request)) else "",
        )

    def submit(self, job: Job) -> None:
        """Queue a job, with no lock held; what the queue does not take fails at once."""
        try:
            submit(job, self._around.queue, self._around.observer)
        except STTError as error:
            job.on_error(error)

    def withdraw_interims(self) -> None:
        """Nobody wants the interim that may be waiting in the queue."""
        job = self._around.queue.withdraw_interim(self._lane)
        if job is not None:
            job.on_error(Superseded())

    # Results, from the workers.

    def _window(self, track: Track, request: Request) -> Window | None:
        with self._lock:
            return None if track.over else track.stream.window(request)

    def _receive(self, track: Track, request: Request, hypothesis: Hypothesis) -> None:
        with self._owner.step(track) as stream:
            if not track.over:
                stream.receive_hypothesis(request, hypothesis)

    def _fail(self, track: Track, request: Request, error: STTError) -> None:
        with self._owner.step(track) as stream:
            if track.over:
                return
            stream.receive_failure(request, error)
            chunk = track.chunk_of(request)
            refused = isinstance(error, Refused) and not isinstance(error, Superseded)
            if request.kind is Kind.INTERIM and refused and chunk is not None:
                # native W16; the failure of a final is an event of the stream
                self._owner.complain(error, chunk.id)
