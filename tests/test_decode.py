"""Files to samples: every container, lying headers, hostile files, and nothing else is opened."""

from __future__ import annotations

import io
import socket
import struct
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stt.audio.decode import BLOCK, decoded_blocks
from stt.audio.frames import OPTIONS
from stt.audio.pcm import pcm16_to_samples
from stt.audio.sniff import Container, sniff
from stt.errors import TooLarge, UndecodableAudio, UnsupportedAudio
from stt.events import Samples
from tests.decoding import decode_file

ROOT = Path(__file__).parent.parent
AUDIO = ROOT / "tests" / "audio"


def tone(rate: int, seconds: float = 1.0, hertz: float = 440.0) -> Samples:
    """A sine at half of full scale."""
    t = np.arange(round(rate * seconds)) / rate
    return (0.5 * np.sin(2 * np.pi * hertz * t)).astype(np.float32)


def encoded(
    container: str, codec: str, rate: int = 48000, layout: str = "mono", seconds: float = 1.0
) -> bytes:
    """A file of a tone, the same on every channel, written by PyAV in memory."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate, layout=layout)
        stream.codec_context.options = {"strict": "-2"}  # FFmpeg's own vorbis encoder
        write_tone(output, stream, seconds)
    return file.getvalue()


def write_tone(
    output: av.container.OutputContainer, stream: av.AudioStream, seconds: float
) -> None:
    """Fill an audio track with a tone."""
    context = stream.codec_context
    context.open(strict=False)
    interleaved = np.repeat(tone(context.rate, seconds), context.channels)[np.newaxis]
    frame = av.AudioFrame.from_ndarray(interleaved, format="flt", layout=context.layout.name)
    frame.sample_rate = context.rate
    resampler = av.AudioResampler(
        format=context.format,
        layout=context.layout,
        rate=context.rate,
        frame_size=context.frame_size or 1024,
    )
    for part in [*resampler.resample(frame), *resampler.resample(None), None]:
        output.mux(stream.encode(part))


def write_picture(output: av.container.OutputContainer, stream: av.VideoStream) -> None:
    """Fill a video track with one green picture."""
    output.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
    output.mux(stream.encode(None))


def wav(
    data: bytes,
    *,
    kind: int = 1,
    channels: int = 1,
    rate: int = 16000,
    bits: int = 16,
    data_len: int | None = None,
) -> bytes:
    """A WAV file whose header says what one likes."""
    align = channels * bits // 8
    header = struct.pack("<HHIIHH", kind, channels, rate, rate * align, align & 0xFFFF, bits)
    length = len(data) if data_len is None else data_len
    body = b"WAVEfmt " + struct.pack("<I", 16) + header + b"data" + struct.pack("<I", length) + data
    return b"RIFF" + struct.pack("<I", len(body) & 0xFFFFFFFF) + body


def pcm16(samples: Samples) -> bytes:
    """Little-endian int16."""
    return (samples * 32768).astype("<i2").tobytes()


def correlation(samples: Samples, hertz: float = 440.0) -> float:
    """How much of the power away from both ends is the tone, whatever its phase: 1 is all."""
    samples = samples[2000:-2000]
    t = np.arange(len(samples)) / 16000
    part = np.abs(np.dot(samples, np.exp(-2j * np.pi * hertz * t))) / len(samples)
    return float(2 * part**2 / np.mean(samples.astype(np.float64) ** 2))


# What is served.

FILES = [
    ("wav", "pcm_s16le", 16000),
    ("wav", "pcm_u8", 8000),
    ("wav", "pcm_s24le", 44100),
    ("wav", "pcm_s32le", 192000),
    ("wav", "pcm_f32le", 48000),
    ("wav", "pcm_f64le", 48000),
    ("wav", "pcm_mulaw", 8000),
    ("flac", "flac", 44100),
    ("ogg", "libopus", 48000),
    ("ogg", "vorbis", 44100),
    ("webm", "libopus", 48000),
    ("matroska", "pcm_s16le", 22050),
    ("mp3", "libmp3lame", 44100),
    ("mp4", "aac", 48000),
    ("ipod", "aac", 44100),
    ("mov", "pcm_s16le", 11025),
    ("adts", "aac", 24000),
    ("aiff", "pcm_s16be", 32000),
    ("au", "pcm_s16be", 8000),
]


@pytest.mark.parametrize(("container", "codec", "rate"), FILES)
def test_every_container_gives_16_khz_mono(container: str, codec: str, rate: int) -> None:
    """native UP4: a tone of one second is the same tone, whatever carries it."""
    data = encoded(container, codec, rate, "stereo")

    samples = decode_file(data, max_seconds=2)

    assert samples.dtype == np.float32
    assert samples.ndim == 1
    assert len(samples) == pytest.approx(16000, abs=1600)  # codecs pad to whole frames
    assert correlation(samples) > 0.98
    assert np.abs(samples).max() == pytest.approx(0.5, abs=0.05)


def test_pcm_in_a_file_is_exact() -> None:
    """native DM6: a 16 kHz WAV gives its int16 / 32768, bit for bit."""
    data = pcm16(tone(16000, 0.3))

    samples = decode_file(wav(data), max_seconds=1)

    assert np.array_equal(samples, np.frombuffer(data, "<i2").astype(np.float32) / 32768)


def test_the_rate_may_change_within_a_file() -> None:
    """client-protocols E12: joined streams of 48 and 24 kHz are both heard, at one rate."""
    data = encoded("adts", "aac", 48000) + encoded("adts", "aac", 24000)

    samples = decode_file(data, max_seconds=3)

    assert len(samples) == pytest.approx(32000, abs=3200)
    assert correlation(samples[:16000]) > 0.9
    assert correlation(samples[17500:31000]) > 0.9


def test_amr_is_served() -> None:
    """native UP4: voice memos; 50 frames of 20 ms in the mode of 12.2 kbit/s."""
    frame = b"\x3c" + bytes(31)

    assert len(decode_file(b"#!AMR\n" + frame * 50, max_seconds=2)) == 16000


@pytest.mark.parametrize(("name", "codec"), [("mp3", "libmp3lame"), ("flac", "flac")])
def test_an_id3_tag_in_front_is_passed_over(name: str, codec: str) -> None:
    """What follows the tag decides."""
    data = encoded(name, codec)
    plain = data[data.index(b"fLaC" if name == "flac" else b"\xff\xfb") :]
    tag = b"ID3\x04\0\0\0\0\x02\x00" + bytes(256)

    samples = decode_file(tag + plain, max_seconds=2)

    assert len(samples) == pytest.approx(16000, abs=1600)
    assert sniff(tag + plain).name == name


@pytest.mark.parametrize(("layout", "codec"), [("stereo", "pcm_s16le"), ("7.1", "pcm_f32le")])
def test_channels_are_averaged(layout: str, codec: str) -> None:
    """runtime RT-60: as loud as each channel, in integers as in floats, at most 8 channels."""
    samples = decode_file(encoded("wav", codec, 16000, layout), max_seconds=2)

    assert np.abs(samples - tone(16000)).max() < 1e-4


def test_eight_planar_channels_are_averaged() -> None:
    """runtime RT-61: PyAV reads a ninth plane from a wild address, which ended the process."""
    data = encoded("webm", "libopus", 48000, "7.1")

    samples = decode_file(data, max_seconds=2)

    assert correlation(samples) > 0.98


def test_a_video_gives_its_first_audio_track() -> None:
    """native UP4: picture and further tracks are passed over."""
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as output:
        video = output.add_stream("mpeg4", rate=5, width=64, height=48, pix_fmt="yuv420p")
        first = output.add_stream("pcm_s16le", rate=48000, layout="stereo")
        second = output.add_stream("libopus", rate=48000, layout="mono")
        write_picture(output, video)
        write_tone(output, first, 1.0)
        write_tone(output, second, 0.5)

    samples = decode_file(file.getvalue(), max_seconds=2)

    assert len(samples) == pytest.approx(16000, abs=10)
    assert correlation(samples) > 0.99


def test_a_video_without_sound_is_undecodable() -> None:
    """The error says what is missing."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as output:
        write_picture(
            output, output.add_stream("mpeg4", rate=5, width=64, height=48, pix_fmt="yuv420p")
        )

    with pytest.raises(UndecodableAudio, match="no audio track"):
        decode_file(file.getvalue(), max_seconds=2)


@pytest.mark.parametrize("name", ["en_hello", "hi_short_01", "turns_en_de"])
def test_a_real_recording_decodes_whole(name: str) -> None:
    """The length is that of the header, and there is speech in it."""
    data = (AUDIO / f"{name}.flac").read_bytes()
    with av.open(io.BytesIO(data)) as file:
        seconds = float(file.duration) / av.time_base

    samples = decode_file(data, max_seconds=600)

    assert len(samples) == pytest.approx(seconds * 16000, abs=1)
    assert 0.05 < np.abs(samples).max() <= 1.0


def test_headerless_pcm_needs_its_encoding() -> None:
    """native UP3: bare samples are announced, and then any served rate will do."""
    data = pcm16(tone(8000))

    samples = decode_file(data, max_seconds=1, encoding="linear16", sample_rate=8000)

    assert len(samples) == 16000
    assert correlation(samples) > 0.99
    assert len(decode_file(data, max_seconds=1, encoding="linear16")) == 8000
    with pytest.raises(UndecodableAudio, match="not an audio file we know"):
        decode_file(data, max_seconds=1)
    with pytest.raises(UnsupportedAudio, match="'opus'"):
        decode_file(data, max_seconds=1, encoding="opus")
    with pytest.raises(UnsupportedAudio, match="7999"):
        decode_file(data, max_seconds=1, encoding="linear16", sample_rate=7999)


# Limits.


def test_what_is_not_served_is_named() -> None:
    """client-OE1: the field, also where it is 0."""
    wrong = [("nope", 16000), ("linear16", 0), ("linear16", 999_999)]
    for (encoding, rate), param in zip(
        wrong, ("encoding", "sample_rate", "sample_rate"), strict=True
    ):
        with pytest.raises(UnsupportedAudio, match=param) as caught:
            decode_file(bytes(99), max_seconds=1, encoding=encoding, sample_rate=rate)
        assert caught.value.param == param


def test_more_seconds_than_allowed_are_refused() -> None:
    """runtime RT-60: exactly the limit is served; a sample more is not, in files and bare PCM."""
    data = pcm16(tone(16000, 0.5))

    assert len(decode_file(wav(data), max_seconds=0.5)) == 8000
    assert len(decode_file(data, max_seconds=0.5, encoding="linear16")) == 8000
    with pytest.raises(TooLarge, match="longer than"):
        decode_file(wav(data + b"\0\0"), max_seconds=0.5)
    with pytest.raises(TooLarge, match="longer than"):
        decode_file(data + b"\0\0", max_seconds=0.5, encoding="linear16")


@pytest.mark.parametrize("encoding", ["mulaw", "alaw"])
def test_bare_g711_is_the_telephones(encoding: str) -> None:
    """native UP3: 8 kHz, where nobody says."""
    for rate, heard in ((None, 16_000), (16_000, 8000)):
        samples = decode_file(bytes(8000), max_seconds=2, encoding=encoding, sample_rate=rate)

        assert len(samples) == heard


@pytest.mark.parametrize("encoding", [None, "linear16"])
def test_a_file_is_decoded_in_blocks(encoding: str | None) -> None:
    """runtime RT-60: some 15 s at a time, and joined they are the file."""
    pcm = pcm16(tone(16000, 100))
    data = pcm if encoding else wav(pcm)

    blocks = [*decoded_blocks(data, max_seconds=100, encoding=encoding)]

    assert all(BLOCK <= len(block) <= 2 * BLOCK for block in blocks[:-1])
    assert 0 < len(blocks[-1]) <= 2 * BLOCK
    whole = decode_file(data, max_seconds=100, encoding=encoding)
    assert np.array_equal(np.concatenate(blocks), whole)


def test_what_is_not_asked_for_is_not_decoded() -> None:
    """runtime RT-60: the blocks before the limit come, and only then the error."""
    blocks = decoded_blocks(wav(pcm16(tone(16000, 100))), max_seconds=40)

    first, second = next(blocks), next(blocks)

    assert len(first) + len(second) < 40 * 16000
    with pytest.raises(TooLarge, match="longer than 40 s"):
        list(blocks)


def test_the_deadline_does_not_count_the_readers_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """runtime RT-62: recognising a block takes minutes, decoding it does not."""
    clock = [0.0]
    monkeypatch.setattr("stt.audio.decode.time.thread_time", lambda: clock[0])
    blocks = decoded_blocks(wav(pcm16(tone(16000, 40))), max_seconds=60, deadline_s=1.0)

    heard = 0
    for block in blocks:
        heard += len(block)
        clock[0] += 100

    assert heard == 40 * 16000


def test_the_deadline_counts_over_all_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """runtime RT-62: the time to decode each is added up."""
    clock = iter(range(10_000))
    monkeypatch.setattr("stt.audio.decode.time.thread_time", lambda: next(clock))
    blocks = decoded_blocks(bytes(10 * 65_536), max_seconds=60, encoding="linear16", deadline_s=12)

    next(blocks)

    with pytest.raises(TooLarge, match="takes too long"):
        list(blocks)


@pytest.mark.parametrize("encoding", [None, "linear16"])
def test_decoding_has_a_deadline(encoding: str | None) -> None:
    """runtime RT-62: a file that takes too long is refused."""
    data = wav(pcm16(tone(16000, 5)))

    with pytest.raises(TooLarge, match="takes too long"):
        decode_file(data, max_seconds=100, encoding=encoding, deadline_s=-1)


def test_a_long_file_has_more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """runtime RT-62: two hours of Opus take 40 s of one core, and twice that on a slower one."""
    audio = pcm16(tone(16000, 400))
    clock = [0.0]

    def pieces(*_: object) -> Iterator[Samples]:
        for at in range(0, len(audio), 320_000):
            clock[0] += 10 * 0.02  # a fiftieth of real time
            yield pcm16_to_samples(audio[at : at + 320_000])

    monkeypatch.setattr("stt.audio.decode.time.thread_time", lambda: clock[0])
    monkeypatch.setattr("stt.audio.decode._pcm_pieces", pieces)

    heard = sum(map(len, decoded_blocks(b"x", max_seconds=500, encoding="linear16", deadline_s=1)))

    assert heard == 400 * 16000


@pytest.mark.parametrize(
    ("channels", "rate", "what"),
    [(9, 16000, "9 channels"), (1, 7999, "7999 Hz"), (1, 192001, "192001 Hz")],
)
def test_channels_and_rates_have_limits(channels: int, rate: int, what: str) -> None:
    """runtime RT-61: refused from the header."""
    with pytest.raises(UnsupportedAudio, match=what):
        decode_file(wav(bytes(9 * 2000), channels=channels, rate=rate), max_seconds=1)


def crc(data: bytes, bits: int, polynomial: int) -> int:
    """The checksums of FLAC: CRC-8 (0x07) and CRC-16 (0x8005)."""
    value, top = 0, 1 << bits - 1
    for byte in data:
        value ^= byte << bits - 8
        for _ in range(8):
            value = (value << 1 ^ polynomial if value & top else value << 1) & (1 << bits) - 1
    return value


def flac_of_silence(hours: float) -> bytes:
    """8 channels of constant subframes, 32768 samples each: 35 bytes a frame (RFC 9639)."""
    stream_info = struct.pack(">HH", 32768, 32768) + bytes(6)
    stream_info += (44100 << 44 | 7 << 41 | 15 << 36).to_bytes(8, "big") + bytes(16)
    frames = []
    for number in range(128):  # frame numbers may repeat: decoders do not mind
        head = b"\xff\xf8\xf9\x78" + bytes([number])
        head += bytes([crc(head, 8, 0x07)])
        body = head + b"\x00\x00\x00" * 8
        frames.append(body + struct.pack(">H", crc(body, 16, 0x8005)))
    rounds = round(hours * 3600 * 44100 / 32768 / 128)
    return b"fLaC\x80\x00\x00\x22" + stream_info + b"".join(frames) * rounds


_PEAK = """
import resource, sys
from tests.decoding import decode_file
from stt.errors import STTError
data = sys.stdin.buffer.read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    print(len(decode_file(data, max_seconds=float(sys.argv[1]))))
except STTError as error:
    print(type(error).__name__)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def peak_memory(data: bytes, max_seconds: float) -> tuple[str, float]:
    """What decoding a file gives, and how many MB it takes at most, in a process of its own."""
    command = [sys.executable, "-c", _PEAK, str(max_seconds)]
    run = subprocess.run(command, cwd=ROOT, input=data, capture_output=True, check=True)
    answer, kilobytes = run.stdout.decode().split()
    return answer, int(kilobytes) / 1024


def test_a_small_file_that_holds_hours_takes_little_memory() -> None:
    """runtime RT-60, F-21: 8 channels of 2 h in 300 KB; memory follows max_seconds."""
    data = flac_of_silence(hours=2)
    assert len(data) < 400_000

    answer, megabytes = peak_memory(data, max_seconds=120)

    assert answer == "TooLarge"
    assert megabytes < 60  # 120 s are 8 MB, the file 2 h of 2.8 MB/s
    assert len(decode_file(flac_of_silence(0.03), max_seconds=600)) == pytest.approx(
        128 * 32768 * 16000 / 44100, abs=2
    )


def claiming(data: bytes, table: bytes, values: dict[int, int]) -> bytes:
    """An MP4 file with numbers of a table changed: place in the table -> number."""
    changed, start = bytearray(data), data.index(table) + 4
    for place, number in values.items():
        changed[start + 4 * place : start + 4 * place + 4] = struct.pack(">I", number)
    return bytes(changed)


def fragmented_mp4() -> bytes:
    """A second of AAC in movie fragments."""
    file = io.BytesIO()
    with av.open(
        file, "w", format="mp4", container_options={"movflags": "frag_every_frame+empty_moov"}
    ) as output:
        write_tone(output, output.add_stream("aac", rate=48000, layout="mono"), 1.0)
    return file.getvalue()


@pytest.mark.parametrize("kind", [b"soun", b"vide"])
def test_an_mp4_cannot_claim_memory(kind: bytes) -> None:
    """runtime RT-60: FFmpeg indexes every sample a table claims; 10 KB took 770 MB."""
    data = encoded("mp4", "aac").replace(b"soun", kind)
    data = claiming(data, b"stsz", {1: 10, 2: 20_000_000})
    data = claiming(data, b"stsc", {3: 20_000_000})

    answer, megabytes = peak_memory(data, max_seconds=10)

    assert answer == "UndecodableAudio"
    assert megabytes < 60


def test_a_wav_cannot_claim_memory() -> None:
    """runtime RT-60: a title that claims 1.7 GB took 2 GB and 6 s; a format may not either."""
    plain = wav(pcm16(tone(16000, 0.5)))
    title = b"LIST" + struct.pack("<I", 0xB700001A) + b"INFOINAM" + struct.pack("<I", 0x67676767)
    cut = plain[:36] + title + plain[36:]
    long_format = plain[:16] + struct.pack("<I", 0x70000000) + plain[20:]

    results = [peak_memory(data, max_seconds=10) for data in (cut, long_format)]

    assert [answer for answer, _ in results] == ["UndecodableAudio"] * 2
    assert max(megabytes for _, megabytes in results) < 60


@pytest.mark.parametrize(("name", "copies"), [("wav", 0), ("flac", 0), ("mp4", 1), ("linear16", 0)])
def test_a_file_is_not_copied(name: str, copies: int) -> None:
    """F-20: what decoding takes beside the file; the tags of an MP4 are made void in a copy."""
    data = large(name)
    encoding = "linear16" if name == "linear16" else None

    tracemalloc.start()
    try:
        for _ in decoded_blocks(data, max_seconds=1000, encoding=encoding):
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(data) > 10_000_000
    assert peak < 6_000_000 + copies * len(data)


def large(name: str) -> bytes:
    """A file of some 16 MB; the sound of an MP4 is short, and it has room for more."""
    if name == "flac":
        noise = np.random.default_rng(1).integers(-32768, 32767, 8_000_000, np.int16)
        file = io.BytesIO()
        with av.open(file, "w", format="flac") as output:
            stream = output.add_stream("flac", rate=16_000, layout="mono")
            frame = av.AudioFrame.from_ndarray(noise[np.newaxis], format="s16", layout="mono")
            frame.sample_rate = 16_000
            output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
        return file.getvalue()
    if name == "mp4":
        return encoded("mp4", "aac") + struct.pack(">I4s", 16_000_008, b"mdat") + bytes(16_000_000)
    return wav(bytes(16_000_000)) if name == "wav" else bytes(16_000_000)


def test_a_cut_table_is_no_crash() -> None:
    """The file may end inside a table, or a box, and a box may have a 64-bit length."""
    long_box = struct.pack(">I4sQ", 1, b"free", 32) + bytes(16)
    data = encoded("mp4", "aac")

    for end in (data.index(b"stsz") + 4, data.index(b"stts") + 9, len(data) - 5):
        assert sniff(long_box + data[:end]).name == "mov"
    with pytest.raises(UndecodableAudio, match="claims more"):
        decode_file(long_box + claiming(data, b"stsz", {2: 20_000_000}), max_seconds=10)


def test_a_fragment_cannot_claim_memory() -> None:
    """runtime RT-60: a run of 20 million samples without a word about each."""
    data = claiming(fragmented_mp4(), b"trun", {0: 0, 1: 20_000_000})

    answer, megabytes = peak_memory(data, max_seconds=10)

    assert answer == "UndecodableAudio"
    assert megabytes < 60


def test_an_mp4_with_honest_tables_of_any_kind_is_served() -> None:
    """Fragments, and a PCM track whose every sample is in the table, are no attack."""
    many = encoded("mov", "pcm_s16le", 44100, seconds=50)

    assert len(decode_file(fragmented_mp4(), max_seconds=60)) > 15_000
    assert len(decode_file(many, max_seconds=60)) == pytest.approx(50 * 16000, abs=2)


def test_compressed_mp4_tables_are_refused() -> None:
    """runtime RT-60: what is compressed cannot be checked."""
    data = encoded("mp4", "aac").replace(b"udta", b"cmov")

    with pytest.raises(UndecodableAudio, match="compressed"):
        decode_file(data, max_seconds=10)


# Lies, ruins and noise.


@pytest.mark.parametrize("data_len", [0, 0xFFFFFFFF, 0x7FFFFFF0, 40_000])
def test_a_wav_is_read_to_its_end_whatever_its_length_says(data_len: int) -> None:
    """runtime RT-62: 0, -1 and huge lengths are what streaming writers leave behind."""
    data = pcm16(tone(16000, 0.5))

    samples = decode_file(wav(data, data_len=data_len), max_seconds=1)

    assert len(samples) == 8000


def test_what_follows_the_data_of_a_wav_is_not_audio() -> None:
    """An honest length is believed: a trailing chunk of text makes no click."""
    data = wav(pcm16(tone(16000, 0.5))) + b"LIST" + struct.pack("<I", 4000) + b"x" * 4000

    assert len(decode_file(data, max_seconds=1)) == 8000


@pytest.mark.parametrize("lie", [{"rate": 0}, {"channels": 0}, {"bits": 0}, {"bits": 0, "kind": 3}])
def test_a_wav_without_rate_channels_or_bits_is_refused(lie: dict[str, int]) -> None:
    """runtime RT-64: the error names the header."""
    with pytest.raises(UndecodableAudio, match="WAV header says"):
        decode_file(wav(bytes(2000), **lie), max_seconds=1)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
@pytest.mark.parametrize("rate", [16000, 48000])
def test_floats_that_are_no_numbers_stay_where_they_are(bad: float, rate: int) -> None:
    """runtime RT-64: NaN is 0 before the resampler could spread it."""
    values = tone(rate, 0.2)
    values[rate // 20] = bad

    samples = decode_file(wav(values.tobytes(), kind=3, bits=32, rate=rate), max_seconds=1)

    assert np.isfinite(samples).all()
    assert np.abs(samples).max() <= 1
    assert np.abs(samples[1600:] - tone(16000, 0.2)[1600:])[:-100].max() < 1e-3


@pytest.mark.parametrize(
    ("container", "codec"),
    [("wav", "pcm_s16le"), ("mp3", "libmp3lame"), ("flac", "flac"), ("ogg", "libopus"),
     ("webm", "libopus"), ("adts", "aac")],
)  # fmt: skip
def test_a_truncated_file_gives_what_is_there(container: str, codec: str) -> None:
    """F-21: half a file is about half the audio."""
    data = encoded(container, codec, seconds=4)

    samples = decode_file(data[: len(data) // 2], max_seconds=5)

    assert 0.5 * 16000 < len(samples) < 3.2 * 16000


def test_an_mp4_without_its_index_is_undecodable() -> None:
    """A truncated mp4 has lost the table at its end: nothing can be decoded."""
    with pytest.raises(UndecodableAudio):
        decode_file(encoded("mp4", "aac")[:4000], max_seconds=5)


def test_damage_in_the_middle_does_not_end_the_audio() -> None:
    """A packet that cannot be decoded is left out."""
    data = bytearray(encoded("flac", "flac", seconds=3))
    middle = len(data) // 2
    data[middle : middle + 300] = bytes(range(256)) + bytes(44)

    samples = decode_file(bytes(data), max_seconds=5)

    assert 2.5 * 16000 < len(samples) <= 3 * 16000


def test_an_empty_body_is_undecodable() -> None:
    """native UP5: 400, in either form."""
    with pytest.raises(UndecodableAudio, match="empty"):
        decode_file(b"", max_seconds=1)
    with pytest.raises(UndecodableAudio, match="empty"):
        decode_file(b"", max_seconds=1, encoding="linear16")
    with pytest.raises(UndecodableAudio, match="no audio"):
        decode_file(b"x", max_seconds=1, encoding="linear16")


MAGICS = [
    b"",
    b"RIFF\xff\xff\xff\xffWAVEfmt ",
    b"fLaC",
    b"OggS",
    b"\x1a\x45\xdf\xa3",
    b"ID3\x04",
    b"\x00\x00\x00\x20ftypisom",
    b"\xff\xfb\x90\x00",
    b"\xff\xf1\x50\x80",
    b"FORM\0\0\0\0AIFF",
    b".snd",
    b"#!AMR\n",
]


def decoded_or_refused(data: bytes, max_seconds: float) -> Samples | None:
    """The samples, or None for an error of ours; any other exception is raised."""
    try:
        return decode_file(data, max_seconds=max_seconds)
    except (UndecodableAudio, UnsupportedAudio, TooLarge):
        return None


@pytest.mark.parametrize("magic", MAGICS)
def test_64_kb_of_noise_is_no_crash(magic: bytes) -> None:
    """F-21: alone or behind the first bytes of a container, is an error of ours or audio."""
    noise = np.random.default_rng(7).bytes(65536)

    samples = decoded_or_refused(magic + noise, max_seconds=30)

    assert samples is None or np.isfinite(samples).all()


_SEEDS = [
    encoded(container, codec, seconds=0.2)
    for container, codec in [
        ("wav", "pcm_s16le"),
        ("flac", "flac"),
        ("ogg", "libopus"),
        ("mp4", "aac"),
        ("mp3", "libmp3lame"),
    ]
]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(_SEEDS),
    st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 255)), max_size=12),
    st.integers(0, 20_000),
)
def test_only_stt_errors_escape(seed: bytes, flips: list[tuple[int, int]], cut: int) -> None:
    """F-21: files with bytes changed and cut off."""
    data = bytearray(seed)
    for at, value in flips:
        data[at % min(len(data), 300)] = value

    samples = decoded_or_refused(bytes(data[: cut + 1]), max_seconds=2)

    if samples is not None:
        assert 0 < len(samples) <= 32000
        assert np.isfinite(samples).all()


# Nothing else is opened.


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A server that nobody may connect to."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


SCRIPTS = {
    "m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:1,\n{url}\n#EXT-X-ENDLIST\n",
    "m3u8 of a file": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:1,\n{path}\n#EXT-X-ENDLIST\n",
    "concat": "file '{path}'\n",
    "ffconcat": "ffconcat version 1.0\nfile '{path}'\n",
    "ffconcat of an address": "ffconcat version 1.0\nfile '{url}'\n",
    "concat protocol": "concat:{path}|{path}",
    "sdp": (
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {port} RTP/AVP 0\n"
    ),
    "address": "{url}\n",
    "path": "{path}",
    "pls": "[playlist]\nFile1={url}\n",
    "dash": '<?xml version="1.0"?><MPD><Period><BaseURL>{url}</BaseURL></Period></MPD>',
    "smil": '<smil><body><audio src="{url}"/></body></smil>',
    "asf reference": "[Reference]\nRef1={url}\n",
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_that_names_a_file_or_address_opens_nothing(
    name: str, tmp_path: Path, listener: socket.socket
) -> None:
    """runtime RT-63: refused by its content, though what it names is there and could be read."""
    target = tmp_path / "secret.wav"
    target.write_bytes(encoded("wav", "pcm_s16le", 16000))
    port = listener.getsockname()[1]
    script = SCRIPTS[name].format(path=target, url=f"http://127.0.0.1:{port}/a.ts", port=port)

    with pytest.raises((UndecodableAudio, UnsupportedAudio)):
        decode_file(script.encode(), max_seconds=5)

    with pytest.raises(BlockingIOError):
        listener.accept()


@pytest.mark.parametrize(
    ("script", "demuxer", "options"),
    [
        ("m3u8", "hls", {"allowed_extensions": "ALL"}),
        ("m3u8 of a file", "hls", {"allowed_extensions": "ALL"}),
        ("ffconcat", "concat", {"safe": "0"}),
        ("ffconcat of an address", "concat", {"safe": "0"}),
        ("sdp", "sdp", {}),
    ],
)
def test_even_a_demuxer_that_wants_to_open_something_cannot(
    script: str,
    demuxer: str,
    options: dict[str, str],
    tmp_path: Path,
    listener: socket.socket,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """runtime RT-63: the second lock, were a script ever taken for audio."""
    monkeypatch.setattr("stt.audio.decode.sniff", lambda data: Container(demuxer, data))
    monkeypatch.setattr("stt.audio.frames.OPTIONS", OPTIONS | options)

    test_a_script_that_names_a_file_or_address_opens_nothing(script, tmp_path, listener)


def test_every_demuxer_sniffed_is_one_of_the_list() -> None:
    """runtime RT-63: no content leads to a format that opens other files."""
    seen = {
        sniff(encoded(container, codec, rate, "stereo")).name for container, codec, rate in FILES
    }

    assert seen == {"wav", "flac", "ogg", "matroska", "mp3", "mov", "aac", "aiff", "au"}
