"""The benchmarks' own tools: frames, percentiles, the table, and a short measurement as a whole."""

from __future__ import annotations

import numpy as np
import pytest
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import BytesMessage, Message

from benchmarks.clocked import ready_at, ready_now
from benchmarks.load import BINARY, RATE, TEXT, audio_frames, deframed, framed
from benchmarks.sessions import hush, live, spoken_frames, voice
from benchmarks.table import Row, machine, percentile, table
from stt.events import Kind, Window
from stt.speech.vad import EnergyVAD


@pytest.mark.parametrize("size", [0, 1, 125, 126, 3200, 65_535, 65_536])
def test_a_frame_of_the_load_generator_is_a_frame_to_a_server(size):
    """Masked, with each of the three ways to write a length (RFC 6455, section 5.2)."""
    server = Connection(ConnectionType.SERVER)
    payload = bytes(at % 256 for at in range(size))

    server.receive_data(framed(payload, BINARY))

    (event,) = server.events()
    assert isinstance(event, BytesMessage)
    assert event.data == payload


def test_frames_of_a_server_are_found_wherever_the_stream_is_cut():
    """A frame that is not whole waits for the rest; nothing is lost between two."""
    server = Connection(ConnectionType.SERVER)
    texts = ["", "a", "b" * 126, "c" * 70_000]
    stream = b"".join(server.send(Message(data=text)) for text in texts)
    buffer, found = bytearray(), []

    for at in range(0, len(stream), 1000):
        buffer += stream[at : at + 1000]
        found += deframed(buffer)

    assert found == [(TEXT, text.encode()) for text in texts]
    assert not buffer


def test_audio_frames_carry_the_audio():
    """100 ms a message, little-endian 16 bit, the last one filled up with silence."""
    samples = (np.arange(2000) / 32_768).astype(np.float32)
    server = Connection(ConnectionType.SERVER)

    frames = audio_frames(samples)
    for frame in frames:
        server.receive_data(frame)

    sent = [np.frombuffer(event.data, "<i2") for event in server.events()]
    assert [len(one) for one in sent] == [1600, 1600]
    assert np.concatenate(sent).tolist() == [*range(2000), *[0] * 1200]


def test_the_voice_is_speech_to_the_gate_and_the_hush_is_not():
    """What the load is made of does what its name says."""
    assert EnergyVAD().judge(voice(3.0)).speech.mean() > 0.8
    assert not EnergyVAD().judge(hush(4.0)).onset.any()


def test_the_clocked_engine_says_when_it_was_ready():
    """The text of a result is the monotonic time, which the client reads back."""
    window = Window(np.zeros(RATE, np.float32), Kind.FINAL)

    times = [ready_at(ready_now(window)) for _ in range(2)]

    assert 0 < times[0] <= times[1]


@pytest.mark.parametrize(
    ("values", "percent", "result"),
    [([3, 1, 2], 50, 2), ([1, 2, 3, 4], 50, 2), (range(1, 101), 99, 99), ([7], 99, 7)],
)
def test_percentiles_are_values_that_were_measured(values, percent, result):
    """Nearest rank."""
    assert percentile(list(values), percent) == result


def test_a_percentile_of_nothing_is_an_error():
    """A measurement that measured nothing must not look like a good one."""
    with pytest.raises(ValueError, match="nothing was measured"):
        percentile([], 99)


def test_a_row_is_reached_when_its_median_is_within_the_bar():
    """One bad round of three does not count; a figure without a bar is neither."""
    good = Row("good", [1.0, 9.0, 2.0], "ms", [10.0], bar=2.0)
    bad = Row("bad", [3.0], "ms", [10.0], bar=2.0)
    free = Row("free", [3.0], "ms", [10.0])

    lines = table([good, bad, free]).splitlines()

    assert [row.reached for row in (good, bad, free)] == ["yes", "**no**", "-"]
    assert len(lines) == 5
    assert len({len(line) for line in lines}) == 1
    assert "2.00 ms (1.00-9.00)" in lines[2]


def test_a_bar_can_be_the_least_that_is_allowed():
    """Of a capacity more is better; the table says which way the bar counts."""
    rows = [
        Row("capacity", [value], "sessions", [0.0], bar=40.0, at_least=True)
        for value in (39.0, 40.0)
    ]

    assert [row.reached for row in rows] == ["**no**", "yes"]
    assert "at least 40.0 sessions" in table(rows)


def test_the_machine_is_described():
    """Figures without their machine say nothing."""
    assert "Python 3." in machine()
    assert "cores" in machine()
    assert (
        machine("benchmarks.costs")
        .splitlines()[-1]
        .startswith("Command: python -m benchmarks.costs")
    )


@pytest.mark.slow
def test_a_short_measurement_comes_to_an_end():
    """Sessions are answered, their results are heard, and what they cost is above nothing."""
    heard = []

    measured = live(3, spoken_frames(), 2.0, heard)

    assert measured.lost == 0
    assert len(measured.round_trips) >= 6
    assert measured.cpu > 0
    times = [now - ready_at(event["text"]) for event, now in heard if event["type"] == "transcript"]
    assert times
    assert all(0 < delay < 5 for delay in times)
