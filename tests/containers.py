"""Containers as live encoders write them: bytes in step with the audio they were made of."""

from __future__ import annotations

import io
from dataclasses import dataclass
from itertools import pairwise

import av
import numpy as np

from stt.audio.arriving import Read
from stt.events import SAMPLE_RATE, Samples

STEP = 0.02  # s of audio an encoder is given at once


@dataclass(frozen=True, slots=True)
class Kind:
    """A container, its codec, and how a live encoder is set."""

    container: str
    codec: str
    rate: int = 48_000
    layout: str = "mono"
    options: tuple[tuple[str, str], ...] = ()


LIVE = {
    "webm": Kind("webm", "libopus", options=(("live", "1"), ("cluster_time_limit", "100"))),
    "ogg opus": Kind("ogg", "libopus", options=(("page_duration", "20000"),)),
    "ogg vorbis": Kind("ogg", "vorbis", 44_100, "stereo", (("page_duration", "20000"),)),
    "mp4": Kind("mp4", "aac", 44_100, "stereo", (("movflags", "frag_every_frame+empty_moov"),)),
    "mp3": Kind("mp3", "libmp3lame", 44_100),
    "mp3 16 kHz": Kind("mp3", "libmp3lame", 16_000),
    "flac": Kind("flac", "flac", 16_000),
    "flac stereo": Kind("flac", "flac", 48_000, "stereo"),
    "wav": Kind("wav", "pcm_s16le", 44_100, "stereo"),
    "wav u8": Kind("wav", "pcm_u8", 8_000),
    "wav s24": Kind("wav", "pcm_s24le", 48_000),
    "wav float": Kind("wav", "pcm_f32le", 48_000),
    "wav mulaw": Kind("wav", "pcm_mulaw", 8_000),
    "wav adpcm": Kind("wav", "adpcm_ima_wav", 16_000),
    "aac": Kind("adts", "aac", 44_100),
    "au": Kind("au", "pcm_s16be", 8_000),
}


class _Written(io.RawIOBase):
    """A pipe that counts; the muxer cannot go back."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        self.data += bytes(data)  # type: ignore[call-overload]
        return len(bytes(data))  # type: ignore[call-overload]

    seekable = None  # type: ignore[assignment]
    seek = None  # type: ignore[assignment]
    tell = None  # type: ignore[assignment]


def live(kind: Kind, samples: Samples) -> list[bytes]:
    """What an encoder has written after each 20 ms of audio, and at its end: a live recording."""
    written = _Written()
    options = dict(kind.options) | {"flush_packets": "1"}
    with av.open(written, "w", format=kind.container, options=options) as output:
        stream = output.add_stream(kind.codec, rate=kind.rate, layout=kind.layout)
        context = stream.codec_context
        context.options = {"strict": "-2"}  # FFmpeg's own vorbis encoder
        context.open(strict=False)
        resampler = av.AudioResampler(
            format=context.format,
            layout=context.layout,
            rate=kind.rate,
            frame_size=context.frame_size or round(kind.rate * STEP),
        )
        size, ends = round(STEP * SAMPLE_RATE), [0]
        for start in range(0, len(samples), size):
            part = np.ascontiguousarray(samples[np.newaxis, start : start + size])
            frame = av.AudioFrame.from_ndarray(part, format="flt", layout="mono")
            frame.sample_rate = SAMPLE_RATE
            for whole in resampler.resample(frame):
                output.mux(stream.encode(whole))
            ends.append(len(written.data))
        for whole in [*resampler.resample(None), None]:
            output.mux(stream.encode(whole))
    ends.append(len(written.data))
    return [bytes(written.data[start:end]) for start, end in pairwise(ends)]


def reading(pieces: list[bytes]) -> Read:
    """A `read` that gives pieces one by one, cut to what is asked for."""
    left = [piece for piece in reversed(pieces) if piece]

    def read(size: int) -> bytes:
        if not left:
            return b""
        piece = left.pop()
        if len(piece) > size:
            left.append(piece[size:])
        return piece[:size]

    return read
