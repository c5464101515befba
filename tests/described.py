"""The descriptions as tests use them: schemas with their references, and messages held to them.

`check("/stt/stream", message)` fails unless asyncapi.yaml describes such a message of the server.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from api.describe import LOADER

ROOT = Path(__file__).parent.parent
OPENAPI, ASYNCAPI = (
    yaml.load((ROOT / name).read_text(encoding="utf-8"), LOADER)
    for name in ("openapi.yaml", "asyncapi.yaml")
)

Side = Literal["client", "server"]
ACTIONS = {"client": "receive", "server": "send"}
"""What the service does with the messages of a side."""


@dataclass(frozen=True)
class Described:
    """One message of a channel."""

    key: str
    side: Side
    message: Mapping[str, Any]

    @property
    def is_json(self) -> bool:
        """Or it is audio."""
        return "contentType" not in self.message

    @property
    def type(self) -> str | None:
        """The `type` that tells it from others; None where its type does not matter."""
        kind = self.message["payload"]["properties"].get("type", {}).get("const")
        return None if kind is None else str(kind)


def found(document: Mapping[str, Any], reference: str) -> Any:
    """What a `$ref` inside a document leads to."""
    node: Any = document
    for part in reference.removeprefix("#/").split("/"):
        node = node[part.replace("~1", "/").replace("~0", "~")]
    return node


def validator(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Draft202012Validator:
    """Of a schema whose references lead into ``document``, formats aside."""
    return Draft202012Validator({**schema, "components": document["components"]})


def complaint(document: Mapping[str, Any], schema: Mapping[str, Any], value: object) -> str | None:
    """What is wrong with a value; None: it fits."""
    error = best_match(validator(document, schema).iter_errors(value))
    return None if error is None else f"{error.json_path}: {error.message}"


def channel_at(address: str) -> tuple[str, Mapping[str, Any]]:
    """The key and the channel of a WebSocket path."""
    for key, channel in ASYNCAPI["channels"].items():
        if channel["address"] == address:
            return key, channel
    raise AssertionError(f"asyncapi.yaml has no channel {address}")


@cache
def messages(address: str, side: Side) -> tuple[Described, ...]:
    """What a side may say on a WebSocket path: what its operations list."""
    key, channel = channel_at(address)
    return tuple(
        Described(name, side, channel["messages"][name])
        for operation in ASYNCAPI["operations"].values()
        if operation["channel"]["$ref"] == f"#/channels/{key}"
        if operation["action"] == ACTIONS[side]
        for name in (item["$ref"].rpartition("/")[2] for item in operation["messages"])
    )


def every_message() -> Iterator[tuple[str, Described]]:
    """(address, message) of all channels and both sides."""
    for channel in ASYNCAPI["channels"].values():
        for side in ("client", "server"):
            yield from ((channel["address"], item) for item in messages(channel["address"], side))


@cache
def _validators(
    address: str, side: Side
) -> tuple[tuple[str, str | None, Draft202012Validator], ...]:
    return tuple(
        (item.key, item.type, validator(ASYNCAPI, item.message["payload"]))
        for item in messages(address, side)
        if item.is_json
    )


def check(address: str, message: Mapping[str, Any], *, side: Side = "server") -> str:
    """The key of the one described message that ``message`` is; an AssertionError says why not."""
    kind = message.get("type")
    reasons = {}
    for key, type_, schema in _validators(address, side):
        if type_ not in (None, kind):
            continue
        error = best_match(schema.iter_errors(message))
        if error is None:
            return key
        reasons[key] = f"{error.json_path}: {error.message}"
    said = reasons or "there is none of this type"
    raise AssertionError(f"{address} ({side}): {message} is not in asyncapi.yaml: {said}")


def references(node: Any) -> Iterator[str]:
    """Every `$ref` in a document."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for below in node.values():
            yield from references(below)
    elif isinstance(node, list):
        for below in node:
            yield from references(below)
