"""What is known of a model (stt/engines/profile.py)."""

from __future__ import annotations

import json

import pytest

from stt.engines.encoder_context import EncoderContext
from stt.engines.options import DEMO_MODEL
from stt.engines.profile import ModelProfile
from stt.errors import SettingError

NUMBERS = {
    "min_frames_interim": 200,
    "min_frames_final": 300,
    "margin": 64,
    "previous_tokens": 0,
}


def test_without_a_file_the_numbers_are_safe(tmp_path):
    """5 s for interims, 10 s for all else, and at most 32 tokens of previous text (REC-43)."""
    profile = ModelProfile.of_model(tmp_path)

    assert profile.context == EncoderContext(500, 1000, 128)
    assert profile.previous_tokens == 32


def test_the_profile_of_a_model_lies_in_its_folder(tmp_path):
    """``profile.json`` beside the weights is read; a file that was named comes before it."""
    (tmp_path / "profile.json").write_text(json.dumps(NUMBERS))
    other = tmp_path / "other.json"
    other.write_text(json.dumps(NUMBERS | {"previous_tokens": 64}))

    assert ModelProfile.of_model(tmp_path).context == EncoderContext(200, 300, 64)
    assert ModelProfile.of_model(tmp_path).previous_tokens == 0
    assert ModelProfile.of_model(tmp_path, other).previous_tokens == 64


def test_a_profile_says_where_a_model_cannot_translate(tmp_path):
    """Its vocabulary has the mark all the same; absent, it can, and the file need not say so."""
    file = tmp_path / "profile.json"
    file.write_text(json.dumps(NUMBERS | {"translates": False}))
    unable = ModelProfile.read(file)
    unable.write(file)

    assert not unable.translates
    assert ModelProfile.read(file) == unable
    file.write_text(json.dumps(NUMBERS))
    assert ModelProfile.read(file).translates
    assert not ModelProfile.of_model(DEMO_MODEL).translates
    file.write_text(json.dumps(NUMBERS | {"translates": "no"}))
    with pytest.raises(SettingError, match="translates must be true or false"):
        ModelProfile.read(file)


def test_a_profile_says_how_it_was_measured(tmp_path):
    """Further fields are kept as notes, and written back behind the numbers."""
    file = tmp_path / "profile.json"
    profile = ModelProfile(50, 100, 64, 64, {"measured_on": "50 s of speech", "wer": [0.03, 0.04]})

    profile.write(file)

    assert ModelProfile.read(file) == profile
    assert [*json.loads(file.read_text())][:2] == ["min_frames_interim", "min_frames_final"]


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("min_frames_interim", 49, "from 50 to 3000"),
        ("min_frames_final", 3001, "from 50 to 3000"),
        ("min_frames_final", 500.5, "from 50 to 3000"),
        ("margin", 63, "from 64 to 3000"),
        ("margin", "128", "from 64 to 3000"),
        ("margin", True, "from 64 to 3000"),
        ("previous_tokens", 16, "one of 0, 32, 64"),
        ("previous_tokens", None, "one of 0, 32, 64"),
    ],
)
def test_a_bad_number_is_named_with_its_file(tmp_path, field, value, allowed):
    """File, field, value and what is allowed stand in the sentence."""
    file = tmp_path / "profile.json"
    file.write_text(json.dumps(NUMBERS | {field: value}))

    with pytest.raises(SettingError) as refused:
        ModelProfile.read(file)

    assert f"{file}: {field} is {json.dumps(value)}; must be" in str(refused.value)
    assert allowed in str(refused.value)


@pytest.mark.parametrize("field", NUMBERS)
def test_a_missing_number_is_named(tmp_path, field):
    """A profile has all its numbers: a slip in a name is not a note."""
    file = tmp_path / "profile.json"
    file.write_text(json.dumps({name: NUMBERS[name] for name in NUMBERS if name != field}))

    with pytest.raises(SettingError, match=f"{field} is missing"):
        ModelProfile.read(file)


@pytest.mark.parametrize("text", ["", "{", "[1]", "null"])
def test_a_file_of_something_else_is_named(tmp_path, text):
    """What is no JSON object stops the start."""
    file = tmp_path / "profile.json"
    file.write_text(text)

    with pytest.raises(SettingError, match=r"profile\.json"):
        ModelProfile.of_model(tmp_path)


def test_a_file_that_was_named_must_exist(tmp_path):
    """A path that leads nowhere is a slip, not a model without a profile."""
    with pytest.raises(SettingError, match=r"none\.json cannot be read"):
        ModelProfile.of_model(tmp_path, tmp_path / "none.json")
