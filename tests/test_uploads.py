"""Tests of files and raw audio on POST /transcribe."""

from __future__ import annotations

import io
import json
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import EnvironBuilder

from stt.errors import EngineError, NotReady, QueueFull, STTError
from stt.events import Final
from stt_file import FileOptions
from tests.doors import MAX_BODY, House, build, pcm

AUDIO = Path(__file__).parent / "audio"
FLAC = (AUDIO / "en_hello.flac").read_bytes()


@pytest.fixture(name="house")
def _house() -> Iterator[House]:
    house = build()
    yield house
    house.store.close()


def wav(seconds: float) -> bytes:
    """A RIFF file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16_000)
        out.writeframes(pcm(seconds))
    return file.getvalue()


def send(house: House, data: bytes, name: str = "blob", **fields: Any) -> Any:
    """A multipart upload, as `curl -F` makes it."""
    form = {"file": (io.BytesIO(data), name, "application/x-nonsense")} | fields
    request = EnvironBuilder(method="POST", path="/transcribe", data=form).get_request()
    try:
        return house.http.open(request)
    finally:
        request.environ["wsgi.input"].close()  # a temporary file, when the body is large


def error(answer: Any, status: int) -> dict[str, Any]:
    """The OpenAI error of a refusal, which must have all four keys."""
    assert answer.status_code == status, answer.text
    found = answer.get_json()["error"]
    assert set(found) == {"message", "type", "param", "code"}
    return dict(found)


def test_a_file_is_answered_with_its_text(house: House) -> None:
    """Default json: text and usage, once the transcript is ready (native UP1)."""
    answer = send(house, wav(3))

    assert answer.status_code == 200
    assert answer.get_json() == {
        "text": "Hello there.",
        "usage": {"type": "duration", "seconds": 3.0},
    }


def test_the_content_decides(house: House) -> None:
    """Name and type of the part are ignored (native UP2, UP4, client OF1)."""
    assert send(house, FLAC, "a.wav").status_code == 200
    assert house.recorder.lengths[0] > 1


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "audio/flac", "", "x/y"])
def test_a_raw_body_is_audio(house: House, kind: str) -> None:
    """`curl --data-binary` says it is a form; its first bytes say audio (TF-RAW, native UP3)."""
    answer = house.http.post("/transcribe?language=en", data=FLAC, headers={"Content-Type": kind})

    assert answer.status_code == 200
    assert house.recorder.calls[0].language == "en"


@pytest.mark.parametrize("first", [b"{", b" {", b"\n"])
def test_announced_pcm_may_begin_with_a_brace(house: House, first: bytes) -> None:
    """`?encoding=` says headerless PCM, whatever its first byte is (native UP3)."""
    body = (first * 2)[:2] + pcm(1)

    answer = house.http.post(
        "/transcribe?encoding=linear16&sample_rate=8000", data=body, content_type="audio/l16"
    )

    assert answer.status_code == 200
    assert house.recorder.lengths[0] == pytest.approx(2.0, abs=0.05)


def test_fields_reach_the_recorder(house: House) -> None:
    """Language by name, prompt, tenant, word times (native UP2, client OF3, OF5, OF7)."""
    answer = send(
        house,
        wav(1),
        model="whisper-1",
        language="German",
        prompt="Hark",
        hotwords="CTranslate2",
        final="best",
        task="translate",
        temperature="0",
        tenant_id="t7",
        response_format="verbose_json",
        **{"timestamp_granularities[]": ["word", "segment"], "nonsense": "x"},
    )

    assert answer.status_code == 200
    assert set(answer.get_json()) >= {"segments", "words", "language", "duration", "usage"}
    assert house.recorder.lengths == [1.0]
    assert house.recorder.calls == [
        FileOptions(
            tenant="t7",
            language="de",
            task="translate",
            prompt="Hark",
            hotwords="CTranslate2",
            final="best",
            word_times=True,
        )
    ]


def test_fields_may_stand_in_the_query(house: House) -> None:
    """Raw bodies take the same names as query parameters (native UP3)."""
    path = "/transcribe?response_format=verbose_json&timestamp_granularities=word&prompt=a"

    answer = house.http.post(path, data=FLAC, content_type="audio/flac")

    assert "segments" not in answer.get_json()
    assert house.recorder.calls[0].prompt == "a"


@pytest.mark.parametrize(
    ("name", "kind", "start"),
    [("text", "text/plain; charset=utf-8", "Hello there.\n"),
     ("srt", "text/plain; charset=utf-8", "1\n00:00:00,000 --> "),
     ("vtt", "text/vtt; charset=utf-8", "WEBVTT\n\n00:00:00.000 --> ")],
)  # fmt: skip
def test_other_formats(house: House, name: str, kind: str, start: str) -> None:
    """Subtitles and plain text have their own types (native UP1, client OF16-OF18)."""
    answer = send(house, wav(1), response_format=name)

    assert answer.content_type == kind
    assert answer.text.startswith(start)


@pytest.mark.parametrize(
    ("fields", "param"),
    [({"response_format": "xml"}, "response_format"), ({"stream": "maybe"}, "stream"),
     ({"language": "klingon"}, "language"), ({"temperature": "hot"}, "temperature"),
     ({"temperature": "nan"}, "temperature"), ({"temperature": "2"}, "temperature"),
     ({"timestamp_granularities[]": "page"}, "timestamp_granularities[]"),
     ({"encoding": "linear16", "sample_rate": "fast"}, "sample_rate"),
     ({"prompt": "x" * 1001}, "prompt"), ({"hotwords": "x" * 1001}, "hotwords"),
     ({"final": "worst"}, "final"),
    ({"task": "sing"}, "task"),
     ({"tenant_id": "x" * 200}, "tenant_id")],
)  # fmt: skip
def test_a_bad_field_is_named(house: House, fields: dict[str, str], param: str) -> None:
    """400 in OpenAI's shape, with the field as param (native UP5, client OE1)."""
    assert error(send(house, wav(1), **fields), 400)["param"] == param
    assert house.recorder.calls == []


def test_a_hint_that_is_too_long_hears_the_limit(house: House) -> None:
    """The message says how long it may be (client-S1)."""
    message = error(send(house, wav(1), hotwords="x" * 1001), 400)["message"]

    assert message == "hotwords may have 1000 characters, got 1001"


def test_keywords_are_hot_words(house: House) -> None:
    """Some clients send them one by one, under another name (client OF4)."""
    path = "/transcribe?hotwords=Hark&keywords[]=Whisper&keywords[]=%20&keywords=Opus"

    answer = house.http.post(path, data=FLAC, content_type="audio/flac")

    assert answer.status_code == 200
    assert house.recorder.calls[0].hotwords == "Hark, Whisper, Opus"


@pytest.mark.parametrize("value", ["false", "False", "0", ""])
def test_an_answer_is_no_stream_by_default(house: House, value: str) -> None:
    """`stream=false` is the default (client OF10)."""
    assert send(house, wav(1), stream=value).status_code == 200


def test_missing_audio_is_400(house: House) -> None:
    """No file part, an empty one, or text under its name (native UP5)."""
    none = house.http.post("/transcribe", data={"model": "x"}, content_type="multipart/form-data")
    text = house.http.post("/transcribe", data={"file": "x"}, content_type="multipart/form-data")

    assert error(none, 400)["param"] == "file"
    assert error(text, 400)["param"] == "file"
    assert error(send(house, b""), 400)["param"] == "file"


@pytest.mark.parametrize(
    "data", [b"this is no audio", b"\x00" * 1000, FLAC[:20], b"RIFF\0\0\0\0WAVE"]
)
def test_undecodable_audio_is_400(house: House, data: bytes) -> None:
    """Bytes that are no audio are the client's fault, never 500 (native UP5)."""
    file = send(house, data)
    body = house.http.post("/transcribe", data=data, content_type="audio/wav")

    assert error(file, 400)["code"] == "undecodable_audio"
    assert error(body, 400)["code"] == "undecodable_audio"
    assert house.recorder.calls == []


@pytest.mark.parametrize(
    ("kind", "body"),
    [("multipart/form-data", FLAC), ("multipart/form-data; boundary=x", b"--y\r\n\r\n"),
     ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data; name=file\r\n"),
     ("multipart/form-data; boundary=x", b""), ("multipart/form-data; boundary=", b"--\r\n")],
)  # fmt: skip
def test_broken_multipart_is_400(house: House, kind: str, body: bytes) -> None:
    """Without a boundary, cut off, or empty: 400, never 500 (native UP6, client OE3)."""
    answer = house.http.post("/transcribe", data=body, headers={"Content-Type": kind})

    assert error(answer, 400)["code"] == "bad_request"
    assert house.recorder.calls == []


@pytest.mark.parametrize("kind", ["multipart/form-data", "audio/wav"])
@pytest.mark.parametrize("chunked", [False, True])
def test_too_large_is_413(house: House, kind: str, chunked: bool) -> None:
    """Above the limit, with and without Content-Length; never cut short (UP5, HT9, F-20)."""
    data = b"--x\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\n"
    data += bytes(MAX_BODY) + b"\r\n--x--\r\n"
    headers = {"Content-Type": f"{kind}; boundary=x"}
    unknown: dict[str, Any] = {}
    if chunked:
        headers["Transfer-Encoding"] = "chunked"
        unknown = {"wsgi.input_terminated": True, "CONTENT_LENGTH": ""}

    answer = house.http.post("/transcribe", data=data, headers=headers, environ_overrides=unknown)

    assert error(answer, 413)["code"] == "too_large"
    assert house.recorder.calls == []


def test_too_long_is_413() -> None:
    """More seconds than the limit (native UP5)."""
    house = build(max_seconds=2)

    assert error(send(house, wav(2.5)), 413)["code"] == "too_large"
    assert send(house, wav(1.5)).status_code == 200
    house.store.close()


@pytest.mark.parametrize(
    ("failure", "status", "again"),
    [(QueueFull(), 429, "2"), (NotReady("loading"), 503, "2"), (EngineError("failed"), 500, None)],
)
def test_refusals_say_when_to_come_back(
    house: House, failure: STTError, status: int, again: str | None
) -> None:
    """A file is not stale: 429 and 503 carry Retry-After (native UP5, client OE2)."""
    house.recorder.refusals = [failure]

    answer = send(house, wav(1))

    assert error(answer, status)["code"] == failure.code
    assert answer.headers.get("Retry-After") == again


def test_one_file_too_many_is_refused_undecoded() -> None:
    """429 while others are transcribed, whether those fail or not; then there is room (F-17)."""
    house = build(at_once=1)
    inside: list[Any] = []

    def nested() -> Iterator[Final | EngineError]:
        inside.append(send(house, b"this is no audio"))
        yield EngineError("failed") if len(inside) == 1 else Final(0, "Hello.", 0.0, 1.0)

    statuses = []
    for _ in range(2):
        house.recorder.script = nested()
        statuses.append(send(house, wav(1)).status_code)

    assert statuses == [500, 200]
    for answer in inside:
        assert error(answer, 429)["type"] == "rate_limit_error"
        assert answer.headers["Retry-After"] == "2"
    assert house.files.turns.taken == 0
    house.store.close()


@pytest.mark.parametrize("blank", [b"", b"\r\n" * 5000, b"\xef\xbb\xbf"])
def test_blanks_before_audio_or_json_change_nothing(house: House, blank: bytes) -> None:
    """The body is told apart by its first byte that is none, however late it comes (section 4)."""
    chunk = b'{"chunk_id": "1", "audio_b64": "AAAA"}'
    body = chunk + b" " * 5000 + chunk.replace(b"1", b"2")
    kind = "application/octet-stream"

    queued = house.http.post("/transcribe", data=blank + body, content_type=kind)
    audio = house.http.post("/transcribe", data=blank + FLAC, content_type=kind)

    assert queued.status_code == 200
    assert [chunk_id for _, chunk_id, _ in house.recorder.snapshots] == ["1", "2"]
    assert audio.status_code == (400 if blank else 200)
    assert set(audio.get_json()) == ({"error"} if blank else {"text", "usage"})


def test_an_upload_leaves_nothing_behind(house: House) -> None:
    """No chunk, no transcript (native UP7)."""
    send(house, wav(1))

    assert house.texts() == {}
    assert house.recorder.snapshots == []


def test_the_key_decides_whose_turn_it_is() -> None:
    """With keys on the tenant is the key's, and without one nothing is decoded (HT-AUTH)."""
    house = build({"ka": "alice"})
    form = {"file": (io.BytesIO(wav(1)), "a"), "tenant_id": "bob"}

    refused = send(house, wav(1))
    answer = house.http.post("/transcribe", data=form, headers={"Authorization": "Bearer ka"})

    assert error(refused, 401)["type"] == "invalid_request_error"
    assert answer.status_code == 200
    assert [call.tenant for call in house.recorder.calls] == ["alice"]
    house.store.close()


def test_text_that_is_no_ascii_stays_readable(house: House) -> None:
    """Errors are JSON in UTF-8."""
    answer = send(house, wav(1), language="ß")

    assert "ß" in json.loads(answer.data)["error"]["message"]


def test_a_huge_field_is_413(house: House) -> None:
    """Fields other than the file are bounded on their own (native UP5)."""
    assert error(send(house, wav(1), prompt="a" * 3_200_000), 413)["code"] == "too_large"
