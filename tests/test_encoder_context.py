"""How many frames the encoder gets (stt/engines/encoder_context.py)."""

from __future__ import annotations

import pytest

from stt.engines.encoder_context import GRID, EncoderContext, grid
from stt.errors import SettingError
from stt.events import Kind


def test_grid_has_the_steps_of_the_design():
    """Steps of 50 to 500, of 100 to 800, then five more; all even (REC-40)."""
    assert len(GRID) == 18
    assert GRID[9:] == (500, 600, 700, 800, 1000, 1250, 1500, 2000, 3000)
    assert all(length % 2 == 0 for length in GRID)


@pytest.mark.parametrize(
    ("frames", "length"), [(0, 50), (50, 50), (51, 100), (801, 1000), (2001, 3000), (3128, 3000)]
)
def test_grid_rounds_up_and_never_above_30_s(frames, length):
    """The next length in use; 3000 is the most the model takes (API-08)."""
    assert grid(frames) == length


@pytest.mark.parametrize(
    ("kind", "frames", "length"),
    [
        (Kind.INTERIM, 10, 500),
        (Kind.INTERIM, 372, 500),
        (Kind.INTERIM, 373, 600),
        (Kind.FINAL, 10, 1000),
        (Kind.SPEC, 10, 1000),
        (Kind.BULK, 10, 1000),
        (Kind.FINAL, 873, 1250),
        (Kind.INTERIM, 3000, 3000),
    ],
)
def test_auto_is_the_safe_default(kind, frames, length):
    """Interims get at least 5 s, all else at least 10 s, and a margin of 128 frames (REC-43)."""
    assert EncoderContext.parse("auto").length(kind, frames) == length


@pytest.mark.parametrize("kind", Kind)
def test_full_is_always_30_s(kind):
    """``full`` pads every window as Whisper was trained (REC-46)."""
    assert EncoderContext.parse("full").length(kind, 10) == 3000


def test_seconds_are_the_least_for_every_kind():
    """A number of seconds replaces both minima; the margin stays."""
    context = EncoderContext.parse("2")

    assert [context.length(kind, 10) for kind in Kind] == [200] * 4
    assert context.length(Kind.FINAL, 100) == 250


@pytest.mark.parametrize("setting", ["", "short", "-1", "0.4", "31", "nan"])
def test_bad_setting_is_named(setting):
    """Anything else stops the start with the variable, the value and the choices."""
    with pytest.raises(SettingError, match=rf"STT_ENCODER_CONTEXT={setting}: must be auto, full"):
        EncoderContext.parse(setting)
