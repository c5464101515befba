"""Headerless PCM to samples and back, in pieces of any length. Loads PyAV only for other rates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stt.errors import UnsupportedAudio
from stt.events import MAX_CHANNELS, RATES, SAMPLE_RATE, Samples

if TYPE_CHECKING:
    from stt.audio.resample import Resampler

_STEP = np.float32(1 / 32_768)


def pcm16_to_samples(data: bytes) -> Samples:
    """Little-endian int16 bytes, an even number, to samples: divided by 32768 (native DM6)."""
    samples: Samples = np.multiply(np.frombuffer(data, "<i2"), _STEP, dtype=np.float32)
    return samples


def samples_to_pcm16(samples: Samples) -> bytes:
    """Samples to little-endian int16 bytes; what is beyond full scale is clipped."""
    return np.clip(np.rint(samples * 32_768), -32_768, 32_767).astype("<i2").tobytes()


def floats_to_samples(values: NDArray[np.floating]) -> Samples:
    """Foreign floats to samples: NaN and infinite become 0, the rest is clipped (RT-64)."""
    if not np.isfinite(values).all():
        values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    samples: Samples = np.clip(values, -1.0, 1.0).astype(np.float32, copy=False)
    return samples


def _float32_to_samples(data: bytes) -> Samples:
    return floats_to_samples(np.frombuffer(data, "<f4"))


def _mulaw_table() -> Samples:
    """The sample of each mu-law byte (ITU-T G.711, table 2)."""
    code = ~np.arange(256) & 0xFF
    magnitude = (((code & 0x0F) << 3) + 0x84 << ((code & 0x70) >> 4)) - 0x84
    return (np.where(code & 0x80, -magnitude, magnitude) / 32_768).astype(np.float32)


def _alaw_table() -> Samples:
    """The sample of each A-law byte (ITU-T G.711, table 1)."""
    code = np.arange(256) ^ 0x55
    step, exponent = (code & 0x0F) << 4, (code & 0x70) >> 4
    # Exponents 0 and 1 share a step size; from 1 on there is a leading 1.
    magnitude = np.where(exponent == 0, step + 8, (step + 0x108) << np.maximum(exponent - 1, 0))
    return (np.where(code & 0x80, magnitude, -magnitude) / 32_768).astype(np.float32)


_MULAW, _ALAW = _mulaw_table(), _alaw_table()


@dataclass(frozen=True, slots=True)
class _Encoding:
    width: int
    """Bytes per sample."""
    decode: Callable[[bytes], Samples]


_FLOAT32 = _Encoding(4, _float32_to_samples)

ENCODINGS = {
    "linear16": _Encoding(2, pcm16_to_samples),
    "linear32": _FLOAT32,  # 32-bit floats, as speech services use the word
    "float32": _FLOAT32,
    "mulaw": _Encoding(1, lambda data: _MULAW[np.frombuffer(data, np.uint8)]),
    "alaw": _Encoding(1, lambda data: _ALAW[np.frombuffer(data, np.uint8)]),
}
"""All little-endian; the samples of several channels take turns."""


class PcmDecoder:
    """The audio of one stream, in the session's encoding and rate, to 16 kHz mono samples.

    Of several channels the mean is heard, or the one chosen. Keeps the bytes of a cut sample, or of
    a cut sample of all channels, and the resampler's state between pushes (client-protocols S16).
    One caller at a time.
    """

    def __init__(
        self,
        encoding: str = "linear16",
        sample_rate: int = SAMPLE_RATE,
        *,
        channels: int = 1,
        channel: int | None = None,
    ) -> None:
        """``channel``: the one to hear, from 0; None: all of them.

        Raises UnsupportedAudio for an encoding, a rate (Hz) or channels that are not served (W27).
        """
        _check(encoding, sample_rate, channels, channel)
        self._channels = channels
        self._channel = channel
        self._width = ENCODINGS[encoding].width * channels
        self._decode = ENCODINGS[encoding].decode
        self._spare = b""
        self._resampler = None if sample_rate == SAMPLE_RATE else _resampler(sample_rate)

    def push(self, data: bytes) -> Samples:
        """The samples that are whole now; a cut sample waits for its other bytes (W12)."""
        if self._spare:
            data = self._spare + data
        spare = len(data) % self._width
        self._spare = data[len(data) - spare :] if spare else b""
        samples = self._mono(self._decode(data[: len(data) - spare] if spare else data))
        return self._resampler.push(samples) if self._resampler else samples

    def realign(self) -> bool:
        """Drop the bytes of a cut sample; whether there were any."""
        dropped, self._spare = bool(self._spare), b""
        return dropped

    def tail(self) -> Samples:
        """What the resampler holds back, some 1 ms; a cut sample waits on (client S9, RE6)."""
        return self._resampler.flush() if self._resampler else np.zeros(0, np.float32)

    def flush(self) -> Samples:
        """The resampler's tail; a cut sample is dropped (W12). The next push starts anew."""
        self._spare = b""
        return self.tail()

    def _mono(self, interleaved: Samples) -> Samples:
        if self._channels == 1:
            return interleaved
        of_each = interleaved.reshape(-1, self._channels)
        if self._channel is not None:
            return np.ascontiguousarray(of_each[:, self._channel])
        mean: Samples = of_each.mean(axis=1, dtype=np.float32)
        return mean


def _check(encoding: str, sample_rate: int, channels: int, channel: int | None) -> None:
    """Raises UnsupportedAudio, naming the parameter and what is served."""
    if encoding not in ENCODINGS:
        served = ", ".join(ENCODINGS)
        raise _unsupported("encoding", f"{encoding!r} is not served; use one of {served}")
    if sample_rate not in RATES:
        served = f"{RATES[0]} to {RATES[-1]} Hz"
        raise _unsupported("sample_rate", f"{sample_rate} is not served; use {served}")
    if not 1 <= channels <= MAX_CHANNELS:
        raise _unsupported("channels", f"{channels} are not served; use 1 to {MAX_CHANNELS}")
    if channel is not None and not 0 <= channel < channels:
        raise _unsupported("channel", f"{channel} is not there; use 0 to {channels - 1}")


def _unsupported(param: str, problem: str) -> UnsupportedAudio:
    error = UnsupportedAudio(f"{param} {problem}")
    error.param = param
    return error


def _resampler(sample_rate: int) -> Resampler:
    from stt.audio.resample import Resampler  # noqa: PLC0415 - loads PyAV, which 16 kHz is spared

    return Resampler(sample_rate)
