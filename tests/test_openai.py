"""OpenAI's doors for files: every field, every format, streams, models, errors."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Response
from werkzeug.test import EnvironBuilder, TestResponse

from stt.errors import EngineError, NotReady, Overloaded, QueueFull, STTError
from stt.events import Abilities, Final, Word
from stt.formats import FORMATS
from tests.doors import MAX_BODY, MODEL, House, build, pcm
from tests.test_uploads import FLAC, error, wav

TRANSCRIBE, TRANSLATE = "/v1/audio/transcriptions", "/v1/audio/translations"
HELLO = Final(
    0,
    "Hello there.",
    0.5,
    1.5,
    (Word("Hello", 0.5, 1.0, 0.5), Word(" there.", 1.0, 1.5, 1.0)),
    "en",
    average_logprob=-0.25,
)
AGAIN = Final(1, "And again.", 2.0, 2.5, (Word("And"), Word(" again.")), "en", average_logprob=-0.5)
NOTHING = Final(2, "", 3.0, 3.5, reason="filtered")


@pytest.fixture(name="house")
def _house() -> Iterator[House]:
    house = build()
    yield house
    house.store.close()


def send(house: House, path: str = TRANSCRIBE, data: bytes = b"", **fields: Any) -> TestResponse:
    """A file as the SDKs send it; lists are repeated fields."""
    form = {"file": (io.BytesIO(data or wav(1)), "audio.wav", "audio/wav")} | fields
    builder = EnvironBuilder(method="POST", path=path, data=form, headers=fields.pop("headers", {}))
    request = builder.get_request()
    try:
        return house.http.open(request)
    finally:
        request.environ["wsgi.input"].close()


def events(answer: TestResponse) -> list[Any]:
    """The events of a stream, each parsed as the SDKs do, comments left out."""
    assert answer.status_code == 200, answer.text
    frames = [line for line in answer.text.split("\n\n") if line and not line.startswith(":")]
    assert all(frame.startswith("data: ") and "\n" not in frame for frame in frames)
    assert frames.pop() == "data: [DONE]"
    return [json.loads(frame.removeprefix("data: ")) for frame in frames]


# What comes in.


@pytest.mark.parametrize("name", ["blob", "audio", "a.wav", "speech.mp3"])
@pytest.mark.parametrize("kind", ["audio/x-wav", "application/octet-stream", ""])
def test_of1_the_content_decides(house: House, name: str, kind: str) -> None:
    """OF1: a FLAC under any name and any type."""
    answer = send(house, file=(io.BytesIO(FLAC), name, kind))

    assert answer.get_json()["text"] == "Hello there."
    assert house.recorder.lengths[0] > 1


@pytest.mark.parametrize("model", ["whisper-1", "gpt-4o-transcribe", "Systran/x", "", None])
def test_of2_any_model_is_the_served_one(house: House, model: str | None) -> None:
    """OF2: other names map to it, and it may be left out."""
    fields = {} if model is None else {"model": model}

    assert send(house, **fields).status_code == 200


def test_of2_strict_names(house: House) -> None:
    """OF2, OM2: where names are taken strictly another model is 404, on both paths."""
    strict = build(strict=True)

    for path in (TRANSCRIBE, TRANSLATE):
        refusal = error(send(strict, path, model="whisper-1"), 404)
        assert (refusal["code"], refusal["param"]) == ("model_not_found", "model")
        assert "whisper-1" in refusal["message"]
        assert send(strict, path, model=MODEL.id).status_code == 200
        assert send(strict, path).status_code == 200
    strict.store.close()


def test_of3_of4_languages_and_keywords(house: House) -> None:
    """OF3, OF4: a language by code or name, one candidate, several; keywords are hot words."""
    send(house, language="de")
    send(house, language="German", **{"languages[]": ["en", "fr"]})
    send(house, **{"languages[]": ["fr"]})
    send(house, **{"languages[]": ["fr", "en"]})
    send(house, **{"keywords[]": ["Hark", "Whisper"]})

    asked = [(call.language, call.hotwords) for call in house.recorder.calls]
    assert asked == [("de", ""), ("de", ""), ("fr", ""), (None, ""), (None, "Hark, Whisper")]


def test_of5_prompt_and_temperature(house: House) -> None:
    """OF5: `0` is a temperature; the prompt reaches the engine."""
    answer = send(house, prompt="Hark says", temperature="0")

    assert answer.status_code == 200
    assert house.recorder.calls[0].prompt == "Hark says"


@pytest.mark.parametrize("form", ["timestamp_granularities[]", "timestamp_granularities"])
@pytest.mark.parametrize("path", [TRANSCRIBE, TRANSLATE])
def test_of7_of21_of22_granularities(house: House, form: str, path: str) -> None:
    """OF7, OF21: words alone leave segments out, brackets or not; OF22: none in translations."""
    house.recorder.script = [HELLO]

    body = send(house, path, response_format="verbose_json", **{form: ["word"]}).get_json()

    if path == TRANSLATE:
        assert "segments" in body
        assert "words" not in body
    else:
        assert "segments" not in body
        assert body["words"] == [
            {"word": "Hello", "start": 0.5, "end": 1.0},
            {"word": "there.", "start": 1.0, "end": 1.5},
        ]
    assert house.recorder.calls[0].word_times is (path == TRANSCRIBE)


@pytest.mark.parametrize(
    "said",
    [{"chunking_strategy[type]": "server_vad", "chunking_strategy[silence_duration_ms]": "200",
      "chunking_strategy[threshold]": "0.5", "chunking_strategy[prefix_padding_ms]": "300"},
     {"chunking_strategy": json.dumps({"type": "server_vad", "silence_duration_ms": 200,
                                       "threshold": 0.5, "prefix_padding_ms": 300})}],
)  # fmt: skip
def test_of9_how_a_file_is_cut(house: House, said: dict[str, str]) -> None:
    """OF9: an object as bracketed keys or as JSON counts for this file."""
    assert send(house, **said).status_code == 200

    (call,) = house.recorder.calls
    assert (call.silence, call.padding, call.voice) == (0.2, 0.3, pytest.approx(0.7))


def test_of9_auto_leaves_it_to_the_service(house: House) -> None:
    """OF9: `auto` is the default."""
    assert send(house, chunking_strategy="auto").status_code == 200
    assert house.recorder.calls[0].silence is None


def test_of11_of12_of14_other_fields_change_nothing(house: House) -> None:
    """OF11, OF12, OF14: speakers' voices (1 MB), extra fields and SDK headers are let through."""
    answer = send(
        house,
        headers={"X-Stainless-Retry-Count": "0", "X-Stainless-Lang": "python"},
        vad_filter="true",
        **{
            "known_speaker_names[]": ["a"],
            "known_speaker_references[]": [f"data:audio/wav;base64,{'A' * 1_300_000}"],
        },
    )

    assert answer.status_code == 200


def test_of13_a_body_without_a_length(house: House) -> None:
    """OF13: chunked bodies are as good."""
    form = {"file": (io.BytesIO(wav(1)), "a")}
    builder = EnvironBuilder(method="POST", path=TRANSCRIBE, data=form)
    unknown: dict[str, Any] = {"wsgi.input_terminated": True, "CONTENT_LENGTH": ""}

    answer = house.http.open(builder, environ_overrides=unknown)

    assert answer.status_code == 200
    assert house.recorder.lengths == [1.0]
    assert house.files.turns.taken == 0


# What goes out.


def test_of15_json(house: House) -> None:
    """OF15: text and usage in seconds."""
    assert send(house, data=wav(3)).get_json() == {
        "text": "Hello there.",
        "usage": {"type": "duration", "seconds": 3.0},
    }


def test_of8_logprobs(house: House) -> None:
    """OF8: words as tokens, with their bytes; joined they are the text."""
    house.recorder.script = [HELLO, AGAIN, NOTHING]

    body = send(house, **{"include[]": ["logprobs"]}).get_json()

    tokens = [entry["token"] for entry in body["logprobs"]]
    assert tokens == ["Hello", " there.", " And", " again."]
    assert "".join(tokens) == body["text"]
    assert all(bytes(entry["bytes"]).decode() == entry["token"] for entry in body["logprobs"])
    logprobs = [entry["logprob"] for entry in body["logprobs"]]
    assert logprobs == pytest.approx([math.log(0.5), 0.0, -0.5, -0.5])
    assert house.recorder.calls[0].word_times


@pytest.mark.parametrize(
    ("name", "kind", "start"),
    [("text", "text/plain; charset=utf-8", "Hello there. And again.\n"),
     ("srt", "text/plain; charset=utf-8", "1\n00:00:00,500 --> 00:00:01,500\nHello there.\n\n2\n"),
     ("vtt", "text/vtt; charset=utf-8", "WEBVTT\n\n00:00:00.500 --> 00:00:01.500\nHello there.")],
)  # fmt: skip
def test_of16_of17_of18_text_and_subtitles(house: House, name: str, kind: str, start: str) -> None:
    """OF16, OF17, OF18: their own types, on both paths."""
    house.recorder.script = [HELLO, AGAIN]

    for path in (TRANSCRIBE, TRANSLATE):
        answer = send(house, path, response_format=name)

        assert answer.content_type == kind
        assert answer.text.startswith(start)


def test_of19_of20_verbose_json(house: House) -> None:
    """OF19, OF20: all fields of a segment are numbers, its tokens a list; English in full."""
    house.recorder.script = [HELLO, AGAIN]

    body = send(house, response_format="verbose_json").get_json()

    assert (body["task"], body["language"], body["duration"]) == ("transcribe", "english", 1.0)
    assert body["usage"] == {"type": "duration", "seconds": 1.0}
    assert [segment["id"] for segment in body["segments"]] == [0, 1]
    for segment in body["segments"]:
        assert set(segment) == {
            *("id", "seek", "start", "end", "text", "tokens", "temperature", "avg_logprob"),
            *("compression_ratio", "no_speech_prob"),
        }
        assert all(
            isinstance(value, int | float)
            for key, value in segment.items()
            if key not in ("text", "tokens")
        )
        assert segment["tokens"] == []


def test_of22_translations(house: House) -> None:
    """OF22: the task is the path's, the language English, and `stream` is no field of it."""
    answer = send(
        house, TRANSLATE, response_format="verbose_json", stream="true", task="transcribe"
    )

    assert answer.get_json()["language"] == "english"
    assert answer.get_json()["task"] == "translate"
    assert "usage" not in answer.get_json()  # the SDK's types have none
    assert send(house, TRANSLATE).get_json() == {"text": "Hello there."}
    assert house.recorder.calls[0].task == "translate"


def test_of22_a_model_that_cannot_translate() -> None:
    """OF22: 400 naming the model; on the other path 400 naming the task."""
    house = build(abilities=Abilities(frozenset({"en"}), translates=False))

    assert error(send(house, TRANSLATE), 400)["param"] == "model"
    assert error(send(house, task="translate"), 400)["param"] == "task"
    assert send(house).status_code == 200
    house.store.close()


def test_a_language_the_model_does_not_know() -> None:
    """400 naming the field, before the file is decoded (OE1)."""
    house = build(abilities=Abilities(frozenset({"en"})))

    assert error(send(house, language="de"), 400)["param"] == "language"
    assert error(send(house, **{"languages[]": ["de"]}), 400)["param"] == "languages[]"
    assert house.recorder.calls == []
    house.store.close()


@pytest.mark.parametrize("path", [TRANSCRIBE, "/v1/models", "/v1/nowhere", "/v1"])
def test_of23_every_answer_has_a_request_id(house: House, path: str) -> None:
    """OF23: the client's own where it is sane, else a new one each time."""
    given = ("req_A.1:b-2", "no good\x7f", "x" * 200, "")
    answers = [house.http.get(path, headers={"X-Request-Id": name}) for name in given]

    ids = [answer.headers["x-request-id"] for answer in answers]
    assert ids[0] == "req_A.1:b-2"
    assert len(set(ids)) == 4
    assert all(len(name) == 36 for name in ids[1:])


def test_of23_the_request_id_goes_with_the_file(house: House) -> None:
    """OF23: it labels the work, so that the log of a file can be found."""
    answer = send(house, headers={"X-Request-Id": "mine"})

    assert answer.headers["x-request-id"] == "mine"
    assert house.recorder.calls[0].label == "mine"


# Streams.


def test_os1_os2_deltas_are_the_text(house: House) -> None:
    """OS1, OS2, OS3, OS4: deltas, one done with all of it, no usage, then [DONE]."""
    house.recorder.script = [None, HELLO, None, NOTHING, AGAIN]

    answer = send(house, stream="true")

    assert answer.content_type == "text/event-stream"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["X-Accel-Buffering"] == "no"
    assert answer.headers["x-request-id"]
    *deltas, done = events(answer)
    assert [delta["type"] for delta in deltas] == ["transcript.text.delta"] * 2
    assert done == {"type": "transcript.text.done", "text": "Hello there. And again."}
    assert "".join(delta["delta"] for delta in deltas) == done["text"]


def test_os2_unspaced_languages(house: House) -> None:
    """OS2: Japanese is joined without spaces, streamed or not."""
    house.recorder.script = [
        Final(n, text, n, n + 1, language="ja") for n, text in enumerate(("はい。", "そうです。"))
    ]

    *deltas, done = events(send(house, stream="true"))

    assert [delta["delta"] for delta in deltas] == ["はい。", "そうです。"]
    assert done["text"] == send(house).get_json()["text"] == "はい。そうです。"


def test_os2_logprobs_come_with_deltas(house: House) -> None:
    """OS2, OF8: those of each delta, and all of them at the end."""
    house.recorder.script = [HELLO, AGAIN]

    *deltas, done = events(send(house, stream="true", **{"include[]": "logprobs"}))

    assert [entry for delta in deltas for entry in delta["logprobs"]] == done["logprobs"]
    for delta in deltas:
        assert "".join(entry["token"] for entry in delta["logprobs"]) == delta["delta"]


def test_os2_silence_is_an_empty_text(house: House) -> None:
    """OS2: no delta, one done."""
    house.recorder.script = []

    assert events(send(house, stream="true")) == [{"type": "transcript.text.done", "text": ""}]


def test_os5_comments_keep_it_alive(house: House) -> None:
    """OS5: while there is no text, comment lines come, and nothing else."""
    house.recorder.script = [None, None, HELLO, None]

    answer = send(house, stream="true")

    frames = answer.text.split("\n\n")
    assert [frame.startswith(":") for frame in frames[:4]] == [True, True, False, True]
    assert all(frame.count("\n") == 0 for frame in frames)
    assert len(events(answer)) == 2


@pytest.mark.parametrize("before", [HELLO, None])
def test_os6_an_error_after_the_start_is_an_event(house: House, before: Final | None) -> None:
    """OS6: top-level `error`, which no other event has; then the end. The turn is given back."""
    house.recorder.script = [before, EngineError("no memory")]

    *others, last = events(send(house, stream="true"))

    assert last["error"]["message"] == "no memory"
    assert last["error"]["code"] == "transcription_failed"
    assert all("error" not in event for event in others)
    assert house.files.turns.taken == 0


def test_os6_a_crash_after_the_start_tells_nothing(house: House) -> None:
    """OS6: the client learns that the server failed, not how."""
    house.recorder.script = [HELLO, RuntimeError("a secret")]

    answer = send(house, stream="true")

    assert events(answer)[-1]["error"]["type"] == "server_error"
    assert "secret" not in answer.text


@pytest.mark.parametrize("data", [b"this is no audio", FLAC[:20]])
def test_os6_an_error_before_the_start_has_its_status(house: House, data: bytes) -> None:
    """OS6: what is known before the first text is an HTTP error, streamed or not."""
    assert error(send(house, data=data, stream="true"), 400)["code"] == "undecodable_audio"
    assert house.files.turns.taken == 0


def test_os7_formats_that_cannot_stream(house: House) -> None:
    """OS7: `text` may be asked for; subtitles and segments come at the end, so they are refused."""
    for name in FORMATS:
        answer = send(house, stream="true", response_format=name)
        if name in ("json", "text"):
            assert answer.content_type == "text/event-stream"
        else:
            assert error(answer, 400)["param"] == "response_format"


def test_the_older_path_streams_too(house: House) -> None:
    """`stream=true` on /transcribe: the same events, from a form or a query (UP3)."""
    raw = house.http.post("/transcribe?stream=1", data=FLAC, content_type="audio/flac")

    assert events(send(house, "/transcribe", stream="true")) == events(raw)


def test_a_client_that_leaves_a_stream_frees_the_turn_and_stops_the_work() -> None:
    """S12: closing the response in the middle closes the file, and gives back the turn, once."""
    house = build(at_once=1)
    house.recorder.script = (Final(n, "on and on", n, n + 1) for n in range(10**9))
    form = {"file": (io.BytesIO(wav(1)), "a"), "stream": "true"}
    answer = house.http.post(TRANSCRIBE, data=form, buffered=False)
    pieces = iter(answer.response)
    first = [next(pieces) for _ in range(3)]
    assert house.files.turns.taken == 1
    assert error(send(house), 429)["code"] == "queue_overload"

    answer.close()
    answer.close()

    assert len(first) == 3
    assert house.files.turns.taken == 0
    assert house.recorder.hearings[0].closed == 1
    house.recorder.script = None
    assert send(house).status_code == 200
    house.store.close()


def test_a_stream_that_is_never_read_gives_back_its_turn() -> None:
    """S12: the client leaves before the first byte is sent."""
    house = build(at_once=1)
    form = {"file": (io.BytesIO(wav(1)), "a"), "stream": "true"}

    with house.app.test_request_context(TRANSCRIBE, method="POST", data=form):
        answer: Response = house.app.full_dispatch_request()
        answer.close()

    assert house.files.turns.taken == 0
    assert house.recorder.hearings[0].closed == 1
    house.store.close()


# Errors.


@pytest.mark.parametrize(
    ("fields", "param"),
    [({"response_format": "xml"}, "response_format"),
     ({"response_format": "diarized_json"}, "response_format"),
     ({"stream": "yes please"}, "stream"),
     ({"language": "klingon"}, "language"), ({"languages[]": ["en", "??"]}, "languages[]"),
     ({"temperature": "hot"}, "temperature"), ({"temperature": "-1"}, "temperature"),
     ({"timestamp_granularities[]": "page"}, "timestamp_granularities[]"),
     ({"include[]": "everything"}, "include[]"), ({"include": "x"}, "include[]"),
     ({"chunking_strategy": "often"}, "chunking_strategy"),
     ({"chunking_strategy[threshold]": "loud"}, "chunking_strategy[threshold]"),
     ({"prompt": "x" * 1001}, "prompt"), ({"keywords[]": ["x" * 1001]}, "hotwords"),
     ({"model": (io.BytesIO(b"whisper-1"), "model.txt")}, "model")],
)  # fmt: skip
def test_oe1_a_bad_field_is_named(house: House, fields: dict[str, Any], param: str) -> None:
    """OE1: 400 with the field as param, no retry, and nothing is recognised."""
    answer = send(house, **fields)

    assert error(answer, 400)["param"] == param
    assert answer.headers["x-should-retry"] == "false"
    assert house.recorder.calls == []
    assert house.files.turns.taken == 0


def test_oe1_a_missing_file_is_named(house: House) -> None:
    """OE1: no file, text under its name, or an empty file: 400 naming it."""
    for fields in ({"model": "x"}, {"file": "a.wav"}, {"file": (io.BytesIO(b""), "a.wav")}):
        answer = house.http.post(TRANSCRIBE, data=fields, content_type="multipart/form-data")

        assert error(answer, 400)["param"] == "file"


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [("multipart/form-data", FLAC, 400), ("multipart/form-data; boundary=x", b"--y\r\n\r\n", 400),
     ("multipart/form-data; boundary=x", b"", 400), ("multipart/form-data; boundary=", b"--", 400),
     ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data; na", 400),
     ("application/json", b"", 415), ("application/json", b"{}", 415), ("", b"", 415),
     ("application/x-www-form-urlencoded", b"file=a", 415), ("audio/wav", wav(1), 415),
     ("multipart/mixed; boundary=x", b"--x--", 415), ("a\xff/b", b"", 415)],
)  # fmt: skip
@pytest.mark.parametrize("path", [TRANSCRIBE, TRANSLATE])
def test_oe3_broken_bodies(house: House, path: str, kind: str, body: bytes, status: int) -> None:
    """OE3: without a boundary, cut off, empty, or something else: 400 or 415, never 500."""
    answer = house.http.post(path, data=body, headers={"Content-Type": kind})

    error(answer, status)
    assert house.recorder.calls == []
    assert house.files.turns.taken == 0


def test_oe1_what_is_wrong_with_the_audio_is_wrong_with_the_file(house: House) -> None:
    """OE1: no audio, a rate that is not served, too long: the field is named each time."""
    short = build(max_seconds=2)
    rate = {"encoding": "linear16", "sample_rate": "3000"}

    refusals = [
        error(send(house, data=b"no audio at all"), 400),
        error(send(house, **rate), 415),
        error(send(short, data=wav(3)), 413),
    ]

    assert [refusal["param"] for refusal in refusals] == ["file", "sample_rate", "file"]
    assert [refusal["code"] for refusal in refusals] == [
        *("undecodable_audio", "unsupported_audio", "too_large")
    ]
    short.store.close()


@pytest.mark.parametrize("chunked", [False, True])
def test_oe1_too_large_is_413(house: House, chunked: bool) -> None:
    """OE1: above the limit, with and without Content-Length."""
    data = b"--x\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\n"
    data += bytes(MAX_BODY) + b"\r\n--x--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    unknown: dict[str, Any] = {}
    if chunked:
        headers["Transfer-Encoding"] = "chunked"
        unknown = {"wsgi.input_terminated": True, "CONTENT_LENGTH": ""}

    answer = house.http.post(TRANSCRIBE, data=data, headers=headers, environ_overrides=unknown)

    assert error(answer, 413)["code"] == "too_large"
    assert answer.headers["x-should-retry"] == "false"
    assert house.files.turns.taken == 0


@pytest.mark.parametrize(
    ("failure", "status", "again"),
    [(QueueFull(), 429, "2"), (Overloaded(), 429, "5"), (NotReady("loading"), 503, "2"),
     (EngineError("failed"), 500, None)],
)  # fmt: skip
@pytest.mark.parametrize("stream", ["false", "true"])
def test_oe2_refusals_say_when_to_come_back(
    house: House, failure: STTError, status: int, again: str | None, stream: str
) -> None:
    """OE2: 429 and 503 carry Retry-After, and nothing forbids to try again."""
    house.recorder.refusals = [failure]

    answer = send(house, stream=stream)

    assert error(answer, status)["code"] == failure.code
    assert answer.headers.get("Retry-After") == again
    assert "x-should-retry" not in answer.headers
    assert house.files.turns.taken == 0


def test_oe1_unknown_paths_and_methods(house: House) -> None:
    """OE1: 404 and 405 have the shape, too; 405 says what is allowed."""
    nowhere = house.http.post("/v1/audio/speech", json={})
    wrong = house.http.get(TRANSCRIBE)

    assert error(nowhere, 404)["type"] == "invalid_request_error"
    assert error(wrong, 405)["type"] == "invalid_request_error"
    assert "POST" in wrong.headers["Allow"]
    assert nowhere.headers["x-should-retry"] == wrong.headers["x-should-retry"] == "false"


def test_oe1_a_wrong_key(house: House) -> None:
    """OE1: 401; the body is not decoded, and the turn is free again."""
    locked = build({"ka": "alice"})

    refused = send(locked)
    answer = send(locked, headers={"Authorization": "Bearer ka"}, tenant_id="bob")

    refusal = error(refused, 401)
    assert (refusal["type"], refusal["code"]) == ("invalid_request_error", "invalid_api_key")
    assert refused.headers["WWW-Authenticate"] == "Bearer"
    assert answer.status_code == 200
    assert [call.tenant for call in locked.recorder.calls] == ["alice"]
    assert locked.files.turns.taken == 0
    locked.store.close()


def test_files_share_their_memory() -> None:
    """F-17: one that does not fit beside the others is 429 before it is read; later it fits."""
    house = build(max_bytes=300_000)
    inside: list[TestResponse] = []

    def nested() -> Iterator[Final]:
        house.recorder.script = None
        inside.append(send(house, data=wav(6)))
        inside.append(send(house, data=wav(1)))
        yield HELLO

    house.recorder.script = nested()
    first = send(house, data=wav(6))

    assert first.status_code == 200
    assert error(inside[0], 429)["code"] == "queue_overload"
    assert inside[0].headers["Retry-After"] == "2"
    assert inside[1].status_code == 200
    assert send(house, data=wav(6)).status_code == 200
    house.store.close()


# Models.


def test_om1_the_list_of_models(house: House) -> None:
    """OM1: the served model and nothing else."""
    assert house.get("/v1/models") == {
        "object": "list",
        "data": [
            {"id": "owner/small", "object": "model", "created": 1_700_000_000, "owned_by": "hark"}
        ],
    }


def test_om2_one_model(house: House) -> None:
    """OM2: by its id, slashes and all, plain or escaped; any other is 404 model_not_found."""
    (listed,) = house.get("/v1/models")["data"]

    assert house.get("/v1/models/owner/small") == house.get("/v1/models/owner%2Fsmall") == listed
    for name in ("small", "owner", "whisper-1", "owner/small/x"):
        assert error(house.http.get(f"/v1/models/{name}"), 404)["code"] == "model_not_found"


def test_om1_without_a_model() -> None:
    """OM1: an empty list while it loads."""
    house = build(model=None, strict=True)

    assert house.get("/v1/models")["data"] == []
    assert error(house.http.get("/v1/models/owner/small"), 404)["code"] == "model_not_found"
    assert send(house, model="any").status_code == 200  # the recorder knows whether it can
    house.store.close()


def test_announced_samples(house: House) -> None:
    """Our own fields count here, too: bare samples, the choice of finals (OF12)."""
    answer = send(house, data=pcm(1), encoding="linear16", sample_rate="8000", final="best")

    assert answer.status_code == 200
    assert house.recorder.lengths[0] == pytest.approx(2.0, abs=0.05)
    assert house.recorder.calls[0].final == "best"
