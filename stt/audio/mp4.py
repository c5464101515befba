"""Whether the tables of an MP4 or QuickTime file claim more samples than an honest file can hold.

FFmpeg makes some 35 bytes of index for every sample that a table claims, before it decodes any: a
file of 10 KB can cost gigabytes (runtime RT-60). Decodes nothing itself. A "sample" is here what
the format calls one: a packet, or a single sample of PCM.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from stt.errors import UndecodableAudio

MAX_CLAIMED = 2_000_000
"""By all tables together: 11 h of AAC or Opus; some 70 MB of index."""

_TABLES = re.compile(rb"stsz|stz2|stts|ctts|trun|cmov")


def check_tables(data: bytes) -> None:
    """Raises UndecodableAudio for tables that claim too much, or hide by being compressed."""
    tables = list(_tables(data))
    if any(kind == b"cmov" for kind, _ in tables):
        raise UndecodableAudio("The tables of the MP4 file are compressed.")
    if _is_plain_pcm(data, tables):
        return
    claimed = 0
    for kind, at in tables:
        claimed += _claim(kind, data, at, MAX_CLAIMED - claimed)
        if claimed > MAX_CLAIMED:
            raise UndecodableAudio(f"The MP4 file claims more than {MAX_CLAIMED} packets.")


def _tables(data: bytes) -> Iterator[tuple[bytes, int]]:
    """The kind of each table and where its content starts.

    Looks everywhere but in the media data: where exactly FFmpeg would look is not relied upon.
    """
    for start, end in _outside_media(data):
        for match in _TABLES.finditer(data, start, end):
            yield match.group(), match.end()


def _outside_media(data: bytes) -> Iterator[tuple[int, int]]:
    """Start and end of the top-level boxes other than mdat."""
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if size == 1 and at + 16 <= len(data):
            (size,) = struct.unpack_from(">Q", data, at + 8)
        if size < 8:  # to the end of the file, or nonsense
            size = len(data) - at
        if kind != b"mdat":
            yield at, min(at + size, len(data))
        at += size


def _numbers(data: bytes, at: int, count: int) -> tuple[int, ...]:
    """Big-endian 32-bit numbers, as many as there are."""
    count = max(0, min(count, (len(data) - at) // 4))
    return struct.unpack_from(f">{count}I", data, at)


def _claim(kind: bytes, data: bytes, at: int, limit: int) -> int:
    """How many samples a table claims; looks at no more than about ``limit`` entries."""
    fields = (*_numbers(data, at, 3), 0, 0, 0)  # the first holds version and flags
    if kind in (b"stsz", b"stz2"):
        return fields[2]
    if kind == b"trun":
        return fields[1]
    entries = min(fields[1], limit + 1)  # each a count and a time
    return max(entries, sum(_numbers(data, at + 8, 2 * entries)[::2]))


def _is_plain_pcm(data: bytes, tables: list[tuple[bytes, int]]) -> bool:
    """Whether FFmpeg indexes the file by chunks: every sample one step long, and really there."""
    for kind, at in tables:
        fields = (*_numbers(data, at, 4), 0, 0, 0, 0)
        if kind == b"stts":
            plain = fields[1] == 1 and fields[3] == 1
        else:
            plain = kind == b"stsz" and 0 < fields[1] * fields[2] <= len(data)
        if not plain:
            return False
    outside = (data.find(b"vide", start, end) for start, end in _outside_media(data))
    return bool(tables) and all(found < 0 for found in outside)
