"""From a request with a file to its answer, whatever door it came through.

The thread of the request does it all: it decodes, waits for the engine, and sends. Whatever ends
the request gives back its turn and stops its work, exactly once: an answer, a refusal, a crash, a
client that leaves, also in the middle of a stream.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain, islice
from typing import Protocol

from flask import Request, Response

from api.answers import request_id
from api.files import sse
from api.files.body import Hold
from api.files.leaving import ClientGone, presence, while_present
from api.files.turns import Turns
from api.files.wish import Wish
from stt.auth import Whom
from stt.errors import BadInput
from stt.events import Abilities, Final, Samples
from stt.replies import Transcription
from stt_file import FileOptions

log = logging.getLogger("stt.files")

GONE = 499  # as proxies log it; nobody reads it


class Heard(Protocol):
    """A file on its way: the runtime's `Hearing`."""

    seconds: float

    def __iter__(self) -> Iterator[Final | None]:
        """Its utterances; None now and then. Raises STTError."""

    def close(self) -> None:
        """Recognise no more of it."""


class Listener(Protocol):
    """Who recognises files: the Recorder."""

    def listen(self, blocks: Iterable[Samples], options: FileOptions) -> Heard:
        """Raises NotReady, Overloaded."""


class Decode(Protocol):
    """A file's bytes to blocks of samples, decoded when they are asked for."""

    def __call__(
        self,
        data: bytes,
        *,
        max_seconds: float,
        encoding: str | None = None,
        sample_rate: int | None = None,
        channels: int = 1,
    ) -> Iterator[Samples]:
        """Raises UndecodableAudio, UnsupportedAudio, TooLarge, when it gets there."""


Receive = Callable[[Hold], tuple[bytes, Wish]]
"""Reads the body and the fields; raises BadInput. A door's own."""
Show = Callable[[Transcription, Wish], Response]
"""Makes the answer of a transcript. A door's own."""


@dataclass(frozen=True, slots=True)
class FileLimits:
    """What files may take."""

    max_seconds: float = 7200.0
    """Of audio in one file."""
    at_once: int = 8
    """Files on their way; each holds a thread of the server."""
    max_bytes: int = 256 * 2**20
    """Of their bodies, all together."""
    keep_alive: float = 5.0
    """Seconds without a text after which a stream of events sends a comment."""


class Files:
    """See the module's docstring. Any thread may call."""

    def __init__(
        self,
        listener: Listener,
        decode: Decode,
        whom: Whom,
        limits: FileLimits,
        abilities: Callable[[], Abilities] = Abilities,
    ) -> None:
        self._listener = listener
        self._decode = decode
        self._whom = whom
        self._limits = limits
        self._abilities = abilities
        self.turns = Turns(limits.at_once, limits.max_bytes)

    @property
    def abilities(self) -> Abilities:
        """What the model can do."""
        return self._abilities()

    def serve(self, request: Request, receive: Receive, show: Show) -> Response:
        """The answer to a request with a file: a transcript, or a stream of events. Blocks.

        Raises STTError up to the first text or, where that takes its time, the first second; a
        stream that has begun says its error itself (OS6).
        """
        with ExitStack[None]() as stack:
            turn = self.turns.take()
            stack.callback(turn.release)
            data, wish = receive(turn.hold)
            file = self._begin(data, wish)
            stack.callback(_conclude, file, request_id(), time.monotonic())
            heard = while_present(file, presence(request.environ))
            try:
                if wish.stream:
                    return self._streamed(chain(list(islice(heard, 1)), heard), wish, stack)
                finals = [final for final in heard if final is not None]
                return show(Transcription.of(finals, file.seconds), wish)
            except ClientGone:
                return Response(status=GONE)

    def _begin(self, data: bytes, wish: Wish) -> Heard:
        principal = self._whom()
        blocks = self._decode(
            data,
            max_seconds=self._limits.max_seconds,
            encoding=wish.encoding,
            sample_rate=wish.sample_rate,
            channels=wish.channels,
        )
        tenant = principal.tenant_id if principal else wish.tenant
        options = wish.options(tenant=tenant, label=request_id())
        return self._listener.listen(_of_the_file(blocks), options)

    def _streamed(
        self, heard: Iterator[Final | None], wish: Wish, stack: ExitStack[None]
    ) -> Response:
        """A stream of events; what is on the stack is closed with the file, however that ends.

        So there is room for another file before the client hears that this one is done.
        """
        kept = stack.pop_all()
        frames = sse.events(
            _then(heard, kept.close),
            logprobs=wish.logprobs,
            keep_alive=self._limits.keep_alive,
            clock=time.monotonic,
        )
        response = Response(frames, content_type=sse.CONTENT_TYPE, headers=sse.HEADERS)
        response.call_on_close(kept.close)  # it may never be begun
        return response


def _of_the_file(blocks: Iterator[Samples]) -> Iterator[Samples]:
    """The blocks; what is wrong with them is wrong with the field that brought them (OE1)."""
    try:
        yield from blocks
    except BadInput as error:
        error.param = error.param or "file"
        raise


def _then(heard: Iterator[Final | None], end: Callable[[], None]) -> Iterator[Final | None]:
    try:
        yield from heard
    finally:
        end()


def _conclude(file: Heard, label: str, begun: float) -> None:
    """Stop the work of a file, if any is left, and say in the log how it went."""
    file.close()
    log.info(
        "a file is over: request_id=%s audio_s=%.1f took_s=%.1f",
        label or "-",
        file.seconds,
        time.monotonic() - begun,
    )
