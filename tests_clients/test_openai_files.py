"""Files through the `openai` package: every format, the stream, errors, models."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types import Model
from openai.types.audio import (
    Transcription,
    TranscriptionStreamEvent,
    TranscriptionVerbose,
    Translation,
    TranslationVerbose,
)

from tests_clients.printed import defined
from tests_clients.service import KEY, Service
from tests_clients.sounds import HELLO, HELLO_WORDS, words
from tests_clients.strict import by_type, strictly

SECONDS = 4.4  # of the clip
EVENTS = by_type(TranscriptionStreamEvent)


@pytest.fixture(name="client", scope="module")
def _client(hark: Service) -> OpenAI:
    client: OpenAI = defined("openai", hark)["client"]
    return client


def transcribed(client: OpenAI, **fields: Any) -> Any:
    """The answer for the clip as it came, not parsed."""
    create = client.audio.transcriptions.with_raw_response.create
    return create(model="whisper-1", file=HELLO, **fields).http_response


def test_the_printed_lines_print_what_was_said(
    hark: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    """docs/clients.md, files: the text of the clip."""
    defined("openai", hark)

    assert words(capsys.readouterr().out) == HELLO_WORDS


def test_the_printed_stream_prints_events(
    hark: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    """docs/clients.md, stream: deltas and the end."""
    defined("openai-stream", hark)

    *deltas, done = capsys.readouterr().out.splitlines()
    assert deltas
    assert all(line.startswith("transcript.text.delta ") for line in deltas)
    assert done.strip() == "transcript.text.done"


def test_json_is_what_the_type_says(client: OpenAI) -> None:
    """OF15: text and usage in seconds; OF23: every answer has an id that the client shows."""
    answer = client.audio.transcriptions.create(model="whisper-1", file=HELLO)

    parsed = strictly(Transcription, transcribed(client).json())
    assert isinstance(parsed, Transcription)
    assert words(answer.text) == words(parsed.text) == HELLO_WORDS
    assert parsed.usage
    assert parsed.usage.type == "duration"
    assert parsed.usage.seconds == pytest.approx(SECONDS, abs=1)
    assert answer._request_id


def test_text_is_plain(client: OpenAI) -> None:
    """OF16: a string, for the client as well."""
    text = client.audio.transcriptions.create(model="whisper-1", file=HELLO, response_format="text")

    assert words(str(text)) == HELLO_WORDS
    assert transcribed(client, response_format="text").headers["content-type"].startswith("text/")


@pytest.mark.parametrize(
    ("form", "start", "mark"), [("srt", "1\n00:00:0", ","), ("vtt", "WEBVTT\n\n", ".")]
)
def test_subtitles_have_cues(client: OpenAI, form: str, start: str, mark: str) -> None:
    """OF17, OF18: cues with the mark of their format before the milliseconds."""
    answer = transcribed(client, response_format=form)

    time = rf"\d\d:\d\d:\d\d\{mark}\d{{3}}"
    assert answer.text.startswith(start)
    assert re.search(rf"^{time} --> {time}", answer.text, re.MULTILINE)
    assert answer.headers["content-type"].startswith("text/vtt" if form == "vtt" else "text/plain")


def test_verbose_json_is_what_the_type_says(client: OpenAI) -> None:
    """OF19, OF20: whole segments, the language's English name; `task` is in the published API."""
    raw = transcribed(client, response_format="verbose_json").json()

    parsed = strictly(TranscriptionVerbose, raw, "task")
    assert isinstance(parsed, TranscriptionVerbose)
    assert words(parsed.text) == HELLO_WORDS
    assert parsed.language == "english"
    assert parsed.duration == pytest.approx(SECONDS, abs=0.1)
    assert parsed.segments
    assert words(" ".join(segment.text for segment in parsed.segments)) == HELLO_WORDS
    assert parsed.words is None


@pytest.mark.parametrize("also", [["word"], ["word", "segment"]])
def test_words_have_times(client: OpenAI, also: list[Any]) -> None:
    """OF7, OF21: words in order within the file; segments only when asked for too."""
    raw = transcribed(client, response_format="verbose_json", timestamp_granularities=also).json()

    parsed = strictly(TranscriptionVerbose, raw, "task")
    assert isinstance(parsed, TranscriptionVerbose)
    assert parsed.words
    assert words(" ".join(word.word for word in parsed.words)) == HELLO_WORDS
    assert all(0 <= word.start < word.end <= SECONDS + 0.1 for word in parsed.words)
    assert all(one.end <= next_one.start + 0.001 for one, next_one in pairwise(parsed.words))
    assert bool(parsed.segments) == ("segment" in also)


def test_logprobs_come_when_asked(client: OpenAI) -> None:
    """OF8: one for each token, at most 0."""
    raw = transcribed(client, include=["logprobs"]).json()

    parsed = strictly(Transcription, raw)
    assert isinstance(parsed, Transcription)
    assert parsed.logprobs
    assert all(one.token is not None and one.bytes is not None for one in parsed.logprobs)
    assert all(one.logprob is not None and one.logprob <= 0 for one in parsed.logprobs)


def test_every_field_of_the_package_is_taken(client: OpenAI) -> None:
    """OF3-OF11: hints, strategies and speakers as the package writes them are no error."""
    answer = client.audio.transcriptions.create(
        model="gpt-transcribe",
        file=("blob", HELLO.read_bytes(), "application/octet-stream"),
        languages=["en", "de"],
        keywords=["Hark"],
        prompt="A test of",
        temperature=0,
        chunking_strategy={
            "type": "server_vad",
            "threshold": 0.5,
            "prefix_padding_ms": 300,
            "silence_duration_ms": 200,
        },
        known_speaker_names=["Ann"],
        extra_body={"hotwords": "one"},
    )

    assert set(words(answer.text)) & set(HELLO_WORDS)


def test_deltas_are_the_text(client: OpenAI) -> None:
    """OS1, OS2, OS3: deltas, then one end; joined they are its text; usage in tokens or none."""
    answer = transcribed(client, stream=True)

    assert answer.headers["content-type"].startswith("text/event-stream")
    data = [line[6:] for line in answer.iter_lines() if line.startswith("data: ")]
    events = [json.loads(line) for line in data if line != "[DONE]"]
    parsed: list[Any] = [strictly(EVENTS[event["type"]], event) for event in events]
    *deltas, done = parsed
    assert {event.type for event in deltas} == {"transcript.text.delta"}
    assert done.type == "transcript.text.done"
    assert "".join(event.delta for event in deltas) == done.text
    assert words(done.text) == HELLO_WORDS


async def test_the_asynchronous_client_streams(hark: Service) -> None:
    """The same through `AsyncOpenAI`, whose body is sent in chunks (OF13)."""
    client = AsyncOpenAI(base_url=f"http://{hark.host}/v1", api_key=KEY)

    events = [
        event
        async for event in await client.audio.transcriptions.create(
            model="whisper-1", file=HELLO, stream=True
        )
    ]

    assert events[-1].type == "transcript.text.done"
    assert words(events[-1].text) == HELLO_WORDS


@pytest.mark.parametrize("form", ["json", "verbose_json"])
def test_translations(counting: Service, form: Any) -> None:
    """OF22: the same door for English; its types have text, and language `english`."""
    client = defined("openai", counting)["client"]
    create = client.audio.translations.with_raw_response.create

    raw = create(model="whisper-1", file=HELLO, response_format=form).http_response.json()

    if form == "json":
        strictly(Translation, raw)
    else:
        parsed = strictly(TranslationVerbose, raw, "task")
        assert isinstance(parsed, TranslationVerbose)
        assert parsed.language == "english"


def test_a_wrong_key_is_an_authentication_error(locked: Service) -> None:
    """OE1: 401 with a code that the program can read; the right key is let in."""
    stranger = OpenAI(base_url=f"http://{locked.host}/v1", api_key="wrong", max_retries=0)
    client = defined("openai", locked)["client"]

    with pytest.raises(openai.AuthenticationError) as refused:
        stranger.audio.transcriptions.create(model="whisper-1", file=HELLO)

    assert refused.value.status_code == 401
    assert refused.value.code == "invalid_api_key"
    assert refused.value.type == "invalid_request_error"
    assert client.audio.transcriptions.create(model="whisper-1", file=HELLO).text


def test_a_bad_file_is_a_bad_request(client: OpenAI) -> None:
    """OE1: 400 that names the field, a code, and an id for the log; not tried again (OE2)."""
    with pytest.raises(openai.BadRequestError) as refused:
        client.audio.transcriptions.create(model="whisper-1", file=("a.wav", b"no audio at all"))

    assert refused.value.param == "file"
    assert refused.value.code
    assert refused.value.type == "invalid_request_error"
    assert refused.value.request_id
    assert "file" in refused.value.message or "audio" in refused.value.message


def test_a_bad_field_is_named(client: OpenAI) -> None:
    """OF6: another format than those is refused by its name."""
    with pytest.raises(openai.BadRequestError) as refused:
        client.audio.transcriptions.create(
            model="whisper-1",
            file=HELLO,
            response_format="yaml",  # type: ignore[call-overload]
        )

    assert refused.value.param == "response_format"


def test_an_unknown_path_is_not_found(client: OpenAI) -> None:
    """OE1: the same shape where nothing is served."""
    with pytest.raises(openai.NotFoundError) as refused:
        client.chat.completions.create(model="whisper-1", messages=[])

    assert refused.value.body
    assert refused.value.type == "invalid_request_error"


def test_models_are_listed_and_found(client: OpenAI) -> None:
    """OM1, OM2: each listed model can be asked for by its name."""
    listed = list(client.models.list())

    assert listed
    for model in listed:
        strictly(Model, model.model_dump())
        assert client.models.retrieve(model.id).id == model.id


def test_an_unknown_model_is_not_found(client: OpenAI) -> None:
    """OM2: 404 with `model_not_found`, slashes in the name or not."""
    for name in ("nothing", "nobody/nothing"):
        with pytest.raises(openai.NotFoundError) as refused:
            client.models.retrieve(name)
        assert refused.value.code == "model_not_found"
