"""Whether the tables of an MP4 or QuickTime file claim more samples than an honest file can hold.

FFmpeg makes some 35 bytes of index for every sample that a table claims, before it decodes any: a
file of 10 KB can cost gigabytes (runtime RT-60). Decodes nothing itself. A "sample" is here what
the format calls one: a packet, or a single sample of PCM.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator

from stt.audio.untagged import untagged
from stt.errors import UndecodableAudio

MAX_CLAIMED = 2_000_000
"""By all tables together: 11 h of AAC or Opus; some 70 MB of index."""

_TABLES = re.compile(rb"stsz|stz2|stts|trun|cmov")


def check_tables(data: bytes) -> None:
    """Raises UndecodableAudio for tables that claim too much, or hide by being compressed."""
    check_claim(claimed(data))


def claimed(data: bytes) -> int:
    """The samples that all tables claim, in a file or some of its boxes; enough of them.

    Raises UndecodableAudio where tables hide by being compressed.
    """
    plain, samples = False, 0
    for number, (kind, at) in enumerate(_tables(data)):
        if kind == b"cmov":
            raise UndecodableAudio("The tables of the MP4 file are compressed.")
        plain = (plain or number == 0) and _is_plain(kind, data, at)
        samples += _claim(kind, data, at)
        if samples > MAX_CLAIMED and not plain:
            break
    return 0 if plain and not _has_video(data) else samples


def check_claim(samples: int) -> None:
    """Raises UndecodableAudio above `MAX_CLAIMED`."""
    if samples > MAX_CLAIMED:
        raise UndecodableAudio(f"The MP4 file claims more than {MAX_CLAIMED} packets.")


def untagged_file(data: bytes) -> io.BytesIO:
    """A file whose boxes other than media have no tags (`stt.audio.untagged`), to be read.

    It is copied only where there are some.
    """
    file = io.BytesIO(data)
    for start, end in _outside_media(data):
        box = data[start:end]
        plain = untagged(box, "mov")
        if plain != box:
            file.seek(start)
            file.write(plain)
    file.seek(0)
    return file


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


def _is_plain(kind: bytes, data: bytes, at: int) -> bool:
    """Whether FFmpeg may index a table by chunks: samples of one step each, and really there.

    It does so for a file of plain PCM, where all tables are like this.
    """
    _, first, second, third = _fields(data, at)
    if kind == b"stts":
        return first == 1 and third == 1  # one entry: all samples, one step each
    return kind == b"stsz" and 0 < first * second <= len(data)


def _has_video(data: bytes) -> bool:
    return any(data.find(b"vide", start, end) >= 0 for start, end in _outside_media(data))
