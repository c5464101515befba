"""The page of clients, and those of its lines that need no package."""

from __future__ import annotations

import json
import re
import shutil
import urllib.request
from pathlib import Path

import pytest

from tests_clients.printed import BLOCKS, PAGE, code_of, shell
from tests_clients.service import ROOT, Service
from tests_clients.sounds import HELLO, HELLO_WORDS, words

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="this machine has no curl")


def test_every_block_is_run() -> None:
    """Each block has a name, and a test that runs it."""
    assert len(re.findall(r"^```\w+", PAGE, re.MULTILINE)) == len(BLOCKS)
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))

    assert [name for name in BLOCKS if f'"{name}"' not in tests] == []


@needs_curl
def test_curl_prints_what_was_said(hark: Service) -> None:
    """The printed lines give the text of the clip."""
    assert words(json.loads(shell("curl", hark))["text"]) == HELLO_WORDS


@needs_curl
def test_curl_streams(locked: Service) -> None:
    """The key of the lines opens, and the events end with the whole."""
    events = [line[6:] for line in shell("curl-stream", locked).splitlines() if line]

    done = json.loads(events[-2] if events[-1] == "[DONE]" else events[-1])
    assert done["type"] == "transcript.text.done"


def test_open_webui_is_answered(hark: Service) -> None:
    """Its request: the file under its own name, and a model, to the address of its settings."""
    settings = dict(
        line.split("=", 1) for line in code_of("openwebui", hark.host).splitlines() if line
    )
    parts = [
        b'Content-Disposition: form-data; name="model"\r\n\r\n'
        + settings["AUDIO_STT_MODEL"].encode(),
        b'Content-Disposition: form-data; name="file"; filename="a.flac"\r\n\r\n'
        + HELLO.read_bytes(),
    ]
    body = b"".join(b"--edge\r\n" + part + b"\r\n" for part in parts) + b"--edge--\r\n"

    request = urllib.request.Request(
        settings["AUDIO_STT_OPENAI_API_BASE_URL"] + "/audio/transcriptions",
        body,
        {
            "Authorization": f"Bearer {settings['AUDIO_STT_OPENAI_API_KEY']}",
            "Content-Type": "multipart/form-data; boundary=edge",
        },
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert words(json.load(answer)["text"]) == HELLO_WORDS


def test_the_versions_named_are_those_that_run() -> None:
    """requirements-clients.txt pins everything it names."""
    lines = (ROOT / "requirements-clients.txt").read_text().splitlines()

    assert all("==" in line for line in lines if line and not line.startswith("#"))
