"""Deepgram's `/v1/listen` over real sockets, with the fake engine (client section 4)."""

from __future__ import annotations

import hashlib
import io
import json
import time
import wave
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import websocket

from stt.events import Samples
from tests.containers import LIVE, live
from tests.e2e.sounds import FAST, FRAME, counted, quiet, voice
from tests.live import Hark, hark
from tests.sockets import Frames, until
from tests.speech import silence, speech

Event = dict[str, Any]
LINEAR = "encoding=linear16&sample_rate=16000"


@pytest.fixture(name="service", scope="module")
def _service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hark]:
    with hark(tmp_path_factory.mktemp("deepgram"), **FAST) as service:
        yield service


@pytest.fixture(name="keyed", scope="module")
def _keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hark]:
    settings = {"STT_API_KEYS": "ka:alice"}
    with hark(tmp_path_factory.mktemp("keyed"), **FAST, **settings) as service:
        yield service


class Listen:
    """A client of the live API that reads one message at a time."""

    def __init__(self, service: Hark, query: str = LINEAR, **options: Any) -> None:
        self.socket = websocket.create_connection(
            f"ws://127.0.0.1:{service.port}/v1/listen?{query}", timeout=60, **options
        )
        self.events: list[Event] = []
        self.closed: tuple[int, str] | None = None

    @property
    def headers(self) -> dict[str, str]:
        """Of the answer to the handshake."""
        return dict(self.socket.getheaders())

    def send(self, kind: str, **fields: object) -> None:
        """A control message."""
        self.socket.send(json.dumps({"type": kind, **fields}))

    def audio(self, data: bytes) -> None:
        """Audio in frames of 100 ms, as fast as they are taken."""
        for at in range(0, len(data), FRAME):
            self.socket.send_binary(data[at : at + FRAME])

    def next(self) -> Event | None:
        """The next message; None at the close."""
        opcode, data = self.socket.recv_data()
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            self.closed = (int.from_bytes(data[:2], "big"), data[2:].decode())
            return None
        event: Event = json.loads(data)
        self.events.append(event)
        return event

    def until(self, condition: Callable[[Event], Any]) -> Event:
        """The first message to come that fits; fails when the connection closes before."""
        while (event := self.next()) is not None:
            if condition(event):
                return event
        raise AssertionError(f"closed with {self.closed} after {self.events}")

    def finalized(self) -> Event:
        """The answer to a Finalize."""
        return self.until(lambda e: e.get("from_finalize"))

    def to_the_end(self) -> list[Event]:
        """Everything up to the close."""
        while self.next() is not None:
            pass
        return self.events

    def __enter__(self) -> Listen:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()
        self.socket.shutdown()  # type: ignore[no-untyped-call]


def text(event: Event) -> str:
    """What a Results says."""
    return str(event["channel"]["alternatives"][0]["transcript"])


def finals(events: list[Event]) -> list[Event]:
    """The finals among messages."""
    return [event for event in events if event["type"] == "Results" and event["is_final"]]


def test_a_whole_stream(service: Hark) -> None:
    """DG5, DG8, DG10, DG11, DG13: interims, finals with all their fields, Metadata, close 1000."""
    begun, rest = voice(2), quiet(1.2) + voice(1) + quiet(1.2)
    audio = begun + rest
    options = "&interim_results=true&vad_events=true&utterance_end_ms=1000&endpointing=300"
    with Listen(service, LINEAR + options) as client:
        client.audio(begun)
        interim = client.until(lambda e: e["type"] == "Results")
        client.audio(rest)
        client.send("CloseStream")
        events = client.to_the_end()
        request_id = client.headers["dg-request-id"]

    assert client.closed == (1000, "")
    *_, last = events
    assert {key: last[key] for key in ("type", "request_id", "sha256", "duration", "channels")} == {
        "type": "Metadata",
        "request_id": request_id,
        "sha256": hashlib.sha256(audio).hexdigest(),
        "duration": 5.4,
        "channels": 1,
    }
    first, second = finals(events)
    assert [text(first), text(second)] == [counted(2), counted(1)]
    assert first["start"] + first["duration"] <= second["start"]
    [alternative] = first["channel"]["alternatives"]
    assert alternative["words"][0].keys() == {
        "word", "start", "end", "confidence", "punctuated_word",
    }  # fmt: skip
    assert first["metadata"]["request_id"] == request_id
    assert (first["speech_final"], first["from_finalize"]) == (True, False)
    order = [event["type"] for event in events]
    assert order[0] == "SpeechStarted"
    assert order.count("SpeechStarted") == 2
    ends = [event for event in events if event["type"] == "UtteranceEnd"]
    assert ends[0]["last_word_end"] == alternative["words"][-1]["end"]
    assert events.index(first) < events.index(ends[0]) < events.index(second)
    assert interim["is_final"] is False


def test_without_wishes_there_are_only_finals(service: Hark) -> None:
    """DG4: no interims, no voice activity, no UtteranceEnd, unless they are asked for."""
    with Listen(service) as client:
        client.audio(voice(2) + quiet(1.5))
        client.send("CloseStream")
        events = client.to_the_end()

    assert [event["type"] for event in events] == ["Results", "Metadata"]
    assert text(events[0]) == counted(2)


def mulaw(samples: Samples) -> bytes:
    """ITU-T G.711 mu-law of samples."""
    linear = np.clip(np.abs(samples) * 32768, 0, 32635).astype(int) + 0x84
    exponent = np.floor(np.log2(linear)).astype(int) - 7
    mantissa = (linear >> (exponent + 3)) & 0x0F
    sign = np.where(samples < 0, 0x80, 0)
    return (~(sign | (exponent << 4) | mantissa) & 0xFF).astype(np.uint8).tobytes()


def test_telephone_audio_is_heard(service: Hark) -> None:
    """DG3: mu-law at 8 kHz, the rate that a query may leave out."""
    with Listen(service, "encoding=mulaw") as client:
        client.audio(mulaw(speech(2.2)[::2]))
        client.send("Finalize")
        final = client.finalized()

    assert text(final) == counted(2)


def test_several_channels_are_mixed_down(service: Hark) -> None:
    """DG2: `multichannel` is not served; the mean of the channels is one transcript."""
    mono = np.frombuffer(voice(2), "<i2")
    stereo = np.stack([mono, mono], axis=1).tobytes()
    with Listen(service, LINEAR + "&channels=2&multichannel=true") as client:
        client.audio(stereo)
        client.send("CloseStream")
        events = client.to_the_end()

    assert [text(event) for event in finals(events)] == [counted(2)]
    assert (events[-1]["duration"], events[-1]["channels"]) == (2.0, 2)


@pytest.mark.parametrize("kind", ["webm", "ogg opus", "mp4", "wav"])
def test_a_container_is_heard_as_it_arrives(service: Hark, kind: str) -> None:
    """DG3, S9: what a MediaRecorder makes, without an encoding; nothing at its end is lost."""
    pieces = live(LIVE[kind], np.concatenate([speech(2.1), silence(1.5), speech(1.1)]))
    with Listen(service, "interim_results=true") as client:
        for piece in filter(None, pieces):
            client.socket.send_binary(piece)
        client.send("CloseStream")
        *said, last = client.to_the_end()

    assert [text(event) for event in finals(said)] == [counted(2), counted(1)]
    assert last["duration"] == pytest.approx(4.7, abs=0.1)
    assert last["sha256"] == hashlib.sha256(b"".join(pieces)).hexdigest()
    assert client.closed == (1000, "")


def test_a_finalize_in_a_container_waits_for_the_audio_before_it(service: Hark) -> None:
    """DG7, S9: the decoder stands between, and the answer has what was sent before."""
    pieces = live(LIVE["wav"], speech(3.2))
    with Listen(service, "") as client:
        for piece in filter(None, pieces):
            client.socket.send_binary(piece)
        client.send("Finalize")

        assert text(client.finalized()) == counted(3)


def test_what_cannot_be_decoded_is_closed(service: Hark) -> None:
    """DG12, E11: 1008 DATA-0000 and why, with no message before it; the service goes on."""
    with Listen(service, "") as client:
        client.audio(b"this is no audio at all" * 9000)

        assert client.to_the_end() == []
        assert client.closed is not None
        code, reason = client.closed
        assert code == 1008
        assert reason.startswith("DATA-0000: The bytes are not an audio file we know")
        assert len(reason) <= 123  # what a close frame holds


def test_a_container_that_never_came_ends_well(service: Hark) -> None:
    """DG11: nothing was sent, and that is no error."""
    with Listen(service, "") as client:
        client.send("KeepAlive")
        client.send("Finalize")
        client.send("CloseStream")
        events = client.to_the_end()

    assert [event["type"] for event in events] == ["Results", "Metadata"]
    assert client.closed == (1000, "")


def test_s9_every_finalize_is_answered(service: Hark) -> None:
    """DG7, DG14, DG15, S9: with the final of the open utterance, or with no text, in order."""
    with Listen(service) as client:
        client.send("Finalize")
        nothing = client.finalized()
        client.audio(voice(2))
        client.send("Finalize")
        client.send("Finalize")
        spoken, again = client.finalized(), client.finalized()
        client.audio(voice(1))
        client.send("Finalize")
        more = client.finalized()
        client.send("CloseStream")
        rest = client.to_the_end()

    answers = [nothing, spoken, again, more]
    assert [text(event) for event in answers] == ["", counted(2), "", counted(1)]
    assert all(event["is_final"] and event["speech_final"] for event in answers)
    assert nothing["channel"]["alternatives"] == [{"transcript": "", "confidence": 0, "words": []}]
    assert sum(event.get("from_finalize", False) for event in rest) == 4
    assert rest[-1]["type"] == "Metadata"


def test_keep_alive_has_no_answer(service: Hark) -> None:
    """DG6: livekit sends one at once, and then every 5 s."""
    with Listen(service) as client:
        for _ in range(3):
            client.send("KeepAlive")
        client.send("CloseStream")

        assert [event["type"] for event in client.to_the_end()] == ["Metadata"]


def test_s11_an_idle_stream_is_closed(service: Hark) -> None:
    """S11, DG12: nothing for 10 s closes with 1011 NET-0001; a KeepAlive has put it off."""
    with Listen(service) as client:
        begun = time.monotonic()
        client.socket.sock.settimeout(3)
        with pytest.raises(websocket.WebSocketTimeoutException):
            client.next()
        client.send("KeepAlive")
        client.socket.sock.settimeout(30)
        assert client.to_the_end() == []
        lasted = time.monotonic() - begun

    assert client.closed == (1011, "NET-0001")
    assert lasted >= 12.5


@pytest.mark.parametrize("frame", [b"", '{"type":"CloseStream"}'])
def test_s10_both_ends_of_a_stream(service: Hark, frame: bytes | str) -> None:
    """DG5, DG8, S10: finals, Metadata and the close; what follows the end counts for nothing."""
    with Listen(service) as client:
        client.audio(voice(1))
        client.socket.send(frame, 2 if isinstance(frame, bytes) else 1)
        client.socket.send("not JSON")
        client.socket.send_binary(voice(1))
        events = client.to_the_end()

    assert [event["type"] for event in events] == ["Results", "Metadata"]
    assert text(events[0]) == counted(1)
    assert client.closed == (1000, "")


def test_an_unreadable_text_frame_ends_nothing(service: Hark) -> None:
    """An Error of variant SchemaError shows it, and the stream goes on."""
    with Listen(service) as client:
        for bad in ("{", "[]", '{"type":"Nonsense"}', '{"type":"Configure","keyterms":7}'):
            client.socket.send(bad)
            error = client.until(lambda e: e["type"] == "Error")
            assert (error["variant"], error["message"]) == ("SchemaError", bad)
        client.audio(voice(1))
        client.send("Finalize")

        assert text(client.finalized()) == counted(1)


def test_configure_is_answered_in_its_turn(service: Hark) -> None:
    """DG9: once each, with the key terms where they were replaced, and with a failure."""
    with Listen(service) as client:
        client.send("Configure", keyterms=["Hark", " Deep  gram "])
        client.send("Configure", features={"numerals": True})
        client.send("Configure", keyterms=["long" * 300])
        client.send("CloseStream")
        first, second, third, _ = client.to_the_end()
        request_id = client.headers["dg-request-id"]

    success = {"type": "ConfigureSuccess", "request_id": request_id}
    assert first == success | {"keyterms": ["Hark", "Deep gram"]}
    assert second == success
    assert (third["type"], third["code"]) == (
        "ConfigureFailure", "CONFIGURE_KEYTERM_LIMIT_EXCEEDED",
    )  # fmt: skip


def test_an_abrupt_end_leaves_nothing_behind(service: Hark) -> None:
    """S12: a client that vanishes in mid-utterance costs no session."""
    for _ in range(3):
        with Frames(service.port, f"/v1/listen?{LINEAR}") as peer:
            assert peer.answer.status == 101
            peer.send(2, voice(0.5))
            peer.reset()

    until(lambda: service.get("/healthz")["sessions"] == 0)


@pytest.mark.parametrize(
    "query",
    [
        "encoding=amr-nb&sample_rate=8000",
        "encoding=nonsense",
        "encoding=linear16&sample_rate=12",
        "encoding=linear16&sample_rate=many",
        "encoding=linear16&sample_rate=16000&channels=9",
    ],
)
def test_what_would_be_unreadable_is_refused_before_the_upgrade(service: Hark, query: str) -> None:
    """DG1, DG2: 400 by HTTP; `dg-error` names what is at fault."""
    with Frames(service.port, f"/v1/listen?{query}") as peer:
        answer = peer.answer

    assert answer.status == 400
    assert answer.json["err_code"] == "Bad Request"
    assert answer.json["request_id"] == answer.headers["dg-request-id"]
    assert answer.headers["dg-error"] == answer.json["err_msg"]
    assert query.rsplit("&", maxsplit=1)[-1] in answer.headers["dg-error"] or "encoding" in query


def test_nothing_else_is_refused(service: Hark) -> None:
    """DG2: options that are not served, and values that make no sense, are ignored."""
    query = (
        "model=nova-3&punctuate=true&smart_format=false&no_delay=true&filler_words=true"
        "&profanity_filter=false&numerals=false&mip_opt_out=false&diarize=true&redact=pci"
        "&language=xx-YY&endpointing=soon&utterance_end_ms=7&replace=a:b&search=x&tag=t&tag=u"
        "&keywords=word:2&keywords=bad:-3&keyterm=Hark&callback=http://localhost/&version=latest"
    )
    with Listen(service, f"{LINEAR}&{query}") as client:
        client.audio(voice(1))
        client.send("Finalize")

        assert text(client.finalized()) == counted(1)


def test_a_key_is_required_before_the_upgrade(keyed: Hark) -> None:
    """DG1: 401 in Deepgram's shape, for both ways in."""
    with Frames(keyed.port, f"/v1/listen?{LINEAR}") as peer:
        answer = peer.answer

    assert answer.status == 401
    assert answer.json["err_code"] == "INVALID_AUTH"
    assert answer.headers["dg-error"]


# Prerecorded.


def wav(pcm: bytes, channels: int = 1) -> bytes:
    """A WAV file of int16 PCM at 16 kHz."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(pcm)
    return buffer.getvalue()


def test_a_file_is_answered_with_its_words(service: Hark) -> None:
    """DP1, DP2: whatever its content type; metadata, words, utterances, the language heard."""
    data = wav(voice(2) + quiet(1.5) + voice(1) + quiet(1))
    answer = service.ask(
        "POST",
        "/v1/listen?utterances=true&detect_language=true&paragraphs=true",
        data,
        Content_Type="audio/anything",
    )

    assert answer.status == 200
    told, heard = answer.json["metadata"], answer.json["results"]
    assert told["request_id"] == answer.headers["dg-request-id"]
    assert (told["sha256"], told["duration"], told["channels"]) == (
        hashlib.sha256(data).hexdigest(), 5.5, 1,
    )  # fmt: skip
    assert list(told["model_info"]) == told["models"]
    [channel] = heard["channels"]
    [alternative] = channel["alternatives"]
    assert alternative["transcript"] == f"{counted(2)} {counted(1)}"
    assert [word["word"] for word in alternative["words"]] == alternative["transcript"].split()
    assert channel["detected_language"] == "en"
    assert [said["transcript"] for said in heard["utterances"]] == [counted(2), counted(1)]
    assert heard["utterances"][1]["start"] > 3.4


def test_bare_samples_need_their_encoding(service: Hark) -> None:
    """DP1, DG3: of two channels the mean is heard."""
    mono = np.frombuffer(voice(2) + quiet(1), "<i2")
    stereo = np.stack([mono, mono], axis=1).tobytes()
    answer = service.ask("POST", f"/v1/listen?{LINEAR}&channels=2", stereo)

    [channel] = answer.json["results"]["channels"]
    assert channel["alternatives"][0]["transcript"] == counted(2)
    assert (answer.json["metadata"]["channels"], answer.json["metadata"]["duration"]) == (2, 3.0)
    assert "utterances" not in answer.json["results"]


@pytest.mark.parametrize(
    ("query", "body", "kind", "said"),
    [
        ("", b'{"url":"http://example.org/a.wav"}', "application/json", "url"),
        ("", b"", "audio/wav", "empty"),
        ("", b"this is no audio at all" * 9, "audio/wav", "audio"),
        ("?encoding=g729", voice(1), "audio/raw", "encoding"),
        ("?encoding=linear16&sample_rate=1", voice(1), "audio/raw", "sample_rate"),
    ],
)
def test_a_file_that_cannot_be_heard(
    service: Hark, query: str, body: bytes, kind: str, said: str
) -> None:
    """DP1, DP3: 400 in Deepgram's shape, naming what is at fault."""
    answer = service.ask("POST", f"/v1/listen{query}", body, Content_Type=kind)

    assert answer.status == 400
    assert answer.json["err_code"] == "Bad Request"
    assert said in answer.json["err_msg"]
    assert answer.json["request_id"] == answer.headers["dg-request-id"]
    assert answer.headers["dg-error"] == answer.json["err_msg"]


def test_a_file_needs_a_key_too(keyed: Hark) -> None:
    """DP3: 401; `Token KEY` is the scheme (DG1)."""
    refused = keyed.ask("POST", "/v1/listen", wav(voice(1)), Authorization="Token nobody")
    taken = keyed.ask("POST", "/v1/listen", wav(voice(1)), Authorization="Token ka")

    assert (refused.status, refused.json["err_code"]) == (401, "INVALID_AUTH")
    assert taken.status == 200


@pytest.mark.parametrize(
    "options",
    [
        {"header": ["Authorization: Token ka"]},
        {"header": ["Authorization: Bearer ka"]},
        {"subprotocols": ["token", "ka"]},
    ],
)
def test_every_way_to_bring_a_key(keyed: Hark, options: dict[str, list[str]]) -> None:
    """DG1: both schemes; browsers offer `token, KEY`, and `token` is selected."""
    with Listen(keyed, **options) as client:
        client.send("CloseStream")
        client.to_the_end()

        assert client.closed == (1000, "")
        assert client.socket.getsubprotocol() == ("token" if "subprotocols" in options else None)
