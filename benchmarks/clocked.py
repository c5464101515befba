"""The service with an engine whose text is the time at which it was ready: ``t123.456789``.

    gunicorn -c gunicorn.conf.py "benchmarks.clocked:clocked_app()"

The monotonic clock is the machine's, so whoever receives a transcript on the same machine reads
from it how long the result was under way. For measurements only; it hears nothing.
"""

from __future__ import annotations

import time
from collections import deque

from flask import Flask

from app import create_app
from stt.engines.fake import FakeEngine
from stt.events import Window

DELAY = 0.02  # s; about what a small model takes for a short window


def ready_now(_: Window) -> str:
    """The script: the engine asks it after its delay, when the result is made."""
    return f"t{time.monotonic():.6f}"


def ready_at(text: str) -> float:
    """When the result with this text was ready, on the monotonic clock."""
    return float(text.removeprefix("t"))


def clocked_app() -> Flask:
    """The application; every setting but the engine comes from the environment."""
    engine = FakeEngine(ready_now, delay=DELAY)
    engine.n_mels = 80  # sessions make features for it, as they do for every Whisper
    engine.windows = deque(maxlen=0)  # it keeps the last 1000 for tests: 100 MB that are not ours
    return create_app(engine=engine)
