"""What we make of a query of `/v1/listen` (client DG2-DG4)."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stt.errors import BadInput
from stt.events import RATES
from stt.ids import MAX_HINT, as_hint
from stt.protocols.deepgram_query import (
    CONTAINED,
    ENDPOINT_FLOOR,
    RAW,
    DeepgramQuery,
    known_language,
    read_query,
)


def asked(query: str) -> DeepgramQuery:
    """A query as it stands in an address."""
    return read_query(parse_qsl(query, keep_blank_values=True))


def test_a_query_of_livekit() -> None:
    """DG2: as the plugin sends it; most of it changes nothing here."""
    query = asked(
        "model=nova-3&punctuate=true&smart_format=false&no_delay=true&interim_results=true"
        "&encoding=linear16&vad_events=true&sample_rate=16000&channels=1&endpointing=25"
        "&filler_words=true&profanity_filter=false&numerals=false&mip_opt_out=false&language=en-US"
        "&keyterm=Hark&keyterm=Deep%20Gram"
    )

    assert query == DeepgramQuery(
        language="en-US",
        interim_results=True,
        vad_events=True,
        endpointing=ENDPOINT_FLOOR,
        encoding="linear16",
        keyterms=("Hark", "Deep Gram"),
    )


def test_the_defaults() -> None:
    """DG3, DG4: nothing but finals, of a container that says itself what it is."""
    query = asked("")

    assert query == DeepgramQuery()
    assert query.encoding is None
    assert [query.interim_results, query.vad_events, query.detects] == [False] * 3
    assert (query.endpointing, query.utterance_end, query.speech_finals) == (None, None, True)


@pytest.mark.parametrize(
    ("value", "seconds", "marked"),
    [
        ("10", ENDPOINT_FLOOR, True),
        ("500", 0.5, True),
        ("99999", 5.0, True),
        ("false", None, False),
        ("False", None, False),
        ("true", None, True),
        ("soon", None, True),
        ("-1", None, True),
    ],
)
def test_endpointing_is_kept_within_bounds(value: str, seconds: float | None, marked: bool) -> None:
    """DG4: never refused; `false` leaves the ends of utterances unmarked."""
    query = asked(f"endpointing={value}")

    assert (query.endpointing, query.speech_finals) == (seconds, marked)


@pytest.mark.parametrize(
    ("query", "seconds"),
    [
        ("utterance_end_ms=1500&interim_results=true", 1.5),
        ("utterance_end_ms=100&interim_results=true", 1.0),
        ("utterance_end_ms=90000&interim_results=true", 5.0),
        ("utterance_end_ms=x&interim_results=true", None),
        ("utterance_end_ms=1500", None),
    ],
)
def test_utterance_end_needs_interims(query: str, seconds: float | None) -> None:
    """DG4: 1 to 5 s; without interim results there is none."""
    assert asked(query).utterance_end == seconds


@pytest.mark.parametrize("name", CONTAINED)
def test_a_container_tells_itself_what_it_is(name: str) -> None:
    """DG3: its rate and channels stand in it, so those of the query are not read."""
    query = asked(f"encoding={name}&sample_rate=nonsense&channels=99")

    assert (query.encoding, query.channels) == (None, 1)


@pytest.mark.parametrize(
    ("query", "rate"),
    [
        ("encoding=mulaw", 8000),
        ("encoding=ALAW", 8000),
        ("encoding=linear16", 16000),
        ("encoding=linear32&sample_rate=48000", 48000),
        ("encoding=linear16&sample_rate=22050", 22050),
    ],
)
def test_bare_samples_have_a_rate(query: str, rate: int) -> None:
    """DG3: the usual one where the query leaves it out."""
    assert asked(query).sample_rate == rate


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("encoding=amr-wb", "encoding='amr-wb'"),
        ("encoding=linear16&sample_rate=7999", "sample_rate='7999'"),
        ("encoding=linear16&sample_rate=16k", "sample_rate='16k'"),
        ("encoding=mulaw&channels=0", "channels='0'"),
        ("encoding=mulaw&channels=two", "channels='two'"),
    ],
)
def test_only_unreadable_audio_is_refused(query: str, name: str) -> None:
    """DG2: by name, with what is served."""
    with pytest.raises(BadInput, match=f"{name} is not served; use ") as caught:
        asked(query)

    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("query", "detects", "known"),
    [
        ("language=en-US", False, "en"),
        ("language=EN", False, "en"),
        ("language=zh_TW", False, "zh"),
        ("language=xx", False, None),
        ("language=multi", True, None),
        ("detect_language=true", True, None),
        ("detect_language=en&detect_language=zh", True, None),
        ("detect_language=false", False, None),
    ],
)
def test_languages(query: str, detects: bool, known: str | None) -> None:
    """DG2: one that the model does not know is ignored, not refused."""
    read = asked(query)

    assert read.detects is detects
    assert known_language(read, frozenset({"en", "zh"})) == known


def test_keywords_are_hints_without_their_boost() -> None:
    """DG2: `word:boost`; what is to be heard less is left out, and no term counts twice."""
    query = asked(
        "keywords=snuffle:2&keywords=less:-3&keywords=10:30:1.5&keywords=plain&keyterm=plain"
        "&keyterm=two%0Awords&keyterm=%20"
    )

    assert query.keyterms == ("plain", "two words", "snuffle", "10:30")
    assert as_hint(query.keyterms) == "plain, two words, snuffle, 10:30"


@given(st.lists(st.text(max_size=200), max_size=30))
def test_key_terms_fit_into_a_hint(terms: list[str]) -> None:
    """DG2: the first ones, however many are sent; nothing is refused."""
    kept = read_query([("keyterm", term) for term in terms]).keyterms

    assert len(as_hint(kept)) <= MAX_HINT
    assert as_hint(kept).isprintable()


@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), max_size=8))
def test_no_query_does_harm(pairs: list[tuple[str, str]]) -> None:
    """DG2: whatever it says, it is read or refused by name."""
    with suppress(BadInput):
        query = read_query(pairs)

        assert query.encoding in (None, *RAW)
        assert query.sample_rate in RATES
