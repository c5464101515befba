"""WAV headers, which lie: what is believed of them is the format, and a length that can be true.

Only the format and the audio reach FFmpeg. Other chunks are left out: 3 KB that claim a long title
cost it 2 GB (runtime RT-60).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from stt.audio.arriving import Arriving
from stt.errors import UndecodableAudio

MAX_FORMAT = 4096
"""Bytes of a format chunk; the longest in use, of ADPCM, has some 50."""
_TO_THE_END = b"\xff\xff\xff\xff"
"""A length FFmpeg takes for none."""
_PCM, _FLOAT, _ALAW, _MULAW, _EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
_BARE = {
    (_PCM, 8): "u8", (_PCM, 16): "s16le", (_PCM, 24): "s24le", (_PCM, 32): "s32le",
    (_FLOAT, 32): "f32le", (_FLOAT, 64): "f64le", (_ALAW, 8): "alaw", (_MULAW, 8): "mulaw",
}  # fmt: skip
"""By kind and bits, FFmpeg's demuxer for the samples alone."""


@dataclass(frozen=True, slots=True)
class WavFormat:
    """A format chunk."""

    chunk: bytes
    kind: int
    """What the samples are, WAVE_FORMAT_EXTENSIBLE looked through."""
    channels: int
    rate: int
    align: int
    """Bytes of a sample of all channels."""
    bits: int

    @property
    def bare(self) -> str | None:
        """FFmpeg's demuxer for the samples without a header; None: it needs the header.

        Its WAV demuxer looks through 64 KiB of int16 for something else before the first sample.
        """
        whole = self.align * 8 == self.channels * self.bits
        return _BARE.get((self.kind, self.bits)) if whole else None

    @property
    def header(self) -> bytes:
        """A WAV header for audio that reaches to the end, and nothing else."""
        head = b"WAVEfmt " + struct.pack("<I", len(self.chunk)) + self.chunk + b"data"
        return b"RIFF" + _TO_THE_END + head + _TO_THE_END


def read_header(arriving: Arriving) -> tuple[WavFormat, int | None]:
    """The format, and how long the audio is (None: to the end) that arrives next.

    A length of 0 was written by a stream, and one beyond the end reaches to the end (RT-62).

    Raises UndecodableAudio for a rate, channels or bits of 0 (RT-64), or a chunk missing.
    """
    form = None
    arriving.skip(12)
    while len(head := arriving.exactly(8)) == 8:
        name, size = struct.unpack("<4sI", head)
        if name == b"data" and form is not None:
            return form, size or None
        if name == b"fmt ":
            taken = min(size, MAX_FORMAT)
            form = _format(arriving.exactly(taken))
            size -= taken
        arriving.skip(size + size % 2)
    raise UndecodableAudio("The WAV file holds no audio.")


def _format(chunk: bytes) -> WavFormat:
    kind, channels, rate, _, align, bits = struct.unpack("<HHIIHH", chunk[:16].ljust(16, b"\0"))
    if rate == 0 or channels == 0 or (bits == 0 and kind in (_PCM, _FLOAT, _EXTENSIBLE)):
        raise UndecodableAudio(f"The WAV header says {rate} Hz, {channels} channels, {bits} bits.")
    if kind == _EXTENSIBLE:
        kind = int.from_bytes(chunk[24:26], "little")
    return WavFormat(chunk, kind, channels, rate, align, bits)
