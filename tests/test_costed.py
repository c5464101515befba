"""The service that costs what a model costs (benchmarks/costed.py)."""

from __future__ import annotations

import pytest

from benchmarks.costed import costed_app
from benchmarks.random_model import make
from stt.engines.profile import ModelProfile
from stt.events import Kind
from tests.sockets import until


@pytest.fixture(name="service")
def _service(tmp_path, monkeypatch):
    """The service as gunicorn would make it, its settings from the environment."""
    monkeypatch.setenv("STT_MODEL", str(make("nano", tmp_path / "nano")))
    ModelProfile(150, 250, 64).write(tmp_path / "profile.json")
    monkeypatch.setenv("STT_MODEL_PROFILE", str(tmp_path / "profile.json"))
    monkeypatch.setenv("STT_DEVICE", "cpu")
    monkeypatch.setenv("STT_NUM_WORKERS", "1")
    monkeypatch.setenv("STT_STORE", f"sqlite:///{tmp_path}/hark.db")
    app = costed_app()
    yield app.extensions["hark"]
    app.extensions["hark"].close()


def test_the_service_is_made_from_the_environment(service):
    """The model is that of STT_MODEL, its costs are measured, and it becomes ready."""
    until(lambda: service.is_ready, 10.0)

    assert service.engine.name.startswith("scripted on faster-whisper nano")
    assert service.engine.costs.encode_s(500) > 0


def test_the_profile_is_that_of_the_settings(service):
    """STT_MODEL_PROFILE counts as in the real service: it decides what a window costs (REC-41)."""
    until(lambda: service.is_ready, 10.0)

    frames = [service.engine.frames(kind, 0.2) for kind in (Kind.INTERIM, Kind.FINAL)]

    assert frames == [150, 250]
