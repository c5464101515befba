"""The examples of openapi.yaml are what the service says: each is asked for, and compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from api import ops
from stt.auth import Authenticator
from stt.errors import EngineError, NotReady, QueueFull
from stt.events import Final, Word
from stt.replies import Transcription
from tests.described import OPENAPI, found
from tests.doors import Clock, House, build, pcm

CHUNK = "1700000000000"
TEXTS = {CHUNK: "Hello world.", "1700000004000": "Testing."}
HELLO = Transcription(
    (
        Final(
            0, "Hello there.", 0.25, 1.5, language="en",
            words=(Word("Hello", 0.25, 0.75), Word(" there.", 0.75, 1.5)),
            average_logprob=-0.21, no_speech_probability=0.01,
        ),
    ),
    2.0,
    "en",
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
    world.open.recorder.transcribe = lambda samples, **_: HELLO  # type: ignore[method-assign]
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


def refused(error: Exception, ask: Ask) -> Ask:
    """The same, while the recorder refuses."""

    def asked(world: World) -> TestResponse:
        def refuse(*_: object, **__: object) -> Transcription:
            raise error

        world.open.recorder.transcribe = refuse  # type: ignore[method-assign]
        world.open.recorder.snapshot = refuse  # type: ignore[method-assign,assignment]
        return ask(world)

    return asked


def keyed(method: str, path: str, **options: Any) -> Ask:
    """A request to the doors with keys."""
    return lambda world: world.keyed.http.open(path, method=method, **options)


def loading(world: World) -> TestResponse:
    """Readiness while the model loads."""
    world.reason = "the model is loading"
    return world.ops.test_client().get("/readyz")


VERBOSE = (
    "&response_format=verbose_json&timestamp_granularities[]=word&timestamp_granularities[]=segment"
)
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
    "Text": file("&response_format=text"),
    "Srt": file("&response_format=srt"),
    "Vtt": file("&response_format=vtt"),
    "EngineFailed": refused(EngineError("the model failed on this audio"), file()),
    "NoModel": refused(NotReady("the model is loading"), file()),
    "NotAudio": lambda world: world.open.http.post(
        "/transcribe", data=b"\0none", content_type="audio/wav"
    ),
    "BadField": file("&response_format=xml"),
    "NoFile": lambda world: world.open.http.post(
        "/transcribe", data={"a": "b"}, content_type="multipart/form-data"
    ),
    "NotJson": lambda world: world.open.http.post("/transcribe"),
    "Incomplete": snapshot(None),
    "NotBase64": snapshot("AAABAAI"),
    "Session": lambda world: world.open.http.post("/session", json={"source": "mic"}),
    "NoSuchSource": lambda world: world.open.http.post("/session", json={"source": "radio"}),
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
    "LongBody": lambda world: world.open.http.post(
        "/transcripts", data=LONG, content_type="application/json"
    ),
    "LongFile": lambda world: world.open.http.post(
        "/transcribe", data=LONG, content_type="audio/wav"
    ),
    "Gzip": lambda world: world.open.http.post(
        "/transcripts", json={}, headers={"Content-Encoding": "gzip"}
    ),
    "NoSuchEncoding": lambda world: world.open.http.post("/transcribe?encoding=opus", data=b"x"),
    "Healthy": lambda world: world.ops.test_client().get("/healthz"),
    "Ready": lambda world: world.ops.test_client().get("/readyz"),
    "Loading": loading,
}
ALWAYS_NEW = {"Ticket": "ticket", "Session": "tenant_id"}
"""Examples with a secret or an id: only its length is compared."""
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


def test_every_example_of_an_answer_is_asked_for() -> None:
    """None is missing here; those of requests are read as requests in the doors' own tests."""
    assert set(ASKED) == {name for name, statuses in STATUSES.items() if statuses}


@pytest.mark.parametrize("name", ASKED)
def test_the_example_is_what_the_service_says(world: World, name: str) -> None:
    """The same body to the letter, under a status that the document gives it."""
    shown = EXAMPLES[name]["value"]

    answer = ASKED[name](world)

    said = answer.get_json() if answer.is_json else answer.text
    if new := ALWAYS_NEW.get(name):
        assert len(said[new]) == len(shown[new])
        said[new] = shown[new]
    assert said == shown
    assert str(answer.status_code) in STATUSES[name]
