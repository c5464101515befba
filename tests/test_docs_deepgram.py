"""docs/deepgram.md against the code: its names, bounds and codes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dialects.deepgram import IDLE, IDLE_CLOSE, NO_AUDIO_CLOSE
from stt.events import MAX_CHANNELS, RATES
from stt.ids import MAX_HINT
from stt.protocols.deepgram_query import (
    CONTAINED,
    ENDPOINT_CEILING,
    ENDPOINT_FLOOR,
    RAW,
    UTTERANCE_END,
)
from stt.protocols.deepgram_shapes import CODES

PAGE = (Path(__file__).parent.parent / "docs" / "deepgram.md").read_text()


def cell(name: str) -> str:
    """What the table of the query says of a name."""
    [row] = re.findall(rf"^\| `{name}`.*$", PAGE, re.MULTILINE)
    return str(row.split("|")[3])


def test_the_encodings_are_all_named() -> None:
    """DG3: those that are served, in their order."""
    served = cell("encoding").partition("Refused")[0]

    assert tuple(re.findall(r"`([\w-]+)`", served)) == (*RAW, *CONTAINED)


@pytest.mark.parametrize(
    ("name", "bounds"),
    [
        ("sample_rate", (RATES[0], RATES[-1])),
        ("channels", (1, MAX_CHANNELS)),
        ("endpointing", (round(1000 * ENDPOINT_FLOOR), round(1000 * ENDPOINT_CEILING))),
        ("utterance_end_ms", tuple(round(1000 * end) for end in UTTERANCE_END)),
    ],
)
def test_bounds_are_those_of_the_code(name: str, bounds: tuple[int, int]) -> None:
    """DG2, DG4: a client can rely on them."""
    assert f"{bounds[0]} to {bounds[1]}" in cell(name)


def test_limits_and_closes_are_those_of_the_code() -> None:
    """DG9, DG12: the room for key terms, and how a stream is closed."""
    assert f"{MAX_HINT} characters" in cell("keyterm")
    for code, reason in (IDLE_CLOSE, NO_AUDIO_CLOSE):
        assert f"| {code} `{reason}` |" in PAGE
    assert f"| {IDLE:g} s without audio" in PAGE


def test_refusals_have_their_names() -> None:
    """DP3: every status that has a code of its own."""
    rows = re.findall(r"^\| (\d{3}) \| `([^`]+)` \|", PAGE, re.MULTILINE)

    assert {int(status): code for status, code in rows} == CODES
