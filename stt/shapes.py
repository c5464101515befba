"""Schemas of the API's descriptions as tables: a row for each field, its kind in plain words.

Pure: parts of a document in, data for a page out. It checks no value and knows no HTTP.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

JSON: TypeAlias = Mapping[str, Any]
"""A part of a description, as it was read."""

SHORT = 88  # characters; what is longer takes a line for each of its parts
DEEPEST = 8  # levels of fields in fields that a table follows


@dataclass(frozen=True, slots=True)
class Field:
    """A row: one field, parameter or header."""

    name: str
    """With the fields it is in: ``usage.seconds``, ``words[].word``."""
    kind: str
    text: str = ""
    required: bool = False
    place: str = ""
    """Of a parameter: query, path or header."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One form that a body can have."""

    name: str
    """Of a schema that several share, else empty."""
    kind: str
    text: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Example:
    """What somebody says, as it stands on the wire."""

    title: str
    text: str


def resolved(document: JSON, node: JSON) -> JSON:
    """A node without its reference; what stands beside the reference goes before."""
    while "$ref" in node:
        found: Any = document
        for part in str(node["$ref"]).removeprefix("#/").split("/"):
            found = found[part.replace("~1", "/").replace("~0", "~")]
        node = {**found, **{name: value for name, value in node.items() if name != "$ref"}}
    return node


def shapes(document: JSON, schema: JSON) -> tuple[Shape, ...]:
    """The forms that a schema allows: one, or each of its alternatives."""
    if "$ref" not in schema and "anyOf" in schema:
        return tuple(shape(document, each) for each in schema["anyOf"])
    return (shape(document, schema),)


def shape(document: JSON, schema: JSON) -> Shape:
    """A schema as a table."""
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    full = resolved(document, schema)
    rows = tuple(fields(document, full))
    return Shape(name, kind(document, full), full.get("description", ""), rows)


def fields(document: JSON, schema: JSON, inside: str = "", depth: int = 0) -> Iterator[Field]:
    """Rows for all fields of an object, depth first; of alternatives, those of each."""
    full = resolved(document, schema)
    if depth > DEEPEST:
        return
    if "array" in _types(full):
        yield from fields(document, full.get("items", {}), f"{inside}[]", depth + 1)
    if "contentSchema" in full:  # JSON within a text
        yield from fields(document, full["contentSchema"], inside, depth + 1)
    for alternative in (*full.get("anyOf", ()), *full.get("oneOf", ())):
        yield from fields(document, alternative, inside, depth + 1)
    required = full.get("required", ())
    for name, below in full.get("properties", {}).items():
        path = f"{inside}.{name}" if inside else name
        yield field(document, below, name=path, required=name in required)
        yield from fields(document, below, path, depth + 1)
    if isinstance(full.get("additionalProperties"), dict):
        yield from fields(document, full["additionalProperties"], f"{inside}<id>", depth + 1)


def field(
    document: JSON,
    schema: JSON,
    *,
    name: str,
    required: bool = False,
    place: str = "",
    text: str = "",
) -> Field:
    """One row; ``text`` instead of what the schema says."""
    full = resolved(document, schema)
    return Field(name, kind(document, full), text or full.get("description", ""), required, place)


def kind(document: JSON, schema: JSON) -> str:
    """The values a schema allows, in a few words."""
    full = resolved(document, schema)
    said = _values(document, full)
    if "default" in full:
        said += f"; {_literal(full['default'])} if absent"
    return said


def example(title: str, value: object) -> Example:
    """A value as it is sent: JSON, or a text as it stands."""
    return Example(title, value if isinstance(value, str) else _laid_out(value, ""))


def _laid_out(value: object, indent: str, name: str = "") -> str:
    """JSON in which what fits on a line stands on one."""
    line = f"{indent}{name}{json.dumps(value, ensure_ascii=False)}"
    if len(line) <= SHORT or not (isinstance(value, dict | list) and value):
        return line
    deeper = f"{indent}  "
    if isinstance(value, dict):
        brackets = "{}"
        parts = [_laid_out(each, deeper, f"{_literal(key)}: ") for key, each in value.items()]
    else:
        brackets = "[]"
        parts = [_laid_out(each, deeper) for each in value]
    inner = ",\n".join(parts)
    return f"{indent}{name}{brackets[0]}\n{inner}\n{indent}{brackets[1]}"


def _values(document: JSON, full: JSON) -> str:
    if "const" in full:
        return _literal(full["const"])
    if "enum" in full:
        return " | ".join(map(_literal, full["enum"]))
    for name in ("anyOf", "oneOf"):
        if name in full:
            said = dict.fromkeys(_values(document, resolved(document, each)) for each in full[name])
            return " or ".join(said)
    types = _types(full)
    if types == ["array"]:
        return f"list of {_values(document, resolved(document, full.get('items', {})))}"
    if full.get("contentMediaType") == "application/json":
        return "JSON"
    if "contentMediaType" in full or full.get("format") == "binary":
        return "bytes"
    named = " or ".join(types) or "any"
    if full.get("contentEncoding") == "base64":
        named = "base64"
    return ", ".join([named, *_bounds(full)])


def _bounds(full: JSON) -> Iterator[str]:
    low, high = full.get("minimum"), full.get("maximum")
    if low is not None and high is not None:
        yield f"{low} to {high}"
    elif low is not None:
        yield f"at least {low}"
    elif high is not None:
        yield f"at most {high}"
    if "maxLength" in full:
        yield f"at most {full['maxLength']} characters"
    if "maxItems" in full:
        yield f"at most {full['maxItems']} items"


def _types(full: JSON) -> list[str]:
    given = full.get("type", [])
    return [given] if isinstance(given, str) else list(given)


def _literal(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
