"""The fault matrix on the real service: each fault ends as it must, and the service still serves.

The transport's own faults are in tests/test_faults.py; these are the ones that sessions, audio and
the drain have a part in (runtime section 6).
"""

from __future__ import annotations

import json
import math
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from tests.e2e.sounds import FAKE, FAST, FRAME, b64, counted, pinged, quiet, say, spoken, voice
from tests.live import ROOT, Hark, hark
from tests.sockets import BINARY, CLOSE, PING, PONG, TEXT, Frames, Served, frame, until
from tests.speech import speech
from tests.test_decode import flac_of_silence, wav

PROMPT = 3.0  # s for a ping beside a fault; required are 0.25 s, on a machine of its own
MB = 1_000_000
SET_CHUNK = b'{"type":"set_chunk","chunk_id":"1"}'


@pytest.fixture(name="service", scope="module")
def _service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hark]:
    """Impatient with peers that do not answer, small limits, any amount of audio."""
    settings = {
        "STT_WS_PING_INTERVAL_S": "0.5",
        "STT_MAX_SESSIONS": "40",
        "STT_MAX_CONTENT_LENGTH": str(4 * MB),
        "STT_MAX_UPLOAD_BYTES": str(4 * MB),
        "STT_MAX_AUDIO_S": "60",
    }
    with hark(tmp_path_factory.mktemp("faults"), **FAST, **settings) as service:
        yield service
        assert "Traceback" not in service.log.read_text()


@pytest.fixture(name="paced", scope="module")
def _paced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hark]:
    """With the default pace of audio; impatient with peers that do not read."""
    settings = {"STT_WS_SEND_TIMEOUT_S": "1", "STT_OUTBOX_SIZE": "65536"}
    with hark(tmp_path_factory.mktemp("paced"), **FAKE, **settings) as service:
        yield service


def metric(service: Hark, name: str) -> float:
    """A number at /metrics."""
    text = service.ask("GET", "/metrics").body.decode()
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    assert found, name
    return float(found[1])


def memory(service: Hark) -> float:
    """Bytes the serving process has in memory."""
    return metric(service, "process_resident_memory_bytes")


def assert_serves(service: Hark) -> None:
    """Health is 200 and a new session gets its pong: after every fault."""
    assert service.ask("GET", "/healthz").status == 200
    with service.connect() as stream:
        assert pinged(stream) == []


@contextmanager
def neighbour(service: Hark) -> Iterator[list[float]]:
    """Another session that pings all the time; the list gets its round trips in seconds."""
    trips: list[float] = []
    stop = threading.Event()

    def ping() -> None:
        with service.connect("?tenant_id=neighbour") as stream:
            while not stop.is_set():
                begun = time.monotonic()
                pinged(stream)
                trips.append(time.monotonic() - begun)
                stop.wait(0.01)

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(ping)
        try:
            yield trips
        finally:
            stop.set()
        done.result(5)


def sessions(service: Hark) -> int:
    """Sessions that are connected."""
    return int(service.get("/healthz")["sessions"])


def poured(peer: Frames, data: bytes) -> int:
    """Send until the service takes no more; the bytes it took."""
    taken = 0
    peer.sock.settimeout(3)
    with suppress(OSError):
        while taken < 64 * MB:
            taken += peer.sock.send(data[taken % len(data) :])
    return taken


# Bad input.


def test_f03_thirty_bad_texts_in_one_session(service: Hark) -> None:
    """F-03: 30 bad JSON texts; an error each, and the session survives every one."""
    bad = ["", "{", "nul", '"text"', "[]", "1e999", "NaN", "\x00", "{'type': 'ping'}", "[" * 50_000]
    bad += ['{"a":' * 5000, '{"chunk_id":' + "7" * 5000 + "}", '{"type":null}', '{"type":{}}']
    for value in ("null", "true", "1.5", "{}", "[]", '""', '"\\n"', '"\\u0007"', f'"{"x" * 500}"'):
        bad.append('{"type":"set_chunk","chunk_id":' + value + "}")
    for value in ("null", "7", "[]", '"!"', '"AAA"', '"AA==AA=="', '"\\u00e4"'):
        bad.append('{"chunk_id":"1","audio_b64":' + value + "}")
    assert len(bad) == 30
    known = {"bad_json", "bad_request", "bad_base64", "unknown_type"}
    with service.connect() as stream:
        for message in bad:
            stream.socket.send(message)
            error = stream.next()
            assert error is not None, message[:60]
            assert error.get("code") in known, (message[:60], error)
        assert spoken(stream, "1", voice(1))["text"] == counted(1)
    assert_serves(service)


def test_f04_odd_one_byte_and_empty_audio(service: Hark) -> None:
    """F-04: the spare byte is carried, JSON warns, empty is ignored; the session survives."""
    audio = voice(1)
    with service.connect() as stream:
        stream.send(type="set_chunk", chunk_id="1")
        for at in range(0, 3000):
            stream.audio(audio[at : at + 1])
        stream.audio(b"")
        stream.audio(audio[3000:20001])
        stream.audio(audio[20001:])
        stream.send(type="finalize_chunk")
        assert stream.final("1")["text"] == counted(1)
        stream.send(chunk_id="2", audio_b64=b64(b"x"))
        stream.send(type="finalize_chunk", chunk_id="2")
        final = stream.final("2")
    assert (final["text"], [e for e in stream.events if e["type"] == "error"]) == ("", [])
    assert_serves(service)


def test_f06_messages_above_the_limit(service: Hark) -> None:
    """F-06: 4 MB in one message, and endless fragments: 1009, and little is taken."""
    with Frames(service.port, "/stt/stream") as peer:
        peer.message()
        peer.send(BINARY, b"\0", fin=False)
        assert poured(peer, frame(0, b"\0" * 32000, fin=False)) <= 10 * MB
        assert peer.close_code() == 1009
    with service.connect() as stream:
        stream.audio(bytes(2 * 2**20 + 2))
        stream.to_the_end()
    assert stream.close_code == 1009
    assert_serves(service)


# Peers that do not read, do not answer, or vanish.


def test_f08_a_peer_that_never_reads(paced: Hark) -> None:
    """F-08: cut after the send deadline; another session's ping stays below 250 ms."""
    with neighbour(paced) as trips, Frames(paced.port, "/stt/stream") as peer:
        until(lambda: sessions(paced) == 2)
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        ask = json.dumps({"type": "finalize_chunk", "chunk_id": "x" * 128}).encode()
        assert poured(peer, frame(TEXT, ask) * 50) < 64 * MB
        until(lambda: sessions(paced) == 1, 5)
    assert max(trips) <= PROMPT
    assert_serves(paced)


def test_f09_a_peer_that_answers_no_ping(service: Hark) -> None:
    """F-09: 1008 after two ping intervals, which are 0.5 s here."""
    begun = time.monotonic()
    with Frames(service.port, "/stt/stream") as peer:
        assert peer.close_code() == 1008
    assert 0.9 <= time.monotonic() - begun <= 3
    assert_serves(service)


def test_f10_a_silent_peer_that_answers_pings(service: Hark) -> None:
    """F-10: it stays; only data or its absence for STT_WS_IDLE_TIMEOUT_S decides."""
    with Frames(service.port, "/stt/stream") as peer:
        peer.message()
        for _ in range(5):  # two and a half times the patience of F-09
            got = peer.read()
            assert got is not None
            assert got[0] == PING
            peer.send(PONG, got[1])
        peer.send(TEXT, b'{"type":"ping"}')
        assert json.loads(peer.message() or b"{}")["type"] == "pong"


def test_f13_a_flood_of_control_pings(service: Hark) -> None:
    """F-13: 50,000 pings in one go; another session's ping stays below 250 ms."""
    count = 50_000
    with neighbour(service) as trips, Frames(service.port, "/stt/stream") as peer:
        peer.message()
        data = frame(PING) * 1000

        def send() -> None:
            for _ in range(count // 1000):
                peer.sock.sendall(data)

        sender = threading.Thread(target=send)
        sender.start()
        left = 2 * count  # bytes: a pong without a payload is two
        while left > 0:
            left -= len(peer.sock.recv(65536))
        sender.join(5)
    assert max(trips) <= PROMPT
    assert_serves(service)


def test_f22_resets_in_mid_utterance(service: Hark) -> None:
    """F-22: 200 connections reset while speech is open; descriptors, memory and text come back."""
    before = metric(service, "process_open_fds"), memory(service)
    for number in range(8):
        peers = [Frames(service.port, f"/stt/stream?tenant_id=f22-{number}-{n}") for n in range(25)]
        for peer in peers:
            peer.send(TEXT, SET_CHUNK)
            peer.send(BINARY, voice(0.5))  # the fake engine remembers what it has heard
        for peer in peers:
            peer.send(TEXT, b'{"type":"ping"}')
            while json.loads(peer.message() or b"{}")["type"] != "pong":
                pass
            peer.reset()
        until(lambda: sessions(service) == 0)
    until(lambda: metric(service, "process_open_fds") <= before[0] + 2)
    assert memory(service) - before[1] <= 20 * MB
    until(lambda: service.get("/list_transcripts?tenant_id=f22-7-24") != {})
    kept = service.get("/list_transcripts?tenant_id=f22-7-24")
    assert kept == {"1": {"transcript": "one"}}
    assert_serves(service)


# Too much.


def test_f12_audio_far_faster_than_real_time(paced: Hark) -> None:
    """F-12, W2: the reader is held back, memory stays, nobody else notices, nothing is lost."""
    second = frame(BINARY, voice(1))
    with Frames(paced.port, "/stt/stream") as warm:
        warm.send(TEXT, SET_CHUNK)
        warm.send(BINARY, voice(10))
    assert_serves(paced)
    before = memory(paced)
    with neighbour(paced) as trips, Frames(paced.port, "/stt/stream") as peer:
        peer.send(TEXT, SET_CHUNK)
        peer.sock.settimeout(0.3)
        sent, due = 0, time.monotonic() + 3
        while time.monotonic() < due:
            try:
                sent += peer.sock.send(second)
            except TimeoutError:
                continue
        assert sent < 20 * MB  # it would take hundreds in this time
        assert memory(paced) - before <= 20 * MB
    assert max(trips) <= PROMPT
    assert_serves(paced)


def test_f12_a_client_far_ahead_is_told(paced: Hark) -> None:
    """F-12, RT-27: `rate_limited` once it must wait for long; the session stays."""
    with paced.connect() as stream:
        stream.send(type="set_chunk", chunk_id="1")
        stream.audio(voice(28))
        assert stream.error()["code"] == "rate_limited"


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_floats_that_are_no_numbers_have_an_answer(service: Hark, bad: float) -> None:
    """RT-64: in a file, or bare, they are silence where they stand; the speech around is heard."""
    good = speech(2.0)
    mixed = np.concatenate([good, np.full(16_000, bad, np.float32)]).astype("<f4").tobytes()
    only = np.full(16_000, bad, "<f4").tobytes()

    heard = service.ask("POST", "/transcribe", wav(mixed, kind=3, bits=32))
    bare = service.ask("POST", "/transcribe?encoding=linear32", mixed)
    nothing = service.ask("POST", "/transcribe", wav(only, kind=3, bits=32))

    assert [answer.status for answer in (heard, bare, nothing)] == [200] * 3
    assert heard.json["text"].startswith(counted(2))
    assert heard.json == bare.json
    assert nothing.json["text"] == ""
    assert_serves(service)


def test_f17_more_clients_than_sessions(service: Hark) -> None:
    """F-17: every handshake is answered, 101 up to capacity, then 503 with Retry-After."""
    with ExitStack() as stack, ThreadPoolExecutor(20) as pool:
        peers = list(pool.map(lambda _: Frames(service.port, "/stt/stream"), range(60)))
        for peer in peers:
            stack.enter_context(peer)
        refused = [peer.answer for peer in peers if peer.answer.status != 101]
        assert [answer.status for answer in refused] == [503] * 20
        assert {answer.json["code"] for answer in refused} == {"too_many_sessions"}
        assert all(int(answer.headers["retry-after"]) > 0 for answer in refused)
        assert service.ask("GET", "/healthz").status == 200
        served = [peer for peer in peers if peer.answer.status == 101]
        assert all(json.loads(peer.message() or b"{}")["type"] == "session" for peer in served)
        for peer in served:
            peer.send(CLOSE, struct.pack("!H", 1000))
    until(lambda: sessions(service) == 0)
    assert_serves(service)


def test_f20_uploads_beyond_the_limit(service: Hark) -> None:
    """F-20: with Content-Length and chunked 413; never a truncated 200; memory stays."""
    server = Served(service.process, service.port)
    before = memory(service)
    body = b"RIFF" + bytes(30 * MB)
    head = "POST /transcribe HTTP/1.1\r\nHost: x\r\nContent-Type: audio/wav\r\n"
    chunked = f"{head}Transfer-Encoding: chunked\r\n\r\n{len(body):x}\r\n".encode() + body
    answers = [
        server.ask("POST", "/transcribe", "Content-Type: audio/wav\r\n", body),
        server.raw(chunked + b"\r\n0\r\n\r\n"),
        server.ask("POST", "/transcribe", "Content-Type: application/json\r\n", body),
    ]
    assert [answer.status for answer in answers] == [413] * 3
    assert all("error" in answer.json for answer in answers)
    assert memory(service) - before <= 2 * 4 * MB
    assert_serves(service)


def test_f20_broken_bodies(service: Hark) -> None:
    """F-20: broken JSON and a broken multipart are 400, a packed body is 415."""
    for kind, body in {
        "application/json": b'{"chunk_id": "1", "audio_b64": "AAAA"',
        "multipart/form-data": b"no boundary",
        "multipart/form-data; boundary=x": b"--x\r\nbroken",
    }.items():
        assert service.ask("POST", "/transcribe", body, Content_Type=kind).status == 400, kind
    packed = service.ask("POST", "/transcribe", b"\x1f\x8b", Content_Encoding="gzip")
    assert packed.status == 415
    assert_serves(service)


HOSTILE = {
    "2 h of FLAC in a few kB": flac_of_silence(2),
    "WAV without rate": wav(quiet(1), rate=0),
    "WAV without channels": wav(quiet(1), channels=0),
    "WAV without bits": wav(quiet(1), bits=0),
    "WAV of 9000 channels": wav(quiet(1), channels=9000, bits=8),
    "WAV that claims 4 GB": wav(quiet(1), data_len=0xFFFFFFF0),
    "WAV of NaN": wav(b"\xff" * 64000, kind=3, bits=32),
    "cut WAV": wav(quiet(1))[:30],
    "cut FLAC": (ROOT / "tests" / "audio" / "en_hello.flac").read_bytes()[:5000],
    "Ogg that is noise": b"OggS" + bytes(range(256)) * 40,
    "MP4 that is noise": b"\0\0\0\x20ftypisom" + bytes(range(256)) * 40,
    "MP3 that is noise": b"ID3\x04\0\0\0\0\0\x0a" + bytes(range(256)) * 40,
    "Matroska that is noise": b"\x1a\x45\xdf\xa3" + bytes(range(256)) * 40,
    "a playlist": b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(1000),
    "zeros": bytes(5000),
    "text that is no audio": b"hello " * 100,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_f21_hostile_audio(service: Hark, name: str) -> None:
    """F-21: 4xx or a short result, in the shape of uploads, never 5xx; nothing leaks."""
    before = memory(service)
    answer = service.ask("POST", "/transcribe", HOSTILE[name], Content_Type="audio/wav")
    assert answer.status in (200, 400, 413, 415), answer.body
    if answer.status == 200:
        assert answer.json["usage"]["seconds"] <= 60
    else:
        assert set(answer.json["error"]) == {"message", "type", "param", "code"}
    assert b"root:" not in answer.body
    assert memory(service) - before <= 30 * MB
    assert_serves(service)


# The end.


def test_f19_a_stop_in_mid_utterance(tmp_path: Path) -> None:
    """F-19, W31: 40 sessions in mid-utterance: each final, then 1012; then the process is gone."""
    with hark(tmp_path, **FAST, STT_FAKE_DELAY_MS="50") as service, ExitStack() as stack:
        streams = [
            stack.enter_context(service.connect(f"?tenant_id=t{number}")) for number in range(40)
        ]
        for stream in streams:
            say(stream, "1", voice(2))
        for stream in streams:
            pinged(stream)
        assert service.ask("GET", "/readyz").status == 200

        begun = time.monotonic()
        service.terminate()
        for stream in streams:
            rest = stream.to_the_end()
            assert [e["text"] for e in rest if e.get("is_final")] == [counted(2)]
            assert (rest[-2]["type"], rest[-1]["type"]) == ("transcript", "usage")
            assert stream.close_code == 1012

        assert service.process.wait(10) == 0
        assert time.monotonic() - begun < 5
    log = service.log.read_text()
    assert "all work done: True" in log
    assert "Traceback" not in log


def test_f19_new_clients_during_the_drain(tmp_path: Path) -> None:
    """RT-44, W31: while finals are awaited new sessions get 503, health answers, readiness 503."""
    with hark(tmp_path, **FAST, STT_FAKE_DELAY_MS="1500", STT_NUM_WORKERS="1") as service:
        with service.connect() as stream:
            say(stream, "1", voice(2))
            pinged(stream)
            service.terminate()
            until(lambda: service.ask("GET", "/readyz").status == 503)
            with Frames(service.port, "/stt/stream") as peer:
                assert peer.answer.status == 503
                assert "retry-after" in peer.answer.headers
            assert service.ask("GET", "/healthz").status == 200
            rest = stream.to_the_end()
            assert [e["text"] for e in rest if e.get("is_final")] == [counted(2)]
            assert stream.close_code == 1012
        assert service.process.wait(10) == 0


def test_f19_audio_on_its_way_at_the_stop(tmp_path: Path) -> None:
    """F-19: a client that goes on sending while the service stops is told, and gets its final."""
    with hark(tmp_path, **FAST) as service, service.connect() as stream:
        say(stream, "1", voice(2))
        pinged(stream)
        service.terminate()
        for _ in range(20):
            stream.audio(quiet(0.1)[:FRAME])
        rest = stream.to_the_end()
        assert [e["is_final"] for e in rest if "text" in e][-1] is True
        assert {e["code"] for e in rest if e["type"] == "error"} <= {"not_ready"}
        assert stream.close_code == 1012
        assert service.process.wait(10) == 0
