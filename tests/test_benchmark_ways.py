"""What other people's protocols are measured with: the same speech in each form."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest

from benchmarks.containers import opus_pieces
from benchmarks.load import TEXT
from benchmarks.ways import WAYS, at_24_khz
from tests.decoding import decode_file
from tests.speech import speech


def unmasked(frame: bytes) -> tuple[int, bytes]:
    """Opcode and payload of a client's frame."""
    size, at = frame[1] & 0x7F, 2
    if size >= 126:
        at = 4 if size == 126 else 10
        size = int.from_bytes(frame[2:at], "big")
    mask = frame[at : at + 4] * (size // 4 + 1)
    body = bytes(a ^ b for a, b in zip(frame[at + 4 : at + 4 + size], mask, strict=False))
    return frame[0] & 0x0F, body


@pytest.mark.parametrize("container", ["webm", "ogg"])
def test_the_pieces_of_a_recorder_make_the_speech(container: str) -> None:
    """All of it but the end that the recorder still holds, a tenth of a second each."""
    pieces = list(opus_pieces(speech(3.0), container, every=0.1))

    heard = decode_file(b"".join(pieces), max_seconds=10)
    assert len(pieces) == 30
    assert 2.7 < len(heard) / 16_000 <= 3.0


def test_realtime_brings_the_same_audio_in_base64() -> None:
    """Each message is an append of 100 ms at 24 kHz (client RC2, RC8)."""
    [way] = [way for way in WAYS if way.address.startswith("/v1/realtime")]

    frames = list(way.frames(speech(0.5)))

    opcode, body = unmasked(frames[0])
    event = json.loads(body)
    audio = np.frombuffer(base64.b64decode(event["audio"]), "<i2")
    assert (opcode, event["type"], len(audio)) == (TEXT, "input_audio_buffer.append", 2400)
    assert np.allclose(audio / 32_768, at_24_khz(speech(0.5)[:1600]), atol=1e-3)


def test_every_way_is_compared_with_one_that_is_measured_before_it() -> None:
    """The ratio of a round needs both."""
    names = [way.name for way in WAYS]

    assert all(not way.over or way.over in names[: names.index(way.name)] for way in WAYS)
