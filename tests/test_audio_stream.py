"""Containers that arrive in pieces: any split, little delay, and hostile ones too."""

from __future__ import annotations

import io
import socket
import struct
import sys
import threading
import tracemalloc
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stt.audio.arriving import MAX_UNHEARD
from stt.audio.frames import SLICE
from stt.audio.stream import decoded_stream
from stt.errors import STTError, TooLarge, UndecodableAudio, UnsupportedAudio
from stt.events import SAMPLE_RATE, Samples
from tests.containers import LIVE, live, reading
from tests.decoding import decode_file
from tests.speech import speech
from tests.test_decode import MAGICS, SCRIPTS, claiming, encoded, flac_of_silence, pcm16, tone, wav

ROOT = Path(__file__).parent.parent
AUDIO = ROOT / "tests" / "audio"


@cache
def recorded(name: str, seconds: float = 1.5) -> tuple[bytes, ...]:
    """A live recording of speech, in the pieces its encoder wrote."""
    return tuple(live(LIVE[name], speech(seconds)))


@cache
def decoded_whole(name: str, seconds: float = 1.5) -> Samples:
    """The same, decoded as a file."""
    return decode_file(b"".join(recorded(name, seconds)), max_seconds=100)


def heard(pieces: list[bytes], max_seconds: float = 100.0) -> Samples:
    """The audio of a stream that came in these pieces."""
    parts = list(decoded_stream(reading(pieces), max_seconds=max_seconds))
    return np.concatenate([np.zeros(0, np.float32), *parts])


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Data in pieces."""
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


# E9: any split gives what the whole file gives.


@pytest.mark.parametrize("name", LIVE)
def test_e9_a_stream_is_its_file(name: str) -> None:
    """client-E9: byte by byte, in the encoder's pieces, or at once: the samples of the file."""
    data = b"".join(recorded(name))

    by_byte = heard([data[at : at + 1] for at in range(len(data))])
    by_piece = heard(list(recorded(name)))
    at_once = heard([data])

    whole = decoded_whole(name)
    assert len(whole) == pytest.approx(1.5 * SAMPLE_RATE, abs=0.1 * SAMPLE_RATE)
    for samples in (by_byte, by_piece, at_once):
        assert samples.dtype == np.float32
        assert np.array_equal(samples, whole)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(LIVE)), st.lists(st.integers(0, 10**6), max_size=30))
def test_e9_any_split_of_a_stream_gives_the_same(name: str, places: list[int]) -> None:
    """client-E9: pages, frames, boxes and headers may be cut anywhere."""
    samples = heard(cut(b"".join(recorded(name)), places))

    assert np.array_equal(samples, decoded_whole(name))


@pytest.mark.parametrize(
    ("container", "codec", "layout"),
    [("mp3", "libmp3lame", "stereo"), ("flac", "flac", "mono"), ("mp4", "aac", "stereo"),
     ("webm", "libopus", "7.1"), ("mov", "pcm_s16le", "mono"), ("aiff", "pcm_s16be", "stereo")],
)  # fmt: skip
def test_a_finished_file_may_be_streamed_too(container: str, codec: str, layout: str) -> None:
    """client-E9: with its tags, its index at its end, and the padding at its end left out."""
    data = encoded(container, codec, 48_000, layout, seconds=2)

    samples = heard(cut(data, [3, 100, 5000, 20_000]))

    assert np.array_equal(samples, decode_file(data, max_seconds=10))


@pytest.mark.parametrize("name", ["en_hello.flac", "en_hello.wav", "hi_short_01.flac"])
def test_a_real_recording_may_be_streamed(name: str) -> None:
    """client-E9: files that other programs wrote."""
    data = (AUDIO / name).read_bytes()

    assert np.array_equal(
        heard(cut(data, [*range(0, len(data), 999)])), decode_file(data, max_seconds=600)
    )


def with_index_first(data: bytes) -> bytes:
    """An MP4 file with its index moved to the front, as a web server likes it."""
    with av.open(io.BytesIO(data)) as source:
        file = io.BytesIO()
        with av.open(file, "w", format="mp4", options={"movflags": "empty_moov"}) as output:
            track = output.add_stream_from_template(source.streams.audio[0])
            for packet in source.demux(audio=0):
                if packet.dts is not None:
                    packet.stream = track
                    output.mux(packet)
    return file.getvalue()


def test_an_mp4_whose_index_comes_last_is_refused_where_nobody_hears_its_end() -> None:
    """client-E11: as soon as its media comes; else it is decoded at its end."""
    data = encoded("mp4", "aac", seconds=1)
    given: list[bytes] = []
    read = reading(cut(data, [*range(0, len(data), 500)]))

    def counting(size: int) -> bytes:
        given.append(read(size))
        return given[-1]

    with pytest.raises(UndecodableAudio, match=r"its index comes last\. Write it fragmented"):
        list(decoded_stream(counting, ends=False))
    assert sum(map(len, given)) < data.index(b"moov")
    assert len(heard(cut(data, [*range(0, len(data), 500)]))) > 15_000
    assert list(decoded_stream(reading([with_index_first(data)]), ends=False))


def test_an_mp4_with_its_index_first_is_decoded_while_it_arrives() -> None:
    """client-E9: half of it is heard when half has come."""
    data = with_index_first(encoded("mp4", "aac", seconds=4))
    assert data.index(b"moov") < data.index(b"mdat")
    progress: list[int] = []
    read, given_out = reading(cut(data, [*range(0, len(data), 500)])), [0]

    def counting(size: int) -> bytes:
        piece = read(size)
        given_out[0] += len(piece)
        return piece

    for piece in decoded_stream(counting):
        progress.append(given_out[0])
        assert len(piece)

    assert progress[len(progress) // 2] < 0.8 * len(data)


def test_a_recording_that_starts_anew_goes_on() -> None:
    """client-BR2: a second recorder's WebM after the first, on one connection."""
    data = b"".join(recorded("webm"))

    samples = heard([data, data])

    assert len(samples) == pytest.approx(2 * len(decoded_whole("webm")), abs=800)


@pytest.mark.parametrize("length", [0, 0xFFFFFFFF, 0x7FFFFFF0, 40_000])
def test_a_streamed_wav_reaches_to_its_end(length: int) -> None:
    """runtime RT-62: 0, -1 and lengths beyond the end are what streaming writers say."""
    data = pcm16(tone(16_000, 0.5))

    samples = heard(cut(wav(data, data_len=length), [1, 13, 40, 43, 1001]))

    assert np.array_equal(samples, np.frombuffer(data, "<i2").astype(np.float32) / 32768)


def test_what_follows_the_samples_of_a_wav_is_not_heard() -> None:
    """client-E9: as in a file, and the chunks before them are passed over, however long."""
    plain = wav(pcm16(tone(16_000, 0.5)))
    chunk = b"LIST" + struct.pack("<I", 400_001) + bytes(400_002)

    samples = heard([plain[:36] + chunk + plain[36:] + chunk])

    assert len(samples) == 8000


def test_tags_before_the_audio_are_passed_over() -> None:
    """client-E11: two ID3 tags, one with a picture of 3 MB, take no memory."""
    tag = b"ID3\x04\0\0" + bytes([0, 0, 2, 3]) + bytes(2 << 7 | 3)
    picture = b"ID3\x04\0\0" + bytes([1, 64, 0, 1]) + bytes(1 << 21 | 64 << 14 | 1)
    data = b"".join(recorded("flac"))

    samples = heard([tag, picture, data])

    assert np.array_equal(samples, decoded_whole("flac"))


# E10: how far it trails.


class Paced:
    """Reads an encoder's pieces one by one, and notes what was decoded before each."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = list(reversed(pieces))
        self.sent = 0
        self.decoded = 0
        self.moments: list[tuple[int, int]] = []
        """(bytes sent, samples decoded) whenever more was asked for."""

    def read(self, size: int) -> bytes:
        """The next piece, or as much of it as is asked for."""
        self.moments.append((self.sent, self.decoded))
        piece = b""
        while self._pieces and not piece:
            piece = self._pieces.pop()
        if len(piece) > size:
            self._pieces.append(piece[size:])
        self.sent += len(piece[:size])
        return piece[:size]

    def run(self) -> list[tuple[int, int]]:
        """Decode all; the moments."""
        for samples in decoded_stream(self.read):
            self.decoded += len(samples)
        return self.moments


def samples_in(data: bytes) -> int:
    """How many samples the beginning of a recording holds: what it gives as a file."""
    try:
        return len(decode_file(data, max_seconds=100))
    except UndecodableAudio:
        return 0


@pytest.mark.parametrize("name", LIVE)
def test_e10_decoding_trails_by_less_than_half_a_second(name: str) -> None:
    """client-E10: of what the bytes so far hold, at every moment; nothing is lost at the end."""
    paced = Paced(list(recorded(name, 3.0)))

    moments = paced.run()

    data = b"".join(recorded(name, 3.0))
    assert paced.decoded == len(decoded_whole(name, 3.0))
    for sent, decoded in moments[:: max(1, len(moments) // 30)]:
        assert samples_in(data[:sent]) - decoded <= 0.5 * SAMPLE_RATE, (sent, decoded)


@pytest.mark.parametrize("name", ["webm", "ogg opus", "mp4", "aac", "wav", "flac"])
def test_e10_what_was_said_half_a_second_ago_is_decoded(name: str) -> None:
    """client-E10: encoder and decoder together, with an encoder that is set for live use."""
    pieces = list(recorded(name, 3.0))
    ends = np.cumsum([len(piece) for piece in pieces])[:-1]  # the last one was written at the end

    moments = Paced(pieces).run()

    for sent, decoded in moments:
        spoken = 0.02 * int(np.searchsorted(ends, sent, side="right"))  # s encoded by then
        assert spoken - decoded / SAMPLE_RATE <= 0.5


# E11: what is no audio.


def refused(data: bytes, max_seconds: float = 100.0) -> STTError:
    """The error a stream ends with; audio may have come before."""
    with pytest.raises((UndecodableAudio, UnsupportedAudio, TooLarge)) as refusal:
        heard(cut(data, [1, 5, 700, 3000]), max_seconds)
    return refusal.value


@pytest.mark.parametrize("noise", [bytes(65_536), b"\xaa" * 65_536, b"RIFF" + bytes(65_536)])
def test_e11_noise_before_a_header_is_refused_at_once(noise: bytes) -> None:
    """client-E11: by its first bytes, so nothing of it is kept."""
    paced = Paced(cut(noise + b"".join(recorded("webm")), [*range(0, 70_000, 100)]))

    with pytest.raises(UndecodableAudio, match="not an audio file we know"):
        paced.run()

    assert paced.sent <= 200


@pytest.mark.parametrize(("name", "told"), [
    ("webm", "WebM"), ("ogg opus", "Ogg"), ("mp4", "MP4"), ("mp3", "MP3"), ("flac", "FLAC"),
    ("wav", "WAV"), ("aac", "AAC"),
])  # fmt: skip
def test_e11_a_stream_of_a_header_alone_names_its_format(name: str, told: str) -> None:
    """client-E11: one error, which says what the bytes seemed to be."""
    start = b"".join(recorded(name))[:20]

    assert f"The {told} stream" in str(refused(start))


@pytest.mark.parametrize("name", LIVE)
def test_a_stream_cut_in_the_middle_is_heard_to_there(name: str) -> None:
    """client-E10: the end of the bytes is no error, wherever it falls."""
    data = b"".join(recorded(name))

    samples = heard([data[: len(data) // 2]])

    assert np.array_equal(samples, decode_file(data[: len(data) // 2], max_seconds=10))


def test_a_stream_that_breaks_off_is_told() -> None:
    """client-E11: what was decoded before is heard, then one error, while more bytes come."""
    data = b"".join(recorded("aac"))
    broken = data[: len(data) // 2] + b"\x00" * 200_000 + data[len(data) // 2 :]
    parts: list[Samples] = []

    with pytest.raises(UndecodableAudio, match="The AAC stream cannot be decoded any further"):
        parts.extend(decoded_stream(reading([broken, bytes(10**6)])))

    assert sum(map(len, parts)) > 8000


def test_no_bytes_are_no_error() -> None:
    """A client may leave before it said anything."""
    assert len(heard([])) == 0


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (wav(bytes(2000), rate=0), "0 Hz"),
        (wav(bytes(2000), channels=0), "0 channels"),
        (wav(bytes(2000), channels=65_535), "65535 channels are not served"),
        (wav(bytes(2000), rate=4_000_000), "4000000 Hz is not served"),
        (wav(bytes(2000), bits=0), "0 bits"),
        (b"RIFF\xff\xff\xff\xffWAVEdata\xff\xff\xff\xff" + bytes(3000), "holds no audio"),
        (b"RIFF\xff\xff\xff\xffWAVEfmt \xff\xff\xff\xff" + bytes(9000), "0 Hz"),
        (b"fLaC" + bytes(200), "does not say what it holds"),
    ],
)
def test_headers_that_lie_are_told(data: bytes, problem: str) -> None:
    """client-E11, RT-61, RT-64: the error says which format and what is wrong with it."""
    assert problem in str(refused(data))


def test_an_mp4_cannot_claim_memory_piece_by_piece() -> None:
    """runtime RT-60: the claims of all boxes count together, before FFmpeg sees them."""
    data = b"".join(recorded("mp4"))
    one = claiming(data, b"trun", {0: 0, 1: 20_000_000})
    fragment = data[data.index(b"moof") - 4 :]
    fragment = fragment[: int.from_bytes(fragment[:4], "big")]
    many = claiming(fragment, b"trun", {0: 0, 1: 1_500_000})

    for hostile in (one, data + many + many):
        assert "claims more than" in str(refused(hostile))
    assert "compressed" in str(refused(encoded("mp4", "aac").replace(b"udta", b"cmov")))


def test_an_index_at_the_end_of_a_long_stream_is_told() -> None:
    """The error says what to do; less than 16 MiB is decoded at the end."""
    start = encoded("mp4", "aac")
    endless = start[:28] + struct.pack(">I4s", 0, b"mdat") + bytes(17 * 2**20)

    assert "Write it fragmented" in str(refused(endless))


def test_bytes_without_audio_come_to_an_end() -> None:
    """client-E11: what only claims to be audio costs no more than 8 MiB."""
    data = b"".join(recorded("webm"))
    header = data[: data.index(b"\x1f\x43\xb6\x75")]  # up to the first cluster
    void = b"\xec\x10\x0f\xff\xff" + bytes(0x0FFFFF)  # EBML Void of 1 MiB
    paced = Paced([header, *[void] * 20])

    with pytest.raises(UndecodableAudio, match="The WebM stream is of no use: 8 MiB came"):
        paced.run()

    assert paced.sent < MAX_UNHEARD + 2 * 2**20


# E12 and E13: what it is made of, and how much it may be.


@pytest.mark.parametrize(
    ("rate", "layout"), [(8000, "mono"), (11_025, "stereo"), (96_000, "5.1"), (192_000, "7.1")]
)
def test_e12_any_rate_and_channels_give_16_khz_mono(rate: int, layout: str) -> None:
    """client-E12: at most 8 channels, averaged, through one resampler."""
    data = encoded("wav", "pcm_s16le", rate, layout)

    samples = heard(cut(data, [*range(0, len(data), 777)]))

    assert len(samples) == pytest.approx(16_000, abs=1)
    assert np.abs(samples - tone(16_000)[: len(samples)])[200:-200].max() < 1e-3


def test_nine_channels_are_refused() -> None:
    """client-E12, RT-61: from the header."""
    assert "9 channels are not served" in str(refused(wav(bytes(9000), channels=9)))


@pytest.mark.parametrize("name", ["flac", "webm"])
def test_e13_a_stream_that_is_too_long_ends(name: str) -> None:
    """client-E13: at the limit of decoded audio, whatever the header said."""
    error = refused(b"".join(recorded(name)), max_seconds=1.0)

    assert isinstance(error, TooLarge)
    assert "stream is longer than 1 s" in str(error)


def test_e13_a_small_flac_of_hours_is_handed_on_as_it_is_asked_for() -> None:
    """client-E13: 183 KB that hold over an hour; memory and work follow the reader."""
    data = flac_of_silence(hours=183_000 / 35 * 32768 / 44100 / 3600)
    assert len(data) < 190_000
    stream = decoded_stream(reading([data]))
    next(stream)

    tracemalloc.start()
    longest = max(len(next(stream)) for _ in range(200))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert longest <= SLICE
    assert peak < 8 * 2**20
    with pytest.raises(TooLarge, match="The FLAC stream is longer than 120 s"):
        list(decoded_stream(reading([data]), max_seconds=120))


# RT-63: nothing else is opened.


@pytest.fixture(name="listener")
def _listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener


_opened: list[tuple[str, object]] = []
_watched: set[int] = set()


def _watch(event: str, args: tuple[object, ...]) -> None:
    if event in ("open", "socket.connect") and threading.get_ident() in _watched:
        _opened.append((event, args[0]))


@pytest.fixture(name="opened")
def _opened_by_python() -> Iterator[list[tuple[str, object]]]:
    """What this thread opens or connects to while the fixture lives."""
    if _watch not in _hooked:
        sys.addaudithook(_watch)
        _hooked.append(_watch)
    _opened.clear()
    _watched.add(threading.get_ident())
    yield _opened
    _watched.discard(threading.get_ident())


_hooked: list[object] = []


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_in_place_of_audio_opens_nothing(
    name: str, tmp_path: Path, listener: socket.socket, opened: list[tuple[str, object]]
) -> None:
    """runtime RT-63: playlists and addresses are refused by their first bytes."""
    port = listener.getsockname()[1]
    target = tmp_path / "secret.wav"
    script = SCRIPTS[name].format(path=target, url=f"http://127.0.0.1:{port}/a.ts", port=port)

    error = refused(script.encode())

    said = "That is an address" if name == "address" else "not an audio file we know"
    assert said in str(error)
    assert opened == []
    with pytest.raises(BlockingIOError):
        listener.accept()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(MAGICS), st.binary(max_size=3000), st.lists(st.integers(0, 3000), max_size=5)
)
def test_any_bytes_are_heard_or_refused(magic: bytes, data: bytes, places: list[int]) -> None:
    """client-E11: nothing but our own errors, whatever comes."""
    try:
        samples = heard(cut(magic + data, places))
    except (UndecodableAudio, UnsupportedAudio, TooLarge):
        return
    assert np.isfinite(samples).all()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(sorted(LIVE)),
    st.integers(0, 10**6),
    st.binary(min_size=1, max_size=200),
)
def test_damage_anywhere_is_survived(name: str, place: int, damage: bytes) -> None:
    """client-E11: a flipped part of a stream gives audio, our own error, or both."""
    data = bytearray(b"".join(recorded(name)))
    at = place % len(data)
    data[at : at + len(damage)] = damage
    try:
        samples = heard([bytes(data)], max_seconds=1000)
    except (UndecodableAudio, UnsupportedAudio, TooLarge):
        return
    assert np.isfinite(samples).all()


def test_the_reader_is_asked_only_when_all_is_handed_out() -> None:
    """client-S9: a command between two pieces is done when the audio before it is decoded."""
    pieces = list(recorded("wav", 1.0))
    asked: list[int] = []
    decoded = 0
    source = reading(pieces)

    def read(size: int) -> bytes:
        asked.append(decoded)
        return source(size)

    for piece in decoded_stream(read):
        decoded += len(piece)

    assert asked[-1] >= decoded - 0.1 * SAMPLE_RATE
    assert asked == sorted(asked)
