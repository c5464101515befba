"""An MP4 or QuickTime file while it arrives, box by box: no table reaches FFmpeg unchecked."""

from __future__ import annotations

import io
import struct

from stt.audio.arriving import Arriving
from stt.audio.mp4 import check_claim, check_tables, claimed, untagged_file
from stt.audio.untagged import untagged
from stt.errors import TooLarge

MAX_WHOLE = 16 * 2**20
"""Bytes of a file whose index comes last: it is decoded at its end, so all of it is kept."""


class Boxes:
    """What FFmpeg reads: media as it comes, any other top-level box once it is whole and checked.

    The tables are those of `stt.audio.mp4`, and so is the bound, over the whole stream.
    """

    def __init__(self, arriving: Arriving) -> None:
        self._arriving = arriving
        self._ready = bytearray()
        self._media: int | None = 0  # bytes to pass on; None: all that come
        self._claimed = 0

    def index_first(self) -> bool:
        """Whether the index (moov) comes before any media; reads up to there."""
        while (kind := self._next()) not in (None, b"moov", b"moof", b"mdat"):
            pass
        return kind == b"moov"

    def whole(self) -> io.BytesIO:
        """All of a file without its index first, to be read.

        Raises TooLarge above `MAX_WHOLE`, UndecodableAudio for its tables.
        """
        self._arriving.allow(2 * MAX_WHOLE)
        data = bytes(self._ready) + self._arriving.exactly(MAX_WHOLE)
        if len(data) > MAX_WHOLE:
            raise TooLarge(
                "The index of the MP4 stream comes after its audio; such a file may have "
                f"{MAX_WHOLE >> 20} MiB. Write it fragmented, or with its index first."
            )
        check_tables(data)
        return untagged_file(data)

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes; b"" at the end. Raises UndecodableAudio."""
        while not self._ready and self._media == 0:
            if self._next() is None:
                return b""
        if self._ready:
            data = bytes(self._ready[:size])
            del self._ready[:size]
            return data
        data = self._arriving.read(size if self._media is None else min(size, self._media))
        if self._media is not None:
            self._media = self._media - len(data) if data else 0
        return data

    def _next(self) -> bytes | None:
        """Make the next box ready, of media only its head; its kind, or None at the end."""
        head = self._arriving.peek(8)
        if len(head) < 8:
            return None
        size, kind = struct.unpack(">I4s", head)
        if size == 1:
            head = self._arriving.peek(16)
            size = int.from_bytes(head[8:], "big")
        endless = size < 8  # to the end of the file, or nonsense
        if kind == b"mdat":
            self._ready += self._arriving.exactly(len(head))
            self._media = None if endless else max(size - len(head), 0)
        else:
            box = self._arriving.exactly(2 * MAX_WHOLE if endless else size)
            self._claimed += claimed(box)
            check_claim(self._claimed)
            self._ready += untagged(box, "mov")
        return bytes(kind)
