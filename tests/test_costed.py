"""The service that costs what a model costs (benchmarks/costed.py)."""

from __future__ import annotations

import time

import pytest

from benchmarks.costed import costed_app
from benchmarks.random_model import make


@pytest.fixture(name="service")
def _service(tmp_path, monkeypatch):
    """The service as gunicorn would make it, its settings from the environment."""
    monkeypatch.setenv("STT_MODEL", str(make("nano", tmp_path / "nano")))
    monkeypatch.setenv("STT_DEVICE", "cpu")
    monkeypatch.setenv("STT_NUM_WORKERS", "1")
    monkeypatch.setenv("STT_STORE", f"sqlite:///{tmp_path}/hark.db")
    app = costed_app()
    yield app.extensions["hark"]
    app.extensions["hark"].close()


def test_the_service_is_made_from_the_environment(service):
    """The model is that of STT_MODEL, its costs are measured, and it becomes ready."""
    deadline = time.monotonic() + 10
    while not service.is_ready:
        assert time.monotonic() < deadline, "not ready"
        time.sleep(0.01)

    assert service.engine.name.startswith("scripted on faster-whisper nano")
    assert service.engine.costs.encode_s(500) > 0
