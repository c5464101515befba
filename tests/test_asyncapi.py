"""Tests that asyncapi.yaml tells what is said on the WebSockets (AG9, RT-110)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest

from app import create_app
from stt import replies
from stt.errors import STTError
from stt.events import Abilities, Word
from stt.ids import MAX_HINT
from stt.protocols import base
from stt.protocols.native import NativeOptions, NativeProtocol
from stt.protocols.native_query import NativeQuery, read_query
from stt_config import Settings
from tests.described import (
    ASYNCAPI,
    ROOT,
    Described,
    check,
    complaint,
    every_message,
    found,
    references,
)
from tests.test_docs_protocol import lines, reply_to, table

NATIVE = "/stt/stream"
MESSAGES = list(every_message())
JSON = [(address, item) for address, item in MESSAGES if item.is_json]
EXAMPLES = [
    pytest.param(address, item, example["payload"], id=f"{address}-{item.key}-{example['name']}")
    for address, item in JSON
    for example in item.message["examples"]
]
TRANSCRIPT = replies.Transcript(
    "1", "a", " b", start=0.0, end=1.0, words=(Word("a", 0.0, 0.5, 0.9),), language="en",
    warning="odd_length", seq=1,
)  # fmt: skip
EVERY_REPLY: tuple[replies.Reply, ...] = (
    replies.Opened("s", "0000", 2**21, 16000, "linear16", channels=1),
    replies.Usage(1.0, 0.5),
    TRANSCRIPT,
    replies.ChunkOpened("1", 2),
    replies.Speech("1", True, 0.5, 3),
    replies.Speech("1", False, 1.5, 4),
    replies.Silence(5),
    replies.Pong(),
    replies.Pong(7),
    replies.Pong("a"),
    replies.Problem("bad_json", "no", None),
    replies.Degraded(True, 6),
)
FOREIGN = {replies.Committed, replies.Flushed, replies.Note}
"""Answers to what only other protocols can ask."""


def test_every_websocket_route_is_a_channel_and_the_other_way_round() -> None:
    """The document has exactly the WebSocket paths of the service (AG9)."""
    app = create_app(Settings(store="memory:", engine="fake"))
    try:
        routes = {rule.rule for rule in app.url_map.iter_rules() if rule.websocket}
    finally:
        app.extensions["hark"].close()

    assert routes == {channel["address"] for channel in ASYNCAPI["channels"].values()}


def test_every_reference_leads_somewhere() -> None:
    """No `$ref` is dangling."""
    for reference in set(references(ASYNCAPI)):
        assert found(ASYNCAPI, reference) is not None


def test_every_message_has_a_side() -> None:
    """Each message of a channel is said by the client, by the server or by both."""
    for key, channel in ASYNCAPI["channels"].items():
        said = {item.key for address, item in MESSAGES if address == channel["address"]}
        assert said == set(channel["messages"]), key


@pytest.mark.parametrize(
    ("address", "item"), MESSAGES, ids=[f"{address}-{item.key}" for address, item in MESSAGES]
)
def test_every_message_is_documented(address: str, item: Described) -> None:
    """A title, a sentence, and an example where it is JSON."""
    assert item.message["title"]
    assert item.message["summary"]
    assert item.message.get("examples") or not item.is_json


@pytest.mark.parametrize(("address", "item", "payload"), EXAMPLES)
def test_examples_fit_their_schemas(address: str, item: Described, payload: dict[str, Any]) -> None:
    """Each example fits the schema it stands under, and no other message of its side first."""
    assert complaint(ASYNCAPI, item.message["payload"], payload) is None
    assert check(address, payload, side=item.side) == item.key


def test_what_is_not_described_is_refused() -> None:
    """The check fails for an unknown type, a key too many and a key too few."""
    pong = {"type": "pong", "session_id": "s"}
    assert check(NATIVE, pong) == "pong"

    for wrong in ({"type": "pang"}, {**pong, "text": "?"}, {"type": "pong"}, {}):
        with pytest.raises(AssertionError, match="is not in asyncapi"):
            check(NATIVE, wrong)


# /stt/stream against its codec.


def test_every_reply_is_described() -> None:
    """Each kind of reply, encoded, is a message of the document; each message is some reply."""
    assert {type(reply) for reply in EVERY_REPLY} == set(get_args(replies.Reply)) - FOREIGN

    said = {check(NATIVE, message) for message in native_messages()}

    assert said == {item.key for at, item in MESSAGES if at == NATIVE and item.side == "server"}


def native_messages() -> Iterator[dict[str, Any]]:
    """Every reply as the native codec writes it, with whole texts and with deltas."""
    for text_delta in (False, True):
        codec = NativeProtocol("s", NativeOptions(words="interim", text_delta=text_delta))
        for reply in (*EVERY_REPLY, *ends()):
            yield from map(json.loads, codec.encode(reply))


def ends() -> Iterator[replies.Transcript]:
    """Ends of utterances and finals, with every key that they can have."""
    common = {"committed": "a b", "start": 0.0, "end": 1.0, "language": "en", "seq": 2}
    words = (Word("a"), Word("b", 0.5, 1.0, 0.5))
    yield replies.Transcript(
        "1", speech_final=True, revised=True, latency_s=0.3, words=words, warning="odd_length",
        **common,
    )  # fmt: skip
    yield replies.Transcript(
        "1", is_final=True, revised=True, latency_s=0.3, words=words,
        timed_out=True, warning="odd_length", usage=replies.Usage(1.0, 0.5), **common,
    )  # fmt: skip
    for reason in ("unknown", "silence", "filtered"):
        yield replies.Transcript("2", "", is_final=True, seq=3, reason=reason)


def test_no_message_allows_more_than_the_code_says() -> None:
    """Each key of a server message can occur: no schema is wider than the codec."""
    shown: dict[str, set[str]] = {}

    for message in native_messages():
        shown.setdefault(check(NATIVE, message), set()).update(message)

    for address, item in MESSAGES:
        if address == NATIVE and item.side == "server":
            assert shown[item.key] == set(item.message["payload"]["properties"]), item.key
            assert item.message["payload"]["additionalProperties"] is False


def test_client_examples_are_commands() -> None:
    """Each example of a client's message is understood, and every native command has one."""
    codec = NativeProtocol("s", NativeOptions())
    meant = {
        type(command)
        for address, item in JSON
        if (address, item.side) == (NATIVE, "client")
        for example in item.message["examples"]
        for command in codec.decode(json.dumps(example["payload"]))
    }

    assert meant == {base.AppendAudio, base.ReplaceAudio, base.SetChunk, base.Finalize, base.Ping}


@pytest.mark.parametrize("message", [message for _, message in lines("server")])
def test_the_examples_of_the_manual_are_described(message: str) -> None:
    """docs/protocol.md and asyncapi.yaml tell of the same messages."""
    shown = json.loads(message)

    key = check(NATIVE, shown)

    assert isinstance(reply_to(shown, {}), get_args(replies.Reply)), key


def test_the_query_is_that_of_the_code() -> None:
    """What `read_query` asks for, with its defaults, and what the gate does (S1, client RH2)."""
    asked: set[str] = set()

    class Empty(dict[str, str]):
        def get(self, name: str, default: Any = None) -> Any:
            asked.add(name)
            return default

    read_query(Empty(), Abilities())
    described = ASYNCAPI["channels"]["stream"]["bindings"]["ws"]["query"]["properties"]

    assert set(described) == asked | {"ticket", "api_key"}
    for name in ("tenant_id", "encoding", "channels"):
        assert described[name]["default"] == getattr(NativeQuery(), name)
    for name in ("prompt", "hotwords"):
        assert described[name]["maxLength"] == MAX_HINT


def query_values() -> Iterator[tuple[str, str]]:
    """Every value that the query's lists name."""
    query = ASYNCAPI["channels"]["stream"]["bindings"]["ws"]["query"]["properties"]
    for name, schema in query.items():
        full = {**found(ASYNCAPI, schema["$ref"]), **schema} if "$ref" in schema else schema
        yield from ((name, str(value)) for value in full.get("enum", ()))


@pytest.mark.parametrize(("name", "value"), list(query_values()))
def test_listed_values_of_the_query_are_taken(name: str, value: str) -> None:
    """Each is accepted, and something else in its place is not."""
    read_query({name: value}, Abilities())

    with pytest.raises(STTError, match=name):
        read_query({name: "something else"}, Abilities())


def test_the_errors_are_those_a_session_can_say() -> None:
    """The codes that docs/protocol.md does not call unsent on the WebSocket."""
    rows = table("## Errors")
    errors = ASYNCAPI["channels"]["stream"]["messages"]["error"]["payload"]["properties"]

    said = {
        code
        for code, (_, goes_on, when) in rows.items()
        if goes_on != "not sent" and "/v1/" not in when  # which has errors of its own
    }

    assert set(errors["code"]["enum"]) == said


def test_the_close_codes_are_those_of_the_manual() -> None:
    """The same numbers as in the table of docs/protocol.md; 1001 ends other protocols alone."""
    manual = {code for code in table("## Close codes") if re.fullmatch(r"\d+", code)}

    assert set(ASYNCAPI["channels"]["stream"]["x-close-codes"]) == manual - {"1001"}
    for channel in ASYNCAPI["channels"].values():
        assert set(channel["x-close-codes"]) <= manual


def test_the_version_is_that_of_the_service() -> None:
    """One version, in both documents and in the changelog."""
    version = ASYNCAPI["info"]["version"]

    assert f"## {version} " in (ROOT / "CHANGELOG.md").read_text()
