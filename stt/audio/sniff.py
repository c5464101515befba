"""Which audio container some bytes are, by their content alone; names and types are not asked.

The list is what FFmpeg is allowed to open: containers that hold their audio themselves. Formats
that name other files or addresses (playlists, scripts, session descriptions) and AVI, whose
subtitles may, are not on it (runtime RT-63). Nor is CAF, whose packet table can claim gigabytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from stt.audio.mp4 import check_tables
from stt.audio.untagged import tag_length
from stt.errors import UndecodableAudio

HEAD = 12
"""Bytes that tell any container (client-protocols E11), but for a tag before it."""
SERVED = "wav, mp3, flac, ogg, opus, webm, mp4, m4a, aac, aiff, au, amr"


@dataclass(frozen=True, slots=True)
class Container:
    """The FFmpeg demuxer to use, and what to give it."""

    name: str
    data: bytes


ID3 = b"ID3"

# (offset, bytes, demuxer); the first that fits counts.
_MAGIC = (
    (0, b"fLaC", "flac"),
    (0, b"OggS", "ogg"),
    (0, b"\x1a\x45\xdf\xa3", "matroska"),  # webm too
    (0, b".snd", "au"),
    (0, b"#!AMR", "amr"),
)

_ADDRESS = re.compile(rb'\s*(https?://|\{\s*"url")', re.IGNORECASE)
_UNMISTAKABLE = {b"fLaC": "FLAC", b"OggS": "Ogg", b"\x1a\x45\xdf\xa3": "WebM"}


def sniff(data: bytes) -> Container:
    """The container of a file, without the tags before it.

    Raises UndecodableAudio: not one of ours, or a lying index.
    """
    if data[:3] == ID3:
        data = _after_id3(data)
        name = "flac" if data[:4] == b"fLaC" else _frame_sync(data[:4]) or "mp3"
    else:
        name = demuxer_of(data[:HEAD])
    if name == "mov":
        check_tables(data)
    return Container(name, data)


def demuxer_of(head: bytes) -> str:
    """The demuxer for a container by its first `HEAD` bytes. Raises UndecodableAudio."""
    for offset, magic, demuxer in _MAGIC:
        if head.startswith(magic, offset):
            return demuxer
    if head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        return "wav"
    if head[4:8] in (b"ftyp", b"styp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return "mov"
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return "aiff"
    if (name := _frame_sync(head)) is not None:
        return name
    if _ADDRESS.match(head):
        raise UndecodableAudio("That is an address: send the file itself. Nothing is fetched.")
    raise UndecodableAudio(f"The bytes are not an audio file we know ({SERVED}).")


def looks_contained(head: bytes) -> str | None:
    """The name of the container that some bytes can only be the first of, or None.

    Only what no samples begin with but by a chance of one in millions; so no bare frame headers.
    """
    if head[:3] == ID3:
        return "MP3"
    if head[4:8] == b"ftyp":
        return "MP4"
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return "WAV"
    return next((name for magic, name in _UNMISTAKABLE.items() if head.startswith(magic)), None)


def _after_id3(data: bytes) -> bytes:
    """A file without the ID3v2 tags that it starts with."""
    at = 0
    while data[at : at + 3] == ID3:
        at += tag_length(data[at : at + 10])
    return data[at:]


def _frame_sync(data: bytes) -> str | None:
    """mp3 or aac (ADTS) where the data starts with a plausible frame header of one."""
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0xE0 != 0xE0:
        return None
    version, layer = data[1] >> 3 & 3, data[1] >> 1 & 3
    if data[1] & 0xF6 == 0xF0:
        return "aac" if data[2] >> 2 & 15 <= 12 else None
    reserved = version == 1 or layer == 0 or data[2] >> 4 in (0, 15) or data[2] >> 2 & 3 == 3
    return None if reserved else "mp3"
