"""Deepgram's live protocol: client frames to commands, replies to messages (client section 4.2)."""

from __future__ import annotations

import hashlib
import itertools
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stt.errors import BadInput, EngineError, NotReady, QueueFull, RateLimited
from stt.events import Word
from stt.protocols.base import AppendAudio, AudioFormat, Close, Configure, Flush, Say
from stt.protocols.deepgram import DeepgramProtocol
from stt.protocols.deepgram_results import Ending, SchemaError, Wanted
from stt.replies import (
    ChunkOpened,
    Degraded,
    Flushed,
    Note,
    Opened,
    Pong,
    Reply,
    Silence,
    Speech,
    Transcript,
    Usage,
    problem,
)
from stt.speech.options import SpeechOptions
from stt_outbox import Closing
from tests.service import WAIT, pcm, running
from tests.speech import silence, speech

JSON = dict[str, Any]

SPEECH = SpeechOptions(language="de", hotwords="before")
AUDIO = AudioFormat("mulaw", 8000)
ALL = Wanted(
    "r-1",
    "2026-01-01T00:00:00.000Z",
    interim_results=True,
    vad_events=True,
    utterance_ends=True,
)
KEEP = {"type": "KeepAlive"}


def protocol(wanted: Wanted = ALL) -> DeepgramProtocol:
    """A codec."""
    return DeepgramProtocol(wanted, Configure(SPEECH, audio=AUDIO))


def told(codec: DeepgramProtocol, *replies: Reply) -> list[JSON]:
    """The messages for replies."""
    return [json.loads(message) for reply in replies for message in codec.encode(reply)]


def final(chunk: str, text: str, start: float, end: float, **more: Any) -> Transcript:
    """The end of an utterance whose words share its time."""
    parts = text.split()
    each = (end - start) / max(len(parts), 1)
    words = tuple(
        Word(f" {part}", start + at * each, start + (at + 1) * each, 0.5)
        for at, part in enumerate(parts)
    )
    given = {"words": words, "start": start, "end": end} if text else {}
    return Transcript(chunk, text, is_final=True, **{**given, **more})


def utterance(chunk: str, text: str, start: float, end: float, **more: Any) -> list[Reply]:
    """What a session says of one."""
    return [
        ChunkOpened(chunk),
        Speech(chunk, started=True, at=start),
        Speech(chunk, started=False, at=end),
        final(chunk, text, start, end, **more),
    ]


# Client to server.


def test_audio_is_appended_and_control_frames_are_commands() -> None:
    """DG5-DG8: in their order (S9); KeepAlive says nothing."""
    codec = protocol()

    assert codec.decode(b"abc") == (AppendAudio(b"abc"),)
    assert codec.decode('{"type":"KeepAlive"}') == ()
    assert codec.decode('{"type":"Finalize","channel":0}') == (Flush(),)
    ending = Ending(hashlib.sha256(b"abc").hexdigest())
    assert codec.decode('{"type":"CloseStream"}') == (Say(Note(ending)), Close())


@pytest.mark.parametrize("last", [b"", '{"type":"CloseStream"}'])
def test_nothing_follows_the_end_of_a_stream(last: str | bytes) -> None:
    """DG5, DG8: an empty binary frame ends it too; what comes later is no error."""
    codec = protocol()
    codec.decode(last)

    assert [codec.decode(late) for late in (b"x", b"", "{", '{"type":"Finalize"}', last)] == [
        ()
    ] * 5


@pytest.mark.parametrize(
    "message",
    [
        "",
        "{",
        "[1]",
        "7",
        "[" * 100_000,
        '{"type":1' + "0" * 5000 + "}",
        '{"type":"keepalive"}',
        '{"kind":"KeepAlive"}',
        '{"type":"Configure","keyterms":"Hark"}',
        '{"type":"Configure","keyterms":[1]}',
        '{"type":"Configure","features":[]}',
        '{"type":"Configure","features":{"numerals":"yes"}}',
    ],
)
def test_an_unreadable_text_frame_is_shown_back(message: str) -> None:
    """An Error of variant SchemaError with the message, cut where it is long; nothing else."""
    codec = protocol()
    with pytest.raises(SchemaError) as caught:
        codec.decode(message)

    [shape] = told(codec, problem(caught.value))
    assert shape.keys() == {"type", "variant", "description", "message"}
    assert (shape["type"], shape["variant"]) == ("Error", "SchemaError")
    assert message.startswith(shape["message"])
    assert len(shape["message"]) <= 1000
    assert codec.decode(b"goes on") == (AppendAudio(b"goes on"),)


def test_configure_replaces_the_key_terms() -> None:
    """DG9: the rest of what the session was opened with stays; the answer lists the terms."""
    codec = protocol()

    command, note = codec.decode('{"type":"Configure","keyterms":["Hark","Hark"," two\\n words "]}')

    assert command == Configure(replace(SPEECH, hotwords="Hark, two words"), audio=AUDIO)
    assert isinstance(note, Say)
    assert told(codec, note.reply) == [
        {"type": "ConfigureSuccess", "request_id": "r-1", "keyterms": ["Hark", "two words"]}
    ]


def test_configure_with_no_terms_clears_them() -> None:
    """DG9: an empty list clears, null and no list keep."""
    codec = protocol()

    command, _ = codec.decode('{"type":"Configure","keyterms":[]}')
    [kept] = codec.decode('{"type":"Configure","keyterms":null,"features":{"numerals":true}}')

    assert isinstance(command, Configure)
    assert command.speech.hotwords == ""
    assert isinstance(kept, Say)
    assert told(codec, kept.reply) == [{"type": "ConfigureSuccess", "request_id": "r-1"}]


def test_too_many_key_terms_are_a_failure() -> None:
    """DG9: nothing changes, and the answer says why."""
    codec = protocol()

    [note] = codec.decode(
        json.dumps({"type": "Configure", "keyterms": ["word" * 10] * 20_000 + ["x" * 999]})
    )

    assert isinstance(note, Say)
    [failure] = told(codec, note.reply)
    assert failure.keys() == {"type", "request_id", "code", "description"}
    assert failure["code"] == "CONFIGURE_KEYTERM_LIMIT_EXCEEDED"


# Server to client.


def test_a_final_has_every_field() -> None:
    """DG13: what livekit indexes without a default, and words with their times."""
    words = (Word(" Hello,", 1.0, 1.4, 0.5), Word(" \u0915\u093e!", 1.4, 2.0, 0.9))
    [shape] = told(
        protocol(),
        Transcript("1", "Hello, \u0915\u093e!", is_final=True, start=1.0, end=2.0, words=words),
    )

    assert shape == {
        "type": "Results",
        "channel_index": [0, 1],
        "start": 1.0,
        "duration": 1.0,
        "is_final": True,
        "speech_final": True,
        "from_finalize": False,
        "channel": {
            "alternatives": [
                {
                    "transcript": "Hello, \u0915\u093e!",
                    "confidence": 0.7,
                    "words": [
                        {"word": "hello", "start": 1.0, "end": 1.4, "confidence": 0.5,
                         "punctuated_word": "Hello,"},
                        {"word": "\u0915\u093e", "start": 1.4, "end": 2.0, "confidence": 0.9,
                         "punctuated_word": "\u0915\u093e!"},
                    ],
                }
            ]
        },
        "metadata": {
            "request_id": "r-1",
            "model_info": {"name": "whisper", "version": "hark", "arch": "whisper"},
            "model_uuid": shape["metadata"]["model_uuid"],
        },
    }  # fmt: skip


def test_interims_replace_each_other_in_the_range_of_their_final() -> None:
    """DG10: one start for all of them, also where the audio of the first word came before."""
    shapes = told(
        protocol(),
        Speech("1", started=True, at=0.5),
        Transcript("1", "one", " two", start=0.5, end=1.5),
        Transcript("1", "one two", " three", start=0.5, end=2.5),
        Speech("1", started=False, at=2.2),
        final("1", "one two three", 0.5, 2.2),
    )

    results = shapes[1:]
    assert [shape["start"] for shape in results] == [0.5] * 3
    assert [shape["duration"] for shape in results] == [1.0, 2.0, 1.7]
    assert [shape["is_final"] for shape in results] == [False, False, True]
    assert [shape["speech_final"] for shape in results] == [False, False, True]
    assert results[0]["channel"]["alternatives"][0]["transcript"] == "one two"


def test_nothing_is_said_that_was_not_asked_for() -> None:
    """DG4: neither interims nor boundaries; nor what this protocol has no message for."""
    codec = protocol(Wanted("r-1", ""))

    assert told(
        codec,
        Opened("s", "t", 1, 8000, "mulaw"),
        ChunkOpened("1"),
        Speech("1", started=True, at=0.0),
        Transcript("1", "one", start=0.0, end=1.0),
        Degraded(active=True),
        Pong(1),
        Speech("1", started=False, at=1.0),
        Silence(at=2.0),
        Flushed(answered=True, at=2.0),
        Usage(2.0, 1.0),
    ) == []  # fmt: skip


def test_an_utterance_without_text_takes_back_its_interims() -> None:
    """DG10: a final with an empty transcript, and no words."""
    [shape] = told(protocol(replace(ALL, vad_events=False)), *utterance("1", "", 1.0, 2.0))

    assert (shape["is_final"], shape["speech_final"]) == (True, True)
    assert (shape["start"], shape["duration"]) == (1.0, 1.0)
    assert shape["channel"]["alternatives"] == [{"transcript": "", "confidence": 0.0, "words": []}]


def test_a_final_that_was_waited_for_answers_finalize() -> None:
    """DG15: `from_finalize` on the text itself; its `Flushed` says nothing more."""
    codec = protocol(replace(ALL, vad_events=False, speech_finals=False))

    shapes = told(
        codec,
        *utterance("1", "one", 0.0, 1.0, flushed=True),
        Flushed(answered=True, at=1.0),
        *utterance("2", "two", 2.0, 3.0),
    )

    marks = [(shape["from_finalize"], shape["speech_final"]) for shape in shapes]
    assert marks == [(True, True), (False, False)]


def test_a_finalize_of_nothing_is_answered_with_no_text() -> None:
    """DG7, DG15: of the audio since the last final, which is told now."""
    codec = protocol(replace(ALL, vad_events=False))

    nothing = Flushed(answered=False, at=4.0)
    shapes = told(codec, *utterance("1", "one", 0.0, 1.0), nothing, nothing)

    assert [(s["start"], s["duration"]) for s in shapes] == [(0.0, 1.0), (1.0, 3.0), (4.0, 0.0)]
    assert [s["from_finalize"] for s in shapes] == [False, True, True]
    assert all(s["is_final"] for s in shapes)


def test_a_long_utterance_that_was_cut_is_no_end_of_speech() -> None:
    """DG10: `speech_final` marks endpoints, and speech that goes on does not start anew."""
    shapes = told(
        protocol(),
        Speech("1", started=True, at=0.0),
        Speech("1", started=False, at=28.0),
        Speech("2", started=True, at=28.0),
        final("1", "one", 0.0, 28.0),
        Speech("2", started=False, at=30.0),
        final("2", "two", 28.0, 30.0),
    )

    assert [shape["type"] for shape in shapes] == ["SpeechStarted", "Results", "Results"]
    assert [shape["speech_final"] for shape in shapes[1:]] == [False, True]


def test_without_endpointing_no_end_of_speech_is_marked() -> None:
    """DG4: with `endpointing=false` finals come all the same."""
    codec = protocol(replace(ALL, speech_finals=False, vad_events=False))

    [shape] = told(codec, *utterance("1", "one", 0.0, 1.0))

    assert (shape["is_final"], shape["speech_final"]) == (True, False)


def test_utterance_end_follows_the_final_and_comes_once() -> None:
    """DG4: with the end of the last word; again only after another word."""
    codec = protocol(replace(ALL, vad_events=False))
    first, second = utterance("1", "one two", 0.0, 1.0), utterance("2", "", 5.0, 6.0)

    assert told(codec, Silence(at=1.0)) == []  # nobody has spoken
    assert told(codec, *first[:-1], Silence(at=2.0)) == []  # its final is awaited
    shapes = told(codec, first[-1])
    assert [shape["type"] for shape in shapes] == ["Results", "UtteranceEnd"]
    assert shapes[1] == {"type": "UtteranceEnd", "channel": [0, 1], "last_word_end": 1.0}
    assert [s["type"] for s in told(codec, *second, Silence(at=7.0))] == ["Results"]


def test_utterance_end_waits_for_its_own_final_only() -> None:
    """A new utterance that begins meanwhile does not put it off."""
    codec = protocol(replace(ALL, vad_events=False))
    *begun, ended = utterance("1", "one", 0.0, 1.0)

    shapes = told(codec, *begun, Silence(at=2.0), Speech("2", started=True, at=2.1), ended)

    assert [shape["type"] for shape in shapes] == ["Results", "UtteranceEnd"]


def test_speech_started_names_its_time() -> None:
    """DG4: where voice activity is asked for."""
    assert told(protocol(), Speech("1", started=True, at=1.2345)) == [
        {"type": "SpeechStarted", "channel": [0, 1], "timestamp": 1.234}
    ]


def test_the_language_is_told_to_whom_asked_for_several() -> None:
    """`languages` with language=multi alone, in the standard's codes."""
    heard = final("1", "satu", 0.0, 1.0, language="jw")

    [multi] = told(protocol(replace(ALL, languages=True)), heard)
    [one] = told(protocol(), heard)

    assert multi["channel"]["alternatives"][0]["languages"] == ["jv"]
    assert "languages" not in one["channel"]["alternatives"][0]


def test_words_without_times_are_left_out() -> None:
    """DG13: `words` is there, perhaps empty, and never holds half a word."""
    unaligned = Transcript("1", "one two", is_final=True, words=(Word(" one"), Word(" two")))

    [shape] = told(protocol(), unaligned)

    assert shape["channel"]["alternatives"] == [
        {"transcript": "one two", "confidence": 0.0, "words": []}
    ]


def test_metadata_is_the_farewell_after_the_end() -> None:
    """DG11: with the hash of the audio; a stream that ends otherwise has none."""
    codec = protocol(replace(ALL, channels=2))

    assert told(codec, Usage(3.0, 1.0)) == []
    assert told(codec, Note(Ending("ab" * 32)), Usage(3.21, 1.0)) == [
        {
            "type": "Metadata",
            "transaction_key": "deprecated",
            "request_id": "r-1",
            "sha256": "ab" * 32,
            "created": "2026-01-01T00:00:00.000Z",
            "duration": 3.21,
            "channels": 2,
        }
    ]


def test_errors_that_cost_the_client_something_are_said() -> None:
    """An utterance that failed is; a refused interim, slow reading and a close are not."""
    codec = protocol()

    assert told(codec, problem(EngineError("it broke"), "1")) == [
        {"type": "Error", "variant": "transcription_failed", "description": "it broke"}
    ]
    assert [shape["variant"] for shape in told(codec, problem(NotReady("it stops"), "1"))] == [
        "not_ready"
    ]
    assert told(codec, problem(QueueFull(), "1", interim=True)) == []
    assert told(codec, problem(RateLimited("too fast")), problem(NotReady("it stops"))) == []
    assert told(codec, problem(BadInput("over"), close_code=1008)) == []


# With a session.


STEP = st.sampled_from([0.3, 1.0, 2.2, -0.2, -0.7, -1.5, "Finalize", KEEP, "bad"])


@settings(max_examples=40, deadline=None)
@given(st.lists(STEP, max_size=12))
def test_any_stream_keeps_the_promises(script: list[Any]) -> None:
    """DG7, DG10, DG11, DG15, S9, S13: whatever a client does and when.

    Finals do not overlap and keep their order, interims stay with their final, each Finalize has
    one answer, Metadata is last. A number is seconds of speech, a negative one of silence.
    """
    codec = protocol()
    options = SpeechOptions(first_step=0.5, next_step=0.5, step=0.5, interim_words=True)
    with running() as core:
        session = core.session(auto_chunk=True, vad_events=True, speech=options)
        for step in [*script, "CloseStream"]:
            if isinstance(step, float):
                samples = speech(step) if step > 0 else silence(-step)
                message: str | bytes = pcm(samples)
            else:
                message = json.dumps(step if isinstance(step, dict) else {"type": step})
            try:
                for command in codec.decode(message):
                    session.handle(command)
            except SchemaError as error:
                session.say(problem(error))
        said: list[Reply] = []
        while not isinstance(reply := session.outbox.get(WAIT), Closing):
            assert reply is not None, "it did not end"
            said.append(reply)
        shapes = told(codec, *said, session.usage())

    results = [shape for shape in shapes if shape["type"] == "Results"]
    finals = [shape for shape in results if shape["is_final"]]
    for before, after in itertools.pairwise(finals):
        assert before["start"] + before["duration"] <= after["start"] + 1e-6
    until = 0.0
    for shape in results:
        assert shape["start"] >= until - 1e-6
        assert shape["duration"] >= 0
        for word in shape["channel"]["alternatives"][0]["words"]:
            assert shape["start"] <= word["start"] <= word["end"]
            assert word["end"] <= shape["start"] + shape["duration"] + 1e-6
        if shape["is_final"]:
            until = shape["start"] + shape["duration"]
    assert sum(shape["from_finalize"] for shape in results) == script.count("Finalize")
    assert sum(shape["type"] == "Error" for shape in shapes) == script.count("bad")
    assert [shape["type"] for shape in shapes].index("Metadata") == len(shapes) - 1


ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats()
    | st.sampled_from(["Finalize", "Configure", "KeepAlive", "CloseStream", "\ud800", "a" * 2000]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["type", "keyterms", "features", "x"]), inner)
    ),
    max_leaves=10,
)
CONFIGURES = st.fixed_dictionaries(
    {"type": st.just("Configure")}, optional={"keyterms": ANY, "features": ANY}
)
MESSAGES = (CONFIGURES | ANY).map(json.dumps) | st.text(max_size=40) | st.binary(max_size=40)


@settings(max_examples=150, deadline=None)
@given(st.lists(MESSAGES, max_size=5))
def test_any_message_is_taken_or_refused(messages: list[str | bytes]) -> None:
    """DG9, RT-25: decode raises BadInput alone, and what is said of it can be sent."""
    codec = protocol()
    for message in messages:
        replies: list[Reply] = []
        try:
            commands = codec.decode(message)
        except BadInput as error:
            replies.append(problem(error))
        else:
            replies += [command.reply for command in commands if isinstance(command, Say)]
        for reply in replies:
            for text in codec.encode(reply):
                assert json.loads(text.encode())["type"]
