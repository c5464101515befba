"""Tests of POST /transcribe and /transcripts, and the replays R1-R7 of the known clients."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from werkzeug.serving import make_server

from api.legacy import MAX_OBJECTS, parse_objects
from stt.errors import NotReady, QueueFull, TooLarge
from tests.doors import (
    MAX_BODY,
    Answer,
    Client,
    House,
    InProcess,
    OverTheNetwork,
    base64_pcm,
    build,
    pcm,
)

T0, T1 = "1700000000000", "1700000001000"
ONE = base64_pcm(0.1)  # as short as possible where the length does not matter


@pytest.fixture(name="house")
def _house() -> Iterator[House]:
    house = build()
    yield house
    house.store.close()


def post(house: House, body: object, path: str = "/transcribe", **headers: str) -> Any:
    """Send an object, or bytes as they are."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"Content-Type": "application/json"} | {
        k.replace("_", "-"): v for k, v in headers.items()
    }
    return house.http.post(path, data=data, headers=sent)


def events(text: str) -> list[Any]:
    """The objects of server-sent events."""
    assert text.endswith("\n\n")
    return [json.loads(part.removeprefix("data: ")) for part in text.split("\n\n") if part]


def test_a_snapshot_is_queued_and_answered_at_once(house: House) -> None:
    """200 with three keys, JSON; the samples arrive as float32 (native TR1, TR10)."""
    answer = post(house, {"chunk_id": T0, "audio_b64": ONE, "translate_from": "en"})

    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    assert answer.get_json() == {"chunk_id": T0, "tenant_id": "0000", "status": "processing"}
    assert house.recorder.snapshots == [("0000", T0, 1600)]


@pytest.mark.parametrize(("number", "text"), [(1700000000000, T0), (0, "0"), (-5, "-5")])
def test_a_number_as_chunk_id_becomes_a_string(house: House, number: int, text: str) -> None:
    """Ids are strings from the door on (native DM8, B14)."""
    answer = post(house, {"chunk_id": number, "tenant_id": 7, "audio_b64": ONE})

    assert answer.get_json() == {"chunk_id": text, "tenant_id": "7", "status": "processing"}
    assert house.get(f"/get_transcript?tenant_id=7&chunk_id={text}")["chunk_id"] == text


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "", "audio/wav"]
)
def test_the_content_type_of_json_does_not_matter(house: House, kind: str) -> None:
    """A body that begins with a brace is JSON, whatever stands before it (TF-JSON)."""
    body = b"\xef\xbb\xbf \r\n" + json.dumps({"chunk_id": T0, "audio_b64": ONE}).encode()

    answer = post(house, body, Content_Type=kind)

    assert answer.get_json()["status"] == "processing"


@pytest.mark.parametrize("tenant", [None, ""])
def test_no_tenant_is_the_default_tenant(house: House, tenant: str | None) -> None:
    """An absent tenant is "0000" (native DM1)."""
    answer = post(house, {"chunk_id": T0, "tenant_id": tenant, "audio_b64": ONE})

    assert answer.get_json()["tenant_id"] == "0000"


def test_a_full_queue_is_429_without_retry_after(house: House) -> None:
    """Refused audio is stale: nothing may make a client send it again (native TR2, HT10, B18)."""
    house.recorder.refusals = [QueueFull()]

    answer = post(house, {"chunk_id": T0, "audio_b64": ONE})

    assert answer.status_code == 429
    assert "Retry-After" not in answer.headers
    assert answer.get_json() == {
        "chunk_id": T0,
        "tenant_id": "0000",
        "status": "rejected",
        "error": "queue_full",
    }


def test_the_status_of_a_refusal_can_be_200() -> None:
    """STT_REJECT_STATUS=200 is what PR 29 answered (native HT10)."""
    house = build(reject_status=200)
    house.recorder.refusals = [QueueFull()]

    answer = post(house, {"chunk_id": T0, "audio_b64": ONE})

    assert (answer.status_code, answer.get_json()["status"]) == (200, "rejected")
    house.store.close()


def test_a_loading_model_is_no_server_error(house: House) -> None:
    """Snapshots are refused as overload while no model is ready, never with 5xx (native HT10)."""
    house.recorder.refusals = [NotReady("the model is loading")]

    answer = post(house, {"chunk_id": T0, "audio_b64": ONE})

    assert (answer.status_code, answer.get_json()["error"]) == (429, "not_ready")
    assert "Retry-After" not in answer.headers


NO_JSON = {
    "empty": b"",
    "blank": b" \n",
    "not JSON": b"hello",
    "cut off": b'{"chunk_id": "1"',
    "a list": b"[1]",
    "a number": b"1",
    "deep": b'{"a":' + b"[" * 100_000,
    "NaN": b'{"chunk_id": NaN}',
    "digits": b'{"chunk_id": ' + b"9" * 5000 + b"}",
    "not UTF-8": b'{"chunk_id": "\xff"}',
    "rubbish after": b'{"chunk_id": "1", "audio_b64": "AAAA"} x',
}


@pytest.mark.parametrize("name", NO_JSON)
@pytest.mark.parametrize("kind", ["application/json", "text/plain"])
def test_what_is_no_json_is_400(house: House, name: str, kind: str) -> None:
    """A body that does not parse is told so, and nothing of it is queued (native TR3, HT4)."""
    answer = post(house, NO_JSON[name], Content_Type=kind)

    assert (answer.status_code, answer.get_json()) == (400, {"error": "No JSON payload received"})
    assert house.recorder.snapshots == []


def test_an_empty_body_of_any_type_is_the_json_form(house: House) -> None:
    """Every empty body counts as JSON (TF-JSON, client 1: never hang)."""
    answer = post(house, b"", Content_Type="audio/wav")

    assert (answer.status_code, answer.get_json()) == (400, {"error": "No JSON payload received"})


@pytest.mark.parametrize(
    "body",
    [{}, {"chunk_id": T0}, {"audio_b64": ONE}, {"chunk_id": T0, "audio_b64": ""},
     {"chunk_id": None, "audio_b64": ONE}, {"chunk_id": "", "audio_b64": ONE}],
)  # fmt: skip
def test_missing_fields_are_400(house: House, body: object) -> None:
    """A missing field, or empty audio, has its own sentence (native TR4)."""
    answer = post(house, body)

    assert (answer.status_code, answer.get_json()) == (400, {"error": "Missing required fields"})


@pytest.mark.parametrize(
    "change",
    [{"audio_b64": "!!!!"}, {"audio_b64": "AAA"}, {"audio_b64": "AA=A"}, {"audio_b64": "ÄÄÄÄ"},
     {"audio_b64": 5}, {"audio_b64": ["AAAA"]}, {"chunk_id": ["1"]}, {"chunk_id": True},
     {"chunk_id": 1.5}, {"chunk_id": "a\nb"}, {"chunk_id": "x" * 129}, {"tenant_id": {"a": 1}},
     {"tenant_id": "\ud800"}],
)  # fmt: skip
def test_bad_values_are_400_and_queue_nothing(house: House, change: dict[str, Any]) -> None:
    """Base64 is decoded and ids are checked at the door (native TR5, B17, DM8)."""
    answer = post(house, {"chunk_id": T0, "audio_b64": ONE} | change)

    assert answer.status_code == 400
    assert isinstance(answer.get_json()["error"], str)
    assert house.recorder.snapshots == []


def test_line_breaks_in_base64_are_read_over(house: House) -> None:
    """Base64 in lines of 76, as mail tools write it, is base64 too."""
    lines = base64.encodebytes(pcm(0.1)).decode()

    assert post(house, {"chunk_id": T0, "audio_b64": lines}).status_code == 200
    assert house.recorder.snapshots == [("0000", T0, 1600)]


def test_an_odd_byte_is_dropped_with_a_warning(house: House) -> None:
    """An odd byte count is accepted, cut and said (native TR6, B17)."""
    odd = base64.b64encode(pcm(0.1) + b"\x01").decode()

    answer = post(house, {"chunk_id": T0, "audio_b64": odd})

    assert answer.status_code == 200
    assert answer.get_json() == {
        "chunk_id": T0,
        "tenant_id": "0000",
        "status": "processing",
        "warning": "odd_length",
    }
    assert house.recorder.snapshots == [("0000", T0, 1600)]


def test_bodies_above_the_older_limit_are_accepted(house: House) -> None:
    """60 s of audio, beyond 2,048,000 bytes, is queued whole (native TR7, B15, DM10)."""
    answer = post(house, {"chunk_id": T0, "audio_b64": base64_pcm(60)})

    assert answer.status_code == 200
    assert house.recorder.snapshots == [("0000", T0, 960_000)]


@pytest.mark.parametrize("chunked", [False, True])
def test_bodies_above_our_limit_are_413(house: House, chunked: bool) -> None:
    """Too large is said in JSON, with and without Content-Length (native TR7, HT9, F-20)."""
    body = b'{"chunk_id": "1", "audio_b64": "' + b"A" * MAX_BODY + b'"}'
    headers = {"Content-Type": "application/json"}
    if chunked:
        headers |= {"Transfer-Encoding": "chunked"}

    answer = house.http.post(
        "/transcribe", data=body, headers=headers, environ_overrides=_unknown_length(chunked)
    )

    assert answer.status_code == 413
    assert isinstance(answer.get_json()["error"], str)
    assert "Retry-After" not in answer.headers
    assert house.recorder.snapshots == []


def _unknown_length(chunked: bool) -> dict[str, Any]:
    """What a WSGI server says of a chunked body."""
    return {"wsgi.input_terminated": True, "CONTENT_LENGTH": ""} if chunked else {}


def test_a_packed_body_is_415(house: House) -> None:
    """Content-Encoding is refused and never taken for audio (runtime F-20)."""
    answer = post(house, b"\x1f\x8b", Content_Encoding="gzip")

    assert answer.status_code == 415
    assert "error" in answer.get_json()


def test_too_much_audio_is_413(house: House) -> None:
    """What the recorder finds too long is 413 with the chunk's ids (native TR7)."""
    house.recorder.refusals = [TooLarge("longer than 60 s")]

    answer = post(house, {"chunk_id": T0, "audio_b64": ONE})

    assert answer.status_code == 413
    assert answer.get_json() == {"error": "longer than 60 s", "chunk_id": T0, "tenant_id": "0000"}


@pytest.mark.parametrize("between", ["", "\n", "\r\n\r\n", "  "])
def test_several_objects_are_all_queued_in_order(house: House, between: str) -> None:
    """Concatenated or one per line: one event per object (native TR8, TR10, B16)."""
    body = between.join(json.dumps({"chunk_id": id_, "audio_b64": ONE}) for id_ in (T0, T1, "x"))

    answer = post(house, body.encode())

    assert (answer.status_code, answer.content_type) == (200, "text/event-stream")
    assert events(answer.text) == [
        {"chunk_id": id_, "tenant_id": "0000", "status": "processing"} for id_ in (T0, T1, "x")
    ]
    assert [chunk for _, chunk, _ in house.recorder.snapshots] == [T0, T1, "x"]


def test_of_several_objects_each_has_its_own_status(house: House) -> None:
    """200 if at least one was accepted; the others say why not (native TR9)."""
    house.recorder.refusals = [QueueFull()]
    first, second = ({"chunk_id": id_, "audio_b64": ONE} for id_ in (T0, T1))
    body = json.dumps(first) + json.dumps(second) + '{"chunk_id": "z"}'

    answer = post(house, body.encode())

    assert answer.status_code == 200
    assert [event.get("status") for event in events(answer.text)] == [
        "rejected",
        "processing",
        None,
    ]
    assert events(answer.text)[2] == {"error": "Missing required fields"}


def test_if_none_was_accepted_the_answer_is_a_refusal(house: House) -> None:
    """All refused: as one refused object (native TR9, TR2)."""
    house.recorder.refusals = [QueueFull(), QueueFull()]
    body = json.dumps({"chunk_id": T0, "audio_b64": ONE}) * 2

    answer = post(house, body.encode())

    assert answer.status_code == 429
    assert [event["status"] for event in events(answer.text)] == ["rejected", "rejected"]


def test_events_are_sent_where_asked_for(house: House) -> None:
    """Accept: text/event-stream gives the older framing; */* does not (native TR10)."""
    body = {"chunk_id": T0, "audio_b64": ONE}

    asked = post(house, body, Accept="text/event-stream")
    unasked = post(house, body, Accept="*/*")

    expected = {"chunk_id": T0, "tenant_id": "0000", "status": "processing"}
    assert asked.content_type == "text/event-stream"
    assert asked.text == f"data: {json.dumps(expected)}\n\n"
    assert unasked.get_json() == expected


def test_transcripts_answers_202(house: House) -> None:
    """POST /transcripts is the JSON form with 202 (native AL1)."""
    body = {"chunk_id": T0, "audio_b64": ONE}
    house.recorder.refusals = [None, QueueFull()]

    accepted, refused = (post(house, body, "/transcripts") for _ in range(2))
    broken = post(house, b"RIFF", "/transcripts", Content_Type="audio/wav")

    assert (accepted.status_code, accepted.get_json()["status"]) == (202, "processing")
    assert refused.status_code == 429
    assert broken.get_json() == {"error": "No JSON payload received"}


def test_wrong_methods_are_405_in_json(house: House) -> None:
    """The sentence of the older service (native HT2)."""
    answer = house.http.get("/transcribe")

    assert answer.status_code == 405
    assert answer.get_json() == {"message": "The method is not allowed for the requested URL."}


def test_the_key_decides_the_tenant() -> None:
    """With keys on, a message's tenant_id is not listened to (native HT-AUTH, RT-57, B35)."""
    house = build({"secret": "alice"})
    body = {"chunk_id": T0, "tenant_id": "bob", "audio_b64": ONE}

    refused = post(house, body)
    accepted = post(house, body, Authorization="Bearer secret")

    assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert accepted.get_json()["tenant_id"] == "alice"
    assert house.texts("bob") == {}
    house.store.close()


def test_concatenated_objects_are_read_one_by_one() -> None:
    """The parser takes white space between objects and nothing else."""
    assert parse_objects(b' {"a": "}{"} \n{"b": 1}') == [{"a": "}{"}, {"b": 1}]
    with pytest.raises(ValueError, match="Expecting value"):
        parse_objects(b'{"a": 1},{"b": 2}')


def test_the_number_of_objects_is_bounded(house: House) -> None:
    """A body of very many objects is refused as a whole (native HT9)."""
    answer = post(house, b"{}" * (MAX_OBJECTS + 1))

    assert answer.status_code == 413
    assert len(parse_objects(b"{}\n" * MAX_OBJECTS)) == MAX_OBJECTS


# The replays. They need only a Client, so they hold for any running service as well.


@pytest.fixture(name="client", params=["in process", "over the network"])
def _client(request: pytest.FixtureRequest) -> Iterator[Client]:
    house = build(allowed_origins=("null",))
    if request.param == "in process":
        yield InProcess(house.app)
    else:
        server = make_server("127.0.0.1", 0, house.app, threaded=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield OverTheNetwork(f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
        thread.join()
        server.server_close()
    house.store.close()


def snapshot(client: Client, chunk_id: str, seconds: float) -> Answer:
    """Post a chunk's audio so far."""
    body = {"chunk_id": chunk_id, "audio_b64": base64_pcm(seconds)}
    return client.send("POST", "/transcribe", body)


def wait_for_text(client: Client, chunk_id: str, deadline: float = 30.0) -> str:
    """Poll until a chunk has a transcript (R3)."""
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        path = f"/get_transcript?tenant_id=0000&chunk_id={chunk_id}"
        found = client.send("GET", path).json
        if found["transcript"]:
            assert set(found) == {"chunk_id", "transcript"}
            assert found["chunk_id"] == chunk_id
            return str(found["transcript"])
    raise AssertionError(f"no transcript of {chunk_id} within {deadline:g} s")


def test_replay_r1_to_r3_a_growing_chunk(client: Client) -> None:
    """R1-R3: snapshots of 1, 2 and 3 s are accepted; the transcript is that of the last."""
    for seconds in (1, 2, 3):
        answer = snapshot(client, T0, seconds)
        assert 200 <= answer.status < 300
        assert answer.json["status"] == "processing"

    text = wait_for_text(client, T0)

    assert text == "Heard 3 seconds."


def test_replay_r1_as_an_event(client: Client) -> None:
    """R1, asked for as an event: one `data:` line."""
    body = {"chunk_id": T0, "audio_b64": base64_pcm(1)}

    answer = client.send("POST", "/transcribe", body, {"Accept": "text/event-stream"})

    assert [event["status"] for event in events(answer.body.decode())] == ["processing"]


def test_replay_r4_to_r6_reading_and_popping(client: Client) -> None:
    """R4-R6: the latest, the list, then pop until nothing is left."""
    for chunk_id in (T0, T1):
        snapshot(client, chunk_id, 1)
        wait_for_text(client, chunk_id)

    latest = client.send("GET", "/get_latest_transcript?sentences=true").json
    listed = client.send("GET", "/list_transcripts?sentences=true").json
    popped = [client.send("GET", "/pop_first_transcript").json for _ in range(3)]

    assert latest["chunk_id"] == T1
    assert list(listed) == [T0, T1]
    assert all(set(entry) == {"transcript"} for entry in listed.values())
    assert [entry["chunk_id"] for entry in popped] == [T0, T1, "-1"]
    assert popped[2] == {"chunk_id": "-1", "transcript": ""}


def test_replay_r7_a_file_page_asks_first(client: Client) -> None:
    """R7: the preflight of Origin null passes where null is allowed (native HT6, HT7, B35)."""
    headers = {
        "Origin": "null",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }

    answer = client.send("OPTIONS", "/transcribe", headers=headers)

    allowed = {name.lower(): value for name, value in answer.headers.items()}
    assert 200 <= answer.status < 300
    assert allowed["access-control-allow-origin"] == "null"
    assert "content-type" in allowed["access-control-allow-headers"].lower()
    assert "access-control-allow-credentials" not in allowed


def test_replay_r7_null_needs_permission(house: House) -> None:
    """R7 with the default: null is not allowed, a loopback page is (native HT6)."""
    preflight = {"Access-Control-Request-Method": "POST"}
    client = InProcess(house.app)

    null = client.send("OPTIONS", "/transcribe", headers=preflight | {"Origin": "null"})
    loopback = client.send(
        "OPTIONS", "/transcribe", headers=preflight | {"Origin": "http://localhost:8000"}
    )

    assert "Access-Control-Allow-Origin" not in null.headers
    assert loopback.headers["Access-Control-Allow-Origin"] == "http://localhost:8000"
