"""The engine table and the options (stt/engines/table.py, stt/engines/options.py)."""

from __future__ import annotations

import logging
import subprocess
import sys
import time

import pytest

from stt.engines.options import DEMO_MODEL, EngineOptions
from stt.engines.table import create_engine
from stt.errors import SettingError


def test_fake_engine_gets_its_delay():
    """STT_ENGINE=fake builds the fake engine with the delay of the options."""
    engine = create_engine("fake", EngineOptions(fake_delay=0.05))
    began = time.monotonic()
    engine.transcribe([])

    assert engine.name == "fake"
    assert time.monotonic() - began >= 0.05


def test_unknown_engine_is_named():
    """An engine that is not in the table stops the start."""
    with pytest.raises(
        SettingError, match="STT_ENGINE=whisper: must be one of faster-whisper, fake"
    ):
        create_engine("whisper", EngineOptions())


def test_demo_model_is_loaded_from_its_folder(caplog):
    """A folder as STT_MODEL is served, without a warning."""
    with caplog.at_level(logging.WARNING, "stt.engines"):
        engine = create_engine(
            "faster-whisper", EngineOptions(model=str(DEMO_MODEL), device="cpu", calibrate=False)
        )
    engine.close()

    assert engine.name == "faster-whisper demo int8 on cpu"
    assert caplog.records == []


def test_demo_model_as_last_resort_warns_loudly(caplog, monkeypatch):
    """When no better model is to be had, the log says so in a frame (U10)."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("stt.engines.models.HuggingFaceHub.cached", lambda self, repository: None)
    engine = create_engine("faster-whisper", EngineOptions(device="cpu", calibrate=False))
    engine.close()

    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "*****\nTHE DEMO MODEL IS RUNNING" in record.getMessage()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"device": "tpu"}, "STT_DEVICE=tpu: must be one of auto, cpu, cuda"),
        ({"num_workers": 0}, "STT_NUM_WORKERS=0: must be 1 or more"),
        ({"encoder_context": "tiny"}, "STT_ENCODER_CONTEXT=tiny"),
    ],
)
def test_bad_option_is_named(fields, message):
    """A bad option names its variable, its value and what is allowed."""
    with pytest.raises(SettingError, match=message):
        EngineOptions(**fields)


def test_choosing_imports_nothing_heavy():
    """The table and the fake engine run without the model libraries."""
    code = (
        "import sys; from stt.engines.table import create_engine; "
        "from stt.engines.options import EngineOptions; create_engine('fake', EngineOptions()); "
        "print([name for name in ('faster_whisper', 'ctranslate2', 'av') if name in sys.modules])"
    )

    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    ).stdout

    assert printed.strip() == "[]"
