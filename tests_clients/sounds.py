"""Audio for clients: int16 little-endian mono PCM at the rate that each wants."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator

import numpy as np
import soundfile
import soxr

from tests.speech import silence, speech
from tests_clients.service import ROOT

AUDIO = ROOT / "tests" / "audio"
HELLO = AUDIO / "en_hello.flac"
"""Two utterances: "Hello world." and "Testing, one, two, three."."""
SPOKEN = 3.9  # s; where its last word ends
HELLO_WORDS = ["hello", "world", "testing", "one", "two", "three"]
RATE = 16_000  # Hz, of what tests/speech.py makes
PIECE = 0.05  # s of audio in one message


def words(text: str) -> list[str]:
    """The words of a text, without case and marks."""
    return re.findall(r"\w+", text.lower())


def pcm(samples: np.ndarray, rate: int) -> bytes:
    """Samples at 16 kHz as a client sends them at its own rate."""
    if rate != RATE:
        samples = soxr.resample(samples, RATE, rate)
    return (samples.clip(-1, 1) * 32767).astype("<i2").tobytes()


def hello(rate: int = RATE, *, after: float = 2.0) -> bytes:
    """The clip, and silence after it that lets the last utterance end."""
    samples, at = soundfile.read(HELLO, dtype="float32")
    assert at == RATE
    return pcm(np.concatenate([samples, silence(after)]), rate)


def said(*seconds: float, rate: int = RATE, pause: float = 1.5) -> bytes:
    """Buzzes of these lengths that count as speech, each with a pause after it."""
    parts = [part for length in seconds for part in (speech(length), silence(pause))]
    return pcm(np.concatenate([silence(0.5), *parts]), rate)


def pieces(audio: bytes, rate: int = RATE) -> Iterator[bytes]:
    """In messages of 50 ms."""
    size = 2 * round(PIECE * rate)
    return (audio[at : at + size] for at in range(0, len(audio), size))


async def paced(audio: bytes, rate: int = RATE) -> AsyncIterator[bytes]:
    """The same at the pace of a microphone."""
    begun = time.monotonic()
    for number, piece in enumerate(pieces(audio, rate)):
        await asyncio.sleep(max(0.0, begun + number * PIECE - time.monotonic()))
        yield piece
