"""How a native client wants to be heard and written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stt.errors import BadInput
from stt.ids import MAX_HINT
from stt.protocols.native_tuning import Tuning, read_tuning


def test_s1_nothing_needs_to_be_said() -> None:
    """Then the service's own settings hold (client S1)."""
    assert read_tuning({}) == Tuning()


def test_s1_all_that_is_served_is_taken() -> None:
    """Each option of client S1, as clients write it."""
    query = {
        "model": "sommers_ko",
        "domain": "MEETING",
        "epd_time": "0.8",
        "noise_threshold": "0.6",
        "active_threshold": "0.88",
        "use_punctuation": "true",
        "use_itn": "1",
        "use_disfluency_filter": "false",
        "use_profanity_filter": "0",
        "keywords": "Hark:5, Whisper , noise:-2,Ogg:-0",
    }

    assert read_tuning(query) == Tuning(silence=0.8, keywords="Hark, Whisper, Ogg")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model", ""),
        ("model", "x" * 129),
        ("domain", "call"),
        ("epd_time", "0.09"),
        ("epd_time", "5.1"),
        ("epd_time", "nan"),
        ("epd_time", "1e0"),
        ("epd_time", ""),
        ("noise_threshold", "-0.1"),
        ("active_threshold", "1.1"),
        ("use_punctuation", "0"),
        ("use_punctuation", ""),
        ("use_itn", "false"),
        ("use_disfluency_filter", "1"),
        ("use_profanity_filter", "TRUE"),
        ("keywords", ""),
        ("keywords", "x" * 21),
        ("keywords", "a,,b"),
        ("keywords", "a\x00b"),
        ("keywords", "a:"),
        ("keywords", "a:5.1"),
        ("keywords", "a:-6"),
        ("keywords", ",".join(["x"] * 101)),
    ],
)
def test_s1_a_bad_value_is_refused_by_name(name: str, value: str) -> None:
    """What is no value of it, and what the model cannot do (client S1)."""
    with pytest.raises(BadInput, match=name):
        read_tuning({name: value})


def test_s1_a_hundred_keywords_fit_into_a_hint() -> None:
    """The first ones, whole (client S1)."""
    keywords = read_tuning({"keywords": ",".join(f"word-number-{n:08}" for n in range(100))})

    assert 900 < len(keywords.keywords) <= MAX_HINT
    assert all(len(word) == 20 for word in keywords.keywords.split(", "))


@given(st.sampled_from(["epd_time", "keywords", "use_itn", "model", "domain"]), st.text())
def test_s1_any_text_is_read_or_refused_by_name(name: str, value: str) -> None:
    """Nothing else comes of it (client S1)."""
    try:
        read_tuning({name: value})
        refusal = None
    except BadInput as error:
        refusal = error.message

    assert refusal is None or name in refusal
