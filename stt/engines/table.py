"""The engine table: which engines there are and how each is built.

A new engine is one file and one line here. Its heavy libraries are imported when it is chosen.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from stt.engines.base import Engine
from stt.engines.options import EngineOptions
from stt.errors import SettingError

log = logging.getLogger("stt.engines")


def _faster_whisper(options: EngineOptions) -> Engine:
    from stt.engines.faster_whisper import FasterWhisperEngine  # noqa: PLC0415  heavy
    from stt.engines.models import find_model  # noqa: PLC0415  heavy

    source = find_model(options.model, demo=options.demo)
    engine = FasterWhisperEngine(source, options)
    if source.warning:
        rule = "*" * 78
        log.warning("\n%s\n%s\n%s", rule, source.warning, rule)
    return engine


def _fake(options: EngineOptions) -> Engine:
    from stt.engines.fake import FakeEngine  # noqa: PLC0415  only where it is chosen

    return FakeEngine(delay=options.fake_delay, remember=0)


ENGINES: Mapping[str, Callable[[EngineOptions], Engine]] = {
    "faster-whisper": _faster_whisper,
    "fake": _fake,
}


def create_engine(name: str, options: EngineOptions) -> Engine:
    """Build the engine ``STT_ENGINE`` names; takes as long as its model takes to load.

    Raises SettingError for an unknown name, and what the engine finds wrong with its options.
    """
    try:
        build = ENGINES[name]
    except KeyError:
        raise SettingError(f"STT_ENGINE={name}: must be one of {', '.join(ENGINES)}") from None
    return build(options)
