"""Titles, pictures and chapters, which no audio needs, hidden from FFmpeg.

It compares every tag with all before it, and cannot be stopped while it does: 2 MB of short tags
take it two minutes, and 650 KB of compressed ones a gigabyte (measured; runtime RT-60, RT-62). The
names of such parts become names that it passes over. So do their like in the sound itself, which
chance writes there once in 4 GB.
"""

from __future__ import annotations

import re

from stt.audio.arriving import Arriving
from stt.audio.frames import Source

_NAMES: dict[str, tuple[tuple[bytes, bytes], ...]] = {
    "aiff": ((b"ID3 ", b"JUNK"),),
    "matroska": (
        (b"\x12\x54\xc3\x67", b"\x1e\x44\xff\x67"),  # Tags
        (b"\x10\x43\xa7\x70", b"\x1e\x44\xff\x70"),  # Chapters
        (b"\x19\x41\xa4\x69", b"\x1e\x44\xff\x69"),  # Attachments
        (b"\x1c\x53\xbb\x6b", b"\x1e\x44\xff\x6b"),  # Cues
        (b"\x11\x4d\x9b\x74", b"\x15\x49\xa9\x66"),  # SeekHead: Info, from which FFmpeg goes on too
    ),
    # Of all boxes but the media.
    "mov": tuple((name, b"free") for name in (b"udta", b"meta", b"ilst", b"----", b"pssh")),
}
"""By demuxer, what its names become."""
LONGEST = 4  # bytes of a name

_TAG = re.compile(rb"ID3[\x02-\x04].{2}[\0-\x7f]{4}", re.DOTALL)
_BEGUN = re.compile(rb"ID3|ID?\Z")


def tag_length(head: bytes) -> int:
    """The bytes of the ID3v2 tag that starts with these 10."""
    size = 10
    for place, byte in enumerate(head[6:10]):  # 7 bits each
        size += (byte & 0x7F) << 7 * (3 - place)
    return size


def untagged(data: bytes, demuxer: str) -> bytes:
    """A file, or any whole part of one, without its tags."""
    for name, other in _NAMES.get(demuxer, ()):
        data = data.replace(name, other)
    return data


class Untagged:
    """A stream without its tags, wherever its bytes are cut."""

    def __init__(self, source: Source, demuxer: str) -> None:
        self._source = source
        self._demuxer = demuxer
        self._held = b""  # may be the beginning of a name

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes; b"" at the end."""
        while True:
            data = self._source.read(max(size - len(self._held), 1))
            whole = untagged(self._held + data, self._demuxer)
            keep = self._begun(whole) if data else 0
            self._held = whole[len(whole) - keep :]
            if keep < len(whole) or not data:
                return whole[: len(whole) - keep]

    def _begun(self, data: bytes) -> int:
        """How many of the last bytes are the beginning of a name."""
        names = [name for name, _ in _NAMES.get(self._demuxer, ())]
        return max(
            (n for n in range(1, LONGEST) for name in names if data.endswith(name[:n])), default=0
        )


class Frames:
    """The frames of AAC (ADTS) without the ID3v2 tags that may stand between any two."""

    def __init__(self, arriving: Arriving) -> None:
        self._arriving = arriving

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes; b"" at the end."""
        arriving = self._arriving
        while arriving.peek(1) == b"I" and _TAG.match(head := arriving.peek(10)):
            arriving.skip(tag_length(head))
        data = arriving.read(size)
        if (begun := _BEGUN.search(data, 1)) is None:
            return data
        arriving.put_back(data[begun.start() :])
        return data[: begun.start()]
