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


def test_kinds_may_differ():
    """Each kind has its own seconds; ``full`` and ``auto`` are allowed for one of them."""
    assert EncoderContext.parse("interim=2, final=8") == EncoderContext(200, 800)
    assert EncoderContext.parse("final=full,interim=auto") == EncoderContext(500, 3000)
    assert EncoderContext.parse("interim=2.5") == EncoderContext(250, 1000)


def test_auto_is_what_the_profile_says():
    """A profile replaces the safe default, and its margin holds for every setting (REC-41)."""
    profile = EncoderContext(100, 200, 64)

    assert EncoderContext.parse("auto", profile) == profile
    assert EncoderContext.parse("2", profile) == EncoderContext(200, 200, 64)
    assert EncoderContext.parse("final=5", profile) == EncoderContext(100, 500, 64)
    assert EncoderContext.parse("full", profile).length(Kind.INTERIM, 1) == 3000


@pytest.mark.parametrize(
    "setting", ["interim=", "interim=0.1", "interim=2,interim=3", "other=2", "interim=2,", "2,3"]
)
def test_bad_kinds_are_named(setting):
    """A slip in the form by kind stops the start, too."""
    with pytest.raises(SettingError, match=r"interim=5,final=10$"):
        EncoderContext.parse(setting)


def test_a_minimum_is_raised_by_one_step_of_the_grid():
    """From between two lengths it goes to the one above the next; never above 30 s (REC-45)."""
    assert EncoderContext(200, 1000).raised(Kind.INTERIM) == EncoderContext(250, 1000)
    assert EncoderContext(200, 1000).raised(Kind.FINAL) == EncoderContext(200, 1250)
    assert EncoderContext(520, 1000).raised(Kind.INTERIM).min_interim == 700
    assert EncoderContext(3000, 3000).raised(Kind.SPEC) == EncoderContext(3000, 3000)


def test_a_minimum_is_lowered_by_one_step_never_below_another():
    """From 2.5 s to 2 s; the end is what the profile says, on the grid or not (REC-45)."""
    profile = EncoderContext(120, 1000)

    assert EncoderContext(250, 1250).lowered(Kind.INTERIM, profile) == EncoderContext(200, 1250)
    assert EncoderContext(250, 1250).lowered(Kind.BULK, profile) == EncoderContext(250, 1000)
    assert EncoderContext(200, 1000).lowered(Kind.INTERIM, profile) == profile
    assert profile.lowered(Kind.INTERIM, profile) == profile
    assert EncoderContext(50, 1000).lowered(Kind.INTERIM, EncoderContext(50, 50)).min_interim == 50
