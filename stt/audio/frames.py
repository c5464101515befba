"""What FFmpeg makes of a container's bytes, in pieces of 16 kHz mono; the one user of demuxers.

Works on any object with `read`, a file in memory or a stream that arrives. Opens no other file and
no address, whatever the bytes ask for (runtime RT-63).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import IO, NoReturn

import av
import numpy as np

from stt.audio.pcm import MAX_CHANNELS, floats_to_samples
from stt.audio.resample import Resampler
from stt.errors import STTError, UndecodableAudio, UnsupportedAudio
from stt.events import SAMPLE_RATE, Samples

log = logging.getLogger("stt.audio")

MIN_RATE, MAX_RATE = 8_000, 192_000  # Hz, runtime RT-61
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


def decoded_pieces(
    source: IO[bytes], demuxer: str, *, open_timeout: float | None = None
) -> Iterator[Samples]:
    """The first audio track as it is decoded, a piece for every packet: perhaps an empty one.

    FFmpeg's errors end the audio where they are; ours are raised: UndecodableAudio where there is
    no track, UnsupportedAudio (RT-61). ``open_timeout``: s to find the track in, and for each read.
    """
    try:
        with av.open(
            source,
            mode="r",
            format=demuxer,
            options=OPTIONS,
            metadata_errors="ignore",
            timeout=open_timeout,
            io_open=_refuse_to_open,
        ) as opened:
            yield from _pieces(_first_track(opened), opened)
    except STTError:
        raise
    except Exception as error:  # PyAV raises many kinds; what was decoded before stays
        log.debug("decoding ended early: %r", error)


def _refuse_to_open(url: str, flags: int, options: dict[str, str]) -> NoReturn:  # noqa: ARG001 - PyAV's signature
    """FFmpeg asks here for every file or address that the data names."""
    raise UnsupportedAudio("The file refers to another file or address.")


def _first_track(opened: av.container.InputContainer) -> av.AudioStream:
    """The first audio stream. Raises UndecodableAudio; UnsupportedAudio (RT-61)."""
    if not opened.streams.audio:
        raise UndecodableAudio("The file has no audio track.")
    track = opened.streams.audio[0]
    # A header that says 0 leaves it to the frames.
    _check(track.channels or 1, track.rate or SAMPLE_RATE)
    return track


def _check(channels: int, rate: int) -> None:
    if channels > MAX_CHANNELS:
        raise UnsupportedAudio(f"{channels} channels are not served; at most {MAX_CHANNELS} are.")
    if not MIN_RATE <= rate <= MAX_RATE:
        raise UnsupportedAudio(f"{rate} Hz is not served; {MIN_RATE} to {MAX_RATE} Hz are.")


def _pieces(track: av.AudioStream, opened: av.container.InputContainer) -> Iterator[Samples]:
    """Decode, downmix and resample packet by packet; then what the resampler holds.

    A packet that cannot be decoded is left out.
    """
    mono = _Mono()
    try:
        for packet in opened.demux(track):
            yield mono.push(_frames(packet))
    except STTError:
        raise
    except Exception as error:  # also after FFmpeg gave up the tail belongs to what was decoded
        log.debug("demuxing ended early: %r", error)
    yield mono.flush()


def _frames(packet: av.Packet[av.AudioStream]) -> list[av.AudioFrame]:
    try:
        return packet.decode()
    except av.error.InvalidDataError as error:
        log.debug("a packet cannot be decoded: %r", error)
        return []


class _Mono:
    """Frames of any layout and rate to 16 kHz mono. The rate may change between frames (E12)."""

    def __init__(self) -> None:
        self._rate = SAMPLE_RATE
        self._resampler: Resampler | None = None

    def push(self, frames: list[av.AudioFrame]) -> Samples:
        """Raises UnsupportedAudio."""
        parts = [part for frame in frames for part in self._heard(frame)]
        return parts[0] if len(parts) == 1 else np.concatenate([np.zeros(0, np.float32), *parts])

    def _heard(self, frame: av.AudioFrame) -> Iterator[Samples]:
        _check(frame.layout.nb_channels, frame.sample_rate)
        if frame.sample_rate != self._rate:
            yield self.flush()
            self._rate = frame.sample_rate
            self._resampler = None if self._rate == SAMPLE_RATE else Resampler(self._rate)
        mono = _downmixed(frame)
        yield self._resampler.push(mono) if self._resampler else mono

    def flush(self) -> Samples:
        """The resampler's tail."""
        return self._resampler.flush() if self._resampler else np.zeros(0, np.float32)


def _downmixed(frame: av.AudioFrame) -> Samples:
    """(n,) float32, the mean of the frame's channels; NaN is 0 before it can spread (RT-64)."""
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
    if dtype == "u1":
        values = values - full_scale
    with np.errstate(invalid="ignore"):  # a signalling NaN, which floats_to_samples takes away
        values = values / full_scale
    mean: Samples = floats_to_samples(values).mean(axis=0, dtype=np.float32)
    return mean
