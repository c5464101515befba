"""What Wyoming clients are told of the service (stt_wyoming/about.py)."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from flask import Flask, Response, jsonify, request
from werkzeug.serving import make_server

from stt_client import ClientError
from stt_wyoming import __version__
from stt_wyoming.about import Service, describe, looked_up

ROOT = Path(__file__).parent.parent


@contextmanager
def answering(body: Any) -> Iterator[Service]:
    """A service whose /healthz says this."""
    app = Flask("fake")
    say = body if isinstance(body, bytes) else None

    @app.get("/healthz")
    def healthz() -> Response:
        return Response(say) if say is not None else jsonify(body)

    @app.get("/v1/models")
    def models() -> Response:
        right = request.headers.get("Authorization") == "Bearer right"
        return Response(status=200 if right else 401)

    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield Service(f"ws://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_model_and_its_languages_are_named() -> None:
    """Home Assistant offers the languages of installed models, and streams (client WY1, WY4)."""
    with answering({"model": "small", "engine": "faster-whisper", "languages": ["de", "en"]}) as at:
        (program,) = describe(at).asr

    (model,) = program.models
    assert (program.name, program.installed, program.version) == ("hark", True, __version__)
    assert (model.name, model.installed, model.languages) == ("small", True, ["de", "en"])
    assert program.supports_transcript_streaming
    assert program.attribution.url == at.url.replace("ws://", "http://")


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"model": None, "languages": []}, "names no model yet"),
        ([], "names no model yet"),
        (b"<html>", "no answer from http://"),
    ],
)
def test_a_service_that_is_not_ready_is_an_error(body: Any, named: str) -> None:
    """Still loading, or something else on that port: better no entry than one without languages."""
    with answering(body) as service, pytest.raises(ClientError, match=named):
        describe(service)


def test_at_its_start_the_service_and_its_key_are_asked_for() -> None:
    """client-WY6: whoever starts the program reads at once what a client would find out later."""
    healthy = {"model": "small", "engine": "fake", "languages": ["en"]}
    with answering(healthy) as at:
        assert looked_up(replace(at, key="right")) == "small answers"
        refused, lacking = looked_up(replace(at, key="wrong")), looked_up(at)
    with answering({"model": None}) as loading:
        later = looked_up(loading)

    assert refused == "small answers, but the service refuses the key: --key, or STT_API_KEY"
    assert "asks for a key" in lacking
    assert "names no model yet; waiting for it" in later
    assert "no answer from http://" in looked_up(at)  # it has ended


def test_without_its_library_the_program_says_what_installs_it(tmp_path: Path) -> None:
    """No traceback for who has typed `make run` alone."""
    (tmp_path / "wyoming.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'wyoming'\", name='wyoming')"
    )

    done = subprocess.run(
        [sys.executable, "-m", "stt_wyoming"], cwd=ROOT, check=False, timeout=30, text=True,
        env=os.environ | {"PYTHONPATH": str(tmp_path)}, capture_output=True,
    )  # fmt: skip

    assert done.returncode == 1
    assert done.stderr == "stt_wyoming: the package wyoming is missing: make wyoming installs it\n"


def test_the_version_is_that_of_the_project() -> None:
    """There is one version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert __version__ == project["version"]
