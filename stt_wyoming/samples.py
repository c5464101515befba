"""Audio as Wyoming clients send it, made into what `/stt/stream` takes: 16-bit, mono."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from wyoming.audio import AudioChunk, AudioChunkConverter

SERVED = range(8_000, 48_001)  # Hz that the service resamples itself (native W27)
USUAL = 16_000  # Hz, into which all other rates are converted here
RATES = range(1000, 384_001)
WIDTHS = range(1, 5)  # bytes of a sample; a single byte is unsigned, as in a WAV file
CHANNELS = range(1, 33)


class BadAudio(ValueError):
    """A form of audio that cannot be; the sentence names it."""


@dataclass(frozen=True, slots=True)
class Form:
    """How samples stand in bytes."""

    rate: int
    width: int
    channels: int

    @classmethod
    def of(cls, data: dict[str, Any]) -> Form:
        """From the data of `audio-start` or `audio-chunk` (client WY3). Raises BadAudio."""
        read = []
        for name, allowed in (("rate", RATES), ("width", WIDTHS), ("channels", CHANNELS)):
            value = data.get(name)
            if type(value) is not int or value not in allowed:
                raise BadAudio(f"{name} must be {allowed[0]} to {allowed[-1]}, not {value!r:.40}")
            read.append(value)
        return cls(*read)

    @property
    def served_rate(self) -> int:
        """The rate at which the service hears it."""
        return self.rate if self.rate in SERVED else USUAL


class Mono:
    """Makes chunks of any form into 16-bit mono at one rate; a cut frame waits for its rest."""

    def __init__(self, rate: int) -> None:
        self._converter = AudioChunkConverter(rate=rate)
        self._form: Form | None = None
        self._rest = b""

    def convert(self, form: Form, audio: bytes) -> bytes:
        """The same sound as int16 little-endian, mono, at the rate it was made for."""
        if form != self._form:
            self._form, self._rest = form, b""
        audio = self._rest + audio
        whole = len(audio) - len(audio) % (form.width * form.channels)
        audio, self._rest = audio[:whole], audio[whole:]
        samples = _upper_bytes(audio, form.width).reshape(-1, form.channels)
        mono = samples.mean(axis=1).astype("<i2") if form.channels > 1 else samples
        return self._converter.convert(AudioChunk(form.rate, 2, 1, mono.tobytes())).audio


def _upper_bytes(audio: bytes, width: int) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    """(n,) int16: the upper two bytes of little-endian samples, or the one byte there is."""
    data = np.frombuffer(audio, np.uint8)
    if width == 1:
        return ((data.astype(np.int16) - 128) << 8).astype("<i2")
    upper = np.ascontiguousarray(data.reshape(-1, width)[:, width - 2 :])
    return upper.reshape(-1).view("<i2")
