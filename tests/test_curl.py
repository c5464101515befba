"""Tests of the requests to copy."""

from __future__ import annotations

from typing import Any

from stt.curl import curl

BASE = "http://hark.example:5055"


def line(method: str, path: str, keys: bool = False, **said: Any) -> str:
    """The line of one operation."""
    return curl({"paths": {path: {method: said}}}, path, method, base=BASE, keys=keys)


def test_a_get_is_its_address() -> None:
    """Nothing that curl does by itself is written."""
    assert line("get", "/x") == f"curl {BASE}/x"


def test_other_methods_are_named() -> None:
    """POST where no body says it."""
    assert line("delete", "/x") == f"curl -X DELETE {BASE}/x"
    assert line("post", "/x") == f"curl -X POST {BASE}/x"


def test_a_key_stands_where_one_is_needed() -> None:
    """Not where keys are off, nor at what is open."""
    assert "YOUR_KEY" in line("get", "/x", keys=True)
    assert "YOUR_KEY" not in line("get", "/x")
    assert "YOUR_KEY" not in line("get", "/x", keys=True, security=[])


def test_parameters_have_the_values_of_their_examples() -> None:
    """Those of the path, those required, and the chunk; a shell leaves the query whole."""
    parameters = [
        {"name": "id", "in": "path", "example": "a"},
        {"name": "chunk_id", "in": "query", "example": "17"},
        {"name": "must", "in": "query", "required": True},
        {"name": "may", "in": "query", "example": "b"},
    ]

    said = line("get", "/x/{id}", parameters=parameters)

    assert said == f"curl '{BASE}/x/a?chunk_id=17&must=MUST'"


def test_a_body_is_a_form_or_an_example_or_the_file() -> None:
    """In this order, of what the operation takes."""
    example = {"content": {"application/json": {"examples": {"a": {"value": {"b": "it's"}}}}}}
    form = {"content": {"multipart/form-data": {}, **example["content"]}}
    file = {"content": {"application/octet-stream": {}}}

    assert line("post", "/x", requestBody=form) == f"curl -F file=@speech.wav {BASE}/x"
    assert """-d '{"b": "it'"'"'s"}'""" in line("post", "/x", requestBody=example)
    assert "--data-binary @speech.wav" in line("post", "/x", requestBody=file)
