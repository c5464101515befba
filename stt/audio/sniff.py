"""Which audio container some bytes are, by their content alone; names and types are not asked.

The list is what FFmpeg is allowed to open: containers that hold their audio themselves. Formats
that name other files or addresses (playlists, scripts, session descriptions) and AVI, whose
subtitles may, are not on it (runtime RT-63). Nor is CAF, whose packet table can claim gigabytes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from stt.audio.mp4 import check_tables
from stt.errors import UndecodableAudio

SERVED = "wav, mp3, flac, ogg, opus, webm, mp4, m4a, aac, aiff, au, amr"


@dataclass(frozen=True, slots=True)
class Container:
    """The FFmpeg demuxer to use, and options for it."""

    name: str
    options: dict[str, str] = field(default_factory=dict)


# (offset, bytes, demuxer); the first that fits counts.
_MAGIC = (
    (0, b"fLaC", "flac"),
    (0, b"OggS", "ogg"),
    (0, b"\x1a\x45\xdf\xa3", "matroska"),  # webm too
    (0, b".snd", "au"),
    (0, b"#!AMR", "amr"),
)


def sniff(data: bytes) -> Container:
    """The container of a file. Raises UndecodableAudio: not one of ours, or a lying header."""
    for offset, magic, demuxer in _MAGIC:
        if data.startswith(magic, offset):
            return Container(demuxer)
    if data[:4] in (b"RIFF", b"RF64", b"BW64") and data[8:12] == b"WAVE":
        return _wav(data)
    if data[4:8] in (b"ftyp", b"styp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        check_tables(data)
        return Container("mov")
    if data[:4] == b"FORM" and data[8:12] in (b"AIFF", b"AIFC"):
        return Container("aiff")
    if data[:3] == b"ID3":
        return Container(_after_id3(data))
    if (name := _frame_sync(data)) is not None:
        return Container(name)
    raise UndecodableAudio(f"The bytes are not an audio file we know ({SERVED}).")


def _after_id3(data: bytes) -> str:
    """The demuxer of a file that starts with an ID3v2 tag: mp3 unless its audio says otherwise."""
    size = 0
    for byte in data[6:10]:  # 7 bits each
        size = size << 7 | byte & 0x7F
    audio = data[10 + size : 10 + size + 4]
    return "flac" if audio == b"fLaC" else _frame_sync(audio) or "mp3"


def _frame_sync(data: bytes) -> str | None:
    """mp3 or aac (ADTS) where the data starts with a plausible frame header of one."""
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0xE0 != 0xE0:
        return None
    version, layer = data[1] >> 3 & 3, data[1] >> 1 & 3
    if data[1] & 0xF6 == 0xF0:
        return "aac" if data[2] >> 2 & 15 <= 12 else None
    reserved = version == 1 or layer == 0 or data[2] >> 4 in (0, 15) or data[2] >> 2 & 3 == 3
    return None if reserved else "mp3"


def _wav(data: bytes) -> Container:
    """WAV, read to its end where the length of its data is a lie or was never filled in (RT-62).

    Raises UndecodableAudio for a rate, channels or bits of 0 (RT-64).
    """
    at = 12
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        if name == b"fmt " and at + 24 <= len(data):
            kind, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", data, at + 8)
            if rate == 0 or channels == 0 or (bits == 0 and kind in (1, 3, 0xFFFE)):
                raise UndecodableAudio(
                    f"The WAV header says {rate} Hz, {channels} channels, {bits} bits."
                )
        if name == b"data":
            honest = 0 < size <= len(data) - at - 8
            return Container("wav", {} if honest else {"ignore_length": "1"})
        at += 8 + size + size % 2
    return Container("wav")
