"""The ways in which other people's clients bring the same speech: addresses and messages."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from benchmarks.containers import opus_pieces
from benchmarks.load import BINARY, FRAME, RATE, TEXT, framed
from stt.audio.pcm import samples_to_pcm16

Samples = NDArray[np.float32]
NATIVE = "auto_chunk=1&language=en"
BAR_JSON, BAR_OPUS = 1.3, 2.0  # times the plain way


def at_24_khz(samples: Samples) -> Samples:
    """(n,) float32 at 16 kHz to 24 kHz; good enough for what only its cost is asked of."""
    size = len(samples) * 3 // 2
    return np.interp(np.arange(size) * 2 / 3, np.arange(len(samples)), samples).astype(np.float32)


def binary(samples: Samples, change: Callable[[Samples], Samples] = np.asarray) -> Iterator[bytes]:
    """Messages of bare audio."""
    for part in samples.reshape(-1, round(FRAME * RATE)):
        yield framed(samples_to_pcm16(change(part)), BINARY)


def appended(samples: Samples) -> Iterator[bytes]:
    """Messages of the Realtime protocol: audio at 24 kHz in base64 in JSON."""
    for part in samples.reshape(-1, round(FRAME * RATE)):
        audio = base64.b64encode(samples_to_pcm16(at_24_khz(part))).decode()
        message = {"type": "input_audio_buffer.append", "audio": audio}
        yield framed(json.dumps(message).encode(), TEXT)


def contained(samples: Samples, container: str) -> Iterator[bytes]:
    """Messages with what a recorder has written of a container every 100 ms, if anything."""
    for piece in opus_pieces(samples, container, every=FRAME):
        yield framed(piece, BINARY) if piece else b""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to bring the same speech."""

    name: str
    address: str
    frames: Callable[[Samples], Iterator[bytes]]
    over: str = ""
    """The way that it is compared with."""
    bar: float | None = None


PLAIN = Way("/stt/stream, PCM", f"/stt/stream?{NATIVE}", binary)
PLAIN_24 = Way(
    "/stt/stream, PCM at 24 kHz",
    f"/stt/stream?{NATIVE}&sample_rate=24000",
    partial(binary, change=at_24_khz),
    over=PLAIN.name,
)
WAYS = (
    PLAIN,
    PLAIN_24,
    Way(
        "/v1/realtime, base64 in JSON at 24 kHz",
        "/v1/realtime?model=whisper-1",
        appended,
        over=PLAIN_24.name,
        bar=BAR_JSON,
    ),
    Way(
        "/v1/listen, PCM",
        "/v1/listen?encoding=linear16&sample_rate=16000&interim_results=true&language=en",
        binary,
        over=PLAIN.name,
        bar=BAR_JSON,
    ),
    Way(
        "/stt/stream, Opus in WebM",
        f"/stt/stream?{NATIVE}&encoding=auto",
        partial(contained, container="webm"),
        over=PLAIN.name,
        bar=BAR_OPUS,
    ),
    Way(
        "/v1/listen, Opus in Ogg",
        "/v1/listen?interim_results=true&language=en",
        partial(contained, container="ogg"),
        over=PLAIN.name,
        bar=BAR_OPUS,
    ),
)
