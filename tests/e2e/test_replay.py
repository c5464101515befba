"""The exchanges of the known older clients, replayed against the running service (native 14)."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stt.audio.pcm import samples_to_pcm16
from tests.decoding import decode_file
from tests.e2e.sounds import FAKE, FRAME, b64, counted, pinged, quiet, voice
from tests.live import ROOT, Answer, Hark, hark
from tests.sockets import TEXT, Frames, until

T0, T1 = "1700000000000", "1700000010000"
NOTHING = {"chunk_id": "-1", "transcript": ""}


@pytest.fixture(name="service", scope="module")
def _service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hark]:
    """With the default pace: the clients of old send in real time, or snapshots."""
    with hark(tmp_path_factory.mktemp("replay"), **FAKE) as service:
        yield service


@pytest.fixture(autouse=True)
def _empty_again(service: Hark) -> Iterator[None]:
    """Leave nothing in the default tenant, whose transcripts most of these exchanges write."""
    yield
    for chunk_id in service.get("/list_transcripts"):
        service.get(f"/delete_transcript?chunk_id={chunk_id}")


def post(service: Hark, chunk_id: str, audio: bytes) -> Answer:
    """A chunk's audio so far."""
    return service.post("/transcribe", {"chunk_id": chunk_id, "audio_b64": b64(audio)})


def poll(service: Hark, chunk_id: str, text: str) -> None:
    """Ask until a chunk has this text."""
    query = f"/get_transcript?tenant_id=0000&chunk_id={chunk_id}"
    until(lambda: service.get(query) == {"chunk_id": chunk_id, "transcript": text})


def test_r1_to_r3_a_growing_chunk(service: Hark) -> None:
    """R1-R3, TR1: 1, 2 and 3 s under one id; the transcript is that of the last."""
    before = service.get(f"/get_transcript?tenant_id=0000&chunk_id={T0}")
    assert before == NOTHING
    for seconds in (1, 2, 3):
        answer = post(service, T0, voice(seconds))
        assert (answer.status, answer.json["status"]) == (200, "processing")
        assert answer.headers["Content-Type"] == "application/json"
    poll(service, T0, counted(3))


def test_r1_as_an_event(service: Hark) -> None:
    """R1, TR10: asked for as an event stream it is one `data:` line."""
    body = json.dumps({"chunk_id": T0, "audio_b64": b64(voice(1))}).encode()
    answer = service.ask("POST", "/transcribe", body, Accept="text/event-stream")
    assert answer.headers["Content-Type"] == "text/event-stream"
    line, rest = answer.body.split(b"\n\n")
    assert (json.loads(line.removeprefix(b"data: "))["status"], rest) == ("processing", b"")
    poll(service, T0, counted(1))


def test_r4_to_r6_reading_and_popping(tmp_path: Path) -> None:
    """R4-R6: with a model that writes sentences: latest, list, then pop until nothing is left."""
    with hark(tmp_path) as service:
        for chunk_id, name in ((T0, "en_short_02.flac"), (T1, "en_short_03.flac")):
            file = (ROOT / "tests" / "audio" / name).read_bytes()
            audio = samples_to_pcm16(decode_file(file, max_seconds=60))
            assert post(service, chunk_id, audio).status == 200
            until(lambda: service.get(f"/get_transcript?chunk_id={chunk_id}")["transcript"], 30)  # noqa: B023
        latest = service.get("/get_latest_transcript?sentences=true")
        listed = service.get("/list_transcripts?sentences=true")
        first = service.ask("GET", "/pop_first_transcript")
        second = service.get("/pop_first_transcript")
        third = service.get("/pop_first_transcript")
    assert listed == {
        T0: {"transcript": "How many months are beside the garden?"},
        T1: {"transcript": "George is dropping the high clouds."},
    }
    assert latest == {"chunk_id": T1} | listed[T1]
    assert first.json == {"chunk_id": T0} | listed[T0]
    assert first.headers["Cache-Control"] == "no-store"
    assert (second, third) == ({"chunk_id": T1} | listed[T1], NOTHING)


@pytest.mark.parametrize(
    ("origin", "status"), [("null", 403), ("http://localhost:8000", 204), (None, 200)]
)
def test_r7_a_page_asks_first(service: Hark, origin: str | None, status: int) -> None:
    """R7, HT6, HT7: by default null is not allowed, a loopback page is."""
    asked: dict[str, Any] = {"Access_Control_Request_Headers": "content-type"}
    if origin is not None:
        asked |= {"Origin": origin, "Access_Control_Request_Method": "POST"}
    answer = service.ask("OPTIONS", "/transcribe", **asked)
    assert answer.status == status
    allowed = answer.headers.get("Access-Control-Allow-Origin")
    assert allowed == (origin if status == 204 else None)
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_r7_a_file_page_where_it_may(tmp_path: Path) -> None:
    """R7, HT7: with null in STT_ALLOWED_ORIGINS the preflight and the post pass."""
    with hark(tmp_path, **FAKE, CORS_ALLOWED_ORIGINS="null") as service:
        answer = service.ask(
            "OPTIONS",
            "/transcribe",
            Origin="null",
            Access_Control_Request_Method="POST",
            Access_Control_Request_Headers="content-type",
        )
        assert 200 <= answer.status < 300
        assert answer.headers["Access-Control-Allow-Origin"] == "null"
        assert "content-type" in answer.headers["Access-Control-Allow-Headers"].lower()
        body = json.dumps({"chunk_id": T0, "audio_b64": b64(voice(1))}).encode()
        posted = service.ask("POST", "/transcribe", body, Origin="null")
        assert posted.status == 200
        assert posted.headers["Access-Control-Allow-Origin"] == "null"


def test_r8_binary_frames(service: Hark) -> None:
    """R8, C14: 30 frames of 3,200 bytes; the text of all of them; one final, the last word."""
    audio = voice(3)
    with service.connect("?tenant_id=0000") as stream:
        stream.send(type="set_chunk", chunk_id=T0)
        for at in range(0, 96_000, 3200):
            stream.audio(audio[at : at + 3200])
        stream.send(type="finalize_chunk", chunk_id=T0)
        final = stream.final(T0)
        assert pinged(stream) == []
    assert final["text"] == counted(3)
    assert final["usage"]["received_s"] == 3.0


def test_r9_pings_that_nobody_reads(service: Hark) -> None:
    """R9, C18, C12: JSON audio once, 1,833 pings unread, then the final arrives."""
    with Frames(service.port, "/stt/stream") as peer:
        peer.send(TEXT, json.dumps({"chunk_id": T0, "audio_b64": b64(voice(2))}).encode())
        for _ in range(1833):
            peer.send(TEXT, b'{"type":"ping"}')
        peer.send(TEXT, b'{"type":"finalize_chunk"}')
        messages = iter(peer.message, None)
        final = next(e for e in map(json.loads, messages) if e.get("is_final"))
    assert (final["chunk_id"], final["text"]) == (T0, counted(2))


def test_ids_of_a_clock_that_is_ahead(service: Hark) -> None:
    """RD11, RD17, B12: far ids are stored, and `until` may be as large as clients send it."""
    for chunk_id in ("9999999999999", "8888888888888"):
        assert post(service, chunk_id, voice(1)).status == 200
        poll(service, chunk_id, counted(1))
    for query in ("", "?until=9999999999999999"):
        assert list(service.get(f"/list_transcripts{query}")) == ["8888888888888", "9999999999999"]
        latest = service.get(f"/get_latest_transcript{query}")
        assert latest == {"chunk_id": "9999999999999", "transcript": counted(1)}
    assert service.get("/transcripts_size?until=9999999999999999") == {"size": 2}


def test_a_microphone_that_waits_for_text(service: Hark) -> None:
    """C14, M11: frames of 100 ms in real time; the client waits for any frame with its text.

    It names its own tenant in set_chunk, and pings while it waits.
    """
    audio = voice(2)
    with service.connect("?tenant_id=0000") as stream:
        stream.send(type="set_chunk", chunk_id=T1, tenant_id="0000")
        begun = time.monotonic()
        for sent in range(0, len(audio), FRAME):
            stream.audio(audio[sent : sent + FRAME])
            ahead = begun + (sent + FRAME) / 32_000 - time.monotonic()
            time.sleep(max(0.0, ahead))  # the pace of a microphone, which is what is replayed
        stream.send(type="ping")
        text = stream.until(lambda e: e.get("text") and e.get("chunk_id") == T1)
        stream.send(type="finalize_chunk", chunk_id=T1)
        final = stream.final(T1)
    assert final["text"].startswith(text.get("committed", ""))
    assert final["text"] == counted(2)


def test_silent_posts_are_accepted_and_leave_nothing(service: Hark) -> None:
    """W26, C17, B6: the load helper's silence creates no job and no transcript."""
    jobs = len(service.log.read_text().splitlines())
    for number in range(20):
        body = {"tenant_id": "load", "chunk_id": str(number), "audio_b64": b64(quiet(1))}
        answer = service.post("/transcribe", body)
        assert (answer.status, b"rejected" in answer.body) == (200, False)
    assert service.get("/list_transcripts?tenant_id=load") == {}
    log = service.log.read_text().splitlines()[jobs:]
    assert [line for line in log if "stt_latency_ms" in line] == []


def test_a_refusal_is_counted_by_its_body(tmp_path: Path) -> None:
    """HT10: with STT_REJECT_STATUS=200 a full queue answers 200 with "rejected" in the body."""
    settings = {"STT_REJECT_STATUS": "200", "STT_MAX_QUEUE_SIZE": "1", "STT_NUM_WORKERS": "1"}
    slow = {"STT_FAKE_DELAY_MS": "500", "STT_MAX_BATCH": "1"}
    with hark(tmp_path, **FAKE, **settings, **slow) as service:
        answers = [post(service, str(number), voice(1)) for number in range(8)]
    assert {answer.status for answer in answers} == {200}
    rejected = [answer for answer in answers if b"rejected" in answer.body]
    assert 4 <= len(rejected) <= 7
    assert rejected[0].json["error"] == "queue_full"
    assert "Retry-After" not in rejected[0].headers


def test_a_session_gives_a_tenant(service: Hark) -> None:
    """AL7, AL10: POST /session is 200; what is stored under its tenant is found by the source."""
    answer = service.post("/session", {"source": "mic"})
    tenant = answer.json["tenant_id"]
    assert (answer.status, len(tenant)) == (200, 32)
    body = {"tenant_id": tenant, "chunk_id": T0, "audio_b64": b64(voice(1))}
    assert service.post("/transcribe", body).status == 200
    until(lambda: service.get("/list_transcripts?source=mic") == {T0: {"transcript": counted(1)}})


def test_the_first_step_of_a_known_client(service: Hark) -> None:
    """HT8: GET /swagger is 200, and so are the documents beside it."""
    for path in ("/swagger", "/docs", "/openapi.json", "/openapi.yaml", "/"):
        assert service.ask("GET", path).status == 200


def test_a_silence_boundary_starts_a_new_chunk(service: Hark) -> None:
    """DM3, DM4, DM9: snapshots of several chunks, each with its own text, in the ids' order."""
    for chunk_id, seconds in itertools.product(("9", "10", "11"), (1, 2)):
        body = {"tenant_id": "dm4", "chunk_id": chunk_id, "audio_b64": b64(voice(seconds))}
        assert service.post("/transcribe", body).status == 200
    wanted = {chunk_id: {"transcript": counted(2)} for chunk_id in ("9", "10", "11")}
    until(lambda: service.get("/list_transcripts?tenant_id=dm4") == wanted)
    assert list(service.get("/list_transcripts?tenant_id=dm4")) == ["9", "10", "11"]
