"""What Wyoming clients are told of the service (stt_wyoming/about.py)."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from flask import Flask, Response, jsonify
from werkzeug.serving import make_server

from stt_client import ClientError
from stt_wyoming import __version__
from stt_wyoming.about import Service, describe

ROOT = Path(__file__).parent.parent


@contextmanager
def answering(body: Any) -> Iterator[Service]:
    """A service whose /healthz says this."""
    app = Flask("fake")
    say = body if isinstance(body, bytes) else None

    @app.get("/healthz")
    def healthz() -> Response:
        return Response(say) if say is not None else jsonify(body)

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


def test_the_version_is_that_of_the_project() -> None:
    """There is one version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert __version__ == project["version"]
