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

_TABLES = re.compile(rb"stsz|stz2|stts|trun|cmov")


def check_tables(data: bytes) -> None:
    """Raises UndecodableAudio for tables that claim too much, or hide by being compressed."""
    check_claim(claimed(data))


def claimed(data: bytes) -> int:
    """The samples that all tables claim, in a file or some of its boxes.

    Raises UndecodableAudio where tables hide by being compressed.
    """
    tables = list(_tables(data))
    if any(kind == b"cmov" for kind, _ in tables):
        raise UndecodableAudio("The tables of the MP4 file are compressed.")
    if _is_plain_pcm(data, tables):
        return 0
    return sum(_claim(kind, data, at) for kind, at in tables)


def check_claim(samples: int) -> None:
    """Raises UndecodableAudio above `MAX_CLAIMED`."""
    if samples > MAX_CLAIMED:
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


def _fields(data: bytes, at: int) -> tuple[int, int, int, int]:
    """The first four numbers of a table (the first: version and flags); 0 beyond the file's end."""
    return struct.unpack(">4I", data[at : at + 16].ljust(16, b"\0"))


def _claim(kind: bytes, data: bytes, at: int) -> int:
    """How many samples a table adds to the index; measured: a time table (stts) adds none."""
    _, first, second, _ = _fields(data, at)
    return {b"stsz": second, b"stz2": second, b"trun": first}.get(kind, 0)


def _is_plain_pcm(data: bytes, tables: list[tuple[bytes, int]]) -> bool:
    """Whether FFmpeg indexes the file by chunks: every sample one step long, and really there."""
    for kind, at in tables:
        _, first, second, third = _fields(data, at)
        if kind == b"stts":
            plain = first == 1 and third == 1  # one entry: all samples, one step each
        else:
            plain = kind == b"stsz" and 0 < first * second <= len(data)
        if not plain:
            return False
    outside = (data.find(b"vide", start, end) for start, end in _outside_media(data))
    return bool(tables) and all(found < 0 for found in outside)
