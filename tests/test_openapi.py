"""Tests that openapi.yaml tells what the HTTP doors do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar, get_args

import pytest
from flask import Flask
from werkzeug.datastructures import MultiDict

from api.files.wish import read_wish
from app import create_app
from stt.audio.pcm import ENCODINGS
from stt.events import FinalChoice
from stt.formats import FORMATS
from stt.ids import MAX_HINT
from stt.sources import SOURCES
from stt_config import Settings
from tests.described import ASYNCAPI, complaint, found, references
from tests.described import OPENAPI as DOCUMENT
from tests.doors import House, build

OPERATIONS = {
    (path, method.upper()): operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}


@pytest.fixture(name="house")
def _house() -> Iterator[House]:
    house = build()
    yield house
    house.store.close()


@pytest.fixture(name="app", scope="module")
def _app() -> Iterator[Flask]:
    app = create_app(Settings(store="memory:", engine="fake"))
    yield app
    app.extensions["hark"].close()


def routes(app: Flask) -> set[tuple[str, str]]:
    """(path, method) of every HTTP route, written as OpenAPI writes them."""
    return {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if not rule.websocket  # those are in asyncapi.yaml
    }


def at(node: Any, *keys: str) -> Any:
    """What is below a node, references followed; an empty mapping where nothing is."""
    for key in keys:
        node = node.get(key, {})
        node = found(DOCUMENT, node["$ref"]) if "$ref" in node else node
    return node


def contents() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(where, content type, content) of every body of every request and answer."""
    for (path, method), operation in OPERATIONS.items():
        bodies = {"body": at(operation, "requestBody")}
        bodies |= {status: at(operation, "responses", status) for status in operation["responses"]}
        for place, body in bodies.items():
            for kind, content in body.get("content", {}).items():
                yield f"{method} {path} {place}", kind, content


CONTENTS = [pytest.param(*each, id=" ".join(each[:2])) for each in contents()]


def test_every_route_is_described_and_the_other_way_round(app: Flask) -> None:
    """The document names exactly the HTTP routes of the service (AG9, native HT8)."""
    assert routes(app) == set(OPERATIONS)


@pytest.mark.parametrize(("where", "kind", "content"), CONTENTS)
def test_examples_fit_their_schemas(where: str, kind: str, content: dict[str, Any]) -> None:
    """Each example of a body is one that its schema allows; of a stream each of its events."""
    for name in content.get("examples", {}):
        value = at(content, "examples", name)["value"]
        said = events(value) if kind == "text/event-stream" else [value]
        assert said
        for each in said:
            assert complaint(DOCUMENT, content["schema"], each) is None, (where, kind, name)


def events(text: str) -> list[dict[str, Any]]:
    """The events of a stream."""
    return [{"data": data} for data in re.findall(r"^data: (.*)$", text, re.MULTILINE)]


@pytest.mark.parametrize("key", OPERATIONS, ids=" ".join)
def test_every_operation_shows_an_answer(key: tuple[str, str]) -> None:
    """One with JSON has an example of what it says when all is well."""
    for status, answer in OPERATIONS[key]["responses"].items():
        content = answer.get("content", {}).get("application/json", {})
        if status in ("200", "202") and at(content, "schema").get("properties"):
            assert content.get("examples") or (key, status) == (("/transcripts", "POST"), "200")


def test_every_part_is_used() -> None:
    """No schema, example, answer, parameter or header is left over."""
    used = set(references(DOCUMENT))

    for kind, parts in DOCUMENT["components"].items():
        for name in parts:
            assert kind == "securitySchemes" or f"#/components/{kind}/{name}" in used, (kind, name)


def test_every_reference_leads_somewhere() -> None:
    """No `$ref` is dangling."""
    for reference in set(references(DOCUMENT)):
        assert found(DOCUMENT, reference)


def test_both_documents_agree_on_what_they_share() -> None:
    """A Realtime session is the same over HTTP and on the WebSocket."""
    here, there = (document["components"]["schemas"] for document in (DOCUMENT, ASYNCAPI))
    shared = {name for name in here.keys() & there.keys() if name.startswith("Realtime")}

    assert {name: here[name] for name in shared} == {name: there[name] for name in shared}
    assert "RealtimeUpdate" in shared


def test_operation_ids_are_unique() -> None:
    """Client generators name functions after them."""
    names = [operation["operationId"] for operation in OPERATIONS.values()]

    assert len(names) == len(set(names))


@pytest.mark.parametrize("key", OPERATIONS, ids=" ".join)
def test_every_operation_is_documented(key: tuple[str, str]) -> None:
    """A tag, a summary, and a description of each answer."""
    operation = OPERATIONS[key]
    shared = DOCUMENT["components"]["responses"]

    assert operation["tags"][0] in {tag["name"] for tag in DOCUMENT["tags"]}
    assert operation["summary"]
    for answer in operation["responses"].values():
        found = shared[answer["$ref"].rpartition("/")[2]] if "$ref" in answer else answer
        assert found["description"]


def test_lists_of_values_are_those_of_the_code() -> None:
    """Sources and formats are the ones that are accepted."""
    schemas = DOCUMENT["components"]["schemas"]

    assert schemas["Source"]["enum"] == list(SOURCES)
    assert schemas["ResponseFormat"]["enum"] == list(FORMATS)
    assert schemas["FinalChoice"]["enum"] == list(get_args(FinalChoice))
    assert schemas["Encoding"]["enum"] == list(ENCODINGS)


def test_every_field_of_an_upload_is_described() -> None:
    """Those that the door asks for, in a form and in a query; hints with their limit."""

    class Asked(MultiDict[str, str]):
        names: ClassVar[set[str]] = set()

        def get(self, key: str, default: Any = None, type: Any = None) -> Any:  # noqa: A002
            self.names.add(key)
            return default

        def getlist(self, key: str, type: Any = None) -> list[Any]:  # noqa: A002
            self.names.add(key)
            return []

    read_wish(Asked())
    form = DOCUMENT["components"]["schemas"]["Upload"]["properties"]
    query = {field["name"]: field for field in OPERATIONS["/transcribe", "POST"]["parameters"]}

    asked = {name for name in Asked.names if f"{name}[]" not in Asked.names}  # they may be left out
    assert set(form) == asked | {"file"} | IGNORED
    assert set(query) == asked
    for name in ("prompt", "hotwords"):
        assert at(form, name)["maxLength"] == at(query[name], "schema")["maxLength"] == MAX_HINT


def test_health_has_the_described_keys(app: Flask) -> None:
    """/healthz says what the document promises, before there is a model too (native B23)."""
    answer = OPERATIONS["/healthz", "GET"]["responses"]["200"]
    schema = answer["content"]["application/json"]["schema"]

    said = {"status", *app.extensions["hark"].state()}

    assert said == set(schema["required"]) == set(schema["properties"])


IGNORED = {"known_speaker_names[]", "known_speaker_references[]"}  # client OF11


READS = [
    (path, method)
    for path, method in OPERATIONS
    if path.startswith(("/get_", "/pop_", "/delete_", "/list_", "/transcripts"))
    and method != "POST"
]


@pytest.mark.parametrize("key", READS, ids=" ".join)
def test_answers_have_the_described_keys(house: House, key: tuple[str, str]) -> None:
    """What a read, pop or delete answers fits the schema of its 200, which allows nothing else."""
    path, method = key
    house.keep({"1": "one"})
    schema = OPERATIONS[key]["responses"]["200"]["content"]["application/json"]["schema"]

    body = house.http.open(path.replace("{chunk_id}", "1"), method=method).get_json()

    assert body
    assert complaint(DOCUMENT, schema, body) is None
    assert complaint(DOCUMENT, schema, {**body, "more": 1}) is not None
