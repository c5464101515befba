"""What FFmpeg makes of a container's bytes, in pieces of 16 kHz mono; the one user of demuxers.

Works on any object with `read`, a file in memory or a stream that arrives. Opens no other file and
no address, whatever the bytes ask for (runtime RT-63).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import NoReturn, Protocol

import av
import numpy as np

from stt.audio.pcm import floats_to_samples
from stt.audio.resample import Resampler
from stt.errors import STTError, UndecodableAudio, UnsupportedAudio
from stt.events import MAX_CHANNELS, SAMPLE_RATE, Samples

log = logging.getLogger("stt.audio")

MIN_RATE, MAX_RATE = 8_000, 192_000  # Hz, runtime RT-61
SLICE = 65_536  # samples a channel
MAX_SILENT = 50_000
"""Packets without audio, one after the other: seconds of work. They may be a byte long each."""
_FORMATS: dict[str, tuple[str, float]] = {
    "u8": ("u1", 2.0**7),
    "s16": ("i2", 2.0**15),
    "s32": ("i4", 2.0**31),
    "s64": ("i8", 2.0**63),
    "flt": ("f4", 1.0),
    "dbl": ("f8", 1.0),
}
"""Of FFmpeg's sample formats: the dtype, and its full scale."""
OPTIONS = {"protocol_whitelist": "none"}  # of FFmpeg, RT-63


class CutShort(UndecodableAudio):
    """FFmpeg gave up; what it decoded before has been handed out."""


class Source(Protocol):
    """What FFmpeg reads from: a file in memory, or a stream."""

    def read(self, size: int, /) -> bytes:
        """Up to so many bytes; b"" at the end."""


def decoded_pieces(
    source: Source,
    demuxer: str,
    *,
    options: Mapping[str, str] | None = None,
    buffer_size: int = 32_768,
    timeout: float | None = None,
) -> Iterator[Samples]:
    """The first audio track as it is decoded, a piece for every packet: perhaps an empty one.

    Raises UndecodableAudio where there is no track, UnsupportedAudio (RT-61), and CutShort where
    FFmpeg fails. ``options`` are FFmpeg's, ``timeout``: s to find the track in, and for each read.
    """
    try:
        with av.open(
            source,
            mode="r",
            format=demuxer,
            options=OPTIONS | dict(options or {}),
            metadata_errors="ignore",
            buffer_size=buffer_size,
            timeout=timeout,
            io_open=_refuse_to_open,
        ) as opened:
            yield from _pieces(_first_track(opened), opened)
    except STTError:
        raise
    except Exception as error:  # PyAV raises many kinds
        raise CutShort(f"The audio cannot be decoded: {error}") from error


def _refuse_to_open(url: str, flags: int, options: dict[str, str]) -> NoReturn:  # noqa: ARG001 - PyAV's signature
    """FFmpeg asks here for every file or address that the data names."""
    raise UnsupportedAudio("The file refers to another file or address.")


def _first_track(opened: av.container.InputContainer) -> av.AudioStream:
    """The first audio stream. Raises UndecodableAudio; UnsupportedAudio (RT-61)."""
    if not opened.streams.audio:
        raise UndecodableAudio("The file has no audio track.")
    track = opened.streams.audio[0]
    # A header that says 0 leaves it to the frames.
    check_served(track.channels or 1, track.rate or SAMPLE_RATE)
    return track


def check_served(channels: int, rate: int) -> None:
    """Raises UnsupportedAudio for channels or a rate (Hz) beyond the limits (RT-61)."""
    if channels > MAX_CHANNELS:
        raise UnsupportedAudio(f"{channels} channels are not served; at most {MAX_CHANNELS} are.")
    if not MIN_RATE <= rate <= MAX_RATE:
        raise UnsupportedAudio(f"{rate} Hz is not served; {MIN_RATE} to {MAX_RATE} Hz are.")


def _pieces(track: av.AudioStream, opened: av.container.InputContainer) -> Iterator[Samples]:
    """Decode, downmix and resample packet by packet; then what the resampler holds."""
    mono = Mono()
    silent = 0  # packets since there was audio
    try:
        for packet in opened.demux(track):
            piece = mono.push(decoded_frames(packet.decode))
            silent = 0 if len(piece) else silent + 1
            if silent > MAX_SILENT:
                raise CutShort(f"{MAX_SILENT} packets in a row hold no audio.")
            yield piece
    except UnsupportedAudio:
        raise
    except Exception:
        yield mono.flush()  # the tail belongs to what was decoded
        raise
    yield mono.flush()


def decoded_frames(decode: Callable[[], list[av.AudioFrame]]) -> list[av.AudioFrame]:
    """A packet's frames; none where it cannot be decoded."""
    try:
        return decode()
    except av.error.InvalidDataError as error:
        log.debug("a packet cannot be decoded: %r", error)
        return []


class Mono:
    """Frames of any layout and rate to 16 kHz mono. The rate may change between frames (E12)."""

    def __init__(self) -> None:
        self._rate = SAMPLE_RATE
        self._resampler: Resampler | None = None

    def push(self, frames: list[av.AudioFrame]) -> Samples:
        """Raises UnsupportedAudio."""
        parts = [part for frame in frames for part in self._heard(frame)]
        return parts[0] if len(parts) == 1 else np.concatenate([np.zeros(0, np.float32), *parts])

    def _heard(self, frame: av.AudioFrame) -> Iterator[Samples]:
        check_served(frame.layout.nb_channels, frame.sample_rate)
        if frame.sample_rate != self._rate:
            yield self.flush()
            self._rate = frame.sample_rate
            self._resampler = None if self._rate == SAMPLE_RATE else Resampler(self._rate)
        for mono in _downmixed(frame):
            yield self._resampler.push(mono) if self._resampler else mono

    def flush(self) -> Samples:
        """The resampler's tail."""
        return self._resampler.flush() if self._resampler else np.zeros(0, np.float32)


def _downmixed(frame: av.AudioFrame) -> Iterator[Samples]:
    """(n,) float32, the mean of the frame's channels; NaN is 0 before it can spread (RT-64).

    A long frame comes in slices, for they take eight times its room.
    """
    dtype, full_scale = _FORMATS[frame.format.packed.name]
    channels = frame.layout.nb_channels
    if frame.format.is_planar:
        # PyAV 18 counts a ninth plane in a frame of 8, at an address that is none (to_ndarray too).
        planes = frame.planes[:channels]
        values = np.stack(
            [np.frombuffer(memoryview(plane), dtype, frame.samples) for plane in planes]
        )
    else:
        values = np.frombuffer(memoryview(frame.planes[0]), dtype, frame.samples * channels)
        values = values.reshape(-1, channels).T
    for start in range(0, frame.samples, SLICE):
        part = values[:, start : start + SLICE]
        if dtype == "u1":
            part = part - full_scale
        if full_scale != 1.0:
            part = part / full_scale
        part = floats_to_samples(part)
        yield part[0] if channels == 1 else part.mean(axis=0, dtype=np.float32)
