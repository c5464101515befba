"""Our own protocol: messages to commands, replies to messages."""

from __future__ import annotations

import base64
import json
from functools import partial
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stt.errors import (
    BadBase64,
    BadInput,
    BadJSON,
    QueueFull,
    TenantMismatch,
    TooLarge,
    UnknownType,
)
from stt.events import Word
from stt.protocols.base import AppendAudio, Command, Finalize, Ping, ReplaceAudio, SetChunk
from stt.protocols.native import NativeOptions, NativeProtocol, WordsChoice
from stt.replies import (
    ChunkOpened,
    Opened,
    Pong,
    Problem,
    Reply,
    Silence,
    Speech,
    Transcript,
    Usage,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=150),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
messages = st.dictionaries(
    st.sampled_from(["type", "chunk_id", "audio_b64", "append", "tenant_id", "id", "x"]),
    st.sampled_from(["set_chunk", "finalize_chunk", "ping", "audio_chunk", "AAAA", "A", "é"])
    | json_values,
)


def protocol(**options: Any) -> NativeProtocol:
    """The codec of the session "s"."""
    return NativeProtocol("s", NativeOptions(**options))


def message(**fields: object) -> str:
    """A client's text frame."""
    return json.dumps(fields)


def b64(data: bytes) -> str:
    """Audio in JSON."""
    return str(base64.b64encode(data), "ascii")


def decoded(codec: NativeProtocol, sent: str | bytes) -> Command:
    """The one command in a message."""
    [command] = codec.decode(sent)
    return command


def shown(reply: Reply, codec: NativeProtocol | None = None) -> dict[str, Any]:
    """The message for a reply, parsed."""
    shape: dict[str, Any] = json.loads(*(codec or protocol()).encode(reply))
    return shape


# Client to server.


def test_the_messages_of_section_11() -> None:
    """M11 to M15 become commands."""
    decode = partial(decoded, protocol())

    assert decode(message(type="set_chunk", chunk_id="17", tenant_id="0000")) == SetChunk("17")
    assert decode(b"\x01\x02\x03") == AppendAudio(b"\x01\x02\x03")
    assert decode(message(type="finalize_chunk", chunk_id="17")) == Finalize("17")
    assert decode(message(type="finalize_chunk")) == Finalize(None)
    assert decode(message(type="ping")) == Ping(None)
    assert decode(message(type="ping", id=17)) == Ping(17)
    assert decode(message(type="ping", id="a")) == Ping("a")


def test_json_audio_is_a_snapshot_unless_it_says_so() -> None:
    """`append` in the message or `json_audio=append` in the query makes it an increment (W3)."""
    audio = {"chunk_id": "17", "audio_b64": b64(b"abcd")}

    assert decoded(protocol(), message(**audio)) == ReplaceAudio(b"abcd", "17")
    increment = AppendAudio(b"abcd", "17", whole=True)
    assert decoded(protocol(), message(**audio, append=True)) == increment
    appending = protocol(json_append=True)
    assert decoded(appending, message(**audio)) == increment
    assert decoded(appending, message(**audio, append=False)) == ReplaceAudio(b"abcd", "17")


def test_any_type_with_audio_is_audio() -> None:
    """An earlier client sent "audio_chunk" (W14, M12)."""
    for kind in ("audio_chunk", "whatever", 7, None, ["x"]):
        command = decoded(protocol(), message(type=kind, chunk_id=1, audio_b64=b64(b"ab")))
        assert command == ReplaceAudio(b"ab", "1")


def test_an_increment_may_leave_out_its_chunk() -> None:
    """Appended audio without chunk_id belongs to the current chunk (W10)."""
    command = decoded(protocol(), message(audio_b64=b64(b"ab"), append=True))

    assert command == AppendAudio(b"ab", None, whole=True)


def test_an_odd_byte_of_json_audio_is_dropped_with_a_warning() -> None:
    """JSON: the last byte goes and the chunk is warned; binary: it is kept (W12)."""
    decode = partial(decoded, protocol())

    assert decode(message(chunk_id="1", audio_b64=b64(b"abc"))) == ReplaceAudio(
        b"ab", "1", "odd_length"
    )
    assert decode(b"abc") == AppendAudio(b"abc")


@pytest.mark.parametrize(("width", "kept"), [(1, b"abcdefg"), (4, b"abcd"), (6, b"abcdef")])
def test_json_audio_is_cut_after_a_whole_sample(width: int, kept: bytes) -> None:
    """mu-law has no odd byte, floats may have three, a container is never cut (W12, BR3)."""
    decode = protocol(sample_bytes=width).decode
    warning = None if len(kept) == 7 else "odd_length"

    [command] = decode(message(chunk_id="1", audio_b64=b64(b"abcdefg")))

    assert command == ReplaceAudio(kept, "1", warning)


def test_numbers_are_ids_too() -> None:
    """A chunk_id that is a JSON number becomes its decimal string (W11)."""
    assert decoded(protocol(), message(type="set_chunk", chunk_id=17)) == SetChunk("17")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", BadJSON),
        ("hello", BadJSON),
        ("[1]", BadJSON),
        ("17", BadJSON),
        ('"text"', BadJSON),
        ("null", BadJSON),
        ('{"type":', BadJSON),
        ("[" * 100_000, BadJSON),
        ('{"type":"ping","id":' + "9" * 5000 + "}", BadJSON),
        ("{}", BadInput),
        ('{"type":"set_chunk"}', BadInput),
        ('{"type":"set_chunk","chunk_id":""}', BadInput),
        ('{"type":"set_chunk","chunk_id":1.5}', BadInput),
        ('{"type":"finalize_chunk","chunk_id":[]}', BadInput),
        ('{"type":"ping","id":1.5}', BadInput),
        ('{"type":"ping","id":true}', BadInput),
        ('{"type":"ping","id":"\\ud800"}', BadInput),
        ('{"type":"ping","id":"' + "x" * 65 + '"}', BadInput),
        ('{"audio_b64":"AAAA"}', BadInput),
        ('{"chunk_id":"1","audio_b64":17}', BadInput),
        ('{"chunk_id":"1","audio_b64":null}', BadInput),
        ('{"chunk_id":"1","audio_b64":"AAAA","append":1}', BadInput),
        ('{"chunk_id":"1","audio_b64":"A"}', BadBase64),
        ('{"chunk_id":"1","audio_b64":"AA AA"}', BadBase64),
        ('{"chunk_id":"1","audio_b64":"é"}', BadBase64),
        ('{"type":"sing"}', UnknownType),
        ('{"type":17}', UnknownType),
        ('{"type":{}}', UnknownType),
    ],
)
def test_bad_messages_have_their_code(text: str, error: type[BadInput]) -> None:
    """Every bad message is the error of the table, never another exception (W10, W14, B7)."""
    with pytest.raises(BadInput) as refusal:
        decoded(protocol(), text)

    assert type(refusal.value) is error


def test_a_message_over_the_limit() -> None:
    """Text and binary messages above the announced limit are `too_large` (W15)."""
    small = protocol(max_message_bytes=10)

    assert decoded(small, b"x" * 10) == AppendAudio(b"x" * 10)
    with pytest.raises(TooLarge, match="11 bytes"):
        decoded(small, b"x" * 11)
    with pytest.raises(TooLarge, match="12 bytes"):
        decoded(small, "é" * 6)


def test_the_limit_admits_a_snapshot_of_30_seconds() -> None:
    """1,280,000 bytes of base64 and their envelope pass the default limit (W15, DM10)."""
    audio = bytes(960_000)

    assert decoded(protocol(), message(chunk_id="1", audio_b64=b64(audio))) == ReplaceAudio(
        audio, "1"
    )


def test_another_tenant_counts_in_strict_mode_only() -> None:
    """Else it is ignored, as in older servers (W20)."""
    other = message(type="set_chunk", chunk_id="1", tenant_id="other")
    same = message(type="set_chunk", chunk_id="1", tenant_id="mine")
    strict = protocol(only_tenant="mine")

    assert decoded(protocol(), other) == SetChunk("1")
    assert decoded(strict, same) == SetChunk("1")
    assert decoded(strict, message(type="ping")) == Ping()
    with pytest.raises(TenantMismatch):
        decoded(strict, other)


def test_a_tenant_that_is_a_number_is_its_decimal_string() -> None:
    """Strict mode compares ids as they are kept (W11, W20)."""
    assert decoded(protocol(only_tenant="17"), message(type="ping", tenant_id=17)) == Ping()


@given(st.text() | st.binary() | json_values.map(json.dumps) | messages.map(json.dumps))
@example("[" * 200_000)
@example('{"type":' + "[" * 900 + "]" * 900 + "}")
@example('{"a":' * 990 + "1" + "}" * 990)
def test_decode_raises_nothing_but_bad_input(sent: str | bytes) -> None:
    """Whatever a client sends, the session goes on (W14, B7); what is echoed can be sent back."""
    for codec in (protocol(), protocol(json_append=True, only_tenant="t", max_message_bytes=99)):
        try:
            command = decoded(codec, sent)
        except BadInput as error:
            reply: Reply = Problem(error.code, error.message)
        else:
            reply = Pong(command.id) if isinstance(command, Ping) else Pong()
        [encoded] = codec.encode(reply)
        assert encoded.encode()


# Server to client.


def test_the_greeting() -> None:
    """M1: the older keys and ours."""
    assert shown(Opened("s", "0000", 2_097_152, 16_000, "linear16", seq=1)) == {
        "type": "session",
        "session_id": "s",
        "tenant_id": "0000",
        "max_message_bytes": 2_097_152,
        "sample_rate": 16_000,
        "encoding": "linear16",
        "channels": 1,
    }


def test_an_interim() -> None:
    """M2 with W32: the whole chunk so far, and its committed prefix."""
    assert shown(Transcript("17", "hello", " wor", seq=3)) == {
        "type": "transcript",
        "session_id": "s",
        "chunk_id": "17",
        "text": "hello wor",
        "committed": "hello",
        "is_final": False,
        "seq": 3,
    }


def test_a_final() -> None:
    """M3 with all its optional keys."""
    final = Transcript(
        "17",
        "Hello world.",
        is_final=True,
        seq=4,
        start=0.12,
        end=1.48,
        words=(Word("Hello", 0.12, 0.61), Word(" world.", 0.7, 1.48, 0.98765)),
        language="en",
        latency_s=0.3104,
        usage=Usage(12.4, 7.9),
    )

    assert shown(final) == {
        "type": "transcript",
        "session_id": "s",
        "chunk_id": "17",
        "text": "Hello world.",
        "is_final": True,
        "seq": 4,
        "start_ms": 120,
        "end_ms": 1480,
        "words": [
            {"word": "Hello", "start_ms": 120, "end_ms": 610},
            {"word": "world.", "start_ms": 700, "end_ms": 1480, "probability": 0.99},
        ],
        "language": "en",
        "latency_ms": 310,
        "usage": {"received_s": 12.4, "speech_s": 7.9},
    }


def test_finals_without_text_and_after_a_timeout() -> None:
    """M4 says the reason, M5 that it timed out."""
    silent = shown(Transcript("17", "", is_final=True, reason="silence"))
    late = shown(Transcript("17", "Hello wor", is_final=True, timed_out=True))

    assert (silent["text"], silent["reason"]) == ("", "silence")
    assert "timed_out" not in silent
    assert (late["text"], late["timed_out"]) == ("Hello wor", True)


def test_the_other_messages() -> None:
    """M6 to M9, M16."""
    assert shown(Pong(17)) == {"type": "pong", "session_id": "s", "id": 17}
    assert shown(Pong(0)) == {"type": "pong", "session_id": "s", "id": 0}
    assert shown(Pong()) == {"type": "pong", "session_id": "s"}
    assert shown(ChunkOpened("17", seq=2))["chunk_id"] == "17"
    assert shown(ChunkOpened("17", seq=2))["type"] == "chunk"
    assert shown(Silence(seq=1)) == {"type": "vad", "session_id": "s", "state": "silence", "seq": 1}
    started, stopped = shown(Speech("17", True, 0.12)), shown(Speech("17", False, 1.48))
    assert (started["type"], started["start_ms"]) == ("speech_started", 120)
    assert (stopped["type"], stopped["end_ms"]) == ("speech_stopped", 1480)
    assert shown(Usage(12.4, 7.9)) == {
        "type": "usage", "session_id": "s", "received_s": 12.4, "speech_s": 7.9,
    }  # fmt: skip


def test_errors_have_five_keys() -> None:
    """M10: always the five; `queue_overload` keeps its old text; no chunk is null (W16)."""
    error = QueueFull()

    assert shown(Problem(error.code, error.message, "17")) == {
        "type": "error",
        "code": "queue_overload",
        "message": "queue_full",
        "session_id": "s",
        "chunk_id": "17",
    }
    assert shown(Problem("bad_json", "no", close_code=1008))["chunk_id"] is None


def test_text_is_sent_unescaped() -> None:
    """Non-ASCII text goes as UTF-8, not as escapes (section 11.1)."""
    [encoded] = protocol().encode(Transcript("1", "字 é"))

    assert "字 é" in encoded


def test_another_sessions_transcript_names_it() -> None:
    """A subscriber sees whose transcript it is (W29)."""
    assert shown(Transcript("1", "x", session_id="other"))["session_id"] == "other"


# Deltas (W32).


def applied(texts: dict[Any, str], reply: dict[str, Any]) -> None:
    """What a client does with a delta: keep the text up to `from`, add the new."""
    key = reply["session_id"], reply["chunk_id"]
    texts[key] = texts.get(key, "")[: reply["from"]] + reply["text"]


def test_a_delta_carries_only_what_is_new() -> None:
    """Committed text is sent once; `from` says where the new text goes (W32)."""
    codec = protocol(text_delta=True)

    replies = [
        shown(said, codec)
        for said in (
            Transcript("1", "", "one two"),
            Transcript("1", "one", " two th"),
            Transcript("1", "one two", " three"),
            Transcript("1", "one two three.", speech_final=True),
            Transcript("1", "one two three.", is_final=True),
            Transcript("1", "one two three.", is_final=True),
        )
    ]

    assert [(reply["from"], reply["text"]) for reply in replies] == [
        (0, "one two"),
        (0, "one two th"),
        (3, " two three"),
        (7, " three."),
        (14, ""),
        (0, "one two three."),  # said again after a second finalize: whole (W7)
    ]
    assert replies[2]["committed"] == " two"


def test_deltas_of_chunks_of_the_same_name_are_kept_apart() -> None:
    """A subscriber hears chunk 1 of two sessions (W29, W32)."""
    codec = protocol(text_delta=True)
    shown(Transcript("1", "mine is long", session_id="s"), codec)

    other = shown(Transcript("1", "other", session_id="t"), codec)

    assert (other["from"], other["text"]) == (0, "other")


def test_a_replaced_chunk_starts_its_deltas_anew() -> None:
    """A snapshot that differs replaces what was sent, committed or not (W3, W32)."""
    codec = protocol(text_delta=True)
    shown(Transcript("1", "one two three", speech_final=True), codec)

    shorter = shown(Transcript("1", "", "uno"), codec)
    shown(Transcript("1", "eins zwei", speech_final=True), codec)
    other = shown(Transcript("1", "un deux trois", speech_final=True), codec)

    assert (shorter["from"], shorter["text"]) == (0, "uno")
    assert (other["from"], other["text"]) == (0, "un deux trois")


def test_a_delta_goes_back_as_far_as_a_revised_final_needs() -> None:
    """A `best` final changed committed text: `from` is where the texts part (W32, REC-27)."""
    codec = protocol(text_delta=True)
    shown(Transcript("1", "One. Two free", " fo"), codec)

    ended = shown(Transcript("1", "One. Two three four.", speech_final=True, revised=True), codec)
    shorter = shown(Transcript("1", "One. Two", is_final=True, revised=True), codec)

    assert (ended["from"], ended["text"], ended["committed"]) == (9, "three four.", "three four.")
    assert ended["revised"] is True
    assert (shorter["from"], shorter["text"]) == (8, "")


def test_deltas_repeat_neither_start_nor_language() -> None:
    """With interims they come once, and anew when they change; ends always have them (W32)."""
    codec = protocol(text_delta=True)

    replies = [
        shown(said, codec)
        for said in (
            Transcript("1", "", "one", start=0.1, end=1, language="en"),
            Transcript("1", "one", " two", start=0.1, end=2, language="en"),
            Transcript("1", "one", " dos", start=0.1, end=3, language="es"),
            Transcript("1", "one dos", speech_final=True, start=0.1, end=4, language="es"),
            Transcript("1", "one dos", " tres", start=0.1, end=5, language="es"),
            Transcript("1", "one dos tres", is_final=True, start=0.1, end=6, language="es"),
        )
    ]

    assert [("start_ms" in reply, reply.get("language")) for reply in replies] == [
        (True, "en"), (False, None), (False, "es"), (True, "es"), (False, None), (True, "es"),
    ]  # fmt: skip
    assert [reply["end_ms"] for reply in replies] == [1000, 2000, 3000, 4000, 5000, 6000]


@pytest.mark.parametrize(
    ("words", "interim", "end", "final"),
    [("final", False, True, True), ("interim", True, True, True), ("none", False, False, False)],
)
def test_words_come_where_they_are_asked_for(
    words: WordsChoice, interim: bool, end: bool, final: bool
) -> None:
    """At ends alone unless the client wants more or none, whoever speaks (client-S1, W29)."""
    codec = protocol(words=words)
    said = (Word("one", 0.1, 0.4),)

    replies = [
        shown(Transcript("1", "one", words=said), codec),
        shown(Transcript("1", "one", words=said, speech_final=True), codec),
        shown(Transcript("1", "one", words=said, is_final=True), codec),
    ]

    assert ["words" in reply for reply in replies] == [interim, end, final]


committed_texts = st.text(alphabet="ab 字", max_size=12)


@given(
    st.lists(
        st.tuples(
            st.sampled_from("12"), st.sampled_from("st"), committed_texts, committed_texts,
            st.booleans(),
        ),
        max_size=20,
    )
)  # fmt: skip
def test_deltas_add_up_to_the_whole_text(
    said: list[tuple[str, str, str, str, bool]],
) -> None:
    """Keeping text up to `from` and adding `text` gives committed + tail at any time (W32)."""
    codec, texts = protocol(text_delta=True), dict[Any, str]()
    for chunk, session, committed, tail, is_final in said:
        reply = Transcript(
            chunk, committed, "" if is_final else tail, is_final=is_final, session_id=session
        )
        applied(texts, shown(reply, codec))
        assert texts[session, chunk] == reply.committed + reply.tail


# Any reply.

any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
seconds = st.none() | st.floats(0, 1e6)
transcripts = st.builds(
    Transcript,
    chunk_id=any_text,
    committed=any_text,
    tail=any_text,
    is_final=st.booleans(),
    speech_final=st.booleans(),
    seq=st.integers(0, 2**40),
    start=seconds,
    end=seconds,
    words=st.lists(
        st.builds(
            Word, text=any_text, start=seconds, end=seconds, probability=st.none() | st.floats(0, 1)
        ),
        max_size=3,
    ).map(tuple),
    language=st.none() | any_text,
    reason=st.none() | any_text,
    timed_out=st.booleans(),
    warning=st.none() | any_text,
    latency_s=seconds,
    usage=st.none() | st.builds(Usage, seconds.filter(bool), seconds.filter(bool)),
    stored=st.none(),
    session_id=st.none() | any_text,
    revised=st.booleans(),
)
other_replies = st.one_of(
    st.builds(Opened, any_text, any_text, st.integers(), st.integers(), any_text),
    st.builds(Usage, st.floats(0, 1e6), st.floats(0, 1e6)),
    st.builds(ChunkOpened, any_text),
    st.builds(Speech, any_text, st.booleans(), st.floats(0, 1e6)),
    st.builds(Silence),
    st.builds(Pong, st.none() | st.integers() | any_text),
    st.builds(Problem, any_text, any_text, st.none() | any_text, st.none() | st.integers()),
)


def keys(value: object) -> set[str]:
    """All keys of a message, at any depth."""
    if isinstance(value, dict):
        return set(value) | {key for inner in value.values() for key in keys(inner)}
    if isinstance(value, list):
        return {key for inner in value for key in keys(inner)}
    return set()


@given(transcripts, st.booleans())
def test_every_transcript_has_its_four_keys(said: Transcript, delta: bool) -> None:
    """session_id, chunk_id, text and is_final are always there, `text` only at the top (HC4)."""
    [encoded] = protocol(text_delta=delta).encode(said)
    reply = json.loads(encoded, parse_constant=pytest.fail)

    assert {"type", "session_id", "chunk_id", "text", "is_final"} <= set(reply)
    assert reply["text"] == said.committed + said.tail
    assert "text" not in keys([reply[key] for key in reply])
    assert encoded.encode()


@given(other_replies)
def test_no_other_message_has_a_text(reply: Reply) -> None:
    """Only transcripts carry `text`; every message is a JSON object with a type (HC3, W16)."""
    [encoded] = protocol().encode(reply)
    message = json.loads(encoded, parse_constant=pytest.fail)

    assert "text" not in keys(message)
    assert {"type", "session_id"} <= set(message)
    assert isinstance(reply, Problem) == (message["type"] == "error")
