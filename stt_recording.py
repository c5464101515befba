"""A chunk posted over HTTP, on its way through the queue. Heard by the same stream as live speech.

A recording is cut into utterances by the speech core and recognised one utterance at a time, so
that a long one never holds a worker for long. No thread of its own: results move it on, for nobody
waits (files are another matter, see `stt_file`). One lock per recording, held for its stream only;
the queue and the callbacks are called without it (AC2).
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import deque
from concurrent.futures import Future
from functools import partial

from stt.errors import STTError, Superseded
from stt.events import (
    SAMPLE_RATE,
    Ended,
    Failed,
    Final,
    Hypothesis,
    Kind,
    Request,
    Samples,
    Window,
)
from stt.replies import Transcription
from stt.speech.options import SpeechOptions
from stt.speech.stream import SpeechStream
from stt_file import finals_only
from stt_ingest import JobQueue
from stt_job import Job, Lane
from stt_submission import batch_group, submit
from stt_surroundings import SessionObserver

BLOCK = 30 * SAMPLE_RATE  # samples heard at a time: keeps at most an utterance more in memory

Memory = dict[bytes, Hypothesis]
"""Digest of an utterance's audio -> what it said: a growing chunk repeats its beginning."""


class Recording:
    """One recording on its way through the queue. ``result`` is a future; `start` once."""

    def __init__(
        self,
        samples: Samples,
        options: SpeechOptions,
        *,
        tenant: str,
        lane: Lane,
        queue: JobQueue,
        observer: SessionObserver,
        label: str = "",
        memory: Memory | None = None,
    ) -> None:
        self.result: Future[Transcription] = Future()
        self.memory: Memory = {} if memory is None else memory
        """For the next recording of the same chunk; once done, no more than this one needed."""
        self.arrived = time.time_ns()
        """When the audio was received (see ``stt.store.base``)."""
        self._samples = samples
        self._seconds = len(samples) / SAMPLE_RATE
        self._stream = SpeechStream(finals_only(options))
        self._options = options
        self._tenant = tenant
        self._lane = lane
        self._queue = queue
        self._observer = observer
        self._label = label
        self._lock = threading.Lock()
        self._heard = 0
        self._waiting: deque[Request] = deque()
        self._finals: list[Final] = []
        self._error: STTError | None = None
        self._ended = False
        self._used: Memory = {}
        self._begun = False
        self._given_up = False

    def start(self, *, wait: float = 0.0) -> None:
        """Queue the first utterance. Raises QueueFull or NotReady, and then nothing was queued."""
        self._go_on(wait)

    def give_up(self) -> None:
        """Recognise no more of it: something newer takes its place."""
        self._given_up = True

    def _go_on(self, wait: float = 0.0) -> None:
        """Queue the next utterance, or finish."""
        while (request := self._next()) is not None:
            window = self._window(request)
            digest = b"" if window is None else _digest(window)
            known = self.memory.get(digest)
            if known is None:
                self._submit(request, digest, 0.0 if window is None else window.seconds, wait)
                return
            self._hear(request, digest, known)
        self._finish()

    def _next(self) -> Request | None:
        """The next utterance to recognise; hears more of the recording until there is one."""
        with self._lock:
            while not self._waiting and not self._ended and not self._given_up:
                block = self._samples[self._heard : self._heard + BLOCK]
                self._heard += len(block)
                if len(block):
                    self._stream.receive_audio(block)
                else:
                    self._stream.receive_end()
                    self._ended = True
                self._listen()
            return self._waiting.popleft() if self._waiting and not self._given_up else None

    def _listen(self) -> None:
        """Take in what the stream says and asks; the lock is held."""
        self._waiting.extend(self._stream.requests())
        for event in self._stream.events():
            if isinstance(event, Final):
                self._finals.append(event)
                self._observer.loops_cut(event.loops)
            elif isinstance(event, Failed):
                self._error = event.error
            elif isinstance(event, Ended):
                self._ended = True

    def _submit(self, request: Request, digest: bytes, seconds: float, wait: float) -> None:
        job = Job(
            tenant=self._tenant,
            lane=self._lane,
            kind=Kind.INTERIM,  # replaced and displaced as an interim is (native QU7)
            window=partial(self._window, request),
            on_done=partial(self._done, request, digest),
            on_error=self._fail,
            yields=self._begun,  # a newer snapshot of the chunk may wait already
            seconds=seconds,
            group=batch_group(self._options, request.kind),
            heard_as=request.kind,
            size=self._samples.nbytes,
            label=self._label,
        )
        self._begun = True
        submit(job, self._queue, self._observer, wait=wait)

    def _window(self, request: Request) -> Window | None:
        with self._lock:
            return None if self._given_up else self._stream.window(request)

    def _done(self, request: Request, digest: bytes, hypothesis: Hypothesis) -> None:
        self.memory[digest] = hypothesis
        self._hear(request, digest, hypothesis)
        try:
            self._go_on()
        except STTError as error:
            self._fail(error)

    def _hear(self, request: Request, digest: bytes, hypothesis: Hypothesis) -> None:
        with self._lock:
            self._used[digest] = hypothesis
            self._stream.receive_hypothesis(request, hypothesis)
            self._listen()

    def _fail(self, error: STTError) -> None:
        """One utterance failed, or was displaced: part of the text would be missing."""
        self._given_up = True
        self._release()
        if not self.result.done():
            self.result.set_exception(error)

    def _finish(self) -> None:
        if self._given_up and (self._waiting or not self._ended):
            self._fail(Superseded())
        elif self._error is not None:
            self._fail(self._error)
        elif not self.result.done():
            self._release()
            self.memory = self._used
            self.result.set_result(Transcription.of(self._finals, self._seconds))

    def _release(self) -> None:
        """The audio is not needed any more; the record of a chunk outlives it."""
        with self._lock:
            self._samples = self._samples[:0].copy()
            self._stream = SpeechStream()


def _digest(window: Window) -> bytes:
    """Of the audio, in whichever form the window has it."""
    heard = window.samples if window.features is None else window.features
    return hashlib.blake2b(heard.tobytes(), digest_size=16).digest()
