"""What a client chooses in the query of `/stt/stream`."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stt.audio import pcm
from stt.audio.pcm import PcmDecoder
from stt.errors import BadInput, UnsupportedAudio
from stt.events import Abilities
from stt.ids import MAX_HINT
from stt.protocols.native import NativeOptions
from stt.protocols.native_query import (
    CONTAINERS,
    WIDTHS,
    NativeQuery,
    read_query,
)

ABLE = Abilities(frozenset({"en", "de"}))
NAMES = [
    "tenant_id", "session_id", "sample_rate", "encoding", "channels", "channel", "auto_chunk",
    "vad_events", "subscribe", "json_audio", "text", "language", "task", "prompt", "hotwords",
    "final", "words", "model", "domain", "epd_time", "noise_threshold", "active_threshold",
    "use_punctuation", "use_itn", "use_disfluency_filter", "use_profanity_filter", "keywords",
]  # fmt: skip


def test_no_parameter_is_needed() -> None:
    """An older client's query is empty: tenant 0000, 16 kHz int16, snapshots (W20, W27)."""
    assert read_query({}, ABLE) == NativeQuery(
        tenant_id="0000", sample_rate=16_000, encoding="linear16", native=NativeOptions()
    )


@pytest.mark.parametrize(
    ("encoding", "rate"), [("mulaw", 8000), ("alaw", 8000), ("linear16", 16_000), ("auto", 16_000)]
)
def test_the_telephones_encodings_have_its_rate(encoding: str, rate: int) -> None:
    """W27: G.711 is 8 kHz where a query does not say; 16 kHz would be nonsense at a wrong pace."""
    assert read_query({"encoding": encoding}, ABLE).sample_rate == rate
    assert read_query({"encoding": encoding, "sample_rate": "48000"}, ABLE).sample_rate == 48_000


def test_no_translation_is_promised_that_the_model_cannot_make() -> None:
    """client-S1: refused by name, instead of a text in the language that was spoken."""
    unable = Abilities(ABLE.languages, translates=False)

    with pytest.raises(BadInput, match=r"^task=translate"):
        read_query({"task": "translate"}, unable)
    assert read_query({"task": "transcribe"}, unable).task == "transcribe"


def test_every_parameter_is_read() -> None:
    """The whole table of native section 11."""
    query = {
        "tenant_id": "room 1",
        "session_id": "s1",
        "sample_rate": "48000",
        "encoding": "mulaw",
        "channels": "2",
        "channel": "1",
        "auto_chunk": "1",
        "vad_events": "true",
        "subscribe": "tenant",
        "json_audio": "append",
        "text": "delta",
        "language": "DE",
        "task": "translate",
        "prompt": " Hark ",
        "hotwords": "Hark, CTranslate2",
        "final": "best",
        "words": "interim",
        "unknown": "ignored",
    }

    assert read_query(query, ABLE) == NativeQuery(
        tenant_id="room 1",
        session_id="s1",
        sample_rate=48_000,
        encoding="mulaw",
        channels=2,
        channel=1,
        auto_chunk=True,
        vad_events=True,
        subscribe=True,
        native=NativeOptions(json_append=True, text_delta=True, words="interim", sample_bytes=2),
        language="de",
        task="translate",
        prompt="Hark",
        hotwords="Hark, CTranslate2",
        final="best",
    )


def test_automatic_language_is_the_default() -> None:
    """`language=auto` means what no language means."""
    assert read_query({"language": "auto"}, ABLE) == read_query({}, ABLE)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tenant_id", ""),
        ("session_id", "x" * 129),
        ("auto_chunk", "2"),
        ("vad_events", "yes please"),
        ("subscribe", "all"),
        ("json_audio", "stream"),
        ("text", "some"),
        ("language", "xx"),
        ("language", ""),
        ("task", "sing"),
        ("prompt", "x" * (MAX_HINT + 1)),
        ("hotwords", "x" * (MAX_HINT + 1)),
        ("final", "worst"),
        ("final", ""),
        ("words", "all"),
        ("words", ""),
    ],
)
def test_a_bad_value_is_refused_by_name(name: str, value: str) -> None:
    """The error says which parameter it is about (client-S1)."""
    with pytest.raises(BadInput, match=name) as refusal:
        read_query({name: value}, ABLE)

    assert refusal.value.code == "bad_request"


@pytest.mark.parametrize("name", ["prompt", "hotwords"])
def test_a_hint_that_is_too_long_hears_the_limit(name: str) -> None:
    """Its writer learns how long it may be, and how long it was (client-S1)."""
    with pytest.raises(BadInput, match=f"{name} may have 1000 characters, got 1001"):
        read_query({name: "x" * 1001}, ABLE)


@pytest.mark.parametrize("words", ["final", "interim", "none"])
def test_the_words_a_client_may_ask_for(words: str) -> None:
    """At ends, also in interims, or nowhere; at ends by default (client-S1)."""
    assert read_query({"words": words}, ABLE).native.words == words
    assert read_query({}, ABLE).native.words == "final"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sample_rate", "7999"),
        ("sample_rate", "48001"),
        ("sample_rate", "9" * 5000),
        ("sample_rate", "16e3"),
        ("sample_rate", " 16000"),
        ("sample_rate", "-1"),
        ("sample_rate", "١٦٠٠٠"),
        ("sample_rate", ""),
        ("encoding", "speex"),
        ("encoding", "LINEAR16"),
        ("encoding", ""),
        ("channels", "0"),
        ("channels", "9"),
        ("channels", ""),
        ("channels", "1.0"),
        ("channel", "1"),
        ("channel", "-1"),
        ("channel", ""),
    ],
)
def test_audio_that_is_not_served(name: str, value: str) -> None:
    """A rate, an encoding or a channel outside the table is `unsupported_audio` (W27, S1)."""
    with pytest.raises(UnsupportedAudio, match=name) as refusal:
        read_query({name: value}, ABLE)

    assert refusal.value.code == "unsupported_audio"


@pytest.mark.parametrize("rate", [8000, 11_025, 16_000, 44_100, 47_999, 48_000])
def test_the_rates_served(rate: int) -> None:
    """Whatever a browser's context runs at (W27, client-BR1)."""
    assert read_query({"sample_rate": str(rate)}, ABLE).sample_rate == rate


@pytest.mark.parametrize(("encoding", "width"), WIDTHS.items())
def test_the_encodings_served(encoding: str, width: int) -> None:
    """Bare samples are what the decoder knows, and JSON keeps whole ones of all channels (W12)."""
    query = read_query({"encoding": encoding, "channels": "3", "channel": "2"}, ABLE)

    assert (query.encoding, query.channels, query.channel) == (encoding, 3, 2)
    assert query.native.sample_bytes == 3 * width
    assert not query.contained
    PcmDecoder(encoding, channels=3, channel=2)


@pytest.mark.parametrize("encoding", CONTAINERS)
def test_a_container_is_asked_for_by_any_name(encoding: str) -> None:
    """Its content says which it is, so JSON audio may be cut anywhere (client-BR3)."""
    query = read_query({"encoding": encoding, "sample_rate": "44100"}, ABLE)

    assert query.contained
    assert query.native.sample_bytes == 1


def test_of_a_container_no_channel_is_chosen() -> None:
    """The error names the parameter (S1)."""
    with pytest.raises(UnsupportedAudio, match="channel='0' is for bare samples"):
        read_query({"encoding": "webm", "channel": "0"}, ABLE)


def test_the_query_serves_what_the_decoder_serves() -> None:
    """The protocols do not import the audio room, so the widths are written twice (W27)."""
    assert pcm.ENCODINGS.keys() == WIDTHS.keys()
    assert {name: e.width for name, e in pcm.ENCODINGS.items()} == WIDTHS


@given(st.dictionaries(st.sampled_from(NAMES), st.text(max_size=20)))
def test_any_query_is_read_or_refused(query: dict[str, str]) -> None:
    """No query raises anything but BadInput (W14)."""
    with suppress(BadInput):
        read_query(query, ABLE)
