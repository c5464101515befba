"""The way in for finite audio: chunks posted to `/transcribe`, and files.

Chunks: a later snapshot replaces an earlier one of the same chunk, text is stored when it is there,
and a chunk is final once a later chunk of its tenant arrives or nothing comes for a while (native
DM3-DM5). Files: the caller's own thread takes them through (`stt_file`). One lock guards the
chunks' records (AC1).
"""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from dataclasses import dataclass, field, replace

from stt.errors import Dropped, NotReady, Overloaded, STTError, Superseded
from stt.events import SAMPLE_RATE, Abilities, Kind, Samples
from stt.replies import Transcript, Transcription
from stt.speech.options import SpeechOptions
from stt.store.base import Stored, TranscriptStore
from stt_file import FileOptions, Hearing
from stt_hearings import Hearings
from stt_ingest import JobQueue
from stt_recording import Recording
from stt_surroundings import SessionObserver

log = logging.getLogger("stt.recorder")

STORE_WAIT = 5.0  # s for the store to take a text, before it is asked whether it still has it


@dataclass(frozen=True, slots=True)
class RecorderOptions:
    """Defaults of the HTTP doors."""

    speech: SpeechOptions = field(default_factory=SpeechOptions)
    enqueue_wait: float = 0.0
    """s a request may wait for room in the queue (native QU8)."""
    final_after: float = 10.0
    """s without a newer snapshot after which a chunk counts as final (native DM5)."""
    chunks_kept: int = 10_000
    """Chunks whose status is remembered, at most."""
    remembered: float = 7200.0
    """s for which it is (native RE1)."""


@dataclass(eq=False, slots=True)
class _Chunk:
    """What is known of one posted chunk."""

    recording: Recording | None
    """None once it is over and final: its memory is needed no more."""
    status: str = "processing"
    text: str = ""
    """The newest there is, of an older snapshot where this one has none."""
    final: bool = False
    stored: Future[None] | None = None
    """Of ``text``."""
    touched: float = 0.0


class Recorder:
    """See the module's docstring. Any thread may call any method."""

    def __init__(
        self,
        options: RecorderOptions,
        *,
        queue: JobQueue,
        store: TranscriptStore,
        observer: SessionObserver,
        publish: Callable[[str, Transcript], None],
        ready: Callable[[], bool] = lambda: True,
        admits: Callable[[str], bool] = lambda _: True,
        abilities: Callable[[], Abilities] = Abilities,
    ) -> None:
        self._options = options
        self._queue = queue
        self._store = store
        self._observer = observer
        self._publish = publish
        self._ready = ready
        self._admits = admits
        self._abilities = abilities
        self._lock = threading.Lock()
        self._chunks: OrderedDict[tuple[str, str], _Chunk] = OrderedDict()
        self._newest: dict[str, str] = {}  # tenant -> chunk
        self._files = Hearings()

    def snapshot(self, tenant: str, chunk_id: str, samples: Samples) -> None:
        """Queue all audio of a chunk so far; replaces a waiting snapshot of it (native QU2).

        Raises QueueFull or NotReady; the chunk's older audio, if any, stays queued then. A chunk
        that has begun is not refused for the load there is, a new one may be (REC-73).
        """
        self._require_model()
        with self._lock:
            before = self._chunks.get((tenant, chunk_id))
        if before is None and not self._admits("chunk"):
            raise Overloaded
        older = None if before is None else before.recording
        recording = Recording(
            samples,
            self._speech(),
            tenant=tenant,
            lane=("http", tenant, chunk_id),
            queue=self._queue,
            observer=self._observer,
            label=chunk_id,
            memory=None if older is None else older.memory,
        )
        known = "" if before is None else before.text
        chunk = _Chunk(recording, text=known, touched=time.monotonic())
        recording.result.add_done_callback(lambda _: self._settled(tenant, chunk_id, chunk))
        self._register(tenant, chunk_id, chunk)
        try:
            recording.start(wait=self._options.enqueue_wait)
        except STTError:
            self._register(tenant, chunk_id, before)
            raise
        if older is not None:
            older.give_up()
        self._observer.audio_received(len(samples) / SAMPLE_RATE)
        self._follow(tenant, chunk_id)

    def _speech(self) -> SpeechOptions:
        """The defaults, for the engine there is."""
        return replace(self._options.speech, n_mels=self._abilities().n_mels)

    def _register(self, tenant: str, chunk_id: str, chunk: _Chunk | None) -> None:
        """Make this the chunk's record, before its recording can end; None: there is none."""
        with self._lock:
            self._chunks.pop((tenant, chunk_id), None)
            if chunk is not None:
                self._chunks[tenant, chunk_id] = chunk
            while len(self._chunks) > self._options.chunks_kept:
                self._forget(*next(iter(self._chunks)))

    def _follow(self, tenant: str, chunk_id: str) -> None:
        """A later chunk ends the one before it (native DM5)."""
        with self._lock:
            previous = self._newest.get(tenant)
            later = previous is None or _is_later(chunk_id, previous)
            if later:
                self._newest[tenant] = chunk_id
        if previous is not None and later:
            self._finalize(tenant, previous)

    def _forget(self, tenant: str, chunk_id: str) -> None:
        """Remember a chunk no more; the lock is held."""
        del self._chunks[tenant, chunk_id]
        if self._newest.get(tenant) == chunk_id:
            del self._newest[tenant]

    def status(self, tenant: str, chunk_id: str) -> str | None:
        """Of a chunk posted lately: processing, done, silent, failed or dropped (TR13, QU7)."""
        with self._lock:
            chunk = self._chunks.get((tenant, chunk_id))
            return None if chunk is None else chunk.status

    def listen(self, blocks: Iterable[Samples], options: FileOptions) -> Hearing:
        """A file, recognised while it is iterated, in the caller's thread.

        It counts as on its way until it is closed. Raises NotReady, and Overloaded: what has begun
        is not refused for the load (REC-74).
        """
        self._require_model()
        if not self._admits("file"):
            raise Overloaded
        hearing = Hearing(
            blocks,
            replace(options.speech(self._speech()), kind=Kind.BULK),
            tenant=options.tenant,
            lane=("file", uuid.uuid4().hex),
            queue=self._queue,
            observer=self._observer,
            label=options.label,
            wait=self._options.enqueue_wait,
            on_close=self._files.remove,
        )
        self._files.add(hearing)
        return hearing

    def end_files(self, timeout: float) -> bool:
        """The service stops: files have so many seconds, then they fail with NotReady (AD8).

        Whether all came to their end.
        """
        return self._files.end(timeout)

    def transcribe(self, blocks: Iterable[Samples], options: FileOptions) -> Transcription:
        """Wait for the transcript of a file. Raises as `listen` and what it gives do."""
        return self.listen(blocks, options).transcription()

    def sweep(self) -> None:
        """Finish the chunks that nothing came for, forget the old (native DM5, RE2)."""
        now = time.monotonic()
        old, ancient = now - self._options.final_after, now - self._options.remembered
        with self._lock:
            due = [key for key, c in self._chunks.items() if not c.final and c.touched < old]
            for key in [key for key, c in self._chunks.items() if c.touched < ancient]:
                self._forget(*key)
        for tenant, chunk_id in due:
            self._finalize(tenant, chunk_id)

    def _require_model(self) -> None:
        if not self._ready():
            raise NotReady("the service takes no audio now: it starts, or it shuts down")

    def _settled(self, tenant: str, chunk_id: str, chunk: _Chunk) -> None:
        """A recording has ended: keep its text, or say why there is none."""
        recording = chunk.recording
        error = None if recording is None else recording.result.exception()
        if recording is None or isinstance(error, Superseded):
            return
        with self._lock:
            newest = self._chunks.get((tenant, chunk_id), chunk)
            if newest is not chunk and newest.status != "processing":
                return  # a newer snapshot was answered first (native W25)
            if error is not None:
                self._explain(chunk_id, chunk, error)
            elif (heard := recording.result.result()).text:
                newest.text = chunk.text = heard.text
                chunk.status = "done"
                self._keep(tenant, chunk_id, chunk, recording.arrived, heard)
            else:  # an empty result never erases or creates a transcript (native B6)
                chunk.status = "silent"
            if chunk.final or chunk.status == "done":
                self._tell(tenant, chunk_id, chunk)

    def _explain(self, chunk_id: str, chunk: _Chunk, error: BaseException) -> None:
        chunk.status = "dropped" if isinstance(error, Dropped) else "failed"
        level = logging.INFO if isinstance(error, STTError) else logging.ERROR
        log.log(level, "a chunk has no text: %s", error, extra={"chunk_id": chunk_id})

    # The lock is held: what is told keeps its order. The calls below are leaves (AC2).

    def _keep(
        self, tenant: str, chunk_id: str, chunk: _Chunk, arrived: int, heard: Transcription
    ) -> None:
        words = [word.as_dict() for final in heard.finals for word in final.words]
        chunk.stored = self._store.put(
            Stored(
                tenant,
                chunk_id,
                chunk.text,
                arrived,
                is_final=chunk.final,
                words=json.dumps(words),
            )
        )
        chunk.stored.add_done_callback(self._observer.stored)

    def _tell(self, tenant: str, chunk_id: str, chunk: _Chunk) -> None:
        """Push to the tenant's subscribers what a poller would find (native W29)."""
        committed, tail = (chunk.text, "") if chunk.final else ("", chunk.text)
        reason = "silence" if chunk.status == "silent" and not chunk.text else None
        self._publish(
            tenant,
            Transcript(chunk_id, committed, tail, is_final=chunk.final, reason=reason),
        )

    def _is_removed(self, tenant: str, chunk_id: str, chunk: _Chunk) -> bool:
        """Whether the text of a chunk was deleted or popped; no lock is held."""
        if chunk.stored is None:
            return False
        wait([chunk.stored], STORE_WAIT)
        return self._store.get(tenant, chunk_id) is None

    def _finalize(self, tenant: str, chunk_id: str) -> None:
        """A chunk is over: its subscribers get its final, unless its text is still to come."""
        with self._lock:
            chunk = self._chunks.get((tenant, chunk_id))
        if chunk is None:
            return
        removed = self._is_removed(tenant, chunk_id, chunk)
        with self._lock:
            if chunk.final or self._chunks.get((tenant, chunk_id)) is not chunk:
                return
            chunk.final = True
            if self._newest.get(tenant) == chunk_id:
                del self._newest[tenant]
            if chunk.status != "processing":
                chunk.recording = None
                chunk.text = "" if removed else chunk.text  # told no more once deleted (RE5)
                self._tell(tenant, chunk_id, chunk)


def _is_later(chunk_id: str, than: str) -> bool:
    """Whether a chunk comes after another: decimal ids by value, else any other one (DM5, DM9)."""
    if chunk_id.isdecimal() and than.isdecimal():
        return int(chunk_id) > int(than)
    return chunk_id != than
