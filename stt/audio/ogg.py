"""An Ogg file's pages as FFmpeg reads them: its sound alone, and no comments.

FFmpeg compares every comment with all before it, and cannot be stopped while it does: 2 MB of them
take it two minutes (measured; runtime RT-62). So each comment packet becomes an empty one. Works on
a file and on a stream that arrives; decodes nothing itself.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from stt.audio.arriving import Arriving

MARK = b"OggS"
HEAD = 27  # bytes of a page before its table of segments (RFC 3533, section 6)
CONTINUED, FIRST = 1, 2  # flags of a page: goes on with a packet; begins a track
MOST_TRACKS = 64
NONE = bytes(8)  # the vendor's name and the number of comments: no characters, no comments


@dataclass(frozen=True, slots=True)
class Codec:
    """How a codec writes its comments."""

    starts: bytes
    """Its first packet starts so."""
    is_comment: Callable[[int, bytes], bool]
    """By a packet's number in its track, and its first bytes."""
    empty: Callable[[bytes], bytes]
    """Instead of a comment packet with these first bytes; below 255 bytes."""


CODECS = (
    Codec(b"OpusHead", lambda _, p: p[:8] == b"OpusTags", lambda _: b"OpusTags" + NONE),
    Codec(b"\x01vorbis", lambda _, p: p[:1] == b"\x03", lambda _: b"\x03vorbis" + NONE + b"\x01"),
    Codec(b"\x7fFLAC", lambda _, p: p[0] & 0x7F == 4, lambda p: p[:1] + b"\0\0\x08" + NONE),
    Codec(b"Speex   ", lambda number, _: number == 1, lambda _: NONE),
)  # fmt: skip


class Pages:
    """See the module's docstring. One caller at a time."""

    def __init__(self, arriving: Arriving) -> None:
        self._arriving = arriving
        self._ready = b""
        self._tracks: dict[bytes, _Track] = {}

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes; b"" at the end. Raises as ``arriving`` does."""
        while not self._ready:
            page = self._next()
            if page is None:
                return b""
            self._ready = self._plain(page)
        data, self._ready = self._ready[:size], self._ready[size:]
        return data

    def _next(self) -> bytes | None:
        """The next whole page; what is between pages is passed over."""
        while self._arriving.seek(MARK):
            head = self._arriving.peek(HEAD)
            size = HEAD + (head[-1] if len(head) == HEAD else 0)
            page = self._arriving.peek(size + sum(self._arriving.peek(size)[HEAD:]))
            inner = page.find(MARK, 1)  # damaged: FFmpeg would look there too
            self._arriving.skip(len(page) if inner < 0 else inner)
            if inner < 0:
                return page
        return None

    def _plain(self, page: bytes) -> bytes:
        """A page as it may be read; nothing of a track without sound."""
        if len(page) < HEAD:
            return b""
        serial, first = page[14:18], page[5] & FIRST
        track = self._tracks.get(serial)
        if (first or (track is not None and track.young)) and page != _summed(page):
            return b""  # FFmpeg does not count it either
        if first:
            start = page[HEAD + page[26] :]
            codec = next((codec for codec in CODECS if start.startswith(codec.starts)), None)
            self._tracks.pop(serial, None)
            track = None
            if codec is not None and len(self._tracks) < MOST_TRACKS:
                track = self._tracks[serial] = _Track(codec)
        return b"" if track is None else track.plain(page)


class _Track:
    """One track's packets."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._number = 0  # of the current packet
        self._comment = False  # it is one

    @property
    def young(self) -> bool:
        """Whether its comments are still to come, as a rule."""
        return self._number < 2

    def plain(self, page: bytes) -> bytes:
        """A page of it with an empty packet for each that holds comments."""
        sizes, at = page[HEAD : HEAD + page[26]], HEAD + page[26]
        begins = not page[5] & CONTINUED
        kept, body, found = bytearray(), bytearray(), False
        continued = page[5]
        for place, size in enumerate(sizes):
            segment = page[at : at + size]
            at += size
            if begins:
                self._comment = bool(segment) and self._codec.is_comment(self._number, segment)
                if self._comment:
                    instead = self._codec.empty(segment)
                    kept.append(len(instead))
                    body += instead
            elif place == 0 and self._comment:
                continued &= ~CONTINUED
            found |= self._comment
            if not self._comment:
                kept.append(size)
                body += segment
            begins = size < 255
            self._number += begins
            self._comment = self._comment and not begins
        if not found:
            return page
        head = page[:5] + bytes([continued]) + page[6:26] + bytes([len(kept)])
        return _summed(head + kept + body) if kept else b""


def _summed(page: bytes) -> bytes:
    """A page with its checksum (RFC 3533, section 6: polynomial 0x04c11db7)."""
    value = 0
    for byte in page[:22] + bytes(4) + page[26:]:
        value = (value << 8 & 0xFFFFFFFF) ^ _SUMS[value >> 24 ^ byte]
    return page[:22] + struct.pack("<I", value) + page[26:]


def _sum(value: int) -> int:
    for _ in range(8):
        value = (value << 1 ^ 0x04C11DB7 if value & 0x80000000 else value << 1) & 0xFFFFFFFF
    return value


_SUMS = tuple(_sum(byte << 24) for byte in range(256))
