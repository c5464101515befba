"""The two descriptions of the API, OpenAPI and AsyncAPI, as one manual, ordered by door.

A door is a tag: the operations over HTTP and the WebSocket channels that carry it. Pure: documents
in, data for a page out; what it looks like is the template's business.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from stt.curl import curl
from stt.shapes import JSON, Example, Field, Shape, example, fields, resolved, shape, shapes
from stt.shapes import field as row

SIDES = {"receive": "From the client", "send": "From the server"}
"""What the service does with a message, and who says it."""


@dataclass(frozen=True, slots=True)
class Body:
    """What a request or an answer holds in one content type."""

    content_type: str
    shapes: tuple[Shape, ...]
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer by its status."""

    status: str
    text: str
    headers: tuple[Field, ...]
    bodies: tuple[Body, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """A method of a path."""

    anchor: str
    method: str
    path: str
    title: str
    text: str
    is_open: bool
    """Whether it asks for no key, whatever is set."""
    curl: str
    """A request to copy; none where every answer is a refusal."""
    parameters: tuple[Field, ...]
    bodies: tuple[Body, ...]
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a WebSocket."""

    anchor: str
    title: str
    text: str
    shape: Shape
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Side:
    """What one end of a WebSocket says."""

    title: str
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Channel:
    """A WebSocket path."""

    anchor: str
    path: str
    title: str
    text: str
    query: tuple[Field, ...]
    close_codes: tuple[tuple[str, str], ...]
    sides: tuple[Side, ...]


@dataclass(slots=True)
class Door:
    """What belongs together."""

    anchor: str
    title: str
    text: str
    channels: list[Channel] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Manual:
    """All that a page shows."""

    title: str
    version: str
    texts: tuple[str, ...]
    ways_in: tuple[tuple[str, str], ...]
    """The ways to say who asks: name and explanation."""
    doors: tuple[Door, ...]
    shapes: tuple[Shape, ...]
    """Those that bodies name."""


def manual(openapi: JSON, asyncapi: JSON, *, base: str = "", keys: bool = False) -> Manual:
    """The manual of both documents; raises KeyError where they are broken.

    Args:
        base: the address that requests to copy go to.
        keys: whether they need a key.
    """
    doors = {
        tag["name"]: Door(
            f"door-{tag['name']}", tag.get("x-displayName", tag["name"]), tag.get("description", "")
        )
        for tag in openapi.get("tags", ())
    }
    for tag, operation in _operations(openapi, base, keys):
        doors.setdefault(tag, Door(f"door-{tag}", tag, "")).operations.append(operation)
    for tag, channel in _channels(asyncapi):
        doors.setdefault(tag, Door(f"door-{tag}", tag, "")).channels.append(channel)
    info = openapi["info"]
    ways: dict[str, str] = {}
    for document in (openapi, asyncapi):
        schemes = document.get("components", {}).get("securitySchemes", {})
        for name, scheme in schemes.items():
            ways.setdefault(name, scheme.get("description", ""))
    return Manual(
        title=info["title"],
        version=info["version"],
        texts=tuple(_introductions(openapi, asyncapi)),
        ways_in=tuple(ways.items()),
        doors=tuple(door for door in doors.values() if door.operations or door.channels),
        shapes=_named_shapes(openapi, doors.values()),
    )


def _introductions(openapi: JSON, asyncapi: JSON) -> Iterator[str]:
    """What the API says of itself, and of how a WebSocket begins, paragraph by paragraph."""
    servers = asyncapi.get("servers", {}).values()
    for each in (openapi["info"], *servers):
        yield from filter(None, each.get("description", "").split("\n"))


def _named_shapes(openapi: JSON, doors: Iterable[Door]) -> tuple[Shape, ...]:
    """The shared schemas that some body links to, in the order of the document."""
    operations = [operation for door in doors for operation in door.operations]
    bodies = [body for operation in operations for body in operation.bodies]
    for operation in operations:
        bodies += [body for answer in operation.answers for body in answer.bodies]
    linked = {each.name for body in bodies for each in body.shapes}
    schemas = openapi.get("components", {}).get("schemas", {})
    return tuple(
        shape(openapi, {"$ref": f"#/components/schemas/{name}"})
        for name in schemas
        if name in linked
    )


def _operations(openapi: JSON, base: str, keys: bool) -> Iterator[tuple[str, Operation]]:
    """(tag, operation) of every method of every path."""
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            yield (
                (operation.get("tags") or ["other"])[0],
                _operation(
                    openapi, path, method, curl(openapi, path, method, base=base, keys=keys)
                ),
            )


def _operation(openapi: JSON, path: str, method: str, line: str) -> Operation:
    said = openapi["paths"][path][method]
    parameters = [resolved(openapi, each) for each in said.get("parameters", ())]
    return Operation(
        anchor=_anchor(f"{method} {path}"),
        method=method.upper(),
        path=path,
        title=said.get("summary", ""),
        text=said.get("description", ""),
        is_open=said.get("security") == [],
        curl=line if any(status.startswith("2") for status in said["responses"]) else "",
        parameters=tuple(
            row(
                openapi,
                each.get("schema", {}),
                name=each["name"],
                required=each.get("required", False),
                place=each["in"],
                text=each.get("description", ""),
            )
            for each in parameters
        ),
        bodies=_bodies(openapi, resolved(openapi, said.get("requestBody", {}))),
        answers=tuple(
            _answer(openapi, status, resolved(openapi, answer))
            for status, answer in said["responses"].items()
        ),
    )


def _answer(openapi: JSON, status: str, said: JSON) -> Answer:
    headers = tuple(
        row(
            openapi,
            resolved(openapi, header).get("schema", {}),
            name=name,
            text=resolved(openapi, header).get("description", ""),
        )
        for name, header in said.get("headers", {}).items()
    )
    return Answer(status, said.get("description", ""), headers, _bodies(openapi, said))


def _bodies(openapi: JSON, said: JSON) -> tuple[Body, ...]:
    return tuple(
        Body(
            content_type,
            shapes(openapi, content.get("schema", {})),
            tuple(_examples(openapi, content.get("examples", {}))),
        )
        for content_type, content in said.get("content", {}).items()
    )


def _examples(openapi: JSON, named: JSON) -> Iterator[Example]:
    for each in named.values():
        full = resolved(openapi, each)
        yield example(full.get("summary", ""), full["value"])


def _channels(asyncapi: JSON) -> Iterator[tuple[str, Channel]]:
    """(tag, channel) of every WebSocket."""
    for key, said in asyncapi.get("channels", {}).items():
        tags = [tag["name"] for tag in said.get("tags", ())]
        query = said.get("bindings", {}).get("ws", {}).get("query", {})
        yield (
            (tags or ["other"])[0],
            Channel(
                anchor=_anchor(f"ws {said['address']}"),
                path=said["address"],
                title=said.get("title", ""),
                text=said.get("description", ""),
                query=tuple(fields(asyncapi, query)),
                close_codes=tuple(said.get("x-close-codes", {}).items()),
                sides=tuple(_sides(asyncapi, key, said)),
            ),
        )


def _sides(asyncapi: JSON, key: str, channel: JSON) -> Iterator[Side]:
    for operation in asyncapi["operations"].values():
        if operation["channel"]["$ref"] == f"#/channels/{key}":
            yield Side(
                SIDES[operation["action"]],
                tuple(
                    _message(asyncapi, channel["address"], resolved(asyncapi, each))
                    for each in operation["messages"]
                ),
            )


def _message(asyncapi: JSON, address: str, said: JSON) -> Message:
    return Message(
        anchor=_anchor(f"ws {address} {said['title']}"),
        title=said["title"],
        text=said.get("summary", ""),
        shape=shape(asyncapi, said["payload"]),
        examples=tuple(
            example(each.get("summary", ""), each["payload"]) for each in said.get("examples", ())
        ),
    )


def _anchor(text: str) -> str:
    """As an address can carry it: ``get-transcripts-chunk_id``."""
    return re.sub(r"\W+", "-", text.lower()).strip("-")
