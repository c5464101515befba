"""The examples of openapi.yaml are what the service says: each is asked for, and compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from api import deepgram, ops, realtime
from api.answers import SHAPES, install_answers
from stt.auth import Authenticator
from stt.errors import EngineError, NotReady, QueueFull, STTError
from stt.events import Final, Word
from stt.protocols.realtime_update import Rules
from tests.described import OPENAPI, found
from tests.doors import Clock, House, build, pcm

CHUNK = "1700000000000"
TEXTS = {CHUNK: "Hello world.", "1700000004000": "Testing."}
HELLO = Final(
    0, "Hello there.", 0.25, 1.5, language="en", average_logprob=-0.21, no_speech_probability=0.01,
    words=(Word("Hello", 0.25, 0.75, 1.0), Word(" there.", 0.75, 1.5, 0.5)),
)  # fmt: skip
EXAMPLES: Mapping[str, Any] = OPENAPI["components"]["examples"]
STATE = {name: value for name, value in EXAMPLES["Healthy"]["value"].items() if name != "status"}


@dataclass
class World:
    """The doors without keys, the same with keys, and the operators' door."""

    open: House
    keyed: House
    ops: Flask
    reason: str | None = None


Ask = Callable[[World], TestResponse]


@pytest.fixture(name="world")
def _world() -> Iterator[World]:
    world = World(build(), build({"ka": "alice"}), Flask("hark"))
    world.open.recorder.script = [HELLO]
    for house in (world.open, world.keyed):
        house.app.register_blueprint(deepgram.blueprint(house.files))
        house.app.extensions[SHAPES][deepgram.PATH] = deepgram.shape
    install_answers(world.ops, {})
    world.ops.register_blueprint(
        ops.blueprint(
            state=lambda: STATE,
            ready=lambda: world.reason,
            metrics_text=lambda: b"",
            auth=Authenticator([], clock=Clock()),
            whom=lambda: None,
        )
    )
    yield world
    world.open.store.close()
    world.keyed.store.close()


def get(path: str, **headers: str) -> Ask:
    """A GET without a key, of a tenant that has the two transcripts."""

    def ask(world: World) -> TestResponse:
        world.open.keep(TEXTS)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return world.open.http.get(path, headers=named)

    return ask


def nothing(path: str) -> Ask:
    """A GET of a tenant that has none."""
    return lambda world: world.open.http.get(path)


def failed(world: World) -> TestResponse:
    """A chunk whose audio failed, beside another."""
    world.open.keep({"1700000004000": "Testing."})
    world.open.recorder.states["0000", CHUNK] = "failed"
    return world.open.http.get(f"/get_transcript?chunk_id={CHUNK}")


def other(world: World) -> TestResponse:
    """A chunk that is not there, of a tenant that has others."""
    world.open.keep({"1700000004000": "Testing."})
    return world.open.http.get(f"/get_transcript?chunk_id={CHUNK}")


def snapshot(audio: str | None = "AAABAAIA", **headers: str) -> Ask:
    """A chunk in JSON; no audio: without the field."""
    body = {"chunk_id": CHUNK} | ({} if audio is None else {"audio_b64": audio})
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda world: world.open.http.post("/transcribe", json=body, headers=named)


def file(query: str = "") -> Ask:
    """Two seconds of raw audio."""
    path = f"/transcribe?encoding=linear16{query}"
    return lambda world: world.open.http.post(path, data=pcm(2))


def refused(error: STTError, ask: Ask) -> Ask:
    """The same, while the recorder refuses."""

    def asked(world: World) -> TestResponse:
        world.open.recorder.refusals = [error]
        return ask(world)

    return asked


def post(path: str, **options: Any) -> Ask:
    """A POST to the doors without keys."""
    return lambda world: world.open.http.post(path, **options)


def keyed(method: str, path: str, **options: Any) -> Ask:
    """A request to the doors with keys."""
    return lambda world: world.keyed.http.open(path, method=method, **options)


def secrets(world: World, kind: str, body: dict[str, Any]) -> TestResponse:
    """A secret, where a model called `base` is served."""
    auth = Authenticator([], clock=Clock())
    world.ops.register_blueprint(realtime.blueprint(auth, lambda: None, lambda: Rules("base")))
    return world.ops.test_client().post(f"/v1/realtime/{kind}", json=body)


def loading(world: World) -> TestResponse:
    """Readiness while the model loads."""
    world.reason = "the model is loading"
    return world.ops.test_client().get("/readyz")


VERBOSE = (
    "&response_format=verbose_json&timestamp_granularities[]=word&timestamp_granularities[]=segment"
)
FILES = "/v1/audio/transcriptions"
LISTEN = post("/v1/listen?encoding=linear16", data=pcm(2))
LONG = b"x" * 4_000_001
ASKED: dict[str, Ask] = {
    "Ticket": lambda world: world.ops.test_client().post("/stt/ticket"),
    "Accepted": snapshot(),
    "OddLength": snapshot("AAABAAIBAA=="),
    "AcceptedEvents": snapshot(Accept="text/event-stream"),
    "Rejected": refused(QueueFull(), snapshot()),
    "FileRejected": refused(QueueFull(), file()),
    "Transcribed": file(),
    "Verbose": file(VERBOSE),
    "Logprobs": file("&include[]=logprobs"),
    "Events": file("&stream=true"),
    "Text": file("&response_format=text"),
    "Srt": file("&response_format=srt"),
    "Vtt": file("&response_format=vtt"),
    "EngineFailed": refused(EngineError("the model failed on this audio"), file()),
    "NoModel": refused(NotReady("the model is loading"), file()),
    "NotAudio": post("/transcribe", data=b"\0none", content_type="audio/wav"),
    "BadField": file("&response_format=xml"),
    "NoFile": post("/transcribe", data={"a": "b"}, content_type="multipart/form-data"),
    "NotJson": post("/transcribe"),
    "Incomplete": snapshot(None),
    "NotBase64": snapshot("AAABAAI"),
    "Session": post("/session", json={"source": "mic"}),
    "NoSuchSource": post("/session", json={"source": "radio"}),
    "Listed": get("/list_transcripts"),
    "ListedNone": get("/list_transcripts?from=1800000000000"),
    "Counted": get("/transcripts/count"),
    "Found": get(f"/transcripts/{CHUNK}"),
    "Nothing": nothing("/get_first_transcript"),
    "Other": other,
    "Failed": failed,
    "BadBound": get("/list_transcripts?from=now"),
    "BadSource": get("/list_transcripts?source=radio"),
    "NoKey": keyed("GET", "/list_transcripts"),
    "WrongKey": keyed("GET", "/transcripts", headers={"Authorization": "Bearer kb"}),
    "FileNoKey": keyed("POST", "/transcribe", data=b"x", content_type="audio/wav"),
    "ForeignOrigin": get("/transcripts", Origin="https://elsewhere.example"),
    "LongBody": post("/transcripts", data=LONG, content_type="application/json"),
    "LongFile": post("/transcribe", data=LONG, content_type="audio/wav"),
    "Gzip": post("/transcripts", json={}, headers={"Content-Encoding": "gzip"}),
    "NoSuchEncoding": post("/transcribe?encoding=opus", data=b"x"),
    "Secret": lambda world: secrets(world, "client_secrets", EXAMPLES["SecretWanted"]["value"]),
    "FlatSecret": lambda world: secrets(
        world, "transcription_sessions", EXAMPLES["FlatWanted"]["value"]
    ),
    "SecretTooShort": lambda world: secrets(
        world, "client_secrets", {"expires_after": {"seconds": 1}}
    ),
    "Listened": LISTEN,
    "ListenNotAudio": post("/v1/listen", data=b"none"),
    "ListenNoKey": keyed("POST", "/v1/listen", data=b"x"),
    "ListenForeignOrigin": post("/v1/listen", headers={"Origin": "https://elsewhere.example"}),
    "ListenLongFile": post("/v1/listen", data=LONG),
    "ListenGzip": post("/v1/listen", headers={"Content-Encoding": "gzip"}),
    "ListenFull": refused(QueueFull(), LISTEN),
    "ListenEngineFailed": refused(EngineError("the model failed on this audio"), LISTEN),
    "ListenNoModel": refused(NotReady("the model is loading"), LISTEN),
    "Models": get("/v1/models"),
    "OneModel": get("/v1/models/owner/small"),
    "NoSuchModel": get("/v1/models/x"),
    "NoBoundary": post(FILES, data=b"x", content_type="multipart/form-data"),
    "NotAForm": post(FILES, json={}),
    "OpenAIForeignOrigin": get("/v1/models", Origin="https://elsewhere.example"),
    "Healthy": lambda world: world.ops.test_client().get("/healthz"),
    "Ready": lambda world: world.ops.test_client().get("/readyz"),
    "Loading": loading,
}
ALWAYS_NEW = {
    "Ticket": {"ticket"},
    "Session": {"tenant_id"},
    "Secret": {"value", "expires_at", "id"},
    "FlatSecret": {"value", "expires_at", "id"},
    "Listened": {"request_id", "created"},
}
"""Keys of examples whose values are new each time: only their length is compared."""
STATUSES = {
    name: {
        status
        for path in OPENAPI["paths"].values()
        for operation in path.values()
        for status, answer in operation["responses"].items()
        for content in (found(OPENAPI, answer["$ref"]) if "$ref" in answer else answer)
        .get("content", {})
        .values()
        if name in content.get("examples", {})
    }
    for name in EXAMPLES
}


def masked(value: Any, new: set[str]) -> Any:
    """A value with the length of what is new each time in its place."""
    if isinstance(value, dict):
        return {k: len(str(v)) if k in new else masked(v, new) for k, v in value.items()}
    return value


def test_every_example_of_an_answer_is_asked_for() -> None:
    """None is missing here; those of requests are read as requests in the doors' own tests."""
    assert set(ASKED) == {name for name, statuses in STATUSES.items() if statuses}


@pytest.mark.parametrize("name", ASKED)
def test_the_example_is_what_the_service_says(world: World, name: str) -> None:
    """The same body to the letter, under a status that the document gives it."""
    shown = EXAMPLES[name]["value"]

    answer = ASKED[name](world)

    said = answer.get_json() if answer.is_json else answer.text
    new = ALWAYS_NEW.get(name, {"request_id"})
    assert masked(said, new) == masked(shown, new)
    assert str(answer.status_code) in STATUSES[name]
