"""Headerless PCM to samples: encodings, rates, odd bytes, any split."""

from __future__ import annotations

import itertools
import subprocess
import sys
import timeit
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stt.audio.pcm import PcmDecoder, pcm16_to_samples, samples_to_pcm16
from stt.errors import UnsupportedAudio
from stt.events import Samples

ROOT = Path(__file__).parent.parent


def tone(rate: int, seconds: float = 1.0, hertz: float = 440.0) -> Samples:
    """A sine at half of full scale."""
    t = np.arange(round(rate * seconds)) / rate
    return (0.5 * np.sin(2 * np.pi * hertz * t)).astype(np.float32)


def pushed(decoder: PcmDecoder, data: bytes, cuts: list[int]) -> Samples:
    """What a decoder gives for data cut at these places, tail included."""
    edges = [0, *sorted(cuts), len(data)]
    parts = [decoder.push(data[a:b]) for a, b in itertools.pairwise(edges)]
    return np.concatenate([*parts, decoder.flush()])


def test_s16_pcm16_is_divided_by_32768() -> None:
    """native DM6: little-endian, full scale down is exactly -1."""
    data = bytes.fromhex("0080 ff7f 0000 0100")

    samples = pcm16_to_samples(data)

    assert samples.dtype == np.float32
    assert samples.tolist() == [-1.0, 32767 / 32768, 0.0, 1 / 32768]


def test_pcm16_goes_there_and_back() -> None:
    """Every int16 survives the round trip; what is beyond full scale is clipped."""
    every = np.arange(-32768, 32768).astype("<i2").tobytes()

    assert samples_to_pcm16(pcm16_to_samples(every)) == every
    assert samples_to_pcm16(np.array([2.0, -2.0], np.float32)) == bytes.fromhex("ff7f 0080")


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=8))
def test_s16_any_split_gives_the_same_samples(data: bytes, cuts: list[int]) -> None:
    """native W12: the spare byte is carried to the next push and dropped at the end."""
    cuts = [min(cut, len(data)) for cut in cuts]

    samples = pushed(PcmDecoder(), data, cuts)

    assert samples.tolist() == pcm16_to_samples(data[: len(data) // 2 * 2]).tolist()


def test_flush_drops_the_spare_byte() -> None:
    """native W12: the next stream does not begin with a byte of the last."""
    decoder = PcmDecoder()

    decoder.push(b"\x01\x02\x03")
    tail = decoder.flush()
    samples = decoder.push(b"\x00\x40")

    assert tail.tolist() == []
    assert samples.tolist() == [0.5]


def test_the_tail_is_had_without_dropping_the_spare_byte() -> None:
    """So that all audio before a commit is heard before its answer (client S9, RE6)."""
    decoder = PcmDecoder("linear16", 24_000)
    sound = decoder.push(bytes(48_001))

    assert len(sound) + len(decoder.tail()) == 16_000
    assert len(decoder.push(bytes(47_999))) + len(decoder.tail()) == 16_000


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 24000, 44100, 47999, 48000])
def test_other_rates_are_resampled(rate: int) -> None:
    """native W27: one second stays one second and the tone stays the same tone, to 1e-3."""
    data = samples_to_pcm16(tone(rate))

    samples = pushed(PcmDecoder(sample_rate=rate), data, list(range(0, len(data), rate // 5)))

    assert len(samples) == pytest.approx(16000, abs=1)
    assert np.abs(samples[:15_900] - tone(16000)[:15_900])[100:].max() < 1e-3


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 8000), max_size=10))
def test_s16_any_split_is_resampled_the_same(cuts: list[int]) -> None:
    """client-protocols E12: one stateful resampler, so pieces leave no seams."""
    data = samples_to_pcm16(tone(8000, 0.5))

    samples = pushed(PcmDecoder(sample_rate=8000), data, cuts)

    assert np.array_equal(samples, pushed(PcmDecoder(sample_rate=8000), data, []))


def test_a_resampled_stream_starts_anew_after_flush() -> None:
    """Two streams through one decoder give what two decoders give."""
    data = samples_to_pcm16(tone(48000, 0.2))
    decoder = PcmDecoder(sample_rate=48000)

    first, second = pushed(decoder, data, []), pushed(decoder, data, [])

    assert np.array_equal(first, second)


def test_resampling_stays_within_full_scale() -> None:
    """A clipped square wave overshoots in a resampler; samples are in [-1, 1] all the same."""
    square = np.sign(tone(48000, 0.2)).astype("<f4").tobytes()

    samples = pushed(PcmDecoder("float32", 48000), square, [])

    assert np.abs(samples).max() == 1.0


@pytest.mark.parametrize(("encoding", "codec"), [("mulaw", "pcm_mulaw"), ("alaw", "pcm_alaw")])
def test_g711_agrees_with_ffmpeg(encoding: str, codec: str) -> None:
    """Each of the 256 codes means what FFmpeg's decoder says (ITU-T G.711)."""
    codes = bytes(range(256))
    context = av.CodecContext.create(codec, "r")
    context.sample_rate, context.layout, context.format = 16000, "mono", "s16"
    (frame,) = context.decode(av.Packet(codes))

    samples = PcmDecoder(encoding).push(codes)

    assert samples.tolist() == (frame.to_ndarray()[0] / 32768).tolist()


@pytest.mark.parametrize("encoding", ["linear32", "float32"])
def test_floats_that_are_no_numbers_become_silence(encoding: str) -> None:
    """runtime RT-64: NaN and infinite are 0, what is beyond full scale is clipped."""
    values = np.array([0.25, np.nan, np.inf, -np.inf, 3.0, -3.0], "<f4").tobytes()

    samples = pushed(PcmDecoder(encoding), values, [1, 2, 3, 7, 13])

    assert samples.tolist() == [0.25, 0.0, 0.0, 0.0, 1.0, -1.0]


@pytest.mark.parametrize(
    ("encoding", "rate", "message"),
    [
        ("opus", 16000, "encoding 'opus' is not served; use one of linear16, linear32"),
        ("", 16000, "encoding '' is not served"),
        ("linear16", 7999, "sample_rate 7999 is not served; use 8000 to 48000 Hz"),
        ("linear16", 48001, "sample_rate 48001 is not served"),
        ("linear16", 0, "sample_rate 0 is not served"),
        ("linear16", -16000, "sample_rate -16000 is not served"),
    ],
)
def test_what_is_not_served_is_named(encoding: str, rate: int, message: str) -> None:
    """native W27: the error names the value and what is served."""
    with pytest.raises(UnsupportedAudio, match=message):
        PcmDecoder(encoding, rate)


@pytest.mark.parametrize(
    ("channels", "channel", "message"),
    [
        (0, None, "channels 0 are not served; use 1 to 8"),
        (9, None, "channels 9 are not served"),
        (2, 2, "channel 2 is not there; use 0 to 1"),
        (2, -1, "channel -1 is not there"),
    ],
)
def test_channels_that_are_not_served_are_named(
    channels: int, channel: int | None, message: str
) -> None:
    """native W27, RT-61: 1 to 8 channels, of which one can be chosen that is there."""
    with pytest.raises(UnsupportedAudio, match=message):
        PcmDecoder(channels=channels, channel=channel)


ENCODED = {
    "linear16": lambda samples: (samples * 32768).astype("<i2").tobytes(),
    "linear32": lambda samples: samples.astype("<f4").tobytes(),
    "float32": lambda samples: samples.astype("<f4").tobytes(),
    "mulaw": lambda samples: (255 - 16 * np.arange(samples.size) % 128).astype("u1").tobytes(),
    "alaw": lambda samples: (16 * np.arange(samples.size) % 256).astype("u1").tobytes(),
}


@pytest.mark.parametrize("encoding", ENCODED)
def test_several_channels_are_averaged_or_one_is_chosen(encoding: str) -> None:
    """client-protocols E12: interleaved channels, of every encoding, to mono."""
    data = ENCODED[encoding](np.linspace(-0.9, 0.9, 96, dtype=np.float32))
    of_each = pushed(PcmDecoder(encoding), data, []).reshape(-1, 3)

    mean = pushed(PcmDecoder(encoding, channels=3), data, [])
    chosen = [pushed(PcmDecoder(encoding, channels=3, channel=n), data, []) for n in range(3)]

    assert np.allclose(mean, of_each.mean(axis=1), atol=1e-7)
    assert np.array_equal(np.stack(chosen, axis=1), of_each)
    assert not np.array_equal(chosen[0], chosen[1])


@settings(max_examples=50, deadline=None)
@given(
    st.sampled_from(["linear16", "float32", "mulaw"]),
    st.integers(1, 8),
    st.sampled_from([8000, 16000, 44100]),
    st.lists(st.integers(0, 4000), max_size=10),
)
def test_any_split_of_any_channels_gives_the_same_samples(
    encoding: str, channels: int, rate: int, cuts: list[int]
) -> None:
    """client-protocols S16: a cut sample, of one channel or between two, is carried over."""
    data = bytes(np.random.default_rng(channels).integers(0, 128, 4001, np.uint8))
    cuts = sorted(min(cut, len(data)) for cut in cuts)

    samples = pushed(PcmDecoder(encoding, rate, channels=channels), data, cuts)

    whole = pushed(PcmDecoder(encoding, rate, channels=channels), data, [])
    assert np.array_equal(samples, whole)
    assert len(whole) > 30  # 8 channels of 32 bits at 48 kHz are 41


def test_realign_drops_a_cut_sample_of_all_channels() -> None:
    """native W12: audio that begins with a whole sample is not shifted by a spare channel."""
    decoder = PcmDecoder(channels=2)

    decoder.push(bytes.fromhex("0040 0040 0040"))
    dropped = decoder.realign()
    samples = decoder.push(bytes.fromhex("0020 0060"))

    assert dropped
    assert samples.tolist() == [0.5]


def test_16_khz_loads_no_pyav_and_is_cheap() -> None:
    """A 100 ms frame costs a small part of a millisecond, and nothing heavy is imported."""
    script = (
        "import sys; from stt.audio.pcm import PcmDecoder;"
        "PcmDecoder().push(bytes(3200)); sys.exit('av' in sys.modules)"
    )
    decoder, frame = PcmDecoder(), bytes(3200)

    loaded = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode
    cost = min(timeit.repeat(lambda: decoder.push(frame), number=100, repeat=5)) / 100

    assert loaded == 0
    assert cost < 100e-6
