"""Tests of the shapes of a finished transcript."""

from __future__ import annotations

import json

import pytest

from stt.errors import BadInput, EngineError, QueueFull, STTError, Unauthorized
from stt.events import Final, Word
from stt.formats import (
    FORMATS,
    LANGUAGES,
    error_object,
    language_code,
    render,
    token_logprobs,
)
from stt.replies import Transcription

HELLO = Final(
    0,
    "Hello <world>.",
    0.12,
    1.4804,
    words=(Word(" Hello", 0.12, 0.61, 0.9), Word(" <world>.", 0.61, 1.48, 0.8)),
    language="en",
    average_logprob=-0.25,
    no_speech_probability=0.01,
    compression_ratio=1.1,
)
NOISE = Final(1, "", 2.0, 2.5, reason="silence")
BYE = Final(2, "Tschüss\n--> Ende", 3661.0, 3662.5, words=(Word("Tschüss"),))
TWO = Transcription((HELLO, NOISE, BYE), 3700.123456, "en")


def rendered(name: str, **options: object) -> str:
    """The body in one format."""
    return render(TWO, name, **options).body  # type: ignore[arg-type]


def test_json_is_the_text_and_the_seconds_heard() -> None:
    """json has text and usage (client OF15, native UP1)."""
    assert json.loads(rendered("json")) == {
        "text": "Hello <world>. Tschüss\n--> Ende",
        "usage": {"type": "duration", "seconds": 3700.123},
    }


def test_text_is_plain() -> None:
    """text is the transcript and a line end (client OF16)."""
    assert rendered("text") == "Hello <world>. Tschüss\n--> Ende\n"


def test_srt_counts_cues_and_uses_commas() -> None:
    """An srt cue is number, times, one line, blank line; silence has no cue (client OF17)."""
    assert rendered("srt") == (
        "1\n00:00:00,120 --> 00:00:01,480\nHello <world>.\n\n"
        "2\n01:01:01,000 --> 01:01:02,500\nTschüss -> Ende\n\n"
    )


def test_vtt_escapes_its_markup() -> None:
    """A vtt cue uses dots, and its text cannot be taken for markup (client OF18)."""
    assert rendered("vtt") == (
        "WEBVTT\n\n00:00:00.120 --> 00:00:01.480\nHello &lt;world&gt;.\n\n"
        "01:01:01.000 --> 01:01:02.500\nTschüss --&gt; Ende\n\n"
    )


def test_verbose_segments_have_every_field() -> None:
    """Every segment field is there and a number, as strict SDKs demand (client OF19, OF20)."""
    body = json.loads(rendered("verbose_json"))

    assert {key: body[key] for key in ("task", "language", "duration")} == {
        "task": "transcribe",
        "language": "english",
        "duration": 3700.123,
    }
    assert body["segments"][0] == {
        "id": 0,
        "seek": 12,
        "start": 0.12,
        "end": 1.48,
        "text": "Hello <world>.",
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": -0.25,
        "compression_ratio": 1.1,
        "no_speech_prob": 0.01,
    }
    assert [segment["id"] for segment in body["segments"]] == [0, 1]
    assert "words" not in body


def test_words_alone_leave_the_segments_out() -> None:
    """Only word granularity: words with times, no segments (client OF21)."""
    body = json.loads(rendered("verbose_json", granularities=["word"]))

    assert "segments" not in body
    assert body["words"] == [
        {"word": "Hello", "start": 0.12, "end": 0.61},
        {"word": "<world>.", "start": 0.61, "end": 1.48},
    ]


def test_a_translation_is_english() -> None:
    """verbose_json of a translation says english (client OF22)."""
    assert json.loads(rendered("verbose_json", task="translate"))["language"] == "english"


def test_infinite_scores_stay_json() -> None:
    """A score that is not finite becomes a number JSON has (client OF19)."""
    odd = Final(0, "a", 0.0, 1.0, average_logprob=float("-inf"), compression_ratio=float("nan"))

    text = render(Transcription((odd,), 1.0), "verbose_json").body
    body = json.loads(text, parse_constant=pytest.fail)

    assert body["segments"][0]["avg_logprob"] == 0.0
    assert body["language"] == ""


def test_every_format_serves_a_transcript_without_speech() -> None:
    """Silence is a transcript too, in all five formats."""
    bodies = {name: render(Transcription((), 0.0), name).body for name in FORMATS}

    assert bodies["text"] == "\n"
    assert bodies["srt"] == ""
    assert bodies["vtt"] == "WEBVTT\n\n"
    assert json.loads(bodies["verbose_json"])["segments"] == []


def test_content_types() -> None:
    """Each format has the type that clients check (client OF16-OF18)."""
    assert {name: render(TWO, name).content_type for name in FORMATS} == {
        "json": "application/json",
        "text": "text/plain; charset=utf-8",
        "srt": "text/plain; charset=utf-8",
        "verbose_json": "application/json",
        "vtt": "text/vtt; charset=utf-8",
    }


@pytest.mark.parametrize(
    ("given", "code"),
    [("en", "en"), ("EN-us", "en"), ("pt_BR", "pt"), (" English ", "en"), ("Haitian Creole", "ht"),
     ("xx", None), ("", None), ("klingon", None)],
)  # fmt: skip
def test_languages_go_by_code_and_by_name(given: str, code: str | None) -> None:
    """A language may be a code, a locale or an English name (client OF3)."""
    assert language_code(given) == code


def test_all_languages_of_whisper_have_a_name() -> None:
    """Whisper's hundred languages are there, each with its own name."""
    assert len(LANGUAGES) == len(set(LANGUAGES.values())) == 100


@pytest.mark.parametrize(
    ("error", "kind"),
    [(BadInput("no"), "invalid_request_error"),
     (QueueFull(), "rate_limit_error"), (EngineError("no"), "server_error")],
)  # fmt: skip
def test_errors_have_all_four_keys(error: STTError, kind: str) -> None:
    """An error has message, type, param and code (client OE1, native UP5)."""
    assert error_object(error, param="file") == {
        "error": {"message": error.message, "type": kind, "param": "file", "code": error.code}
    }


def test_a_wrong_key_has_the_code_that_programs_look_for() -> None:
    """OE1: OpenAI's own code and type."""
    refusal = error_object(Unauthorized("no"))["error"]

    assert (refusal["type"], refusal["code"]) == ("invalid_request_error", "invalid_api_key")


def test_tokens_are_the_text_also_where_words_are_not() -> None:
    """OF8: an utterance whose words are unknown, or do not spell it, is one token."""
    spelt = Final(0, "a b", 0, 1, (Word("a"), Word(" c")), average_logprob=-0.5)
    bare = Final(1, "ქა", 1, 2, average_logprob=float("-inf"))

    assert token_logprobs("a b", spelt) == [
        {"token": "a b", "bytes": [97, 32, 98], "logprob": -0.5}
    ]
    assert token_logprobs(" ქა", bare) == [
        {"token": " ქა", "bytes": list(" ქა".encode()), "logprob": 0.0}
    ]


def test_an_impossible_word_has_a_number() -> None:
    """OF8: JSON knows no infinity."""
    final = Final(0, "a", 0, 1, (Word("a", probability=0.0),))

    (entry,) = token_logprobs("a", final)

    assert -21 < entry["logprob"] < -20
