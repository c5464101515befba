"""What clients say of their session, in either nesting, and what it is shown as."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from stt.protocols import realtime_shapes as shapes
from stt.protocols.base import AudioFormat
from stt.protocols.realtime_errors import EventError, InvalidValue, UnknownModel
from stt.protocols.realtime_fields import Place
from stt.protocols.realtime_session import (
    Config,
    Format,
    NoiseReduction,
    SemanticVad,
    ServerVad,
    Transcription,
)
from stt.protocols.realtime_update import LOGPROBS, Rules, is_flat, updated
from stt.speech.options import SpeechOptions

RULES = Rules("base", languages=frozenset({"en", "de"}))
USUAL = Config(transcription=Transcription(model="base"))


def after(session: object, config: Config = USUAL, rules: Rules = RULES) -> Config:
    """The configuration after an update."""
    return updated(config, Place("session", session), rules)


def heard(**fields: Any) -> dict[str, Any]:
    """A session of today with these members of ``audio.input``."""
    return {"type": "transcription", "audio": {"input": fields}}


def refused(session: object, rules: Rules = RULES) -> EventError:
    """The error that an update raises."""
    with pytest.raises(EventError) as caught:
        after(session, rules=rules)
    return caught.value


EVERYTHING = heard(
    format={"type": "audio/pcm", "rate": 16000},
    transcription={
        "model": "gpt-transcribe", "language": "de", "prompt": " Guten Tag ", "languages": ["de"],
        "keywords": ["Hark", " Whisper "], "delay": "low",
    },
    noise_reduction={"type": "far_field", "strength": 0.5},
    turn_detection={
        "type": "server_vad", "threshold": 0.7, "prefix_padding_ms": 600,
        "silence_duration_ms": 350, "create_response": True, "idle_timeout_ms": 5000,
    },
) | {"include": [LOGPROBS]}  # fmt: skip
CHOSEN = Config(
    Format("pcm", 16000),
    Transcription("gpt-transcribe", "de", "Guten Tag", ("de",), ("Hark", "Whisper"), "low"),
    NoiseReduction("far_field", 0.5),
    ServerVad(0.7, 600, 350),
    logprobs=True,
)


def test_every_field_is_read() -> None:
    """As today's clients write them (client section 2.2)."""
    assert after(EVERYTHING) == CHOSEN


def test_the_beta_s_flat_fields_mean_the_same() -> None:
    """One mapping table (client BT3, RC5, RC7)."""
    flat = {
        "input_audio_format": "g711_ulaw",
        "input_audio_transcription": {"model": "whisper-1", "language": "en", "prompt": "Hi"},
        "input_audio_noise_reduction": {"type": "near_field"},
        "turn_detection": {"type": "server_vad", "silence_duration_ms": 700},
        "modalities": ["text"],
        "include": [LOGPROBS],
    }

    assert is_flat(Place("session", flat))
    assert not is_flat(Place("session", EVERYTHING))
    assert after(flat) == Config(
        Format("pcmu", 8000),
        Transcription("whisper-1", "en", "Hi"),
        NoiseReduction("near_field"),
        ServerVad(silence_duration_ms=700),
        logprobs=True,
    )


@pytest.mark.parametrize(
    ("session", "changed"),
    [
        ({}, {}),
        (heard(), {}),
        (heard(transcription={"language": "en"}),
         {"transcription": replace(CHOSEN.transcription, language="en")}),
        (heard(turn_detection={"type": "server_vad", "threshold": 0.1}),
         {"turn_detection": ServerVad(0.1, 600, 350)}),
        (heard(turn_detection={"type": "semantic_vad"}), {"turn_detection": SemanticVad()}),
        (heard(noise_reduction={"type": "near_field"}),
         {"noise_reduction": NoiseReduction("near_field", 0.5)}),
        (heard(format={"type": "audio/pcm"}), {}),
        (heard(format={"type": "audio/pcma"}), {"format": Format("pcma", 8000)}),
        ({"audio": None}, {}),
        ({"audio": {"input": None, "output": {"voice": "x"}}, "instructions": "sing"}, {}),
    ],
)  # fmt: skip
def test_only_what_is_there_changes(session: object, changed: dict[str, Any]) -> None:
    """An update is partial, also within its objects; unknown fields are ignored (client RC1, RQ1).

    Fields of another kind of turn detection begin with their defaults.
    """
    assert after(session, CHOSEN) == replace(CHOSEN, **changed)


def test_null_switches_off_or_brings_the_default_back() -> None:
    """Turn detection and noise reduction go off; the rest is as at first (client RC1)."""
    names = ("format", "transcription", "noise_reduction", "turn_detection")

    assert after(heard(**dict.fromkeys(names)) | {"include": None}, CHOSEN) == Config(
        transcription=Transcription(model="base"), turn_detection=None
    )


def test_null_within_an_object_clears_its_field() -> None:
    """A language, a prompt; of times, back to the default (client RC1)."""
    config = after(
        heard(
            transcription=dict.fromkeys(
                ("model", "language", "prompt", "languages", "keywords", "delay")
            ),
            turn_detection=dict.fromkeys(
                ("threshold", "prefix_padding_ms", "silence_duration_ms", "idle_timeout_ms")
            ),
        ),
        CHOSEN,
    )

    assert config.transcription == Transcription(model="base")
    assert config.turn_detection == ServerVad()


@pytest.mark.parametrize("rate", [8000, 16000, 24000, 44100, 48000, 24000.0])
def test_rates_that_microphones_and_telephones_have_are_taken(rate: float) -> None:
    """Types say 24000 alone, and clients send others (client RC8)."""
    assert after(heard(format={"type": "audio/pcm", "rate": rate})).format.rate == rate


@pytest.mark.parametrize("rate", [22050, 0, -1, True, "16000", [], 1e400, 10**400, float("nan")])
def test_another_rate_is_refused_by_its_path(rate: object) -> None:
    """`invalid_value`, as sglang's suite asks (client RC8, RE4)."""
    error = refused(heard(format={"type": "audio/pcm", "rate": rate}))

    assert (error.code, error.param) == ("invalid_value", "session.audio.input.format.rate")


@pytest.mark.parametrize(
    ("session", "param"),
    [
        ("transcription", "session"),
        ({"type": "conversation"}, "session.type"),
        ({"audio": []}, "session.audio"),
        ({"audio": {"input": 5}}, "session.audio.input"),
        (heard(format="mp3"), "session.audio.input.format"),
        (heard(format={"type": "audio/opus"}), "session.audio.input.format.type"),
        (heard(transcription="whisper-1"), "session.audio.input.transcription"),
        (heard(transcription={"model": 5}), "session.audio.input.transcription.model"),
        (heard(transcription={"language": "xx"}), "session.audio.input.transcription.language"),
        (heard(transcription={"languages": "en"}), "session.audio.input.transcription.languages"),
        (heard(transcription={"keywords": [5]}), "session.audio.input.transcription.keywords[0]"),
        (heard(transcription={"prompt": "x" * 20_000}), "session.audio.input.transcription.prompt"),
        (heard(turn_detection="none"), "session.audio.input.turn_detection"),
        (heard(turn_detection={"type": "vad"}), "session.audio.input.turn_detection.type"),
        (heard(turn_detection={"type": "semantic_vad", "eagerness": 1}),
         "session.audio.input.turn_detection.eagerness"),
        (heard(turn_detection={"threshold": 2}), "session.audio.input.turn_detection.threshold"),
        (heard(turn_detection={"threshold": float("nan")}),
         "session.audio.input.turn_detection.threshold"),
        (heard(turn_detection={"silence_duration_ms": -1}),
         "session.audio.input.turn_detection.silence_duration_ms"),
        (heard(turn_detection={"prefix_padding_ms": 0.5}),
         "session.audio.input.turn_detection.prefix_padding_ms"),
        (heard(noise_reduction={"type": "loud"}), "session.audio.input.noise_reduction.type"),
        ({"include": "logprobs"}, "session.include"),
        ({"input_audio_format": "opus"}, "session.input_audio_format"),
        ({"input_audio_transcription": 5}, "session.input_audio_transcription"),
        ({"turn_detection": {"type": "x"}}, "session.turn_detection.type"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_by_its_path(session: object, param: str) -> None:
    """The path is the client's own way of writing it (client RE4)."""
    error = refused(session)

    assert (error.code, error.param) == ("invalid_value", param)
    assert param in error.message


def test_foreign_model_names_mean_the_served_one() -> None:
    """Stock clients name OpenAI's models; the name is kept and shown (client RQ7)."""
    assert after(heard(transcription={"model": "whisper-1"})).transcription.model == "whisper-1"
    assert after(heard(transcription={"model": ""})).transcription.model == "base"


def test_in_strict_mode_another_model_is_refused() -> None:
    """`model_not_found`, by its path; the served one's own name passes (client RQ7)."""
    strict = replace(RULES, strict_model=True)
    error = refused(heard(transcription={"model": "whisper-1"}), rules=strict)

    assert isinstance(error, UnknownModel)
    assert error.code == "model_not_found"
    assert error.param == "session.audio.input.transcription.model"
    assert after(heard(transcription={"model": "base"}), rules=strict) == USUAL


@pytest.mark.parametrize("model", ["gpt-realtime-whisper", "gpt-live-transcribe-2026-01-01"])
def test_models_whose_clients_find_the_turns_have_no_turn_detection(model: str) -> None:
    """Unless the update speaks of it; else every utterance would come twice (client RQ5)."""
    asked = {"model": model}
    off = after(heard(transcription=asked))
    on = after(heard(transcription=asked, turn_detection={"type": "server_vad"}))
    later = after(heard(transcription={"language": "en"}), on)

    assert off.manual
    assert [config.turn_detection for config in (on, later)] == [ServerVad(), ServerVad()]


@pytest.mark.parametrize(
    ("asked", "spoken"),
    [
        ({}, None),
        ({"language": "en"}, "en"),
        ({"language": "en-US"}, "en"),
        ({"language": "EN_us"}, "en"),
        ({"language": ""}, None),
        ({"languages": ["de"]}, "de"),
        ({"languages": ["de", "en"]}, None),
        ({"languages": ["de", "en"], "language": "en"}, "en"),
    ],
)
def test_a_language_may_have_a_region_or_be_the_only_one(
    asked: dict[str, Any], spoken: str | None
) -> None:
    """What the model is told is a plain code (client RQ1)."""
    assert after(heard(transcription=asked)).transcription.spoken == spoken


def test_long_hints_are_cut_not_refused() -> None:
    """Of a prompt the end counts, of keywords the first (client RQ1)."""
    config = after(
        heard(transcription={"prompt": "x" * 2000 + "end", "keywords": ["k" * 600, "l" * 600]})
    )

    assert len(config.transcription.prompt) == 1000
    assert config.transcription.prompt.endswith("end")
    assert config.transcription.keywords == ("k" * 600,)


def test_a_text_with_half_a_character_can_be_sent_back() -> None:
    """JSON can carry one, UTF-8 cannot."""
    config = after(heard(transcription={"prompt": "a\ud800b"}))

    assert config.transcription.prompt == "a?b"


def test_a_silence_below_100_ms_is_100_ms() -> None:
    """And shown as that: what is shown is in effect (client RS2)."""
    config = after(heard(turn_detection={"type": "server_vad", "silence_duration_ms": 0}))

    assert config.turn_detection == ServerVad(silence_duration_ms=100)


# What it means for the stream.


def test_the_configuration_is_what_the_stream_is_told() -> None:
    """Its hints, its language, its silence exactly; finals that keep to the deltas (RQ3, RC9)."""
    usual = SpeechOptions(language="en", final="best", step=0.5, interim_words=True)
    speech = CHOSEN.speech(usual)

    assert (speech.language, speech.prompt, speech.hotwords) == ("de", "Guten Tag", "Hark, Whisper")
    assert (speech.final, speech.step, speech.interim_words) == ("consistent", 0.5, False)
    assert speech.word_times, "for the logprobs"
    assert (speech.endpointing.silence, speech.endpointing.by_text) == (0.35, False)
    assert CHOSEN.audio == AudioFormat("linear16", 16000)


def test_where_the_client_says_nothing_the_service_decides() -> None:
    """But for the silence, whose default is that of the API (client RC9)."""
    usual = SpeechOptions(language="de", prompt="p", hotwords="h")
    speech = USUAL.speech(usual)

    assert (speech.language, speech.prompt, speech.hotwords) == ("de", "p", "h")
    assert not speech.word_times
    assert speech.endpointing.silence == 0.5
    assert replace(USUAL, turn_detection=None).speech(usual).endpointing == usual.endpointing


@pytest.mark.parametrize(
    ("eagerness", "longest"), [("low", 8.0), ("medium", 4.0), ("high", 2.0), ("auto", 4.0)]
)
def test_semantic_detection_waits_by_the_text_and_no_longer_than_it_may(
    eagerness: Any, longest: float
) -> None:
    """A sentence that has ended ends an item soon; the maximum is the API's (client RC10)."""
    config = after(heard(turn_detection={"type": "semantic_vad", "eagerness": eagerness}))
    ends = config.speech(SpeechOptions()).endpointing

    waits = [ends.silence_for(text, sure=True) for text in ("Yes.", "and then we", "and,", "")]
    assert ends.by_text
    assert waits == sorted(waits)
    assert max(waits) == longest


# How it is shown.


def test_the_shown_session_brings_the_configuration_back() -> None:
    """All that is in effect is in it (client RS2)."""
    g711 = replace(USUAL, format=Format("pcmu", 8000), turn_detection=None)
    for config in (CHOSEN, USUAL, g711, replace(USUAL, turn_detection=SemanticVad("low"))):
        shown = shapes.session(config, shapes.Identity("sess_1", 5))

        assert after(shown) == config


def test_the_session_of_today_is_shown_as_the_types_have_it() -> None:
    """Nested, with id, object and end (client section 2.2); an idle timeout is off (RS11)."""
    shown = shapes.session(USUAL, shapes.Identity("sess_1", 5))

    assert shown == {
        "type": "transcription",
        "id": "sess_1",
        "object": "realtime.transcription_session",
        "expires_at": 5,
        "include": None,
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "transcription": {"model": "base"},
                "noise_reduction": None,
                "turn_detection": {
                    "type": "server_vad",
                    "threshold": 0.5,
                    "prefix_padding_ms": 300,
                    "silence_duration_ms": 500,
                    "idle_timeout_ms": None,
                },
            }
        },
    }


def test_g711_is_shown_without_a_rate() -> None:
    """It has one only (client RC8)."""
    shown = shapes.session(Config(Format("pcma", 8000)), shapes.Identity("s", 5))

    assert shown["audio"]["input"]["format"] == {"type": "audio/pcma"}


@pytest.mark.parametrize(
    ("encoding", "name"), [("pcm", "pcm16"), ("pcmu", "g711_ulaw"), ("pcma", "g711_alaw")]
)
def test_the_beta_is_shown_its_own_names(encoding: Any, name: str) -> None:
    """Flat; what is not set and not in its type is left out (client BT3, BT4)."""
    shown = shapes.flat(replace(USUAL, format=Format(encoding, 8000)))

    assert shown == {
        "input_audio_format": name,
        "input_audio_transcription": {"model": "base"},
        "turn_detection": {
            "type": "server_vad",
            "threshold": 0.5,
            "prefix_padding_ms": 300,
            "silence_duration_ms": 500,
        },
        "modalities": ["text"],
    }
    assert shapes.flat(CHOSEN)["input_audio_noise_reduction"] == {"type": "far_field"}
    assert shapes.flat(CHOSEN)["include"] == [LOGPROBS]


def test_a_wrong_value_is_shown_shortened() -> None:
    """However large it is."""
    error = refused(heard(turn_detection={"type": "x" * 100_000}))

    assert isinstance(error, InvalidValue)
    assert len(error.message) < 300
