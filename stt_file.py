"""A file on its way: decoded as it goes, one utterance at a time, text as soon as it is known.

Driven by the thread of the request that brought it: iterating decodes, waits and yields. No thread
and no lock of its own: the stream is touched by that thread alone, a worker gets its window and
leaves an answer, and whoever stops the service leaves an error. So two hours need no more memory
than two utterances, and a file whose client has gone costs at most the window that is with the
engine.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, InvalidStateError
from concurrent.futures import wait as wait_for
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from stt.errors import STTError
from stt.events import (
    SAMPLE_RATE,
    Final,
    FinalChoice,
    Hypothesis,
    Request,
    Samples,
    Task,
    Window,
)
from stt.ids import DEFAULT_TENANT
from stt.replies import Transcription
from stt.speech.options import SpeechOptions
from stt.speech.stream import SpeechStream
from stt_ingest import JobQueue
from stt_job import Job, Lane
from stt_submission import batch_group, submit
from stt_surroundings import SessionObserver

BLOCK = 15 * SAMPLE_RATE  # samples heard at a time, at most
BEAT = 1.0  # s without a text after which whoever waits gets to look around


@dataclass(frozen=True, slots=True)
class FileOptions:
    """What a client wants of one file; None: the service's default."""

    tenant: str = DEFAULT_TENANT
    language: str | None = None
    task: Task = "transcribe"
    prompt: str = ""
    hotwords: str = ""
    final: FinalChoice | None = None
    """``best`` takes longer, and nothing is revised."""
    word_times: bool = True
    silence: float | None = None
    """Seconds of silence that end an utterance."""
    padding: float | None = None
    """Seconds of audio before an onset that belong to its utterance."""
    voice: float | None = None
    """Probability from which a sound is a voice, where a voice detector listens."""
    label: str = ""
    """For the log: the request it came with."""

    def speech(self, defaults: SpeechOptions) -> SpeechOptions:
        """Options of its stream, on top of the service's; the kind of its requests is theirs."""
        silence, padding, voice = self.silence, self.padding, self.voice
        ends, vad = defaults.endpointing, defaults.vad
        return replace(
            defaults,
            language=self.language or defaults.language,
            task=self.task,
            prompt=self.prompt,
            hotwords=self.hotwords,
            final=self.final or defaults.final,
            word_times=self.word_times,
            endpointing=replace(
                ends,
                silence=ends.silence if silence is None else silence,
                preroll=ends.preroll if padding is None else padding,
            ),
            vad=vad if voice is None else replace(vad, voice=voice),
        )


def finals_only(options: SpeechOptions) -> SpeechOptions:
    """No interims; where utterances end cannot depend on their text, which comes later (REC-53)."""
    plain = replace(options.endpointing, by_text=False)
    return replace(options, interims=False, endpointing=plain)


class Hearing:
    """One file on its way. Iterate it once, in one thread; `close` gives up.

    Yields each utterance's Final in order, and None whenever nothing came for ``beat`` seconds, so
    that whoever iterates can look after its client. Raises what the blocks raise, QueueFull or
    NotReady before the first utterance was queued, and EngineError or Dropped when one failed: part
    of the text would be missing. So it would be with what `interrupt` is given.

    Args:
        blocks: (n,) float32 samples, decoded when they are asked for.
        options: of the stream; ``kind`` is that of its jobs.
        tenant: whose turn it takes.
        lane: its own, for one job at a time.
        label: for the log.
        wait: seconds the first utterance may wait for room in the queue.
        beat: seconds.
        on_close: called when it is over, at least once.
    """

    def __init__(
        self,
        blocks: Iterable[Samples],
        options: SpeechOptions,
        *,
        tenant: str,
        lane: Lane,
        queue: JobQueue,
        observer: SessionObserver,
        label: str = "",
        wait: float = 0.0,
        beat: float = BEAT,
        on_close: Callable[[Hearing], None] = lambda _: None,
    ) -> None:
        self._blocks = blocks
        self._pieces = _pieces(blocks)
        self._options = finals_only(options)
        self._stream = SpeechStream(self._options)
        self._tenant = tenant
        self._lane = lane
        self._queue = queue
        self._observer = observer
        self._label = label
        self._wait = wait
        self._beat = beat
        self._on_close = on_close
        self._interruption: Future[STTError] = Future()
        self._requests: deque[Request] = deque()
        self._asked: tuple[Request, Future[Hypothesis]] | None = None
        self._window: Window | None = None  # of the job that waits; a worker reads it
        self._begun = False
        self._ended = False
        self._closed = False
        self.seconds = 0.0
        """Of audio heard so far, silence included."""

    def __iter__(self) -> Iterator[Final | None]:
        """See the class. Closes itself at the end, however that comes."""
        try:
            said_at = time.monotonic()
            while not self._closed and (self._asked or self._requests or not self._ended):
                finals = self._step(said_at + self._beat)
                yield from finals
                if finals:
                    said_at = time.monotonic()
                elif time.monotonic() >= said_at + self._beat:
                    yield None
                    said_at = time.monotonic()
        finally:
            self.close()

    def transcription(self) -> Transcription:
        """Wait for all of it. Raises as iterating does."""
        finals = [said for said in self if said is not None]
        return Transcription.of(finals, self.seconds)

    def close(self) -> None:
        """Recognise no more of it: a waiting job finds no window, an answer finds nobody."""
        self._closed = True
        self._window = None
        self._asked = None
        self._requests.clear()
        close = getattr(self._blocks, "close", None)  # a generator: its decoder ends with it
        if close is not None:
            close()
        self._on_close(self)

    def interrupt(self, error: STTError) -> None:
        """Have whoever iterates raise this, at once. Any thread; only the first call counts."""
        with suppress(InvalidStateError):
            self._interruption.set_result(error)

    def _step(self, due: float) -> list[Final]:
        """Do the next thing there is to do; wait for an answer not beyond ``due``."""
        if self._interruption.done():
            raise self._interruption.result()
        if self._asked is None and self._requests:
            self._ask(self._requests.popleft())
        if self._asked is not None:
            request, answer = self._asked
            idle = self._ended or self._requests  # else there is more to decode meanwhile
            if answer.done() or idle:
                either: tuple[Future[Any], ...] = (answer, self._interruption)
                wait_for(either, max(0.0, due - time.monotonic()), FIRST_COMPLETED)
                if not answer.done():
                    return []
                self._asked = self._window = None
                self._stream.receive_hypothesis(request, answer.result())
                return self._listen()
        self._hear()
        return self._listen()

    def _hear(self) -> None:
        """Decode and hear the next piece, or the end."""
        piece = next(self._pieces, None)
        if piece is None:
            self._ended = True
            self._stream.receive_end()
            return
        seconds = len(piece) / SAMPLE_RATE
        self.seconds += seconds
        self._observer.audio_received(seconds)
        self._stream.receive_audio(piece)

    def _listen(self) -> list[Final]:
        """Take in what the stream asks and says."""
        self._requests.extend(self._stream.requests())
        finals = [event for event in self._stream.events() if isinstance(event, Final)]
        for final in finals:
            self._observer.loops_cut(final.loops)
        return finals

    def _ask(self, request: Request) -> None:
        """Queue an utterance. Further ones than the first are promised: they are never refused."""
        window = self._stream.window(request)
        if window is None:
            return
        answer: Future[Hypothesis] = Future()
        audio = window.samples if window.features is None else window.features
        job = Job(
            tenant=self._tenant,
            lane=self._lane,
            kind=request.kind,
            window=self._read,
            on_done=answer.set_result,
            on_error=answer.set_exception,
            promised=self._begun,
            seconds=window.seconds,
            group=batch_group(self._options, request.kind),
            size=audio.nbytes,
            label=self._label,
        )
        self._window = window
        submit(job, self._queue, self._observer, wait=self._wait)
        self._begun = True
        self._asked = (request, answer)

    def _read(self) -> Window | None:
        """The window of the job that waits; worker thread."""
        return self._window


def _pieces(blocks: Iterable[Samples]) -> Iterator[Samples]:
    """Blocks, none of them long: what the stream keeps of one is an utterance or two."""
    for block in blocks:
        for at in range(0, len(block), BLOCK):
            yield block[at : at + BLOCK]
