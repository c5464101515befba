"""The service with an engine that costs what a model costs and counts instead of listening.

    STT_MODEL=FOLDER gunicorn -c gunicorn.conf.py "benchmarks.costed:costed_app()"

The model is that of STT_MODEL, such as one of benchmarks/random_model.py; every other setting, too,
comes from the environment. For load tests: the text follows from the length of the audio alone.
"""

from __future__ import annotations

from flask import Flask

from app import create_app
from benchmarks.scripted_engine import ScriptedEngine
from stt.engines.models import find_model
from stt.engines.options import DEMO_MODEL
from stt_config import Settings
from stt_options import engine_options


def costed_engine(settings: Settings) -> ScriptedEngine:
    """The engine the settings describe. Raises SettingError."""
    options = engine_options(settings)
    return ScriptedEngine(find_model(options.model, demo=DEMO_MODEL), options)


def costed_app() -> Flask:
    """The application; it is up when the model is loaded."""
    settings = Settings.from_env()
    return create_app(settings, engine=costed_engine(settings))
