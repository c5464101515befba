"""The wiring: what the settings mean for the parts that are built of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import app
from stt.engines.fake import FakeEngine
from stt.engines.options import EngineOptions
from stt.errors import SettingError
from stt_config import Settings


@pytest.mark.parametrize(("endpoint_ms", "ratio"), [(600, 1.0), (300, 0.5), (1200, 2.0)])
def test_the_times_of_endpoints_keep_their_ratio(endpoint_ms: int, ratio: float) -> None:
    """600 ms gives the table of REC-53; another silence scales all of it."""
    endpointing = app._speech(Settings(endpoint_ms=endpoint_ms)).endpointing

    assert endpointing.by_text
    assert [
        endpointing.silence_after_sentence,
        endpointing.silence,
        endpointing.silence_unfinished,
        endpointing.silence_without_text,
    ] == pytest.approx([0.35 * ratio, 0.6 * ratio, 1.0 * ratio, 2.4 * ratio])


def test_the_settings_of_recognition_reach_the_streams() -> None:
    """Commit rule, finals, window and endpoints by text are what the operator set."""
    speech = app._speech(
        Settings(commit="hybrid", final="best", window_s=4.0, endpoint_by_text=False)
    )

    assert (speech.policy.commit, speech.final, speech.policy.soft) == ("hybrid", "best", 4.0)
    assert not speech.endpointing.by_text


@pytest.mark.parametrize(("soft", "hard"), [(3.0, 15.0), (15.0, 15.0), (25.0, 25.0)])
def test_the_hard_bound_is_never_below_the_soft_one(soft: float, hard: float) -> None:
    """A window is cut before words are committed by age (REC-22, REC-23)."""
    assert app._speech(Settings(window_s=soft)).policy.hard == hard


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
