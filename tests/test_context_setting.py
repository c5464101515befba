"""The grammar of STT_ENCODER_CONTEXT: one for the start and for the engine."""

from __future__ import annotations

import pytest

from stt.context_setting import ALLOWED, ContextSetting
from stt.engines.encoder_context import EncoderContext
from stt.errors import SettingError
from stt_config import Settings


@pytest.mark.parametrize(
    ("text", "interim", "final"),
    [
        ("auto", None, None),
        ("FULL", 30.0, 30.0),
        ("7.5", 7.5, 7.5),
        ("interim = 2, final = auto", 2.0, None),
        ("Final=full", None, 30.0),
        ("in terim=0.5\t,final= 30 ", 0.5, 30.0),
    ],
)
def test_a_text_names_the_least_seconds_of_each_kind(
    text: str, interim: float | None, final: float | None
) -> None:
    """Whoever reads it gets the same: the start passes on a text that the engine takes (REC-43)."""
    settings = Settings.from_env({"STT_ENCODER_CONTEXT": text})

    assert ContextSetting.parse(text) == ContextSetting(interim, final)
    assert ContextSetting.parse(settings.encoder_context) == ContextSetting(interim, final)
    assert EncoderContext.parse(text) == EncoderContext(
        500 if interim is None else round(100 * interim),
        1000 if final is None else round(100 * final),
    )


@pytest.mark.parametrize(
    "text",
    ["half", "-1", "0.4", "30.1", "nan", "inf", "interim=", "final", "5,final=10", "both=2",
     "interim=2,interim=3", "interim=2,", "=2", "auto,auto"],
)  # fmt: skip
def test_what_the_start_refuses_the_engine_refuses_too(text: str) -> None:
    """In the same words, with the variable's name (AV4)."""
    with pytest.raises(SettingError) as start:
        Settings.from_env({"STT_ENCODER_CONTEXT": text})
    with pytest.raises(SettingError) as engine:
        EncoderContext.parse(text)

    assert str(start.value) == f"STT_ENCODER_CONTEXT={text!r}: must be {ALLOWED}"
    assert str(engine.value) == f"STT_ENCODER_CONTEXT={text}: must be {ALLOWED}"
