"""Audio of Wyoming clients, made into 16-bit mono (stt_wyoming/samples.py)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stt_wyoming.samples import BadAudio, Form, Mono

FULL = np.array([0, 1 << 14, -(1 << 15), (1 << 15) - 256], np.int64)  # a byte can say them all


def as_bytes(samples: Any, width: int) -> bytes:
    """16-bit values in another width, as WAV files and Wyoming have it."""
    if width == 1:
        return ((samples >> 8) + 128).astype(np.uint8).tobytes()
    wide = (samples << 16).astype("<i4").tobytes()  # of each four bytes the upper ones count
    return b"".join(wide[at + 4 - width : at + 4] for at in range(0, len(wide), 4))


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_every_width_is_sixteen_bits_afterwards(width: int) -> None:
    """One byte is unsigned, more are signed (client WY3)."""
    got = Mono(16000).convert(Form(16000, width, 1), as_bytes(FULL, width))

    assert np.frombuffer(got, "<i2").tolist() == FULL.tolist()


@pytest.mark.parametrize("width", [1, 2, 4])
def test_channels_are_mixed(width: int) -> None:
    """The mean of all of them, without overflow (client WY3)."""
    frames = np.array([[-(1 << 15), -(1 << 15)], [1 << 14, 0], [(1 << 15) - 256] * 2])

    got = Mono(16000).convert(Form(16000, width, 2), as_bytes(frames.reshape(-1), width))

    assert np.frombuffer(got, "<i2").tolist() == [-32768, 8192, 32512]


def test_a_frame_may_be_cut_anywhere() -> None:
    """Its rest is waited for; what comes out is the same (client S16)."""
    form = Form(16000, 4, 2)
    audio = as_bytes(np.arange(-2000, 2000), 4)
    whole, pieces = Mono(16000), Mono(16000)

    cut = b"".join(pieces.convert(form, audio[at : at + 13]) for at in range(0, len(audio), 13))

    assert cut == whole.convert(form, audio)
    assert len(cut) == 2 * 2000


@pytest.mark.parametrize(("rate", "served"), [(8000, 8000), (22050, 22050), (96000, 16000)])
def test_rates_that_the_service_does_not_hear_are_converted(rate: int, served: int) -> None:
    """All others are its own business; a second stays a second (native W27)."""
    form = Form(rate, 2, 1)
    mono = Mono(form.served_rate)

    got = b"".join(mono.convert(form, bytes(rate // 5)) for _ in range(10))

    assert form.served_rate == served
    assert len(got) / 2 == pytest.approx(served, rel=0.01)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"rate": 0}, "rate must be"),
        ({"rate": "16000"}, "rate must be"),
        ({"rate": True}, "rate must be"),
        ({"width": 5}, "width must be"),
        ({"channels": 0}, "channels must be"),
        ({"channels": None}, "channels must be"),
    ],
)
def test_a_form_that_cannot_be_is_named(changed: dict[str, object], named: str) -> None:
    """Whichever field it is, missing ones too (client WY3)."""
    with pytest.raises(BadAudio, match=named):
        Form.of({"rate": 16000, "width": 2, "channels": 1} | changed)
