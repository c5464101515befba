"""The audio of one session that comes as a container: a thread that decodes it on its way in.

It stands between the connection's reader thread and the session (client-protocols E12). The reader
puts commands in and never waits for the decoder. The decoder's thread takes them in order: bytes
feed the decoder; any other command is done when the decoder asks for more, which is when all audio
before it has been heard (S9). What is decoded goes to the session as float32 at 16 kHz, the only
way into it; so its session must be opened with that encoding.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np

from stt.errors import BadInput, STTError, TooLarge
from stt.events import SAMPLE_RATE, Samples
from stt.protocols.base import AppendAudio, Command, Ping, ReplaceAudio
from stt.replies import Reply, problem
from stt_in_flight import CROWDED, FAIR_SHARE, InFlight

log = logging.getLogger("stt.intake")

ENCODING = "float32"
"""Of the session behind an intake."""
BACKLOG = 2**20
"""Bytes that may wait before the reader is slowed down."""
MAX_BACKLOG = 16 * 2**20
"""Bytes that may wait at all; only a reader that does not heed `delay` gets there."""
PIECE = SAMPLE_RATE // 10
"""Samples handed on at once, unless fewer are all there is: smaller ones cost more than they are
worth."""
ITEM = 128
"""Bytes an item of the queue takes besides."""
READ = 65_536  # bytes at once, of those nobody wants
MOST_TAIL = 120.0
"""s of audio still heard when the client has left: as much as may wait as bare int16."""
MOST_REASON = 123  # bytes
CLOSE_WAIT = 5.0
"""s that `close` waits for the tail."""

Read = Callable[[int], bytes]
Decoder = Callable[[Read], Iterator[Samples]]
"""A stream's samples, given how to read its bytes (`stt.audio.stream.decoded_stream`)."""


class _Outbox(Protocol):
    def close(self, code: int = 1000, reason: str = "") -> None: ...


class Hearer(Protocol):
    """The session behind; of its parts only `say` is called by more than the decoder's thread."""

    @property
    def outbox(self) -> _Outbox:
        """Where it ends."""

    @property
    def delay(self) -> float:
        """s to wait before more audio is brought."""

    def handle(self, command: Command) -> None:
        """Do what the client asked. Raises BadInput and NotReady."""

    def say(self, reply: Reply) -> None:
        """Send a reply."""


class Intake:
    """See the module's docstring. `handle` and `delay` are the reader thread's."""

    def __init__(
        self,
        session: Hearer,
        decoder: Decoder,
        *,
        rate: float = 1.5,
        ends: tuple[type[Command], ...] = (),
        useless: tuple[int, str] | None = None,
        in_flight: InFlight | None = None,
    ) -> None:
        """``rate``: times real time, at which the session takes audio (runtime RT-27).

        ``ends``: the commands that end the audio: what the decoder still holds is heard before.

        ``useless``: close code and reason where the audio cannot be decoded, as the protocol has
        them, which says no error before: the sentence follows the reason. None: 1003 and the code
        of the error.

        ``in_flight``: of all sessions, what waits and what the decoder holds; None: of this alone.
        """
        self._session = session
        self._decoder = decoder
        self._rate = rate
        self._ends = ends
        self._useless = useless
        self._in_flight = in_flight or InFlight()
        self._changed = threading.Condition()
        self._queue: deque[memoryview | Command] = deque()
        self._waiting = 0  # bytes in the queue
        self._unheard = 0  # bytes out of it, since the last audio: a decoder may hold them all
        self._left = False  # the client is gone
        self._over = False  # nothing is taken or heard any more
        # These are the decoder thread's; `delay` looks at two of them.
        self._taken = 0  # bytes out of the queue
        self._heard = 0.0  # s
        self._decoded: list[Samples] = []
        self._length = 0  # samples in it
        self._tail = MOST_TAIL
        self._at_end: Command | None = None
        self._thread = threading.Thread(target=self._run, name="stt-intake", daemon=True)
        self._thread.start()

    # The reader's thread.

    def handle(self, command: Command) -> None:
        """Take what the client asked; it is done in its turn, but a ping at once.

        Raises BadInput for audio that would replace what was heard.
        """
        match command:
            case Ping():
                self._session.handle(command)
            case ReplaceAudio():
                raise BadInput("a container's audio is appended: send append: true, or binary")
            case AppendAudio():
                if command.chunk_id is not None:
                    self._put(AppendAudio(b"", command.chunk_id))
                if command.data:
                    self._put(memoryview(command.data))
            case _:
                self._put(command)

    def _put(self, item: memoryview | Command) -> None:
        with self._changed:
            if self._over:
                return
            self._queue.append(item)
            self._hold(waiting=_size(item))
            full = self._waiting > MAX_BACKLOG
            crowded = self._in_flight.full and self._waiting + self._unheard > FAIR_SHARE
            self._changed.notify()
        if full:
            self._end(TooLarge(f"more than {MAX_BACKLOG >> 20} MiB wait to be decoded"))
        elif crowded and self._stop():
            self._session.outbox.close(1013, CROWDED)

    def _hold(self, *, waiting: int = 0, unheard: int = 0) -> None:
        """So many bytes more, or less; the lock is held."""
        self._waiting += waiting
        self._unheard += unheard
        self._in_flight.change(waiting + unheard)

    @property
    def delay(self) -> float:
        """s the reader should wait before it brings more audio: until the backlog is small again.

        By the bytes that a second of this stream has had so far.
        """
        excess = self._waiting - BACKLOG
        if excess <= 0:
            return 0.0
        a_second = self._taken / self._heard if self._heard else 2 * SAMPLE_RATE
        return excess / (a_second * self._rate)

    def close(self) -> None:
        """The client is gone: hear the rest of its audio, end the thread. Never raises.

        Called before the session itself is left, which hears nothing afterwards.
        """
        with self._changed:
            self._left = True
            self._changed.notify()
        self._thread.join(CLOSE_WAIT)
        if self._thread.is_alive():
            log.warning("the end of a stream takes long to decode; it is left out")
            self._stop()

    # The decoder's thread.

    def _run(self) -> None:
        try:
            self._decode()
            while not self._over and (item := self._next(READ)):  # the audio is over, alone
                if not isinstance(item, bytes):
                    self._do(item)
        except STTError as error:
            self._hand_on()
            self._end(error)
        except Exception:
            log.exception("decoding a stream failed")
            self._end(STTError("the server failed on this audio"))
        finally:
            self._used()

    def _decode(self) -> None:
        """Hear the whole stream, then do what ended it. Raises what the decoder raises."""
        for piece in self._decoder(self._read):
            if self._over:
                return
            self._decoded.append(piece)
            self._length += len(piece)
            if self._length >= PIECE:
                self._hand_on()
        self._hand_on()
        if self._at_end is not None:
            self._do(self._at_end)

    def _read(self, size: int) -> bytes:
        """The decoder asks for bytes: all that it has had is heard, so commands are due (S9)."""
        while self._at_end is None:
            item = self._next(size)
            if isinstance(item, bytes):
                return item
            self._hand_on()
            if isinstance(item, self._ends):
                self._at_end = item
            else:
                self._do(item)
        return b""

    def _next(self, size: int) -> bytes | Command:
        """What comes next, of bytes ``size`` at most; b"" when nothing does any more."""
        if not self._queue:
            self._hand_on()  # there is nothing to wait for
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._left or self._over)
            if self._over or not self._queue:
                return b""
            item = self._queue.popleft()
            self._hold(waiting=-_size(item))
            if not isinstance(item, memoryview):
                return item
            if len(item) > size:
                self._queue.appendleft(item[size:])
                self._hold(waiting=_size(item[size:]))
                item = item[:size]
            self._taken += len(item)
            self._hold(unheard=len(item))
            return bytes(item)

    def _hand_on(self) -> None:
        """Let the session hear what is decoded, and keep its pace (E13: or hours come at once)."""
        if not self._length or self._over:
            return
        samples = np.concatenate(self._decoded)
        self._decoded.clear()
        self._length = 0
        self._heard += len(samples) / SAMPLE_RATE
        self._used()
        self._do(AppendAudio(samples.tobytes()))
        if self._left:
            self._tail -= len(samples) / SAMPLE_RATE
            if self._tail < 0:
                self._stop()
        elif (wait := self._session.delay) > 0:
            with self._changed:
                self._changed.wait_for(lambda: self._left or self._over, wait)

    def _used(self) -> None:
        """Of the bytes taken so far the decoder holds few any more."""
        with self._changed:
            self._hold(unheard=-self._unheard)

    def _do(self, command: Command) -> None:
        """What a reader does with a command: errors are said, and the session goes on."""
        try:
            self._session.handle(command)
        except STTError as error:
            chunk_id = error.chunk_id or getattr(command, "chunk_id", None)
            self._session.say(problem(error, chunk_id))
        except Exception:
            log.exception("a command failed")
            self._session.say(problem(STTError("the server failed on this message")))

    # Either thread.

    def _end(self, error: STTError) -> None:
        """Say what is wrong, once, and end the session: what follows it would be noise (E11)."""
        if self._stop():
            ours = not isinstance(error, BadInput)
            code, reason = 1011 if ours else 1003, error.code
            if self._useless is not None and not ours:
                code, reason = self._useless[0], _reason(f"{self._useless[1]}: {error.message}")
            self._session.say(problem(error, close_code=code))
            self._session.outbox.close(code, reason)

    def _stop(self) -> bool:
        """Take and hear nothing more; whether that is news."""
        with self._changed:
            was, self._over = self._over, True
            self._queue.clear()
            self._hold(waiting=-self._waiting)
            self._changed.notify_all()
            return not was


def _reason(text: str) -> str:
    """As much of a text as a close frame holds (RFC 6455, section 5.5)."""
    return text.encode()[:MOST_REASON].decode(errors="ignore")


def _size(item: memoryview | Command) -> int:
    """About what an item takes while it waits; a command is not free either."""
    return ITEM + (len(item) if isinstance(item, memoryview) else 0)
