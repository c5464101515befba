"""A FLAC stream while it arrives: FFmpeg's decoder, given each frame as soon as it is whole.

FFmpeg's own reader waits for ten frames, which are over two seconds at 16 kHz. A frame does not say
how long it is: it ends where the header of the next one is found (RFC 9639, section 9.1).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import av

from stt.audio.arriving import Arriving, Part
from stt.audio.frames import CutShort, Mono, check_served, decoded_frames
from stt.errors import STTError, UndecodableAudio
from stt.events import SAMPLE_RATE, Samples

READ = 4096  # bytes at once
MAX_HEAD = 16
"""Bytes of a frame's header at most."""


def flac_pieces(arriving: Arriving) -> Iterator[Samples]:
    """The audio, a piece for every frame. Raises as `stt.audio.frames.decoded_pieces` does."""
    info = _stream_info(arriving)
    mono = Mono()
    try:
        decoder = av.AudioCodecContext.create("flac", "r")
        decoder.extradata = info
        for frame in _frames(arriving):
            yield mono.push(decoded_frames(partial(decoder.decode, av.Packet(frame))))
    except STTError:
        raise
    except Exception as error:
        raise CutShort(f"The audio cannot be decoded: {error}") from error
    yield mono.flush()


def bare_flac(arriving: Arriving) -> Part:
    """What FFmpeg may read of a FLAC file: its format and its audio (`stt.audio.untagged`).

    Raises UndecodableAudio.
    """
    return Part(arriving, None, b"fLaC\x80\0\0\x22" + _stream_info(arriving))


def _stream_info(arriving: Arriving) -> bytes:
    """The first block of metadata; all others are passed over. Raises UndecodableAudio."""
    arriving.skip(4)
    head = arriving.exactly(4)
    info = (
        arriving.exactly(34) if head[:1] in (b"\x00", b"\x80") and head[1:] == b"\0\0\x22" else b""
    )
    if len(info) < 34:
        raise UndecodableAudio("The FLAC stream does not say what it holds.")
    while head and not head[0] & 0x80:
        head = arriving.exactly(4)
        arriving.skip(int.from_bytes(head[1:], "big"))
    fields = int.from_bytes(info[10:18], "big")
    check_served((fields >> 41 & 7) + 1, fields >> 44 or SAMPLE_RATE)
    return info


def _frames(arriving: Arriving) -> Iterator[bytes]:
    cutter = _Cutter()
    while data := arriving.read(READ):
        yield from cutter.push(data)
    yield from cutter.rest()


class FrameHead(NamedTuple):
    """What a frame's header says, as far as it tells a true one from chance."""

    fixed: tuple[int, int, int]
    """Kind of numbering, rate, sample size: the same in all frames of a stream."""
    number: int
    following: int
    """The number of the next frame."""


class _Cutter:
    """Bytes in any pieces to frames.

    A header counts if it is the next one by its number; or the one after it follows on, as where a
    frame was lost or numbers begin anew.
    """

    def __init__(self) -> None:
        self._bytes = bytearray()  # from the start of a frame on, once there was one
        self._head: FrameHead | None = None
        self._searched = 0
        self._odd: tuple[int, FrameHead] | None = None  # a header out of order, and where

    def push(self, data: bytes) -> Iterator[bytes]:
        """The frames that are whole now."""
        self._bytes += data
        while (at := self._boundary(MAX_HEAD)) is not None:
            if frame := self._cut(at):
                yield frame

    def rest(self) -> Iterator[bytes]:
        """The frames that no header follows, at the end."""
        while (at := self._boundary(0)) is not None:
            if frame := self._cut(at):
                yield frame
        if self._head is not None:
            yield bytes(self._bytes)

    def _boundary(self, room: int) -> int | None:
        """Where the next frame starts; looks at headers with so many bytes from their start on."""
        while (at := self._bytes.find(b"\xff", self._searched)) >= 0:
            self._searched = at
            if len(self._bytes) - at < max(room, 2):
                return None
            head = frame_head(bytes(self._bytes[at : at + MAX_HEAD]))
            self._searched = at + 1
            if head is None:
                continue
            if self._head is None:
                return at
            if head.fixed != self._head.fixed:
                continue
            if head.number == self._head.following:
                return at
            if self._odd is not None and head.number == self._odd[1].following:
                return self._odd[0]
            self._odd = at, head
        self._searched = len(self._bytes)
        return None

    def _cut(self, at: int) -> bytes:
        """The frame that ends here; nothing where none had begun."""
        frame = b"" if self._head is None else bytes(self._bytes[:at])
        del self._bytes[:at]
        self._head = frame_head(bytes(self._bytes[:MAX_HEAD]))
        self._searched, self._odd = 1, None
        return frame


def frame_head(data: bytes) -> FrameHead | None:
    """The header at the start of up to `MAX_HEAD` bytes; None: that is none."""
    if len(data) < 6 or data[0] != 0xFF or data[1] & 0xFE != 0xF8 or data[3] & 1:
        return None
    size_code, rate_code = data[2] >> 4, data[2] & 15
    ones = 8 - (~data[4] & 0xFF).bit_length()  # a number coded as UTF-8 codes characters
    if size_code == 0 or rate_code == 15 or data[3] >> 4 > 10 or ones in (1, 8):
        return None
    at = 4 + (ones or 1)
    number = data[4] & (0x7F >> ones)
    for byte in data[5:at]:
        number = number << 6 | byte & 0x3F
    size_bytes = {6: 1, 7: 2}.get(size_code, 0)
    size_end = at + size_bytes
    end = size_end + {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    if end >= len(data) or _crc8(data[:end]) != data[end]:
        return None
    following = number + 1
    if data[1] & 1:  # counts samples, not frames
        following = number + _block_size(size_code, data[at:size_end])
    return FrameHead((data[1], rate_code, data[3] & 0x0E), number, following)


def _block_size(code: int, told: bytes) -> int:
    """Samples of a frame, by the code in its header or the bytes after it."""
    if told:
        return int.from_bytes(told, "big") + 1
    if code == 1:
        return 192
    return 576 << code - 2 if code < 6 else 256 << code - 8


def _crc8(data: bytes) -> int:
    """The checksum of a header: polynomial 0x07."""
    value = 0
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value << 1 ^ 0x07 if value & 0x80 else value << 1) & 0xFF
    return value
