"""Tests that openapi.yaml tells what the HTTP doors do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, get_args

import pytest
import yaml
from flask import Flask
from werkzeug.datastructures import MultiDict

from api import ops, page
from api.files.wish import read_wish
from app import create_app
from stt.auth import Authenticator
from stt.events import FinalChoice
from stt.formats import FORMATS
from stt.ids import MAX_HINT
from stt.sources import SOURCES
from stt_config import Settings
from tests.doors import Clock, House, build

TEXT = (Path(__file__).parents[1] / "openapi.yaml").read_text(encoding="utf-8")
DOCUMENT = yaml.safe_load(TEXT)
OPERATIONS = {
    (path, method.upper()): operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}
OTHER_DOORS = ("/v1/", "/stt/stream")  # may be described here; their doors have their own tests


@pytest.fixture(name="house")
def _house() -> Iterator[House]:
    house = build()
    house.app.register_blueprint(
        ops.blueprint(
            state=dict,
            ready=lambda: None,
            metrics_text=lambda: b"",
            openapi_yaml=TEXT,
            openapi_json='{"info": {"title": "t", "version": "0"}, "paths": {}}',
            auth=Authenticator([], clock=Clock()),
            whom=lambda: None,
        )
    )
    house.app.register_blueprint(
        page.blueprint(state=dict, ready=lambda: None, keys_required=False)
    )
    yield house
    house.store.close()


def routes(app: Flask) -> set[tuple[str, str]]:
    """(path, method) of every route, written as OpenAPI writes them."""
    return {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.endpoint != "static"
    }


def test_every_route_is_described_and_the_other_way_round(house: House) -> None:
    """The document names exactly the routes of these doors (architecture AG9, native HT8)."""
    described = {key for key in OPERATIONS if not key[0].startswith(OTHER_DOORS)}

    ours = {key for key in routes(house.app) if not key[0].startswith(OTHER_DOORS)}
    assert ours == described


def test_every_reference_leads_somewhere() -> None:
    """No `$ref` is dangling."""
    for reference in re.findall(r'\$ref: "#/([\w/]+)"', TEXT):
        node: Any = DOCUMENT
        for part in reference.split("/"):
            node = node[part]
        assert node


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

    plain = Asked.names - {"timestamp_granularities", "keywords"}  # brackets may be left out
    assert set(form) == plain | {"file", "model"}
    assert set(query) <= set(form)
    assert {"prompt", "hotwords", "final"} <= set(query)
    for name in ("prompt", "hotwords"):
        assert form[name]["maxLength"] == query[name]["schema"]["maxLength"] == MAX_HINT


def test_health_has_the_described_keys() -> None:
    """/healthz says what the document promises, before there is a model too (native B23)."""
    service = create_app(Settings(store="memory:", engine="fake")).extensions["hark"]
    answer = OPERATIONS["/healthz", "GET"]["responses"]["200"]
    schema = answer["content"]["application/json"]["schema"]
    try:
        said = {"status", *service.state()}
    finally:
        service.close()

    assert said == set(schema["required"]) == set(schema["properties"])


READS = [
    (path, method)
    for path, method in OPERATIONS
    if path.startswith(("/get_", "/pop_", "/delete_", "/list_", "/transcripts"))
    and method != "POST"
]


@pytest.mark.parametrize("key", READS, ids=" ".join)
def test_answers_have_the_described_keys(house: House, key: tuple[str, str]) -> None:
    """What a read, pop or delete answers fits the schema of its 200."""
    path, method = key
    house.keep({"1": "one"})
    answer = house.http.open(path.replace("{chunk_id}", "1"), method=method)
    schema = OPERATIONS[key]["responses"]["200"]["content"]["application/json"]["schema"]
    if "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]

    body = answer.get_json()

    if "properties" in schema:
        assert set(schema["required"]) <= set(body) <= set(schema["properties"])
    else:
        assert all(set(entry) == {"transcript"} for entry in body.values())
