"""Audio as clients send it, and what the fake engine makes of it."""

from __future__ import annotations

import base64
from typing import Any

from stt.audio.pcm import samples_to_pcm16
from stt.engines.fake import NUMBERS
from tests.live import Stream
from tests.speech import speech

FRAME = 3200  # bytes of 100 ms
FAKE = {"STT_ENGINE": "fake", "STT_VAD": "energy"}  # its voices are synthetic buzzes
FAST = FAKE | {"STT_AUDIO_RATE": "1000", "STT_AUDIO_BURST_S": "600"}
"""The fake engine, and audio taken as fast as it comes."""


def voice(seconds: float) -> bytes:
    """Speech as int16 little-endian PCM, mono, 16 kHz."""
    return samples_to_pcm16(speech(seconds))


def quiet(seconds: float) -> bytes:
    """Silence in the same form."""
    return bytes(2 * round(seconds * 16000))


def b64(data: bytes) -> str:
    """As it stands in JSON."""
    return base64.b64encode(data).decode()


def counted(seconds: int) -> str:
    """The fake engine's text for an utterance of whole seconds: a word per half second."""
    return " ".join(NUMBERS[n % 10] for n in range(1, 2 * seconds + 1))


def say(stream: Stream, chunk_id: str, audio: bytes) -> None:
    """A chunk's audio in frames of 100 ms, as fast as they are taken."""
    stream.send(type="set_chunk", chunk_id=chunk_id)
    for at in range(0, len(audio), FRAME):
        stream.audio(audio[at : at + FRAME])


def spoken(stream: Stream, chunk_id: str, audio: bytes) -> dict[str, Any]:
    """Say a chunk and ask for its final."""
    say(stream, chunk_id, audio)
    stream.send(type="finalize_chunk")
    return stream.final(chunk_id)


def pinged(stream: Stream, number: int = 0) -> list[dict[str, Any]]:
    """Everything before the pong: all that was sent before has been taken."""
    heard = len(stream.events)
    stream.send(type="ping", id=number)
    stream.until(lambda e: e["type"] == "pong" and e.get("id") == number)
    return stream.events[heard:-1]
