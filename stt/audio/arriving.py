"""The bytes of a container while they arrive: looked at, skipped, or read on by FFmpeg.

Pure but for the ``read`` it is given, which may wait. Holds what was looked at and not read yet.
"""

from __future__ import annotations

from collections.abc import Callable

from stt.errors import UndecodableAudio

Read = Callable[[int], bytes]
"""Up to so many bytes, at least one, waiting for them; b"" at the end, and again when asked."""

MAX_UNHEARD = 8 * 2**20
"""Bytes that may come without audio: pictures and tables of files in use are smaller. FFmpeg cannot
keep more than it has read, so this bounds what a stream that only claims to be audio costs."""

PIECE = 4096  # bytes looked through at once


class Arriving:
    """See the module's docstring. One caller at a time."""

    def __init__(self, read: Read) -> None:
        self._source = read
        self._held = b""
        self._unheard = 0
        self._limit = MAX_UNHEARD
        self.ended = False
        """Whether the last byte has been read."""

    def heard(self) -> None:
        """Audio came out: bytes without it count anew."""
        self._unheard = 0

    def allow(self, limit: int) -> None:
        """So many bytes may come without audio."""
        self._limit = limit

    def read(self, size: int) -> bytes:
        """What is there, up to ``size`` bytes; b"" at the end.

        Raises UndecodableAudio when too much has come without audio.
        """
        data, self._held = self._held[:size], self._held[size:]
        if not data:
            data = self._source(size)
            self.ended = not data
        self._unheard += len(data)
        if self._unheard > self._limit:
            raise UndecodableAudio(f"{self._limit >> 20} MiB came without any audio.")
        return data

    def put_back(self, data: bytes) -> None:
        """What was read last is to be read again."""
        self._held = data + self._held
        self._unheard -= len(data)

    def peek(self, size: int) -> bytes:
        """The next ``size`` bytes, which stay; fewer at the end."""
        while len(self._held) < size and (data := self._source(size - len(self._held))):
            self._held += data
        return self._held[:size]

    def exactly(self, size: int) -> bytes:
        """The next ``size`` bytes; fewer at the end."""
        collected = bytearray()
        while len(collected) < size and (data := self.read(min(size - len(collected), 65_536))):
            collected += data
        return bytes(collected)

    def skip(self, size: int) -> None:
        """Pass over bytes, however many."""
        while size > 0 and (data := self.read(min(size, 65_536))):
            size -= len(data)

    def seek(self, mark: bytes) -> bool:
        """Pass over bytes up to these, which stay; False where they never come."""
        while (at := self._held.find(mark)) < 0:
            self.skip(len(self._held) - len(mark) + 1)  # the rest may be their beginning
            data = self._source(PIECE)
            if not data:
                self.ended = True
                return False
            self._held += data
        self.skip(at)
        return True


class Part:
    """A part of what arrives, with bytes of our own before it, as FFmpeg reads a file."""

    def __init__(self, arriving: Arriving, length: int | None, before: bytes = b"") -> None:
        """``length``: of the part; None: to the end."""
        self._arriving = arriving
        self._left = length
        self._before = before

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes; b"" at the end of the part."""
        if self._before:
            data, self._before = self._before[:size], self._before[size:]
            return data
        if self._left is None:
            return self._arriving.read(size)
        data = self._arriving.read(min(size, self._left)) if self._left else b""
        self._left -= len(data)
        return data
