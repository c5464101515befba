"""Tags, however many and however written: hidden from FFmpeg, and the sound stays as it was."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stt.audio.arriving import Arriving
from stt.audio.stream import decoded_stream
from stt.audio.untagged import Frames, Untagged
from tests.containers import LIVE, live, reading
from tests.decoding import decode_file
from tests.speech import speech
from tests.test_decode import encoded, peak_memory

MANY = 20
"""Tags in a file. With 20,000 of them FFmpeg took 1.25 s, and the square of it with more."""


def id3(frames: list[bytes]) -> bytes:
    """An ID3v2.4 tag."""
    body = b"".join(frames)
    return b"ID3\x04\0\0" + _seven(len(body)) + body


def title(number: int) -> bytes:
    """A text of its own name."""
    text = b"\x03%x\0a" % number
    return b"TXXX" + _seven(len(text)) + b"\0\0" + text


def bomb(number: int) -> bytes:
    """64 MiB of text in 64 KB, as ID3 allows it."""
    text = b"\x03%x\0" % number + b"a" * 2**26
    packed = _seven(len(text)) + zlib.compress(text, 9)
    return b"TXXX" + _seven(len(packed)) + b"\0\x09" + packed


def _seven(number: int) -> bytes:
    return bytes(number >> shift & 127 for shift in (21, 14, 7, 0))


def element(name: str, body: bytes) -> bytes:
    """An element of Matroska."""
    return bytes.fromhex(name) + (len(body) | 1 << 35).to_bytes(5, "big") + body


def tagged_webm(plain: bytes) -> bytes:
    """With a tag for each number, before the first cluster."""
    tags = b"".join(
        element("67c8", element("45a3", b"%x" % n) + element("4487", b"a")) for n in range(MANY)
    )
    at = plain.index(bytes.fromhex("1f43b675"))
    return plain[:at] + element("1254c367", element("7373", tags)) + plain[at:]


def tagged_mp4(plain: bytes) -> bytes:
    """With an item for each number, at the end of the index."""

    def box(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", 8 + len(body)) + kind + body

    keys = b"".join(box(b"mdta", b"%x" % n) for n in range(MANY))
    items = b"".join(
        box(struct.pack(">I", n + 1), box(b"data", struct.pack(">II", 1, 0) + b"a"))
        for n in range(MANY)
    )
    handler = box(b"hdlr", bytes(8) + b"mdta" + bytes(13))
    meta = box(
        b"meta", handler + box(b"keys", struct.pack(">II", 0, MANY) + keys) + box(b"ilst", items)
    )
    at = plain.index(b"moov") - 4
    (size,) = struct.unpack_from(">I", plain, at)
    return plain[:at] + box(b"moov", plain[at + 8 : at + size] + meta) + plain[at + size :]


def tagged_flac(plain: bytes) -> bytes:
    """With a comment for each number, after the format."""
    comments = b"".join(struct.pack("<I", 7) + b"%05x=a" % n for n in range(MANY))
    block = struct.pack("<II", 0, MANY) + comments
    end = plain.index(b"\xff\xf8", 42)
    return (
        plain[:4]
        + b"\0"
        + plain[5:42]
        + b"\x84"
        + len(block).to_bytes(3, "big")
        + block
        + plain[end:]
    )


def tagged_mp3(plain: bytes) -> bytes:
    """With a text for each number, in front."""
    return id3([title(n) for n in range(MANY)]) + plain


def names(data: bytes, demuxer: str) -> set[str]:
    """The tags that FFmpeg reads of a file when it is let."""
    with av.open(io.BytesIO(data), format=demuxer) as opened:
        return set(opened.metadata)


TAGGED: dict[str, tuple[str, Callable[[], bytes], Callable[[bytes], bytes]]] = {
    "webm": ("matroska", lambda: b"".join(live(LIVE["webm"], speech(1))), tagged_webm),
    "mp4": ("mov", lambda: encoded("mp4", "aac"), tagged_mp4),
    "flac": ("flac", lambda: encoded("flac", "flac", 16000), tagged_flac),
    "mp3": ("mp3", lambda: encoded("mp3", "libmp3lame"), tagged_mp3),
}


@pytest.mark.parametrize("name", TAGGED)
def test_tags_are_not_read(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """runtime RT-62: FFmpeg compares each with all others; the sound is the same without them."""
    demuxer, encode, tag = TAGGED[name]
    plain = encode()
    few = tag(plain)
    assert len(names(few, demuxer)) >= MANY  # they are real ones

    heard = decode_file(few, max_seconds=60)

    assert np.array_equal(heard, decode_file(plain, max_seconds=60))
    assert np.concatenate(list(decoded_stream(reading([few])))).size >= len(heard) - 2048
    opened: list[set[str]] = []
    real = av.open

    def spied(*args: object, **options: object) -> object:
        container = real(*args, **options)  # type: ignore[call-overload]
        opened.append(set(container.metadata))
        return container

    monkeypatch.setattr(av, "open", spied)
    decode_file(few, max_seconds=60)
    assert all(len(seen) < MANY for seen in opened)
    assert opened


@pytest.mark.parametrize("where", ["before", "between"])
def test_a_compressed_tag_takes_no_memory(where: str) -> None:
    """runtime RT-60: 650 KB of them took 1.2 GB, before the audio or between its frames."""
    plain = encoded("adts", "aac", 16000)
    tag = id3([bomb(n) for n in range(4)])
    data = tag + plain if where == "before" else plain + tag + plain

    answer, megabytes = peak_memory(data, max_seconds=60)

    assert int(answer) >= len(decode_file(plain, max_seconds=60))
    assert megabytes < 60


def test_a_long_tag_between_frames_ends_no_stream() -> None:
    """client-BR2: both halves are heard."""
    plain = encoded("adts", "aac", 16000)
    data = plain + id3([title(n) for n in range(1000)]) + plain

    heard = sum(len(piece) for piece in decoded_stream(reading([data])))

    assert heard == pytest.approx(2 * len(decode_file(plain, max_seconds=60)), abs=4096)


def test_matroska_of_lists_alone_takes_bounded_memory() -> None:
    """runtime RT-60: what has no sound for 8 MiB is given up; a list's items cost 30 times that."""
    head = element("1a45dfa3", bytes.fromhex("42868101 4282847765626d 42878104"))
    head += bytes.fromhex("18538067 01ffffffffffffff")
    data = head + element("1254c367", b"\x73\x73\x80" * 6_000_000)

    answer, megabytes = peak_memory(data, max_seconds=60)

    assert answer == "UndecodableAudio"
    assert megabytes < 60


def test_mp4_of_tables_alone_takes_little_memory() -> None:
    """runtime RT-60: a list of all their names took 36 times the file."""
    data = (
        b"\0\0\0\x18ftypisom\0\0\0\0isommp41" + struct.pack(">I", 2**24) + b"free" + b"trun" * 2**22
    )

    answer, megabytes = peak_memory(data, max_seconds=60)

    assert answer == "UndecodableAudio"
    assert megabytes < 60


def test_packets_of_nothing_come_to_an_end() -> None:
    """runtime RT-62: a byte each; 4 MiB of them took 37 s and, as empty pieces, 1 GB."""
    data = b"#!AMR\n" + b"\x7c" * 2**21

    answer, megabytes = peak_memory(data, max_seconds=60)

    assert answer == "UndecodableAudio"
    assert megabytes < 60


NAME, OTHER = b"\x12\x54\xc3\x67", b"\x1e\x44\xff\x67"


PIECES = [b"\x12", b"\x54\xc3", b"\x67", NAME, b"a", NAME * 2]


@given(st.lists(st.sampled_from(PIECES), max_size=30), st.integers(1, 9))
def test_a_name_is_found_however_it_is_cut(pieces: list[bytes], size: int) -> None:
    """Every one, and nothing else is changed."""
    stream = Untagged(Arriving(reading(pieces)), "matroska")

    read = b"".join(iter(lambda: stream.read(size), b""))

    assert read == b"".join(pieces).replace(NAME, OTHER)


TAG = id3([title(1)])


@given(st.lists(st.sampled_from([b"I", b"D", b"x", b"3", TAG]), max_size=30), st.integers(1, 99))
def test_a_tag_is_passed_over_however_it_is_cut(pieces: list[bytes], size: int) -> None:
    """Every one, and nothing else."""
    frames = Frames(Arriving(reading(pieces)))

    read = b"".join(iter(lambda: frames.read(size), b""))

    assert read == b"".join(piece for piece in pieces if piece != TAG)
