"""A whole file, of any container and codec, to 16 kHz mono samples; hostile files too.

Decodes from memory in blocks, so that what it holds is bounded by the seconds allowed and not by
the file (runtime RT-60). Opens no file and no address, whatever the bytes ask for (RT-63).
"""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Iterator
from typing import NoReturn

import av
import numpy as np

from stt.audio.pcm import PcmDecoder, floats_to_samples
from stt.audio.resample import Resampler
from stt.audio.sniff import sniff
from stt.errors import STTError, TooLarge, UndecodableAudio, UnsupportedAudio
from stt.events import SAMPLE_RATE, Samples

log = logging.getLogger("stt.audio")

MAX_CHANNELS = 8  # runtime RT-61
MIN_RATE, MAX_RATE = 8_000, 192_000  # Hz, RT-61
BLOCK_BYTES = 65_536  # of headerless PCM per step
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
DEADLINE = 60.0  # seconds of decoding, RT-62


def decode_file(
    data: bytes,
    *,
    max_seconds: float,
    encoding: str | None = None,
    sample_rate: int | None = None,
    deadline_s: float = DEADLINE,
) -> Samples:
    """The audio of a file: its first audio track, as far as it can be decoded.

    ``encoding`` says that the bytes are headerless PCM, at ``sample_rate`` or else 16 kHz (native
    UP3); otherwise the content tells the container (UP4).

    Raises TooLarge above ``max_seconds``, or when decoding takes longer than ``deadline_s``;
    UnsupportedAudio for a rate, a number of channels or an encoding we do not serve;
    UndecodableAudio where no sample can be decoded. Nothing else.
    """
    if not data:
        raise UndecodableAudio("The audio is empty.")
    collected = _Collected(max_seconds, deadline_s)
    if encoding is not None:
        _decode_pcm(data, PcmDecoder(encoding, sample_rate or SAMPLE_RATE), collected)
    else:
        _decode_container(data, collected)
    samples = collected.samples()
    if not len(samples):
        raise UndecodableAudio("The file holds no audio that can be decoded.")
    return samples


class _Collected:
    """The samples so far, within the limits of one call."""

    def __init__(self, max_seconds: float, deadline_s: float) -> None:
        self._max_seconds = max_seconds
        self._deadline_s = deadline_s
        self._deadline = time.monotonic() + deadline_s
        self._bytes = bytearray()  # grows in place: at its end it holds the audio once, not twice

    def add(self, samples: Samples) -> None:
        """Raises TooLarge."""
        self._bytes += samples.tobytes()
        if len(self._bytes) > self._max_seconds * SAMPLE_RATE * samples.itemsize:
            raise TooLarge(f"The audio is longer than {self._max_seconds:g} s.")
        self.check_time()

    def seconds_left(self) -> float:
        """Until the deadline."""
        return self._deadline - time.monotonic()

    def check_time(self) -> None:
        """Raises TooLarge after the deadline."""
        if self.seconds_left() <= 0:
            raise TooLarge(f"Decoding the audio takes longer than {self._deadline_s:g} s.")

    def samples(self) -> Samples:
        """All of it; ``add`` must not be called again."""
        return np.frombuffer(self._bytes, np.float32)


def _decode_pcm(data: bytes, decoder: PcmDecoder, collected: _Collected) -> None:
    for start in range(0, len(data), BLOCK_BYTES):
        collected.add(decoder.push(data[start : start + BLOCK_BYTES]))
    collected.add(decoder.flush())


def _decode_container(data: bytes, collected: _Collected) -> None:
    """Add what FFmpeg makes of the data; its errors end the audio, ours are raised."""
    container = sniff(data)
    try:
        with av.open(
            io.BytesIO(container.data),
            mode="r",
            format=container.name,
            options=OPTIONS,
            metadata_errors="ignore",
            timeout=max(collected.seconds_left(), 0.001),
            io_open=_refuse_to_open,
        ) as opened:
            _decode_track(_first_track(opened), opened, collected)
    except STTError:
        raise
    except Exception as error:  # PyAV raises many kinds; what was decoded before stays
        log.debug("decoding ended early: %r", error)
        collected.check_time()


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


def _decode_track(
    track: av.AudioStream, opened: av.container.InputContainer, collected: _Collected
) -> None:
    """Decode, downmix and resample frame by frame. The rate may change between frames."""
    resampler, rate = None, SAMPLE_RATE
    try:
        for frame in _frames(track, opened, collected):
            _check(frame.layout.nb_channels, frame.sample_rate)
            if frame.sample_rate != rate:
                if resampler:
                    collected.add(resampler.flush())
                rate = frame.sample_rate
                resampler = None if rate == SAMPLE_RATE else Resampler(rate)
            mono = _downmixed(frame)
            collected.add(resampler.push(mono) if resampler else mono)
    finally:
        if resampler:  # also after FFmpeg gave up: the tail belongs to what was decoded
            collected.add(resampler.flush())


def _frames(
    track: av.AudioStream, opened: av.container.InputContainer, collected: _Collected
) -> Iterator[av.AudioFrame]:
    """The track's frames; a packet that cannot be decoded is left out."""
    for packet in opened.demux(track):
        collected.check_time()
        try:
            frames = packet.decode()
        except av.error.InvalidDataError as error:
            log.debug("a packet cannot be decoded: %r", error)
            continue
        yield from frames


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
