"""`chunking_strategy` in its three forms, and what it may say."""

from __future__ import annotations

import json

import pytest
from werkzeug.datastructures import MultiDict

from api.files.chunking import PADDING_S, Chunking, read_chunking, voice_probability
from stt.errors import BadField
from stt.speech.vad import VadOptions

SERVER_VAD = {"type": "server_vad", "silence_duration_ms": 500}


def read(**fields: str) -> Chunking:
    """What a form with these fields says; underscores in front of a name are its brackets."""
    named = {
        f"chunking_strategy[{key[1:]}]" if key[0] == "_" else key: fields[key] for key in fields
    }
    return read_chunking(MultiDict(named))


@pytest.mark.parametrize("text", ["", "auto", "server_vad", "null", " auto ", "{}"])
def test_what_is_not_said_stays_as_it_is(text: str) -> None:
    """`auto` is the default (OF9)."""
    assert read(chunking_strategy=text) == read() == Chunking()


def test_an_object_in_keys_or_in_json() -> None:
    """The SDKs write bracketed keys; both mean the same, the keys win (OF9)."""
    assert read(_type="server_vad", _silence_duration_ms="500") == Chunking(silence=0.5)
    assert read(chunking_strategy=json.dumps(SERVER_VAD)) == Chunking(silence=0.5)
    assert read(chunking_strategy=json.dumps(SERVER_VAD), _silence_duration_ms="200") == Chunking(
        silence=0.2
    )


def test_times_are_brought_to_what_can_be_served() -> None:
    """A legal number is never refused: the nearest that works counts (OF9)."""
    assert read(_silence_duration_ms="0").silence == 0.1
    assert read(_silence_duration_ms="60000").silence == 10.0
    assert read(_prefix_padding_ms="60000").padding == PADDING_S
    assert read(_prefix_padding_ms="0").padding == 0.0


def test_the_usual_threshold_is_the_usual_probability() -> None:
    """OpenAI's 0.5 changes nothing; more is stricter (OF9)."""
    assert read(_threshold="0.5").voice == pytest.approx(VadOptions().voice)
    assert voice_probability(0.0) < voice_probability(0.5) < voice_probability(1.0) < 1.0


@pytest.mark.parametrize(
    ("fields", "param"),
    [({"chunking_strategy": "often"}, "chunking_strategy"),
     ({"chunking_strategy": "[1]"}, "chunking_strategy"),
     ({"chunking_strategy": "{"}, "chunking_strategy"),
     ({"chunking_strategy": "[" * 100_000}, "chunking_strategy"),
     ({"_type": "semantic_vad"}, "chunking_strategy[type]"),
     ({"chunking_strategy": '{"type": 7}'}, "chunking_strategy[type]"),
     ({"_threshold": "1.1"}, "chunking_strategy[threshold]"),
     ({"chunking_strategy": '{"threshold": true}'}, "chunking_strategy[threshold]"),
     ({"chunking_strategy": '{"threshold": [0.5]}'}, "chunking_strategy[threshold]"),
     ({"_silence_duration_ms": "nan"}, "chunking_strategy[silence_duration_ms]"),
     ({"_silence_duration_ms": "-1"}, "chunking_strategy[silence_duration_ms]"),
     ({"_prefix_padding_ms": "1e9"}, "chunking_strategy[prefix_padding_ms]"),
     ({"_prefix_padding_ms": "a while"}, "chunking_strategy[prefix_padding_ms]")],
)  # fmt: skip
def test_what_makes_no_sense_is_named(fields: dict[str, str], param: str) -> None:
    """The key at fault, in the form clients write it (OF9, OE1)."""
    with pytest.raises(BadField) as refusal:
        read(**fields)

    assert refusal.value.param == param
