"""docs/protocol.md against the code: its examples are decoded and encoded, its tables compared."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import pytest

from api.access import OPEN_PATHS
from dialects.base import DoorOptions
from dialects.native import NativeDialect
from stt import errors, replies
from stt.errors import STTError
from stt.events import MAX_CHANNELS, RATES, Abilities, Word
from stt.protocols import base
from stt.protocols.base import Command
from stt.protocols.native import NativeOptions, NativeProtocol
from stt.protocols.native_query import (
    ENCODINGS,
    NativeQuery,
    read_query,
)
from tests.described import OPENAPI, found

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "protocol.md").read_text()
EXAMPLES = re.findall(r"<!-- (\w+)(?:: (\w+))? -->\n```json\n(.*?)```", PAGE, re.DOTALL)
SESSION = "5f0c"
SILENT = {"bad_setting", "superseded", "refused"}
"""Codes that no client sees: a start that fails, a job nobody misses, a base class."""


def lines(side: str) -> Iterator[tuple[str, str]]:
    """(mark, message) of every example of ``client`` or ``server``."""
    for who, mark, block in EXAMPLES:
        if who == side:
            yield from ((mark, line) for line in block.strip().splitlines())


def table(heading: str) -> dict[str, list[str]]:
    """A table by the code in its first column; a cell that names two counts for both."""
    section = PAGE.partition(heading)[2]
    rows = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)
    assert rows, heading
    found: dict[str, list[str]] = {}
    for line in rows[0].splitlines()[2:]:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        for name in re.findall(r"[\w.]+", cells[0]):
            found[name] = cells[1:]
    return found


def reply_to(shown: Mapping[str, Any], known: dict[str, str]) -> replies.Reply:
    """The reply of which the message ``shown`` tells; ``known``: committed text by chunk."""
    match shown["type"]:
        case "session":
            fields = {name: value for name, value in shown.items() if name != "type"}
            return replies.Opened(**fields)
        case "pong":
            return replies.Pong(shown.get("id"))
        case "error":
            return replies.Problem(shown["code"], shown["message"], shown["chunk_id"])
        case "chunk":
            return replies.ChunkOpened(shown["chunk_id"], shown["seq"])
        case "vad":
            return replies.Silence(shown["seq"])
        case "degraded":
            return replies.Degraded(shown["active"], shown["seq"])
        case "usage":
            return replies.Usage(shown["received_s"], shown["speech_s"])
        case "speech_started":
            at = shown["start_ms"] / 1000
            return replies.Speech(shown["chunk_id"], True, at, shown["seq"])
        case "speech_stopped":
            at = shown["end_ms"] / 1000
            return replies.Speech(shown["chunk_id"], False, at, shown["seq"])
    return transcript(shown, known)


def transcript(shown: Mapping[str, Any], known: dict[str, str]) -> replies.Transcript:
    """The transcript of which a message tells."""
    assert shown["type"] == "transcript"
    new = shown.get("committed", shown["text"])
    assert shown["text"].startswith(new)
    before = known.get(shown["chunk_id"], "")[: shown.get("from", 0)]
    known[shown["chunk_id"]] = before + new
    return replies.Transcript(
        chunk_id=shown["chunk_id"],
        committed=before + new,
        tail=shown["text"][len(new) :],
        is_final=shown["is_final"],
        speech_final=shown.get("speech_final", False),
        seq=shown["seq"],
        start=seconds(shown, "start_ms"),
        end=seconds(shown, "end_ms"),
        words=tuple(
            Word(w["word"], seconds(w, "start_ms"), seconds(w, "end_ms"), w.get("probability"))
            for w in shown.get("words", ())
        ),
        language=shown.get("language"),
        reason=shown.get("reason"),
        timed_out=shown.get("timed_out", False),
        warning=shown.get("warning"),
        latency_s=seconds(shown, "latency_ms"),
        usage=replies.Usage(**shown["usage"]) if "usage" in shown else None,
        revised=shown.get("revised", False),
    )


def seconds(shown: Mapping[str, Any], name: str) -> float | None:
    """A time in ms as seconds, where it is there."""
    return shown[name] / 1000 if name in shown else None


@pytest.mark.parametrize(("mark", "message"), list(lines("client")))
def test_client_messages_mean_what_the_page_says(mark: str, message: str) -> None:
    """Each example is decoded to the command, or refused with the code, that stands above it."""
    protocol = NativeProtocol(SESSION, NativeOptions())

    try:
        [command] = protocol.decode(message)
        meant = type(command).__name__
    except STTError as error:
        meant = error.code

    assert meant == mark


def test_every_command_has_an_example() -> None:
    """No message of a client is left out."""
    marks = {mark for mark, _ in lines("client")}

    foreign = (base.Flush, base.Commit, base.Clear, base.Configure, base.Say, base.Close)
    assert {command.__name__ for command in set(get_args(Command)) - set(foreign)} <= marks


def test_server_messages_are_those_of_the_service() -> None:
    """Each example is exactly what the service sends: the same keys in the same order."""
    said = set()
    for who, mark, block in EXAMPLES:
        if who == "client":
            continue
        protocol = NativeProtocol(
            SESSION,
            NativeOptions(
                text_delta=mark == "delta", words="interim" if mark == "interim" else "final"
            ),
        )
        known: dict[str, str] = {}
        for line in block.strip().splitlines():
            shown = json.loads(line)
            reply = reply_to(shown, known)
            said.add(type(reply))

            [encoded] = protocol.encode(reply)

            assert json.loads(encoded) == shown
            assert list(json.loads(encoded)) == list(shown)
    foreign = {replies.Committed, replies.Flushed, replies.Note}
    assert said == set(get_args(replies.Reply)) - foreign, "a reply has no example"


def test_the_table_lists_every_key_of_a_transcript() -> None:
    """All keys a transcript can have, and no others."""
    full = replies.Transcript(
        "1", "a", "b", True, True, 1, 0.0, 1.0, (Word("a"),), "en", "silence", True, "odd_length",
        0.5, replies.Usage(1.0, 1.0), revised=True,
    )  # fmt: skip
    keys: set[str] = set()
    for final in (True, False):
        protocol = NativeProtocol(SESSION, NativeOptions(text_delta=True))
        reply = full if final else replies.Transcript("1", "a")
        [encoded] = protocol.encode(reply)
        keys |= json.loads(encoded).keys()

    assert set(table("**Final** of a chunk")) == keys


def test_the_table_lists_every_query_parameter() -> None:
    """The parameters that `read_query` asks for, their defaults, and the values it takes."""

    asked: set[str] = set()

    class Empty(dict[str, str]):
        def get(self, name: str, default: Any = None) -> Any:
            asked.add(name)
            return default

    assert read_query(Empty(), Abilities()) == NativeQuery()
    rows = table("## Query parameters")

    assert set(rows) == asked
    for name, value in (("tenant_id", "0000"), ("sample_rate", "16000"), ("encoding", "linear16")):
        assert rows[name][0] == f"`{value}`"
        assert getattr(NativeQuery(), name) == (int(value) if name == "sample_rate" else value)
    assert f"{RATES[0]} to {RATES[-1]} Hz" in rows["sample_rate"][1]
    assert set(re.findall(r"`(\w+)`", rows["encoding"][1])) == set(ENCODINGS)
    assert f"1 to {MAX_CHANNELS}," in rows["channels"][1]


def test_the_table_lists_every_error() -> None:
    """The codes of stt/errors.py that a client can see, each with its HTTP status."""
    known = {kind.code: kind.status for kind in tree(STTError)}
    rows = table("## Errors")

    assert set(rows) == known.keys() - SILENT
    assert {code: int(cells[0]) for code, cells in rows.items()} == {
        code: status for code, status in known.items() if code not in SILENT
    }


@pytest.mark.parametrize(
    "error", [errors.BadInput, errors.UnsupportedAudio, errors.SessionInUse, errors.NotReady]
)
def test_the_table_tells_how_a_refused_session_closes(error: type[STTError]) -> None:
    """The close code of each refusal stands in the row of its error."""
    refusal = NativeDialect(DoorOptions()).refuse(error())

    assert [json.loads(message)["code"] for message in refusal.messages] == [error.code]
    assert f"close {refusal.code}" in " ".join(table("## Errors")[error.code])


def tree(kind: type[STTError]) -> Iterator[type[STTError]]:
    """A class of stt/errors.py and all below it."""
    yield kind
    for below in kind.__subclasses__():
        if below.__module__ == errors.__name__:
            yield from tree(below)


def test_the_table_lists_every_close_code() -> None:
    """Each close code in the code of the connection has its row."""
    places = ("dialects/native.py", "stt_connection.py", "session_manager.py", "stt_outbox.py")
    used = {
        code for place in places for code in re.findall(r"\b10[01]\d\b", (ROOT / place).read_text())
    } - {"1006"}  # never sent: it says that there was no close (RFC 6455, section 7.4.1)

    assert used <= set(table("## Close codes"))


def test_the_table_lists_every_field_of_a_file() -> None:
    """Those of openapi.yaml, which are those of the code; and nothing else."""
    section = PAGE.partition("Fields of the form, or of the query:")[2].partition("\n\nAn upload")[
        0
    ]
    named = set(
        re.findall(r"`([^`]+)`", "".join(re.findall(r"^\| (.+?) \|", section, re.MULTILINE)))
    )
    form = OPENAPI["paths"]["/transcribe"]["post"]["requestBody"]["content"]["multipart/form-data"]
    described = found(OPENAPI, form["schema"]["$ref"])["properties"]

    assert named == {name for name in described if not name.startswith("chunking_strategy[")}


def test_the_page_names_every_path_that_needs_no_key() -> None:
    """`*` stands for the forms of a description; a slash at the end is no path of its own."""
    said = PAGE.partition("With keys, each request needs one")[2].partition(":\n")[0]

    plain = {path for path in OPEN_PATHS if path == "/" or not path.endswith("/")}
    assert {path.partition(".")[0] for path in plain} == {
        path.partition(".")[0] for path in re.findall(r"`(/[^`]*)`", said)
    }
