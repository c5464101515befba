"""The wiring: the engine that the settings name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import app
from stt.engines.fake import FakeEngine
from stt.engines.options import EngineOptions
from stt.errors import SettingError
from stt_config import Settings


def test_the_engine_is_told_its_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a path, or that there is none but the model's own (REC-41)."""
    given: list[EngineOptions] = []

    def create(name: str, options: EngineOptions) -> Any:
        given.append(options)
        return FakeEngine()

    monkeypatch.setattr(app, "create_engine", create)

    for settings in (Settings(), Settings(model_profile="a/b.json", encoder_context="7.5")):
        app._loaded(settings, None)

    assert [options.profile for options in given] == [None, Path("a/b.json")]
    assert given[1].encoder_context == "7.5"


def test_a_language_that_the_model_does_not_know_stops_the_start() -> None:
    """STT_LANGUAGE is checked against the model that was loaded, by name and with what it knows."""
    with pytest.raises(SettingError, match=r"STT_LANGUAGE=xx: fake does not know it; .* de, en, "):
        app._loaded(Settings(language="xx"), FakeEngine())

    assert app._loaded(Settings(language="de"), FakeEngine()).model == "fake"


def test_the_service_reports_to_nobody() -> None:
    """runtime RT-63: onnxruntime connects to its maker unless told before it starts."""
    program = (
        "import os, runpy, sys; runpy.run_path('gunicorn.conf.py'); "
        "print(os.environ['ORT_DISABLE_TELEMETRY'], 'onnxruntime' in sys.modules)"
    )
    environ = {name: value for name, value in os.environ.items() if not name.startswith("ORT_")}

    said = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True
    ).stdout

    assert said == "1 False\n"
