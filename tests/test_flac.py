"""Where FLAC frames begin and end, told by their headers alone (RFC 9639, section 9.1)."""

from __future__ import annotations

import io
from itertools import pairwise

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stt.audio.arriving import Arriving
from stt.audio.flac import MAX_HEAD, FrameHead, flac_pieces, frame_head
from stt.events import Samples
from tests.containers import reading
from tests.decoding import decode_file
from tests.speech import noise, speech
from tests.test_decode import crc, encoded, flac_of_silence


def header(second: int, codes: int, channels: int, coded: bytes, sizes: bytes = b"") -> bytes:
    """A frame's header with its checksum, and what may follow it."""
    head = bytes([0xFF, second, codes, channels]) + coded + sizes
    return (head + bytes([crc(head, 8, 0x07)])).ljust(MAX_HEAD, b"\x55")


def heard(pieces: list[bytes]) -> Samples:
    """The audio of a stream in these pieces."""
    return np.concatenate(list(flac_pieces(Arriving(reading(pieces)))))


@pytest.mark.parametrize(
    ("data", "number", "following"),
    [
        (header(0xF8, 0xC9, 0x18, b"\x00"), 0, 1),
        (header(0xF8, 0xC9, 0x18, b"\x7f"), 127, 128),
        (header(0xF8, 0xC9, 0x18, b"\xc2\x80"), 128, 129),
        (header(0xF8, 0x7D, 0x18, b"\xe1\x80\x80", b"\x0f\xff\xac\x44"), 4096, 4097),
        (header(0xF9, 0xC9, 0x18, b"\xe1\x80\x80"), 4096, 8192),  # counts samples: 256 << 4
        (header(0xF9, 0x69, 0x18, b"\x00", b"\xbf"), 0, 192),
        (header(0xF9, 0x19, 0x18, b"\x00"), 0, 192),
        (header(0xF9, 0x29, 0x18, b"\x00"), 0, 576),
        (header(0xF8, 0xC9, 0x18, b"\xfe" + b"\xbf" * 6), 2**36 - 1, 2**36),
    ],
)
def test_a_header_says_its_number_and_the_next(data: bytes, number: int, following: int) -> None:
    """Fixed blocks count frames, others samples; numbers are coded as UTF-8 codes characters."""
    head = frame_head(data)

    assert head is not None
    assert (head.number, head.following) == (number, following)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xf8\xc9\x18",
        header(0xF8, 0xC9, 0x18, b"\x00")[:5] + b"\x00" * 11,  # its checksum is wrong
        header(0xF0, 0xC9, 0x18, b"\x00"),  # no sync
        header(0xF8, 0x09, 0x18, b"\x00"),  # reserved: block size 0
        header(0xF8, 0xCF, 0x18, b"\x00"),  # forbidden: rate 15
        header(0xF8, 0xC9, 0xB8, b"\x00"),  # reserved: channels 11
        header(0xF8, 0xC9, 0x19, b"\x00"),  # reserved: the last bit
        header(0xF8, 0xC9, 0x18, b"\x80"),  # no first byte of a number
        header(0xF8, 0xC9, 0x18, b"\xff"),
    ],
)
def test_what_is_no_header_is_told_apart(data: bytes) -> None:
    """Reserved values and the checksum: one in 256 of what is left by chance."""
    assert frame_head(data) is None


def test_the_constant_part_is_the_same_in_all_frames() -> None:
    """Stereo modes and block sizes change from frame to frame; rate and sample size do not."""
    first = frame_head(header(0xF8, 0xC9, 0x18, b"\x00"))
    second = frame_head(header(0xF8, 0x79, 0xA8, b"\x01", b"\x00\xff"))

    assert first is not None
    assert second is not None
    assert first.fixed == second.fixed
    assert isinstance(first, FrameHead)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 30_000), max_size=20))
def test_any_split_gives_the_frames(cuts: list[int]) -> None:
    """client-E9: headers may be cut anywhere."""
    data = encoded("flac", "flac", 44_100, "stereo")
    edges = [0, *sorted(cut % len(data) for cut in cuts), len(data)]

    samples = heard([data[a:b] for a, b in pairwise(edges)])

    assert np.array_equal(samples, decode_file(data, max_seconds=10))


@pytest.mark.parametrize("samples", [noise(3.0, level=0.3), speech(3.0), np.zeros(48_000)])
def test_the_loud_and_the_silent_are_cut_right(samples: Samples) -> None:
    """Noise holds what looks like headers; frames of silence are shorter than one."""
    file = io.BytesIO()
    with av.open(file, "w", format="flac") as output:
        stream = output.add_stream("flac", rate=16_000, layout="mono")
        values = (samples * 32767).astype(np.int16)[np.newaxis]
        for start in range(0, values.shape[1], 1024):
            part = np.ascontiguousarray(values[:, start : start + 1024])
            frame = av.AudioFrame.from_ndarray(part, format="s16", layout="mono")
            frame.sample_rate = 16_000
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    data = file.getvalue()

    by_byte = heard([data[at : at + 1] for at in range(len(data))])

    assert np.array_equal(by_byte, decode_file(data, max_seconds=10))
    assert len(by_byte) == 48_000


def test_numbers_that_begin_anew_are_followed() -> None:
    """Frames 0 to 127, twice: joined files, or an encoder that counts badly."""
    data = flac_of_silence(hours=2 * 128 * 32768 / 44100 / 3600)

    samples = heard([data])

    assert len(samples) == pytest.approx(2 * 128 * 32768 * 16_000 / 44_100, abs=2)


def test_a_lost_frame_costs_no_other() -> None:
    """Bytes missing in the middle: what comes after them is heard."""
    data = encoded("flac", "flac", 44_100, seconds=3)
    middle = len(data) // 2

    samples = heard([data[:middle], data[middle + 5000 :]])

    assert 2.0 * 16_000 < len(samples) < 3 * 16_000
