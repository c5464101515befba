"""The native protocol over real sockets: what a client sends and what it hears (native 11, 12)."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.sounds import FAKE, FAST, FRAME, b64, counted, pinged, quiet, say, spoken, voice
from tests.live import Hark, hark
from tests.sockets import TEXT, Frames, until

TRANSCRIPT_KEYS = {"session_id", "chunk_id", "text", "is_final"}
ERROR_KEYS = {"type", "code", "message", "session_id", "chunk_id"}


@pytest.fixture(name="service", scope="module")
def _service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hark]:
    with hark(tmp_path_factory.mktemp("native"), **FAST) as service:
        yield service


@pytest.fixture(name="keyed", scope="module")
def _keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hark]:
    """With keys for two tenants, one origin, and strict tenants."""
    settings = {
        "STT_API_KEYS": "ka:alice,kb:bob",
        "STT_ALLOWED_ORIGINS": "https://ok.example",
        "STT_STRICT_TENANT": "1",
    }
    with hark(tmp_path_factory.mktemp("keyed"), **FAST, **settings) as service:
        yield service


@pytest.fixture(name="slow", scope="module")
def _slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hark]:
    """One worker that takes 0.6 s, little room, little patience."""
    settings = {
        "STT_FAKE_DELAY_MS": "600",
        "STT_NUM_WORKERS": "1",
        "STT_MAX_BATCH": "1",
        "STT_MAX_QUEUE_SIZE": "1",
        "STT_FINALIZE_TIMEOUT_S": "0.3",
        "STT_MAX_MESSAGE_BYTES": "4096",
        "STT_WS_IDLE_TIMEOUT_S": "1.5",
        "STT_OUTBOX_SIZE": "4",
        "STT_ADMISSION": "0",  # it is slow, and has to serve all the same
    }
    with hark(tmp_path_factory.mktemp("slow"), **FAST, **settings) as service:
        yield service


def texts(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The transcripts among events."""
    return [event for event in events if "text" in event]


def refused(service: Hark, query: str = "", headers: str = "") -> int:
    """The HTTP status of a handshake; ``headers`` are whole lines."""
    with Frames(service.port, f"/stt/stream{query}", headers=headers) as peer:
        return peer.answer.status


# The greeting and the hard constraints of known clients.


def test_the_greeting_is_the_first_frame(service: Hark) -> None:
    """HC1, M1: within 5 s, with the session, the tenant, the limits and the audio's form."""
    begun = time.monotonic()
    with service.connect("?tenant_id=greeted") as stream:
        greeting = stream.greeting
        assert time.monotonic() - begun < 5
    assert greeting is not None
    assert {k: greeting[k] for k in ("type", "tenant_id", "max_message_bytes")} == {
        "type": "session",
        "tenant_id": "greeted",
        "max_message_bytes": 2 * 2**20,
    }
    assert (greeting["sample_rate"], greeting["encoding"]) == (16000, "linear16")
    assert len(greeting["session_id"]) == 16


def test_a_whole_exchange(service: Hark) -> None:
    """HC2-HC4, W5, W19, W25: only transcripts carry text; interims unasked, then one final."""
    with service.connect() as stream:
        session_id = stream.greeting and stream.greeting["session_id"]
        stream.send(type="set_chunk", chunk_id="1700000000000")
        assert pinged(stream) == []  # set_chunk is not acknowledged

        say(stream, "1700000000000", voice(3) + quiet(0.2))
        interim = stream.until(lambda e: "text" in e)  # nothing was asked, nothing more is sent
        stream.send(type="finalize_chunk")
        final = stream.final()
        after = pinged(stream)

    assert interim["is_final"] is False
    assert final["text"] == counted(3)
    assert final["usage"]["received_s"] == pytest.approx(3.2)
    assert after == []  # nothing of the chunk follows its final
    for event in stream.events:
        assert ("text" in event) == (event["type"] == "transcript"), event
        assert event["session_id"] == session_id
    said = texts(stream.events)
    assert all(event.keys() >= TRANSCRIPT_KEYS for event in said)
    assert [event["is_final"] for event in said].count(True) == 1
    numbers = [event["seq"] for event in said]
    assert numbers == sorted(set(numbers))
    for before, later in itertools.pairwise(said):
        assert later["text"].startswith(before.get("committed", ""))


def test_unread_pings_displace_no_transcript(service: Hark) -> None:
    """HC5, W17, C12: 2,000 unread pings merge; the connection stays and the final comes."""
    with service.connect() as stream:
        say(stream, "1", voice(2))
        for number in range(2000):
            stream.send(type="ping", id=number)
        stream.send(type="finalize_chunk")
        assert stream.final("1")["text"] == counted(2)
        assert pinged(stream, 2000) is not None
    pongs = [event["id"] for event in stream.events if event["type"] == "pong"]
    assert pongs == sorted(set(pongs))


@pytest.mark.parametrize("ping_id", [17, "abc", None])
def test_a_ping_is_answered_with_its_id(service: Hark, ping_id: object) -> None:
    """W17, M6: the pong carries the id, if there was one."""
    with service.connect() as stream:
        stream.send(type="ping", **({} if ping_id is None else {"id": ping_id}))
        pong = stream.next()
    assert pong is not None
    assert (pong["type"], pong.get("id")) == ("pong", ping_id)


# Audio.


def test_binary_before_a_chunk_is_told_once(service: Hark) -> None:
    """W1: `no_chunk` once per run of frames; they are not transcribed; the session stays."""
    with service.connect() as stream:
        for _ in range(5):
            stream.audio(voice(0.1))
        complaints = pinged(stream)
        final = spoken(stream, "1", voice(1))
    assert [(e["code"], e["chunk_id"]) for e in complaints] == [("no_chunk", None)]
    assert final["text"] == counted(1)
    assert final["usage"] == {"received_s": 1.0, "speech_s": pytest.approx(1, abs=0.05)}


def test_binary_frames_append(service: Hark) -> None:
    """W2, B5: the final covers every frame, however they were cut, odd ones included (W12)."""
    audio = voice(4)
    with service.connect() as stream:
        stream.send(type="set_chunk", chunk_id="1")
        cuts = [0, *range(1, 4001, 333), *range(5000, len(audio), 4777), len(audio)]
        for begin, end in itertools.pairwise(cuts):
            stream.audio(audio[begin:end])
        stream.send(type="finalize_chunk", chunk_id="1")
        final = stream.final("1")
    assert final["text"] == counted(4)
    assert final["usage"]["received_s"] == 4.0


def test_a_json_snapshot_replaces(service: Hark) -> None:
    """W3, W25, B3: the text is that of the last snapshot, longer, other or shorter."""
    with service.connect() as stream:
        for audio in (voice(3), voice(2)[1000:] + voice(2), voice(1)):
            stream.send(chunk_id="1", audio_b64=b64(audio))
        stream.send(type="finalize_chunk")
        final = stream.final("1")
        assert pinged(stream) == []
    assert final["text"] == counted(1)


def test_a_json_snapshot_that_grows_keeps_its_beginning(service: Hark) -> None:
    """W3: of a snapshot that goes on only the new audio is heard; the text is of all of it."""
    audio = voice(4)
    with service.connect() as stream:
        for seconds in range(1, 5):
            stream.send(chunk_id="1", audio_b64=b64(audio[: seconds * 32000]))
        stream.send(type="finalize_chunk")
        final = stream.final("1")
    assert final["text"] == counted(4)
    assert final["usage"]["received_s"] == 4.0


@pytest.mark.parametrize("query", ["", "?json_audio=append"])
def test_json_audio_appends_where_asked(service: Hark, query: str) -> None:
    """W3: `append` in the message, or `json_audio=append` in the query."""
    audio = voice(2)
    append = {} if query else {"append": True}
    with service.connect(query) as stream:
        for at in range(0, len(audio), 16000):
            stream.send(
                type="audio_chunk", chunk_id="1", audio_b64=b64(audio[at : at + 16000]), **append
            )
        stream.send(type="finalize_chunk")
        assert stream.final("1")["text"] == counted(2)


def test_binary_after_a_snapshot_appends(service: Hark) -> None:
    """W4: a JSON snapshot sets the audio, binary frames go on from there."""
    audio = voice(3)
    with service.connect() as stream:
        stream.send(chunk_id="1", audio_b64=b64(audio[:64000]))
        stream.audio(audio[64000:])
        stream.send(type="finalize_chunk")
        assert stream.final("1")["text"] == counted(3)


def test_an_odd_byte_in_json_is_warned_of(service: Hark) -> None:
    """W12: the last byte is dropped, and the chunk's next transcript says so."""
    with service.connect() as stream:
        stream.send(chunk_id="1", audio_b64=b64(voice(1) + b"x"))
        stream.send(type="finalize_chunk")
        stream.final("1")
    said = texts(stream.events)
    assert [event.get("warning") for event in said] == ["odd_length", *[None] * (len(said) - 1)]
    assert said[-1]["text"] == counted(1)


def test_empty_audio_is_ignored(service: Hark) -> None:
    """W13: no error, no event, no chunk."""
    with service.connect() as stream:
        stream.audio(b"")
        stream.send(chunk_id="1", audio_b64="")
        assert pinged(stream) == []
        stream.send(type="finalize_chunk", chunk_id="1")
        assert stream.final("1")["reason"] == "unknown"


@pytest.mark.parametrize("rate", [8000, 24000, 44100, 48000])
def test_other_sample_rates_are_heard(service: Hark, rate: int) -> None:
    """W27: two seconds are two seconds at every rate served."""
    import numpy as np

    from stt.audio.pcm import samples_to_pcm16
    from tests.speech import speech

    at = np.arange(2 * rate) / rate
    samples = np.interp(at, np.arange(32000) / 16000, speech(2)).astype(np.float32)
    with service.connect(f"?sample_rate={rate}") as stream:
        assert stream.greeting is not None
        assert stream.greeting["sample_rate"] == rate
        final = spoken(stream, "1", samples_to_pcm16(samples))
    assert final["text"] == counted(2)
    assert final["usage"]["received_s"] == pytest.approx(2, abs=0.01)


# Finals.


@pytest.mark.parametrize(("audio", "reason"), [(None, "unknown"), (quiet(2), "silence")])
def test_a_final_without_text_has_a_reason(service: Hark, audio: bytes | None, reason: str) -> None:
    """W6, W26, M4: at once, empty, and why."""
    with service.connect() as stream:
        if audio is not None:
            say(stream, "7", audio)
        stream.send(type="finalize_chunk", chunk_id="7")
        final = stream.final("7")
    assert (final["text"], final["reason"]) == ("", reason)
    assert texts(stream.events) == [final]


def test_finalize_twice_repeats_and_later_audio_is_refused(service: Hark) -> None:
    """W7: the same final again; audio after it is `chunk_finalized`, once per run of frames."""
    with service.connect() as stream:
        first = spoken(stream, "1", voice(2))
        stream.send(type="finalize_chunk", chunk_id="1")
        again = stream.final("1")
        stream.audio(voice(0.1))
        stream.audio(voice(0.1))
        complaints = pinged(stream)
    same = ("text", "chunk_id", "is_final", "start_ms", "end_ms", "words", "language")
    assert {key: again[key] for key in same} == {key: first[key] for key in same}
    assert again["seq"] > first["seq"]
    assert [(e["code"], e["chunk_id"]) for e in complaints] == [("chunk_finalized", "1")]


def test_a_new_chunk_ends_the_one_before(service: Hark) -> None:
    """W9: by set_chunk, and by JSON audio for another id; no finalize is needed."""
    with service.connect() as stream:
        say(stream, "1", voice(2))
        stream.send(type="set_chunk", chunk_id="2", tenant_id="0000")
        assert stream.final()["chunk_id"] == "1"
        stream.audio(voice(3))
        stream.send(chunk_id="3", audio_b64=b64(voice(1)))
        second = stream.final()
        stream.send(type="finalize_chunk")
        third = stream.final()
    assert (second["chunk_id"], second["text"]) == ("2", counted(3))
    assert (third["chunk_id"], third["text"]) == ("3", counted(1))


def test_a_late_final_says_what_is_known(slow: Hark) -> None:
    """W8, M5: after the timeout `timed_out: true`, and no other final follows."""
    with slow.connect() as stream:
        say(stream, "1", voice(1))
        begun = time.monotonic()
        stream.send(type="finalize_chunk")
        final = stream.final("1")
        assert 0.25 < time.monotonic() - begun < 5
        assert final["timed_out"] is True
        until(lambda: slow.get("/healthz")["running"] == 0)
        assert texts(pinged(stream)) == []


def test_ids_may_be_numbers_or_any_short_text(service: Hark) -> None:
    """W10, W11: numbers become their decimal string; 128 printable characters are legal."""
    with service.connect() as stream:
        for chunk_id in (1700000000000, "7", "x" * 128, "नमस्ते 1/2"):
            stream.send(type="set_chunk", chunk_id=chunk_id)
            stream.audio(voice(1))
            stream.send(type="finalize_chunk")
            assert stream.final()["chunk_id"] == str(chunk_id)


# Mistakes.

BAD = [
    ("hello", "bad_json"),
    ("[1]", "bad_json"),
    ("7", "bad_json"),
    ("null", "bad_json"),
    ("[" * 100_000, "bad_json"),
    ('{"type":"ping","id":' + "9" * 5000 + "}", "bad_json"),
    ("{}", "bad_request"),
    ('{"type":"set_chunk"}', "bad_request"),
    ('{"type":"set_chunk","chunk_id":""}', "bad_request"),
    ('{"type":"set_chunk","chunk_id":[1]}', "bad_request"),
    ('{"type":"set_chunk","chunk_id":"a\\u0000b"}', "bad_request"),
    ('{"type":"set_chunk","chunk_id":"' + "x" * 129 + '"}', "bad_request"),
    ('{"type":"finalize_chunk"}', "bad_request"),
    ('{"audio_b64":"AAAA"}', "bad_request"),
    ('{"chunk_id":"1","audio_b64":7}', "bad_request"),
    ('{"chunk_id":"1","audio_b64":"!!"}', "bad_base64"),
    ('{"chunk_id":"1","audio_b64":"AAA"}', "bad_base64"),
    ('{"chunk_id":"1","audio_b64":"AAAA","append":"yes"}', "bad_request"),
    ('{"type":"ping","id":{}}', "bad_request"),
    ('{"type":"sing"}', "unknown_type"),
    ('{"type":7,"chunk_id":"1"}', "unknown_type"),
    ('{"type":["set_chunk"],"chunk_id":"1"}', "unknown_type"),
]


def test_bad_messages_leave_the_session_open(service: Hark) -> None:
    """W14, W16, F-03, B7: each has its code and five keys, and the session goes on."""
    with service.connect() as stream:
        for message, code in BAD:
            stream.socket.send(message)
            error = stream.next()
            assert error is not None, message[:60]
            assert (error["type"], error["code"]) == ("error", code), message[:60]
            assert error.keys() == ERROR_KEYS
            assert error["chunk_id"] is None
        assert spoken(stream, "1", voice(1))["text"] == counted(1)


def test_an_unknown_type_with_audio_is_audio(service: Hark) -> None:
    """W14, M12: an earlier client draft sent such types."""
    with service.connect() as stream:
        stream.send(type="my_audio", chunk_id="1", audio_b64=b64(voice(1)))
        stream.send(type="finalize_chunk")
        assert stream.final("1")["text"] == counted(1)


def test_fifty_errors_end_the_session(service: Hark) -> None:
    """RT-26: `too_many_errors`, the usage, close 1008 (client-S3)."""
    with service.connect() as stream:
        for _ in range(50):
            stream.socket.send("x")
        rest = stream.to_the_end()
    assert [e["code"] for e in rest[:50]] == ["bad_json"] * 50
    assert (rest[50]["code"], rest[51]["type"], len(rest)) == ("too_many_errors", "usage", 52)
    assert stream.close_code == 1008


def test_a_message_above_the_limit_closes(slow: Hark) -> None:
    """W15: the limit is announced; the transport closes with 1009."""
    with slow.connect() as stream:
        assert stream.greeting is not None
        assert stream.greeting["max_message_bytes"] == 4096
        stream.audio(bytes(4096))
        pinged(stream)
        stream.audio(bytes(4098))
        stream.to_the_end()
    assert stream.close_code == 1009


def test_a_snapshot_of_30_seconds_is_taken(service: Hark) -> None:
    """W15, DM10, B32: 1,280,000 bytes of base64 in one message."""
    with service.connect() as stream:
        stream.send(chunk_id="1", audio_b64=b64(voice(30)))
        stream.send(type="finalize_chunk")
        final = stream.final("1")
    assert final["usage"]["received_s"] == 30.0
    assert final["text"]


def test_a_full_queue_is_told(slow: Hark) -> None:
    """W16, QU6: interims are refused with `queue_overload` and `queue_full`; finals still come."""
    with (
        slow.connect("?tenant_id=a") as first,
        slow.connect("?tenant_id=b") as second,
        slow.connect("?tenant_id=c") as third,
    ):
        streams = {"1": first, "2": second, "3": third}
        for chunk_id, stream in streams.items():
            say(stream, chunk_id, voice(1.2))
            pinged(stream)
        for stream in streams.values():
            stream.send(type="finalize_chunk")
        for chunk_id, stream in streams.items():
            stream.final(chunk_id)
    errors = [e for stream in streams.values() for e in stream.events if e["type"] == "error"]
    assert errors
    for error in errors:
        assert (error["code"], error["message"]) == ("queue_overload", "queue_full")
        assert streams[error["chunk_id"]].events[0]["session_id"] == error["session_id"]


def test_s11_an_idle_session_is_closed(slow: Hark) -> None:
    """W18: protocol pongs do not count; `idle_timeout`, the usage, close 1000."""
    with slow.connect() as stream:
        begun = time.monotonic()
        rest = stream.to_the_end()
    assert 1.0 < time.monotonic() - begun < 4
    assert [e.get("code", e["type"]) for e in rest] == ["idle_timeout", "usage"]
    assert stream.close_code == 1000


def test_a_reader_too_slow_for_its_finals_is_given_up(slow: Hark) -> None:
    """W24: what was said so far is sent, then `slow_consumer` and close 1013."""
    options = {"sockopt": [(1, 8, 4096)]}  # SOL_SOCKET, SO_RCVBUF: little room on our side
    with slow.connect("?tenant_id=sluggish", **options) as stream:
        ask = json.dumps({"type": "finalize_chunk", "chunk_id": "1" * 128})
        for _ in range(25_000):  # 6 MB of answers: more than any send buffer holds
            try:
                stream.socket.send(ask)
            except OSError:
                break
        rest = stream.to_the_end()
    assert [e["code"] for e in rest if e["type"] == "error"] == ["slow_consumer"]
    assert stream.close_code == 1013


# Who may come in, and whose words they hear.


def test_the_query_names_the_tenant(service: Hark) -> None:
    """W20: it is fixed for the connection; another one in a message is not listened to."""
    with service.connect("?tenant_id=t20") as stream:
        stream.send(type="set_chunk", chunk_id="1", tenant_id="other")
        stream.audio(voice(1))
        stream.send(type="finalize_chunk")
        stream.final("1")
    kept = service.get("/get_transcript?tenant_id=t20&chunk_id=1")
    assert kept == {"chunk_id": "1", "transcript": counted(1)}
    assert service.get("/list_transcripts?tenant_id=other") == {}


def test_strict_mode_refuses_another_tenant(keyed: Hark) -> None:
    """W20: `tenant_mismatch`, the session stays; the key's own tenant passes."""
    with keyed.connect(header=["Authorization: Bearer ka"]) as stream:
        stream.send(type="set_chunk", chunk_id="1", tenant_id="bob")
        assert stream.error()["code"] == "tenant_mismatch"
        stream.send(type="set_chunk", chunk_id="1", tenant_id="alice")
        assert pinged(stream) == []


def test_a_session_id_is_nobody_elses(service: Hark) -> None:
    """W21, B8: a second client is refused with 1008; the first goes on; later it is free."""
    with service.connect("?session_id=mine") as first:
        assert first.greeting is not None
        assert first.greeting["session_id"] == "mine"
        with service.connect("?session_id=mine") as second:
            assert second.greeting is not None
            assert (second.greeting["type"], second.greeting["code"]) == ("error", "session_in_use")
            assert second.next() is None
            assert second.close_code == 1008
        assert spoken(first, "1", voice(1))["text"] == counted(1)

    def free() -> bool:
        with service.connect("?session_id=mine") as again:
            return again.greeting is not None and again.greeting["type"] == "session"

    until(free)


def test_a_client_that_vanishes_finds_its_text(service: Hark) -> None:
    """W23, W22: a chunk cut off in the middle is finalised once and read over HTTP."""
    with Frames(service.port, "/stt/stream?tenant_id=gone") as peer:
        peer.send(TEXT, b'{"type":"set_chunk","chunk_id":"5"}')
        for at in range(0, 64000, FRAME):
            peer.send(2, voice(2)[at : at + FRAME])
        peer.send(TEXT, b'{"type":"ping"}')
        while json.loads(peer.message() or b"null")["type"] != "pong":
            pass
        peer.reset()
    until(lambda: service.get("/list_transcripts?tenant_id=gone"))
    assert service.get("/list_transcripts?tenant_id=gone") == {"5": {"transcript": counted(2)}}


def test_a_subscriber_hears_its_tenant(service: Hark) -> None:
    """W29: other sessions and HTTP, once each; nobody else hears anything of it."""
    with (
        service.connect("?tenant_id=t29&subscribe=tenant") as subscriber,
        service.connect("?tenant_id=t29") as speaker,
        service.connect("?tenant_id=t29") as plain,
        service.connect("?tenant_id=other29&subscribe=tenant") as stranger,
    ):
        own = spoken(speaker, "1", voice(1))
        heard = subscriber.final("1")
        body = {"tenant_id": "t29", "chunk_id": "2", "audio_b64": b64(voice(2))}
        assert service.post("/transcribe", body).status == 200
        posted = subscriber.until(lambda e: e["chunk_id"] == "2")
        spoken(subscriber, "3", voice(1))
        pinged(subscriber)
        assert (pinged(plain), pinged(stranger)) == ([], [])
    assert (heard["text"], heard["session_id"]) == (own["text"], own["session_id"])
    assert posted["text"] == counted(2)
    assert posted.keys() >= TRANSCRIPT_KEYS
    of_its_own = [e for e in texts(subscriber.events) if e["chunk_id"] == "3" and e["is_final"]]
    assert len(of_its_own) == 1


def test_without_a_key_nobody_comes_in(keyed: Hark) -> None:
    """W30, HT-AUTH: 401 before the upgrade, 403 for a strange origin, key or not."""
    assert refused(keyed) == 401
    assert refused(keyed, headers="Authorization: Bearer nope\r\n") == 401
    assert refused(keyed, query="?ticket=nope") == 401
    assert refused(keyed, headers="Sec-WebSocket-Protocol: stt.v1, bearer.nope\r\n") == 401
    bearer = "Authorization: Bearer ka\r\n"
    assert refused(keyed, headers=bearer) == 101
    assert refused(keyed, headers=bearer + "Origin: https://evil.example\r\n") == 403
    assert keyed.ask("GET", "/list_transcripts").status == 401


@pytest.mark.parametrize("way", ["header", "subprotocol", "ticket"])
def test_a_key_opens_its_own_tenant(keyed: Hark, way: str) -> None:
    """W30, HT-AUTH, RT-57: the key names the tenant, whatever the query says."""
    query = f"?tenant_id=bob&session_id={way}"
    options: dict[str, Any] = {}
    if way == "header":
        options = {"header": ["Authorization: Bearer ka"]}
    elif way == "subprotocol":
        options = {"subprotocols": ["stt.v1", "bearer.ka"], "origin": "https://ok.example"}
    else:
        ticket = keyed.ask("POST", "/stt/ticket", b"", Authorization="Bearer ka").json["ticket"]
        query += f"&ticket={ticket}"
    with keyed.connect(query, **options) as stream:
        assert stream.greeting is not None
        assert stream.greeting["tenant_id"] == "alice"
        assert stream.socket.getsubprotocol() == ("stt.v1" if way == "subprotocol" else None)
        spoken(stream, way, voice(1))
    alice, bob = (
        keyed.ask("GET", f"/get_transcript?chunk_id={way}", Authorization=f"Bearer {key}").json
        for key in ("ka", "kb")
    )
    assert alice["transcript"] == counted(1)
    assert bob["transcript"] == ""
    if way == "ticket":
        assert refused(keyed, query=query) == 401  # it is good for one use


def test_no_log_line_holds_a_secret(keyed: Hark) -> None:
    """RT-55: neither keys nor tickets reach the log, at a refusal neither."""
    refused(keyed, query="?ticket=sesame-sesame")
    refused(keyed, headers="Sec-WebSocket-Protocol: stt.v1, bearer.open-sesame\r\n")
    assert "sesame" not in keyed.log.read_text()


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 101),
        ("http://localhost:3000", 101),
        ("http://127.0.0.1:9", 101),
        ("https://evil.example", 403),
        ("null", 403),
        ("http://localhost.evil.example", 403),
    ],
)
def test_a_page_of_another_site_is_kept_out(service: Hark, origin: str | None, status: int) -> None:
    """W30, RT-50, HT6: loopback pages and clients without an origin come in by default."""
    assert refused(service, headers=f"Origin: {origin}\r\n" if origin else "") == status


# Utterances, minted chunks, voice activity.


def test_a_chunk_holds_many_utterances(service: Hark) -> None:
    """W32, W34: text of the whole chunk, `speech_final` at each endpoint, silence in between."""
    with service.connect() as stream:
        say(stream, "1", voice(2) + quiet(2) + voice(2) + quiet(2))
        ends = [stream.until(lambda e: e.get("speech_final")) for _ in range(2)]
        assert pinged(stream) == []  # silence makes no event
        stream.send(type="finalize_chunk")
        final = stream.final("1")
    first, second = (str(end["text"]) for end in ends)
    assert (first, final["text"]) == (counted(2), second)
    assert second.startswith(f"{first} ")
    assert all(end["committed"] == end["text"] and not end["is_final"] for end in ends)
    assert ends[1]["start_ms"] > 3500


def test_text_delta_sends_only_what_is_new(service: Hark) -> None:
    """W32: with text=delta the pieces, put at `from`, make the whole text."""
    with service.connect("?text=delta") as stream:
        say(stream, "1", voice(2) + quiet(1) + voice(3) + quiet(1) + voice(2) + quiet(1))
        stream.send(type="finalize_chunk")
        stream.final("1")
    whole = ""
    for event in texts(stream.events):
        whole = whole[: event["from"]] + event["text"]
    with service.connect() as stream:
        plain = spoken(stream, "1", voice(2) + quiet(1) + voice(3) + quiet(1) + voice(2) + quiet(1))
    assert whole == plain["text"]


def test_the_server_mints_chunks(service: Hark) -> None:
    """W33, W1, M7: announced at the onset, its final at the endpoint; the client sends audio."""
    with service.connect("?auto_chunk=1") as stream:
        for _ in range(2):
            for part in (voice(2), quiet(1)):
                stream.audio(part)
        finals = [stream.final(), stream.final()]
        stream.send(type="set_chunk", chunk_id="1")
        assert stream.error()["code"] == "bad_request"
    minted = [event["chunk_id"] for event in stream.events if event["type"] == "chunk"]
    assert [final["chunk_id"] for final in finals] == minted
    assert int(minted[0]) < int(minted[1])
    assert abs(int(minted[0]) / 1000 - time.time()) < 60  # milliseconds since the epoch
    assert [final["text"].split()[0] for final in finals] == ["one", "one"]


def test_voice_activity_is_told_where_asked(service: Hark) -> None:
    """W26, M8: speech_started, speech_stopped, and silence once; without asking nothing."""
    audio = quiet(0.5) + voice(2) + quiet(2.5)
    with service.connect("?vad_events=1") as stream:
        spoken(stream, "1", audio)
    told = [e for e in stream.events if e["type"] in ("speech_started", "speech_stopped", "vad")]
    assert [e["type"] for e in told] == ["speech_started", "speech_stopped", "vad"]
    assert told[0]["start_ms"] == pytest.approx(500, abs=100)
    assert told[1]["end_ms"] == pytest.approx(2500, abs=200)
    assert told[2]["state"] == "silence"
    with service.connect() as stream:
        spoken(stream, "1", audio)
    assert {event["type"] for event in stream.events} == {"session", "transcript"}


# The query.


@pytest.mark.parametrize(
    ("query", "code", "close"),
    [
        ("sample_rate=7999", "unsupported_audio", 1003),
        ("sample_rate=fast", "unsupported_audio", 1003),
        ("encoding=speex", "unsupported_audio", 1003),
        ("auto_chunk=perhaps", "bad_request", 1008),
        ("vad_events=2", "bad_request", 1008),
        ("subscribe=all", "bad_request", 1008),
        ("json_audio=both", "bad_request", 1008),
        ("text=none", "bad_request", 1008),
        ("language=klingon", "bad_request", 1008),
        ("task=sing", "bad_request", 1008),
        ("tenant_id=", "bad_request", 1008),
        ("session_id=" + "x" * 129, "bad_request", 1008),
        ("prompt=" + "x" * 1001, "bad_request", 1008),
        ("hotwords=" + "x" * 1001, "bad_request", 1008),
        ("final=worst", "bad_request", 1008),
        ("words=all", "bad_request", 1008),
        ("model=", "bad_request", 1008),
        ("domain=OPERA", "bad_request", 1008),
        ("epd_time=0", "bad_request", 1008),
        ("noise_threshold=2", "bad_request", 1008),
        ("active_threshold=loud", "bad_request", 1008),
        ("use_punctuation=perhaps", "bad_request", 1008),
        ("use_itn=0", "bad_request", 1008),
        ("use_disfluency_filter=1", "bad_request", 1008),
        ("use_profanity_filter=1", "bad_request", 1008),
        ("keywords=" + ",".join(["x"] * 101), "bad_request", 1008),
    ],
)
def test_s1_a_bad_query_is_refused_by_name(
    service: Hark, query: str, code: str, close: int
) -> None:
    """W27, client-S1: the first frame is an error that names the parameter, then the close."""
    with service.connect(f"?{query}") as stream:
        error = stream.greeting
        assert error is not None
        assert (error["type"], error["code"]) == ("error", code)
        assert query.split("=", maxsplit=1)[0] in error["message"]
        assert stream.next() is None
    assert stream.close_code == close


def test_choices_of_the_query_are_taken(service: Hark) -> None:
    """Language in any case, and parameters nobody knows."""
    with service.connect("?language=DE&task=translate&prompt=Hark&color=blue") as stream:
        assert spoken(stream, "1", voice(1))["language"] == "de"


def test_a_refused_query_is_nobody_elses_business(service: Hark) -> None:
    """Only the session that asked for what there is not ends; the one beside it goes on (W14)."""
    with service.connect() as beside:
        say(beside, "1", voice(1))
        for query in ("language=xx", "task=sing", "hotwords=" + "x" * 1001):
            with service.connect(f"?{query}") as stream:
                assert stream.next() is None
        beside.send(type="finalize_chunk")

        assert beside.final("1")["text"] == counted(1)


def test_words_come_as_they_are_asked_for(service: Hark) -> None:
    """With an utterance's end by default, and with `words=none` nowhere (client-S1)."""
    for query, asked in (("", True), ("?words=final", True), ("?words=none", False)):
        with service.connect(query) as stream:
            spoken(stream, "1", voice(2))
        said = texts(stream.events)
        ends = [event for event in said if event["is_final"] or event.get("speech_final")]
        assert ends
        assert {"words" in event for event in ends} == {asked}
        assert not any("words" in event for event in said if event not in ends)


def test_a_client_that_stops_sending_hears_the_end_of_its_utterance(tmp_path: Path) -> None:
    """A muted microphone: the final comes without more audio, then the chunk goes on (REC-55)."""
    with hark(tmp_path, **FAST, STT_STALL_S="0.2") as service:
        with service.connect() as stream:
            say(stream, "1", voice(2))
            ended = stream.until(lambda event: event.get("speech_final"))
            assert stream.close_code is None
            stream.audio(voice(1))
            stream.send(type="finalize_chunk")
            last = stream.final("1")
        with service.connect("?auto_chunk=1") as captions:
            for at in range(0, 64_000, 3200):
                captions.audio(voice(2)[at : at + 3200])
            minted = captions.final()

    assert (ended["text"], ended["is_final"]) == (counted(2), False)
    assert last["text"] == f"{counted(2)} {counted(1)}"
    assert minted["text"] == counted(2)


def test_audio_far_ahead_of_real_time_waits_and_is_all_heard(tmp_path: Path) -> None:
    """Sent 50 times as fast as spoken and more: taken at the pace, none of it lost (RT-27)."""
    with (
        hark(tmp_path, **FAKE, STT_AUDIO_RATE="10", STT_AUDIO_BURST_S="1") as paced,
        paced.connect() as stream,
        paced.connect() as beside,
    ):
        begun = time.monotonic()
        say(stream, "1", voice(11.0))
        stream.send(type="finalize_chunk")
        assert spoken(beside, "2", voice(0.5))["text"]
        last = stream.final("1")
        took = time.monotonic() - begun

    assert last["text"] == counted(11)
    assert last["usage"]["received_s"] == 11.0
    assert took >= 0.9


def test_a_fast_client_is_answered_while_its_audio_waits(tmp_path: Path) -> None:
    """Audio ahead of real time waits; pings and finalize are answered meanwhile (RT-27, W17)."""
    with (
        hark(tmp_path, **FAKE, STT_AUDIO_RATE="1.5", STT_AUDIO_BURST_S="1") as slow,
        slow.connect() as stream,
    ):
        stream.send(type="set_chunk", chunk_id="1")
        stream.audio(voice(20.0))
        begun = time.monotonic()
        stream.send(type="ping", id=1)
        stream.until(lambda event: event.get("type") == "pong")
        stream.send(type="finalize_chunk")

        stream.final("1")

        assert time.monotonic() - begun < 5
