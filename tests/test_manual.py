"""Tests of the two documents as one manual."""

from __future__ import annotations

from typing import Any

from stt.manual import Manual, manual

OPENAPI: dict[str, Any] = {
    "info": {"title": "T", "version": "1", "description": "All.\nAnd more."},
    "tags": [
        {"name": "b", "x-displayName": "Bee", "description": "Second letter."},
        {"name": "unused"},
    ],
    "paths": {
        "/x/{id}": {
            "get": {
                "tags": ["b"],
                "summary": "Get x",
                "security": [],
                "parameters": [{"$ref": "#/components/parameters/id"}],
                "responses": {"200": {"$ref": "#/components/responses/X"}},
            },
            "put": {
                "requestBody": {"content": {"text/plain": {"schema": {"type": "string"}}}},
                "responses": {},
            },
        }
    },
    "components": {
        "securitySchemes": {"bearer": {"description": "A key."}},
        "parameters": {
            "id": {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}
        },
        "headers": {"Retry": {"description": "Later.", "schema": {"type": "integer"}}},
        "responses": {
            "X": {
                "description": "It.",
                "headers": {"Retry-After": {"$ref": "#/components/headers/Retry"}},
                "content": {
                    "application/json": {
                        "schema": {"$ref": "#/components/schemas/X"},
                        "examples": {"x": {"summary": "One", "value": {"x": 1}}},
                    }
                },
            }
        },
        "schemas": {
            "Unseen": {"type": "string"},
            "X": {"type": "object", "properties": {"x": {"type": "integer"}}},
        },
    },
}
ASYNCAPI: dict[str, Any] = {
    "servers": {"here": {"description": "Begin so."}},
    "components": {
        "securitySchemes": {
            "bearer": {"description": "Said before."},
            "ticket": {"description": "Good once."},
        }
    },
    "channels": {
        "talk": {
            "address": "/talk",
            "title": "Talk",
            "tags": [{"name": "b"}],
            "bindings": {"ws": {"query": {"properties": {"q": {"type": "string"}}}}},
            "x-close-codes": {"1000": "Done."},
            "messages": {
                "hi": {
                    "title": "Hi",
                    "summary": "Says hi.",
                    "payload": {"type": "object", "properties": {"to": {"type": "string"}}},
                    "examples": [{"name": "a", "payload": {"to": "you"}}],
                }
            },
        }
    },
    "operations": {
        "sendTalk": {
            "action": "send",
            "channel": {"$ref": "#/channels/talk"},
            "messages": [{"$ref": "#/channels/talk/messages/hi"}],
        }
    },
}


def made() -> Manual:
    """The manual of the two."""
    return manual(OPENAPI, ASYNCAPI)


def test_doors_are_in_the_order_of_the_tags() -> None:
    """What has no tag comes last; a door with nothing behind it is left out."""
    doors = made().doors

    assert [(door.title, door.text) for door in doors] == [("Bee", "Second letter."), ("other", "")]
    assert [len(door.operations) for door in doors] == [1, 1]
    assert [len(door.channels) for door in doors] == [1, 0]


def test_an_operation_has_its_parameters_bodies_and_answers() -> None:
    """References are followed wherever the documents use them."""
    get, put = (door.operations[0] for door in made().doors)

    assert (get.method, get.path, get.title, get.is_open) == ("GET", "/x/{id}", "Get x", True)
    assert [(p.name, p.place, p.required, p.kind) for p in get.parameters] == [
        ("id", "path", True, "integer")
    ]
    (answer,) = get.answers
    assert (answer.status, answer.text) == ("200", "It.")
    assert [(row.name, row.text) for row in answer.headers] == [("Retry-After", "Later.")]
    assert answer.bodies[0].shapes[0].name == "X"
    assert [(each.title, each.text) for each in answer.bodies[0].examples] == [("One", '{"x": 1}')]
    assert put.bodies[0].content_type == "text/plain"
    assert not put.is_open


def test_a_channel_has_its_query_messages_and_close_codes() -> None:
    """By the side that says them, as the service sees it."""
    (channel,) = made().doors[0].channels

    assert (channel.path, channel.title) == ("/talk", "Talk")
    assert [row.name for row in channel.query] == ["q"]
    assert channel.close_codes == (("1000", "Done."),)
    (side,) = channel.sides
    (message,) = side.messages
    assert (side.title, message.title) == ("From the server", "Hi")
    assert [row.name for row in message.shape.fields] == ["to"]
    assert [each.text for each in message.examples] == ['{"to": "you"}']


def test_only_shapes_that_a_body_names_are_listed() -> None:
    """The others are parts of them, and stand there."""
    assert [shape.name for shape in made().shapes] == ["X"]


def test_introductions_and_ways_in() -> None:
    """What the API says of itself, how a WebSocket begins, and how to say who asks: once each."""
    assert made().texts == ("All.", "And more.", "Begin so.")
    assert made().ways_in == (("bearer", "A key."), ("ticket", "Good once."))
