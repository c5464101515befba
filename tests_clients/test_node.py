"""The packages of Node: `openai` with files and live, and the Vercel AI SDK."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests_clients.printed import PACKAGES, code_of, node
from tests_clients.realtime import EVENTS, PUBLISHED, RATE
from tests_clients.service import Service
from tests_clients.sounds import HELLO, HELLO_WORDS, hello, said, words
from tests_clients.strict import strictly
from tests_clients.tls import secured


def script(name: str) -> str:
    """A program beside the packages."""
    return (PACKAGES / name).read_text()


def test_the_printed_lines_print_what_was_said(hark: Service) -> None:
    """docs/clients.md, Node: the text of the clip."""
    assert words(node(code_of("openai-node", hark.host), str(HELLO))) == HELLO_WORDS


def test_files(hark: Service) -> None:
    """OF16-OF19, OS2, OM1, OE1: the package parses what the service answers."""
    told = json.loads(node(script("files.mjs"), hark.host, str(HELLO)))

    assert words(told["text"]) == HELLO_WORDS
    assert told["vtt"].startswith("WEBVTT\n\n")
    assert words(" ".join(word["word"] for word in told["verbose"]["words"])) == HELLO_WORDS
    assert words(" ".join(one["text"] for one in told["verbose"]["segments"])) == HELLO_WORDS
    *deltas, done = told["events"]
    assert "".join(event["delta"] for event in deltas) == done["text"]
    assert words(done["text"]) == HELLO_WORDS
    assert told["found"]
    assert told["refused"]["known"]
    assert (told["refused"]["status"], told["refused"]["param"]) == (400, "file")


async def test_live_behind_tls(hark: Service, tmp_path: Path) -> None:
    """RH5: the package knows `wss://` only; behind a proxy with TLS it hears every event."""
    audio = tmp_path / "audio.pcm"
    audio.write_bytes(hello(RATE))

    async with secured(hark, tmp_path) as proxy:
        code = code_of("openai-node-realtime", proxy.host) + script("realtime.mjs")
        trusted = {"NODE_EXTRA_CA_CERTS": str(proxy.authority)}
        events = json.loads(await asyncio.to_thread(node, code, str(audio), **trusted))

    parsed = [strictly(EVENTS[event["type"]], event, *PUBLISHED) for event in events]
    texts: list[Any] = [event for event in parsed if hasattr(event, "transcript")]
    assert words(" ".join(event.transcript for event in texts)) == HELLO_WORDS


def test_the_ai_sdk_validates_a_file(hark: Service) -> None:
    """OF19, OF20: its schema takes every segment, and finds the language by its name."""
    program = code_of("ai-sdk", hark.host).replace(
        "console.log(await transcribe(", "console.log(JSON.stringify(await transcribe("
    )
    told = json.loads(node(program.rstrip().removesuffix(");") + "));", str(HELLO)))

    assert words(told["text"]) == HELLO_WORDS
    assert told["segments"]
    assert told["language"] == "en"
    assert told["durationInSeconds"] == pytest.approx(4.4, abs=0.1)


@pytest.mark.parametrize("seconds", [(2.0,), (2.0, 2.0, 2.0)])
def test_the_ai_sdk_streams(locked: Service, tmp_path: Path, seconds: tuple[float, ...]) -> None:
    """RH2, RO2: the key in the subprotocol; all that was sent before the one commit is one text."""
    audio = tmp_path / "audio.pcm"
    audio.write_bytes(said(*seconds, rate=RATE))

    parts = json.loads(node(script("stream.mjs"), locked.host, str(audio)))

    *deltas, final = [part for part in parts if part["type"].startswith("transcript-")]
    text = final["text"]
    assert final["type"] == "transcript-final"
    assert "".join(part["delta"] for part in deltas) == text
    assert len(words(text)) >= 3 * len(seconds)
