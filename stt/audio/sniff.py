"""Which audio container some bytes are, by their content alone; names and types are not asked.

The list is what FFmpeg is allowed to open: containers that hold their audio themselves. Formats
that name other files or addresses (playlists, scripts, session descriptions) and AVI, whose
subtitles may, are not on it (runtime RT-63). Nor is CAF, whose packet table can claim gigabytes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from stt.audio.mp4 import check_tables
from stt.errors import UndecodableAudio

MAX_WAV_FORMAT = 4096
"""Bytes of a WAV format chunk; the longest in use, of ADPCM, has some 50."""
SERVED = "wav, mp3, flac, ogg, opus, webm, mp4, m4a, aac, aiff, au, amr"


@dataclass(frozen=True, slots=True)
class Container:
    """The FFmpeg demuxer to use, and what to give it."""

    name: str
    data: bytes


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
            return Container(demuxer, data)
    if data[:4] in (b"RIFF", b"RF64", b"BW64") and data[8:12] == b"WAVE":
        return Container("wav", _plain_wav(data))
    if data[4:8] in (b"ftyp", b"styp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        check_tables(data)
        return Container("mov", data)
    if data[:4] == b"FORM" and data[8:12] in (b"AIFF", b"AIFC"):
        return Container("aiff", data)
    if data[:3] == b"ID3":
        return Container(_after_id3(data), data)
    if (name := _frame_sync(data)) is not None:
        return Container(name, data)
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


def _plain_wav(data: bytes) -> bytes:
    """The format and the audio of a WAV file, with true lengths and nothing else (RT-62).

    Data whose length is 0 or beyond the end was written by a stream: it reaches to the end. Other
    chunks are left out: 3 KB that claim a long title cost FFmpeg 2 GB.

    Raises UndecodableAudio for a rate, channels or bits of 0 (RT-64), or a chunk missing.
    """
    form, at = b"", 12
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        at += 8
        if name == b"data" and form:
            size = size if 0 < size <= len(data) - at else min(len(data) - at, 2**32 - 1)
            head = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data"
            riff = struct.pack("<I", min(len(head) + 4 + size, 2**32 - 1))
            return b"".join((b"RIFF", riff, head, struct.pack("<I", size), data[at : at + size]))
        if name == b"fmt ":
            form = data[at : at + min(size, MAX_WAV_FORMAT)]
            _check_wav_format(form)
        at += size + size % 2
    raise UndecodableAudio("The WAV file holds no audio.")


def _check_wav_format(form: bytes) -> None:
    kind, channels, rate, _, _, bits = struct.unpack("<HHIIHH", form[:16].ljust(16, b"\0"))
    if rate == 0 or channels == 0 or (bits == 0 and kind in (1, 3, 0xFFFE)):
        raise UndecodableAudio(f"The WAV header says {rate} Hz, {channels} channels, {bits} bits.")
