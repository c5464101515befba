"""Tests of schemas as tables."""

from __future__ import annotations

import json

import pytest

from stt.shapes import Example, Field, example, fields, kind, resolved, shape, shapes

DOCUMENT = {
    "components": {
        "schemas": {
            "Word": {"type": "object", "properties": {"word": {"type": "string"}}},
            "Id": {"type": "string", "maxLength": 8, "description": "An id."},
        }
    }
}
WORD = {"$ref": "#/components/schemas/Word"}
ID = {"$ref": "#/components/schemas/Id"}


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "string"}, "string"),
        ({"type": ["string", "null"]}, "string or null"),
        ({"type": "integer", "minimum": 1, "maximum": 9}, "integer, 1 to 9"),
        ({"type": "integer", "minimum": 1}, "integer, at least 1"),
        ({"type": "number", "maximum": 1}, "number, at most 1"),
        ({"type": "array", "items": ID}, "list of string, at most 8 characters"),
        ({"type": "array", "items": {}, "maxItems": 2}, "list of any"),
        ({"const": "ping"}, '"ping"'),
        ({"enum": ["a", 2, None], "default": "a"}, '"a" | 2 | null; "a" if absent'),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, "string or integer"),
        ({"type": "string", "format": "binary"}, "bytes"),
        ({"type": "string", "contentMediaType": "audio/wav"}, "bytes"),
        ({"type": "string", "contentMediaType": "application/json"}, "JSON"),
        ({"type": "string", "contentEncoding": "base64"}, "base64"),
        ({}, "any"),
    ],
)
def test_a_kind_in_plain_words(schema: dict[str, object], words: str) -> None:
    """Type, values, bounds and default, as a reader says them."""
    assert kind(DOCUMENT, schema) == words


def test_fields_within_fields_have_a_row_each() -> None:
    """Objects in objects and in lists, depth first, by their whole name."""
    schema = {
        "type": "object",
        "required": ["id"],
        "properties": {
            "id": {**ID, "description": "Another."},
            "words": {"type": "array", "items": WORD},
            "of": {"type": "object", "additionalProperties": WORD},
        },
    }

    rows = {row.name: row for row in fields(DOCUMENT, schema)}

    assert list(rows) == ["id", "words", "words[].word", "of", "of<id>.word"]
    assert rows["id"] == Field("id", "string, at most 8 characters", "Another.", required=True)


def test_json_within_a_text_has_its_fields() -> None:
    """The data of an event are a text on the wire, and an object to whoever reads it."""
    data = {"type": "string", "contentMediaType": "application/json", "contentSchema": WORD}
    event = {"type": "object", "properties": {"data": {"anyOf": [{"const": "end"}, data]}}}

    rows = [(row.name, row.kind) for row in fields(DOCUMENT, event)]

    assert rows == [("data", '"end" or JSON'), ("data.word", "string")]


def test_a_schema_that_holds_itself_ends() -> None:
    """Rows stop at some depth."""
    endless = {"components": {"schemas": {"T": {"type": "object", "properties": {}}}}}
    endless["components"]["schemas"]["T"]["properties"] = {"t": {"$ref": "#/components/schemas/T"}}

    rows = list(fields(endless, {"$ref": "#/components/schemas/T"}))

    assert 1 < len(rows) < 20


def test_alternatives_are_forms_of_their_own() -> None:
    """Each with its name where it is shared; what stands beside a reference goes before."""
    both = shapes(DOCUMENT, {"anyOf": [WORD, {"type": "string"}]})

    assert [(each.name, each.kind) for each in both] == [("Word", "object"), ("", "string")]
    assert shape(DOCUMENT, {**ID, "description": "Mine."}).text == "Mine."
    assert resolved(DOCUMENT, {**ID, "maxLength": 3})["maxLength"] == 3


def test_examples_stand_as_they_are_sent() -> None:
    """JSON on a line where it fits, else a line for each part; text as text."""
    long = {"x": "y" * 80, "list": [1, 2], "more": [{"a": "z" * 90}, {}], "é": {}}

    assert example("a", {"x": "é"}) == Example("a", '{"x": "é"}')
    assert example("", "data: 1\n\n").text == "data: 1\n\n"
    text = example("", long).text
    assert json.loads(text) == long
    assert text.splitlines() == [
        "{",
        f'  "x": "{"y" * 80}",',
        '  "list": [1, 2],',
        '  "more": [',
        "    {",
        f'      "a": "{"z" * 90}"',
        "    },",
        "    {}",
        "  ],",
        '  "é": {}',
        "}",
    ]
