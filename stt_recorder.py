"""The way in for finite audio: chunks posted to `/transcribe`, and files.

Chunks: a later snapshot replaces an earlier one of the same chunk, text is stored when it is there,
and a chunk is final once a later chunk of its tenant arrives or nothing comes for a while (native
DM3-DM5). Files: the caller waits for the transcript. One lock guards the chunks' records (AC1).
"""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from stt.errors import Dropped, NotReady, STTError, Superseded
from stt.events import Kind, Samples, Task
from stt.replies import Transcript, Transcription
from stt.speech.stream import SpeechOptions
from stt.store.base import Stored, TranscriptStore
from stt_ingest import JobQueue
from stt_recording import Recording

log = logging.getLogger("stt.recorder")


@dataclass(frozen=True, slots=True)
class RecorderOptions:
    """Defaults of the HTTP doors."""

    speech: SpeechOptions = field(default_factory=SpeechOptions)
    enqueue_wait: float = 0.0
    """s a request may wait for room in the queue (native QU8)."""
    final_after: float = 10.0
    """s without a newer snapshot after which a chunk counts as final (native DM5)."""
    chunks_kept: int = 10_000
    """Chunks whose status is remembered."""


@dataclass(eq=False, slots=True)
class _Chunk:
    """What is known of one posted chunk."""

    recording: Recording
    status: str = "processing"
    text: str = ""
    """The newest there is, of an older snapshot where this one has none."""
    final: bool = False
    touched: float = 0.0


class Recorder:
    """See the module's docstring. Any thread may call any method."""

    def __init__(
        self,
        options: RecorderOptions,
        *,
        queue: JobQueue,
        store: TranscriptStore,
        publish: Callable[[str, Transcript], None],
        ready: Callable[[], bool] = lambda: True,
    ) -> None:
        self._options = options
        self._queue = queue
        self._store = store
        self._publish = publish
        self._ready = ready
        self._lock = threading.Lock()
        self._chunks: OrderedDict[tuple[str, str], _Chunk] = OrderedDict()
        self._newest: dict[str, str] = {}  # tenant -> chunk

    def snapshot(self, tenant: str, chunk_id: str, samples: Samples) -> None:
        """Queue all audio of a chunk so far; replaces a waiting snapshot of it (native QU2).

        Raises QueueFull or NotReady; the chunk's older audio, if any, stays queued then.
        """
        self._require_model()
        with self._lock:
            before = self._chunks.get((tenant, chunk_id))
        lane = f"http:{tenant}/{chunk_id}"
        recording = Recording(
            samples,
            self._options.speech,
            tenant=tenant,
            lane=lane,
            kind=Kind.INTERIM,  # replaced and displaced as an interim is (native QU7)
            queue=self._queue,
            label=chunk_id,
            memory=None if before is None else before.recording.memory,
        )
        known = "" if before is None else before.text
        chunk = _Chunk(recording, text=known, touched=time.monotonic())
        recording.result.add_done_callback(lambda _: self._settled(tenant, chunk_id, chunk))
        recording.start(wait=self._options.enqueue_wait)
        with self._lock:
            if before is not None:
                before.recording.give_up()
            self._chunks[tenant, chunk_id] = chunk
            self._chunks.move_to_end((tenant, chunk_id))
            while len(self._chunks) > self._options.chunks_kept:
                self._chunks.popitem(last=False)
            previous = self._newest.get(tenant)
            if previous is None or _is_later(chunk_id, previous):
                self._newest[tenant] = chunk_id
        if previous is not None and _is_later(chunk_id, previous):
            self._finalize(tenant, previous)

    def status(self, tenant: str, chunk_id: str) -> str | None:
        """Of a chunk posted lately: processing, done, silent, failed or dropped (TR13, QU7)."""
        with self._lock:
            chunk = self._chunks.get((tenant, chunk_id))
            return None if chunk is None else chunk.status

    def transcribe(
        self,
        samples: Samples,
        *,
        tenant: str,
        language: str | None = None,
        task: Task = "transcribe",
        prompt: str = "",
        word_times: bool = True,
    ) -> Transcription:
        """Wait for the transcript of a file. Raises QueueFull, NotReady, EngineError."""
        self._require_model()
        speech = replace(
            self._options.speech,
            language=language or self._options.speech.language,
            task=task,
            prompt=prompt,
            word_times=word_times,
            kind=Kind.BULK,
        )
        lane = f"file:{uuid.uuid4().hex}"
        recording = Recording(
            samples, speech, tenant=tenant, lane=lane, kind=Kind.BULK, queue=self._queue
        )
        recording.start(wait=self._options.enqueue_wait)
        return recording.result.result()

    def sweep(self) -> None:
        """Finish the chunks that nothing came for; on the timers' thread (native DM5, RE2)."""
        old = time.monotonic() - self._options.final_after
        with self._lock:
            due = [key for key, c in self._chunks.items() if not c.final and c.touched < old]
        for tenant, chunk_id in due:
            self._finalize(tenant, chunk_id)

    def _require_model(self) -> None:
        if not self._ready():
            raise NotReady("the model is not loaded yet")

    def _settled(self, tenant: str, chunk_id: str, chunk: _Chunk) -> None:
        """A recording has ended: keep its text, or say why there is none."""
        error = chunk.recording.result.exception()
        if isinstance(error, Superseded):
            return
        with self._lock:
            newest = self._chunks.get((tenant, chunk_id), chunk)
            if newest is not chunk and newest.status != "processing":
                return  # a newer snapshot was answered first (native W25)
            if error is not None:
                self._explain(chunk_id, chunk, error)
            elif text := chunk.recording.result.result().text:
                newest.text = chunk.text = text
                chunk.status = "done"
                self._keep(tenant, chunk_id, chunk)
            else:  # an empty result never erases or creates a transcript (native B6)
                chunk.status = "silent"
            if chunk.final or chunk.status == "done":
                self._tell(tenant, chunk_id, chunk)

    def _explain(self, chunk_id: str, chunk: _Chunk, error: BaseException) -> None:
        chunk.status = "dropped" if isinstance(error, Dropped) else "failed"
        level = logging.INFO if isinstance(error, STTError) else logging.ERROR
        log.log(level, "a chunk has no text: %s", error, extra={"chunk_id": chunk_id})

    # The lock is held: what is told keeps its order. The calls below are leaves (AC2).

    def _keep(self, tenant: str, chunk_id: str, chunk: _Chunk) -> None:
        heard = chunk.recording.result.result()
        words = [word.as_dict() for final in heard.finals for word in final.words]
        self._store.put(
            Stored(
                tenant,
                chunk_id,
                chunk.text,
                chunk.recording.arrived,
                is_final=chunk.final,
                words=json.dumps(words),
            )
        )

    def _tell(self, tenant: str, chunk_id: str, chunk: _Chunk) -> None:
        """Push to the tenant's subscribers what a poller would find (native W29)."""
        committed, tail = (chunk.text, "") if chunk.final else ("", chunk.text)
        reason = "silence" if chunk.status == "silent" and not chunk.text else None
        self._publish(
            tenant,
            Transcript(chunk_id, committed, tail, is_final=chunk.final, reason=reason),
        )

    def _finalize(self, tenant: str, chunk_id: str) -> None:
        with self._lock:
            chunk = self._chunks.get((tenant, chunk_id))
            if chunk is None or chunk.final:
                return
            chunk.final = True
            if self._newest.get(tenant) == chunk_id:
                del self._newest[tenant]
            if chunk.status != "processing":
                self._tell(tenant, chunk_id, chunk)


def _is_later(chunk_id: str, than: str) -> bool:
    """Whether a chunk comes after another: decimal ids by value, else any other one (DM5, DM9)."""
    if chunk_id.isdecimal() and than.isdecimal():
        return int(chunk_id) > int(than)
    return chunk_id != than
