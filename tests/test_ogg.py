"""Ogg as FFmpeg reads it: without comments, and with every sample."""

from __future__ import annotations

import io
import struct
from contextlib import suppress

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stt.audio.arriving import Arriving
from stt.audio.ogg import Pages
from stt.audio.stream import decoded_stream
from tests.containers import LIVE, live, reading
from tests.decoding import decode_file
from tests.speech import speech
from tests.test_decode import encoded, write_tone

CODECS = {"opus": 48_000, "vorbis": 44_100, "flac": 16_000, "speex": 16_000}


def sound(codec: str, **tags: str) -> bytes:
    """Half a second in Ogg, with tags."""
    file = io.BytesIO()
    with av.open(file, "w", format="ogg") as output:
        output.metadata.update(tags)
        encoder = {"opus": "libopus", "speex": "libspeex"}.get(codec, codec)
        stream = output.add_stream(encoder, rate=CODECS[codec], layout="stereo")
        stream.codec_context.options = {"strict": "-2"}
        with suppress(av.error.ArgumentError):  # FLAC's last packet is empty, which Ogg refuses
            write_tone(output, stream, 0.5)
    return file.getvalue()


def plain(data: bytes) -> bytes:
    """All that FFmpeg is given of a file."""
    pages = Pages(Arriving(reading([data])))
    return b"".join(iter(lambda: pages.read(1000), b""))


def samples(data: bytes) -> bytes:
    """What FFmpeg alone hears of the first channel."""
    with av.open(io.BytesIO(data), "r") as opened:
        return b"".join(bytes(frame.planes[0]) for frame in opened.decode(audio=0))


def available() -> list[str]:
    """The codecs that this FFmpeg can write."""
    return [codec for codec in CODECS if codec != "speex" or "libspeex" in av.codecs_available]


@pytest.mark.parametrize("codec", available())
def test_comments_are_emptied_and_the_sound_stays(codec: str) -> None:
    """runtime RT-62: of every codec; a comment may fill several pages."""
    long = 20_000 if codec == "flac" else 200_000  # FFmpeg writes no longer one there
    data = sound(codec, title="x" * long, artist="who")

    given_on = plain(data)

    assert b"artist=who" in data
    assert b"artist" not in given_on
    assert len(given_on) < len(data) - long
    assert samples(given_on) == samples(data)
    assert len(decode_file(data, max_seconds=5)) > 7_000


def test_a_page_without_comments_stays_as_it_is() -> None:
    """Every byte of the sound."""
    data = plain(sound("opus", title="x"))

    assert plain(data) == data


def test_a_page_with_a_wrong_sum_hides_nothing() -> None:
    """runtime RT-62: FFmpeg would look for pages within it, and find one with comments."""
    inner = sound("opus", artist="who")
    hidden = b"OggS\0\0" + bytes(20) + b"\xff" + b"\xff" * 255 + inner

    assert b"artist" not in plain(hidden)
    assert len(decode_file(hidden, max_seconds=5)) == len(decode_file(inner, max_seconds=5))


def test_noise_between_pages_is_passed_over() -> None:
    """client-E11: what follows is heard."""
    data = b"".join(live(LIVE["ogg opus"], speech(1)))

    heard = sum(map(len, decoded_stream(reading([data, bytes(300_000), data]))))

    assert heard == 32_000


def test_tracks_without_sound_are_left_out() -> None:
    """Their comments cannot cost anything, nor a thousand of them."""
    track = b"OggS\0\x02" + bytes(8) + b"%s" + bytes(8) + b"\x01\x09\x80theora.."
    data = b"".join(track.replace(b"%s", struct.pack("<I", n)) for n in range(1000))

    assert plain(data) == b""


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3000), st.binary(min_size=1, max_size=40)), max_size=6))
def test_damage_is_survived(damage: list[tuple[int, bytes]]) -> None:
    """client-E11: any bytes give pages, or none, and come to an end."""
    data = bytearray(encoded("ogg", "libopus", seconds=0.2))
    for place, noise in damage:
        data[place % len(data) : place % len(data) + len(noise)] = noise

    assert len(plain(bytes(data))) <= len(data) + 64
