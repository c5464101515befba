"""Containers over a real socket: what a browser's recorder sends to `/stt/stream`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from stt.audio.pcm import samples_to_pcm16
from tests.containers import LIVE, live
from tests.e2e.sounds import FAST, b64, pinged, spoken
from tests.live import Hark, Stream, hark
from tests.speech import silence, speech
from tests.test_decode import encoded

SPOKEN = np.concatenate([speech(4.0), silence(0.5)])


@pytest.fixture(name="service", scope="module")
def _service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hark]:
    with hark(tmp_path_factory.mktemp("containers"), **FAST) as service:
        yield service


def streamed(stream: Stream, pieces: list[bytes]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Send a recording; the first text, which came before its end was sent, and the final."""
    stream.send(type="set_chunk", chunk_id="1")
    half = len(pieces) // 2
    for piece in pieces[:half]:
        stream.audio(piece)
    first = stream.until(lambda e: e.get("text"))
    for piece in pieces[half:]:
        stream.audio(piece)
    stream.send(type="finalize_chunk")
    return first, stream.final("1")


@pytest.mark.parametrize("name", ["webm", "mp3"])
def test_a_container_gives_the_text_of_its_samples(service: Hark, name: str) -> None:
    """client-BR3, E10, E12: text arrives while it streams, and the final is that of bare PCM."""
    with service.connect() as stream:
        expected = spoken(stream, "1", samples_to_pcm16(SPOKEN))

    with service.connect("?encoding=auto") as stream:
        assert stream.greeting is not None
        greeting = {key: stream.greeting[key] for key in ("encoding", "sample_rate", "channels")}
        first, final = streamed(stream, live(LIVE[name], SPOKEN))

    assert greeting == {"encoding": "auto", "sample_rate": 16_000, "channels": 1}
    assert first["is_final"] is False
    assert expected["text"].startswith(first["text"])
    assert final["text"] == expected["text"] != ""
    assert final["usage"]["received_s"] == pytest.approx(4.5, abs=0.1)


def test_e12_channels_and_rates_are_heard(service: Hark) -> None:
    """client-E12, BR1: two channels of mu-law at 11025 Hz, of which one speaks."""
    at = np.arange(4 * 11_025) / 11_025
    loud = np.interp(at, np.arange(len(SPOKEN)) / 16_000, SPOKEN)
    code = np.where(loud < 0, 0x00, 0x80) | 0x7F & ~(np.abs(loud) * 127).astype(int)
    both = np.stack([np.full(len(code), 0xFF), code], axis=1).astype(np.uint8).tobytes()

    query = "?encoding=mulaw&sample_rate=11025&channels=2&channel=1"
    with service.connect(query) as stream:
        assert stream.greeting is not None
        assert (stream.greeting["channels"], stream.greeting["sample_rate"]) == (2, 11_025)
        final = spoken(stream, "1", both)

    assert final["text"]
    assert final["usage"]["received_s"] == pytest.approx(4.0, abs=0.01)


def test_e11_what_cannot_be_decoded_ends_only_its_session(service: Hark) -> None:
    """client-E11: one error that names the format, close 1003; others go on."""
    with service.connect() as other, service.connect("?encoding=webm") as stream:
        stream.send(type="set_chunk", chunk_id="1")
        stream.audio(b"\x1a\x45\xdf\xa3" + bytes(100_000))
        said = stream.to_the_end()
        assert pinged(other) == []

    errors = [event for event in said if event["type"] == "error"]
    assert [error["code"] for error in errors] == ["undecodable_audio"]
    assert "WebM" in errors[0]["message"]
    assert stream.close_code == 1003


def test_json_audio_is_a_piece_of_the_file(service: Hark) -> None:
    """native W3: appended where asked, of any length; a snapshot is refused by a clear sentence."""
    pieces = [piece for piece in live(LIVE["ogg opus"], SPOKEN) if piece]

    with service.connect("?encoding=ogg") as stream:
        stream.send(chunk_id="1", audio_b64=b64(pieces[0]))
        refusal = stream.error()
        for piece in pieces:
            stream.send(chunk_id="1", audio_b64=b64(piece), append=True)
        stream.send(type="finalize_chunk")
        final = stream.final("1")

    assert refusal["code"] == "bad_request"
    assert "append: true" in refusal["message"]
    assert "warning" not in final
    assert final["usage"]["received_s"] == pytest.approx(4.5, abs=0.1)


@pytest.mark.parametrize(
    ("query", "named"),
    [("?encoding=speex", "encoding"), ("?sample_rate=7000", "sample_rate"),
     ("?channels=9", "channels"), ("?channels=2&channel=2", "channel")],
)  # fmt: skip
def test_audio_that_is_not_served_is_refused_by_name(service: Hark, query: str, named: str) -> None:
    """client-S1, native W27: an error that names the parameter, then 1003."""
    with service.connect(query) as stream:
        assert stream.greeting is not None
        assert stream.greeting["code"] == "unsupported_audio"
        assert stream.greeting["message"].startswith(named)
        assert stream.next() is None
    assert stream.close_code == 1003


def test_s12_clients_that_vanish_leave_nothing(service: Hark) -> None:
    """client-S12: in mid-stream, again and again; the service serves as before."""
    start = b"".join(live(LIVE["webm"], speech(0.5)))[:-100]
    for _ in range(30):
        stream = service.connect("?encoding=auto")
        stream.send(type="set_chunk", chunk_id="1")
        stream.audio(start)
        stream.socket.shutdown()  # type: ignore[no-untyped-call]

    with service.connect("?encoding=auto") as stream:
        assert streamed(stream, live(LIVE["webm"], SPOKEN))[1]["text"]


def test_a_file_that_cannot_be_heard_so_says_what_to_do(service: Hark) -> None:
    """client-E11: without encoding=auto, and an MP4 file whose index comes last; then 1003."""
    webm = b"".join(live(LIVE["webm"], speech(1.0)))
    mp4 = encoded("mp4", "aac", seconds=1)
    cases = (("", webm, "a WebM file"), ("?encoding=auto", mp4, "its index comes last"))
    for query, data, hint in cases:
        with service.connect(query) as stream:
            stream.send(type="set_chunk", chunk_id="1")
            stream.audio(data)
            [error, *_] = [e for e in stream.to_the_end() if e["type"] == "error"]

            assert hint in error["message"]
            assert stream.close_code == 1003
