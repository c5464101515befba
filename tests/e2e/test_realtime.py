"""OpenAI's Realtime API over real sockets: what stock clients send, and what they hear."""

from __future__ import annotations

import json
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import websocket

from stt.audio.pcm import ENCODINGS, pcm16_to_samples
from tests.e2e.sounds import FAKE, FAST, b64, counted, quiet, voice
from tests.live import Hark, hark
from tests.sockets import BINARY, CLOSE, TEXT, Frames, until

PATH = "/v1/realtime"
TRANSCRIPTION = "conversation.item.input_audio_transcription"
AT_16 = {"type": "audio/pcm", "rate": 16000}
VAD = {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 600, "silence_duration_ms": 350}


@pytest.fixture(name="service", scope="module")
def _service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hark]:
    with hark(tmp_path_factory.mktemp("realtime"), **FAST) as service:
        yield service


@pytest.fixture(name="keyed", scope="module")
def _keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hark]:
    """With keys for two tenants."""
    settings = {"STT_API_KEYS": "ka:alice,kb:bob"}
    with hark(tmp_path_factory.mktemp("keyed"), **FAST, **settings) as service:
        yield service


class Client:
    """A client of `/v1/realtime` that reads one event at a time."""

    def __init__(self, service: Hark, query: str = "?intent=transcription", **options: Any) -> None:
        url = f"ws://127.0.0.1:{service.port}{PATH}{query}"
        self.socket = websocket.create_connection(url, timeout=60, **options)
        self.events: list[dict[str, Any]] = []
        self.close_code: int | None = None
        self.session = self.next_event()["session"]

    def send(self, kind: str, **fields: Any) -> None:
        self.socket.send(json.dumps({"type": kind, **fields}))

    def configure(self, **fields: Any) -> dict[str, Any]:
        """An update of today's shape; the session that it is answered with."""
        session = {"type": "transcription", "audio": {"input": fields}}
        self.send("session.update", session=session)
        shown: dict[str, Any] = self.until("session.updated")["session"]
        return shown

    def append(self, data: bytes, piece: int = 3200) -> None:
        for at in range(0, len(data), piece):
            self.send("input_audio_buffer.append", audio=b64(data[at : at + piece]))

    def commit(self) -> None:
        self.send("input_audio_buffer.commit")

    def event(self) -> dict[str, Any] | None:
        """The next event; None at the close, whose code is then in `close_code`."""
        opcode, data = self.socket.recv_data()
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            self.close_code = int.from_bytes(data[:2], "big")
            return None
        event: dict[str, Any] = json.loads(data)
        self.events.append(event)
        return event

    def next_event(self) -> dict[str, Any]:
        event = self.event()
        assert event is not None, f"closed with {self.close_code} after {self.events}"
        return event

    def find(self, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first event to come that fits."""
        while not fits(event := self.next_event()):
            pass
        return event

    def until(self, kind: str) -> dict[str, Any]:
        return self.find(lambda event: event["type"] == kind)

    def completed(self) -> dict[str, Any]:
        return self.until(f"{TRANSCRIPTION}.completed")

    def error(self) -> dict[str, Any]:
        found: dict[str, Any] = self.until("error")["error"]
        return found

    def types(self, *, deltas: bool = False, of: str | None = None) -> list[str]:
        """Of all events so far, after the first; ``of``: those about one item."""
        kinds = [
            event["type"]
            for event in self.events[1:]
            if of in (None, event.get("item_id"), event.get("item", {}).get("id"))
        ]
        return [kind for kind in kinds if deltas or not kind.endswith(".delta")]

    def joined(self, item_id: str) -> str:
        """The deltas of an item."""
        mine = [event for event in self.events if event.get("item_id") == item_id]
        return "".join(event.get("delta", "") for event in mine)

    def close(self) -> None:
        self.socket.close()
        self.socket.shutdown()  # type: ignore[no-untyped-call]  # the library keeps its socket where the other side closed first

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


VAD_ORDER = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
    f"{TRANSCRIPTION}.completed",
]
COMMIT_ORDER = VAD_ORDER[2:]


def test_a_client_of_today_hears_each_utterance_by_itself(service: Hark) -> None:
    """As livekit speaks it: update, audio, nothing else (client RS1 to RS8, RO1, RO3, RQ2)."""
    with Client(service, "?intent=transcription&model=gpt-4o-mini-transcribe") as client:
        transcription = {"model": "gpt-4o-mini-transcribe", "language": "en"}
        client.configure(format=AT_16, transcription=transcription, turn_detection=VAD)
        client.append(voice(2) + quiet(1))
        first = client.completed()
        client.append(voice(3) + quiet(1))
        second = client.completed()

    assert client.types() == ["session.updated", *VAD_ORDER, *VAD_ORDER]
    assert [first["transcript"], second["transcript"]] == [counted(2), counted(3)]
    for done in (first, second):
        assert client.joined(done["item_id"]) == done["transcript"]
        assert done["usage"]["type"] == "duration"
        assert done["languages"] == [{"code": "en"}]
    starts = [event["audio_start_ms"] for event in client.events if "audio_start_ms" in event]
    ends = [event["audio_end_ms"] for event in client.events if "audio_end_ms" in event]
    assert all(isinstance(at, int) for at in starts + ends)
    assert starts[0] < ends[0] <= starts[1] < ends[1]
    assert 2300 <= starts[1] <= 2700, "the padding is in it"


def test_the_first_frame_comes_at_once_and_describes_the_session(service: Hark) -> None:
    """Some clients send nothing before it (client RS1, RE8)."""
    with Client(service, "") as client:
        session = client.session

    assert session["id"].startswith("sess_")
    assert session["object"] == "realtime.transcription_session"
    assert 3500 < session["expires_at"] - time.time() <= 3601
    assert session["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24000}
    assert session["audio"]["input"]["transcription"] == {"model": "fake"}


def test_a_client_that_commits_gets_one_item_for_each_commit(service: Hark) -> None:
    """In the order of its commits, the second with nothing of the first (client RO2, RS5, S9)."""
    with Client(service) as client:
        client.configure(format=AT_16, transcription={"model": "qwen3-asr"}, turn_detection=None)
        client.append(voice(2) + quiet(1) + voice(1))
        client.commit()
        client.append(voice(3))
        client.commit()
        first, second = client.completed(), client.completed()

    for done in (first, second):  # the second commit may be read before the first text is there
        assert client.types(of=done["item_id"]) == COMMIT_ORDER
    assert [first["transcript"], second["transcript"]] == [
        f"{counted(2)} {counted(1)}", counted(3),
    ]  # fmt: skip
    committed = [e for e in client.events if e["type"] == "input_audio_buffer.committed"]
    assert [e["previous_item_id"] for e in committed] == [None, first["item_id"]]
    assert [e["usage"]["seconds"] for e in (first, second)] == [4.0, 3.0]


def test_the_first_item_names_null_as_the_one_before(service: Hark) -> None:
    """JSON null, and not a missing field (client RS5)."""
    with Client(service) as client:
        client.configure(format=AT_16, turn_detection=None)
        client.append(quiet(1))
        client.commit()
        committed = client.until("input_audio_buffer.committed")

    assert "previous_item_id" in committed
    assert committed["previous_item_id"] is None


@pytest.mark.parametrize("event", ["transcription_session.update", "session.update"])
def test_a_client_of_the_beta_is_answered_in_its_shapes(service: Hark, event: str) -> None:
    """Flat sessions, created items, usage as ever (client RC5, RC7, BT1 to BT6)."""
    with Client(service, header=["OpenAI-Beta: realtime=v1"]) as client:
        client.send(
            event,
            session={
                "input_audio_format": "pcm16",
                "input_audio_transcription": {"model": "whisper-1", "language": "en"},
                "turn_detection": {"type": "server_vad", "silence_duration_ms": 400},
            },
        )
        updated = client.until(f"{event}d")["session"]
        client.append(at_24k(voice(2)) + bytes(48_000))
        done = client.completed()

    assert client.session["input_audio_format"] == "pcm16"
    assert updated["input_audio_transcription"] == {"model": "whisper-1", "language": "en"}
    assert updated["turn_detection"]["silence_duration_ms"] == 400
    heard = [kind for kind in client.types() if kind.startswith("conversation.item.")]
    assert heard == ["conversation.item.created", f"{TRANSCRIPTION}.completed"]
    assert done["usage"]["type"] == "duration"
    assert done["transcript"] == counted(2) == client.joined(done["item_id"])


def at_24k(data: bytes) -> bytes:
    """The same audio at 24 kHz."""
    samples = np.frombuffer(data, "<i2").astype(np.float64)
    at = np.arange(len(samples) * 3 // 2) * 2 / 3
    return np.interp(at, np.arange(len(samples)), samples).astype("<i2").tobytes()


def test_audio_before_the_first_update_is_kept(service: Hark) -> None:
    """pipecat sends it as soon as it has any (client RQ6, RQ5)."""
    audio = at_24k(voice(2))
    with Client(service) as client:
        client.append(audio[:48_000])
        client.configure(
            format={"type": "audio/pcm", "rate": 24000},
            transcription={"model": "gpt-realtime-whisper"},
        )
        client.append(audio[48_000:])
        client.commit()
        done = client.completed()

    assert done["transcript"] == counted(2)
    assert client.types().count("input_audio_buffer.committed") == 1


def test_settings_change_in_mid_utterance_without_loss(service: Hark) -> None:
    """No audio is dropped, no item ended, no clock restarted (client RQ4)."""
    with Client(service) as client:
        client.configure(format=AT_16, turn_detection=VAD)
        client.append(voice(1) + quiet(1))
        client.completed()
        client.append(voice(1))
        client.configure(transcription={"model": "whisper-1", "language": "de"}, turn_detection=VAD)
        client.append(voice(1) + quiet(1))
        done = client.completed()

    assert done["transcript"] == counted(2)
    assert done["languages"] == [{"code": "en"}], "the utterance was begun before"
    ends = [event["audio_end_ms"] for event in client.events if "audio_end_ms" in event]
    assert 3900 < ends[1] < 4200


def test_turn_detection_changes_in_mid_utterance_without_loss(service: Hark) -> None:
    """Off and on again: the audio is in the item that the next end makes (client RQ4)."""
    with Client(service) as client:
        client.configure(format=AT_16, turn_detection=VAD)
        client.append(voice(1))
        client.configure(turn_detection=None)
        client.append(voice(1) + quiet(1) + voice(1))
        client.configure(turn_detection=VAD)
        client.append(voice(1) + quiet(1))
        done = client.completed()

    assert done["transcript"] == f"{counted(2)} {counted(2)}"
    assert client.types().count("input_audio_buffer.committed") == 1


@pytest.mark.parametrize("law", ["pcmu", "pcma"])
def test_g711_is_heard(service: Hark, law: str) -> None:
    """As telephones send it, one byte a sample at 8 kHz (client RC8)."""
    data = g711(voice(2) + quiet(1), "mulaw" if law == "pcmu" else "alaw")
    with Client(service) as client:
        shown = client.configure(format={"type": f"audio/{law}"})
        client.append(data, 800)
        done = client.completed()

    assert shown["audio"]["input"]["format"] == {"type": f"audio/{law}"}
    assert done["transcript"] == counted(2)


def g711(data: bytes, encoding: str) -> bytes:
    """16 kHz PCM as G.711 at 8 kHz, each sample as its nearest code."""
    table = ENCODINGS[encoding].decode(bytes(range(256)))
    order = np.argsort(table)
    samples = pcm16_to_samples(data)[::2]
    edges = (table[order][1:] + table[order][:-1]) / 2
    return order[np.searchsorted(edges, samples)].astype(np.uint8).tobytes()


def test_s16_half_a_sample_waits_for_the_next_append(service: Hark) -> None:
    """However the audio is cut (client RE6, S16)."""
    with Client(service) as client:
        client.configure(format=AT_16)
        client.append(voice(2) + quiet(1), 3201)
        done = client.completed()

    assert done["transcript"] == counted(2)
    assert "error" not in client.types()


def test_a_large_append_is_one_message(service: Hark) -> None:
    """15 MiB of audio, 20 MiB of base64 (client RH7)."""
    with Client(service) as client:
        client.configure(format=AT_16, turn_detection=None)
        size = 15 * 2**20
        client.append(voice(2) + bytes(size - 64_000), size)
        client.commit()
        done = client.completed()

    assert done["transcript"] == counted(2)
    assert done["usage"]["seconds"] == size / 32_000


@pytest.mark.parametrize(
    ("message", "code", "param"),
    [
        ("{", "invalid_payload", None),
        ("[]", "invalid_payload", None),
        ('{"type": "start"}', "unknown_event", "type"),
        ('{"type": "response.create"}', "unsupported_event", "type"),
        ('{"type": "conversation.item.retrieve"}', "unsupported_event", "type"),
        ('{"type": "input_audio_buffer.append", "audio": "*"}', "invalid_audio", "audio"),
        ('{"type": "input_audio_buffer.append"}', "invalid_value", "audio"),
        ('{"type": "input_audio_buffer.commit"}', "input_audio_buffer_commit_empty", None),
        ('{"type": "session.update", "session": {"audio": {"input": {"format": '
         '{"type": "audio/pcm", "rate": 22050}}}}}',
         "invalid_value", "session.audio.input.format.rate"),
        ('{"type": "session.update", "session": {"audio": {"input": {"transcription": "x"}}}}',
         "invalid_value", "session.audio.input.transcription"),
    ],
)  # fmt: skip
def test_an_error_says_what_is_wrong_and_the_session_goes_on(
    service: Hark, message: str, code: str, param: str | None
) -> None:
    """One event, and the socket stays open (client RE1 to RE5, RC6, RC8)."""
    with Client(service) as client:
        client.socket.send(message)
        error = client.error()
        client.configure(format=AT_16)
        client.append(voice(1) + quiet(1))
        done = client.completed()

    assert (error["code"], error["param"]) == (code, param)
    assert error["type"] == "invalid_request_error"
    assert done["transcript"] == counted(1)


def test_a_binary_message_is_an_error_and_no_audio(service: Hark) -> None:
    """And no close (client RH8, RE3)."""
    with Client(service) as client:
        client.socket.send_binary(voice(1))
        error = client.error()
        client.configure()

    assert error["code"] == "invalid_payload"


def test_an_error_names_the_event_it_is_about(service: Hark) -> None:
    """By the id that the client gave it (client section 2.2)."""
    with Client(service) as client:
        client.send("input_audio_buffer.commit", event_id="event_7")

        assert client.error()["event_id"] == "event_7"


def test_another_rate_is_refused_while_audio_waits(service: Hark) -> None:
    """And taken when it has been committed (client RE7)."""
    with Client(service) as client:
        client.configure(format=AT_16, turn_detection=None)
        client.append(voice(1))
        rate = {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 8000}}}}
        client.send("session.update", session=rate, event_id="e1")
        error = client.error()
        client.commit()
        done = client.completed()
        shown = client.configure(format={"type": "audio/pcm", "rate": 8000})

    assert (error["code"], error["event_id"]) == ("invalid_state", "e1")
    assert done["transcript"] == counted(1)
    assert shown["audio"]["input"]["format"]["rate"] == 8000


def test_cleared_audio_is_forgotten(service: Hark) -> None:
    """The next commit has what came after it (client RC4, RS11)."""
    with Client(service) as client:
        client.configure(format=AT_16, turn_detection=None)
        client.append(voice(3))
        client.send("input_audio_buffer.clear")
        client.until("input_audio_buffer.cleared")
        client.append(voice(1))
        client.commit()
        done = client.completed()

    assert done["transcript"] == counted(1)
    assert done["usage"]["seconds"] == 1.0


def test_logprobs_come_where_they_are_included(service: Hark) -> None:
    """A token for each word, joined the transcript (client RC1, RS8)."""
    with Client(service) as client:
        client.send(
            "session.update",
            session={
                "include": ["item.input_audio_transcription.logprobs"],
                "audio": {"input": {"format": AT_16}},
            },
        )
        client.append(voice(2) + quiet(1))
        done = client.completed()

    tokens = [entry["token"] for entry in done["logprobs"]]
    assert "".join(tokens) == done["transcript"] == counted(2)
    assert all(entry["logprob"] < 0 for entry in done["logprobs"])


def test_sessions_at_once_do_not_touch_each_other(service: Hark) -> None:
    """Eight of them, each with its own settings, ids and text (client RQ7, S13)."""
    results: dict[int, tuple[str, str, str]] = {}

    def talk(number: int) -> None:
        with Client(service) as client:
            manual = number % 2 == 0
            client.configure(format=AT_16, turn_detection=None if manual else VAD)
            for _ in range(10 * (1 + number // 2)):
                client.append(voice(0.1 * 10)[:3200])
            if manual:
                client.commit()
            else:
                client.append(quiet(1))
            done = client.completed()
            assert client.joined(done["item_id"]) == done["transcript"]
            results[number] = client.session["id"], done["item_id"], done["transcript"]

    threads = [threading.Thread(target=talk, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(results) == 8
    assert len({session for session, _, _ in results.values()}) == 8
    words = [len(results[number][2].split()) for number in range(8)]
    assert words == sorted(words)
    assert words[0] < words[-1]


def test_a_client_that_vanishes_in_mid_utterance_frees_its_session(service: Hark) -> None:
    """Nothing of it is left behind (client RQ9, S12)."""
    frames = Frames(service.port, PATH)
    frames.message()
    event = {"type": "input_audio_buffer.append", "audio": b64(at_24k(voice(1)))}
    frames.send(TEXT, json.dumps(event).encode())
    until(lambda: service.get("/healthz")["sessions"] == 1)
    frames.reset()

    until(lambda: service.get("/healthz")["sessions"] == 0)


def test_a_clean_close_in_mid_utterance_is_clean(service: Hark) -> None:
    """livekit closes when its input ends, without a commit (client RQ4)."""
    with Frames(service.port, PATH) as frames:
        frames.message()
        event = {"type": "input_audio_buffer.append", "audio": b64(at_24k(voice(1)))}
        frames.send(TEXT, json.dumps(event).encode())
        frames.send(CLOSE, struct.pack("!H", 1000))

        assert frames.close_code() == 1000
    until(lambda: service.get("/healthz")["sessions"] == 0)
    assert "Traceback" not in service.log.read_text()


def test_binary_frames_do_not_end_the_session(service: Hark) -> None:
    """A hundred bytes, or none (client RH8)."""
    with Frames(service.port, PATH) as frames:
        frames.message()
        for data in (b"", bytes(100)):
            frames.send(BINARY, data)
            assert json.loads(frames.message() or b"{}")["error"]["code"] == "invalid_payload"


def test_unpaced_audio_is_heard_whole_and_pings_are_answered(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """It is read ahead of real time; no `error` says that it is slow (client RQ1, RQ8, F-12)."""
    settings = FAKE | {"STT_AUDIO_RATE": "10", "STT_AUDIO_BURST_S": "1"}
    with (
        hark(tmp_path_factory.mktemp("paced"), **settings) as service,
        Client(service) as client,
    ):
        client.configure(format=AT_16, turn_detection=None)
        client.append(4 * (voice(9) + quiet(1)), 16_000)  # takes 4 s at this pace
        client.socket.ping("late")
        client.commit()
        sent = time.monotonic()
        pongs: list[float] = []
        while not pongs or client.events[-1]["type"] != f"{TRANSCRIPTION}.completed":
            frame = client.socket.recv_frame()
            if frame.opcode == websocket.ABNF.OPCODE_PONG:
                pongs.append(time.monotonic() - sent)
            elif frame.opcode == TEXT:
                client.events.append(json.loads(frame.data))
        done = client.events[-1]

    assert done["transcript"] == " ".join([counted(9)] * 4)
    assert "error" not in client.types()
    assert pongs[0] < (time.monotonic() - sent) / 2, "long before the audio was heard"


def test_a_session_that_lasted_long_enough_ends_with_its_text(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Its item first, then the error, then 1001, on which SDKs reconnect (client RE8 to RE10)."""
    settings = FAST | {"STT_MAX_SESSION_S": "2", "STT_STALL_S": "0"}
    with (
        hark(tmp_path_factory.mktemp("short"), **settings) as service,
        Client(service) as client,
    ):
        client.configure(format=AT_16)
        client.append(voice(1))
        done = client.completed()
        error = client.error()
        end = client.event()

    assert done["transcript"] == counted(1)
    assert error["code"] == "session_expired"
    assert (end, client.close_code) == (None, 1001)


def test_s11_a_silent_client_is_closed_with_1001(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Without an `error`: it did nothing wrong, and may connect again (client S11, RQ1, RE9)."""
    settings = FAST | {"STT_WS_IDLE_TIMEOUT_S": "1"}
    with (
        hark(tmp_path_factory.mktemp("idle"), **settings) as service,
        Client(service) as client,
    ):
        end = client.event()

    assert (end, client.close_code) == (None, 1001)


def test_a_stopping_service_finishes_the_item_and_closes_with_1012(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Clients connect again (client RE9, AD8)."""
    with (
        hark(tmp_path_factory.mktemp("stopping"), **FAST, STT_STALL_S="0") as service,
        Client(service) as client,
    ):
        client.configure(format=AT_16)
        client.append(voice(2))
        client.configure()  # answered when all of that has been taken
        service.terminate()
        done = client.completed()
        end = client.event()

    assert done["transcript"] == counted(2)
    assert (end, client.close_code) == (None, 1012)


def test_in_mid_drain_audio_is_no_error(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A client that is still sending hears the close alone (client RQ1, RE9)."""
    with (
        hark(tmp_path_factory.mktemp("drain"), **FAST | {"STT_FAKE_DELAY_MS": "500"}) as service,
        Client(service) as client,
    ):
        client.configure(format=AT_16)
        client.append(voice(2))
        client.configure()
        service.terminate()
        client.until("input_audio_buffer.committed")
        client.append(voice(1))
        while client.event() is not None:
            pass

    assert "error" not in client.types()
    assert client.close_code == 1012


def test_a_key_opens_and_nothing_else_does(keyed: Hark) -> None:
    """401 before the upgrade; a browser's key in its subprotocols (client RH2, RH3)."""
    with pytest.raises(websocket.WebSocketBadStatusException) as caught:
        Client(keyed)
    with Client(keyed, header=["Authorization: Bearer ka"]) as client:
        assert client.session["type"] == "transcription"
    offered = ["realtime", "openai-insecure-api-key.kb"]
    with Client(keyed, subprotocols=offered) as client:
        assert client.socket.getsubprotocol() == "realtime"

    assert caught.value.status_code == 401


def test_a_client_secret_opens_the_session_that_it_was_made_for(keyed: Hark) -> None:
    """Configured already, and for nothing else (client CS1, RH2)."""
    session = {
        "type": "transcription",
        "audio": {
            "input": {
                "format": AT_16,
                "transcription": {"model": "whisper-1", "language": "de"},
                "turn_detection": None,
            }
        },
    }
    answer = keyed.ask(
        "POST",
        f"{PATH}/client_secrets",
        json.dumps({"session": session, "expires_after": {"seconds": 60}}).encode(),
        Authorization="Bearer ka",
        Content_Type="application/json",
    )
    secret = answer.json["value"]
    with Client(keyed, subprotocols=["realtime", f"openai-insecure-api-key.{secret}"]) as client:
        client.append(voice(1) + quiet(1) + voice(1))
        client.commit()
        done = client.completed()
    again = keyed.ask("POST", f"{PATH}/client_secrets", b"{}", Authorization=f"Bearer {secret}")

    assert secret.startswith("ek_")
    assert 50 < answer.json["expires_at"] - time.time() <= 60
    assert client.session["audio"]["input"]["transcription"]["language"] == "de"
    assert client.types() == COMMIT_ORDER
    assert done["transcript"] == f"{counted(1)} {counted(1)}"
    assert again.status == 403


def test_a_secret_of_the_beta_opens_too(keyed: Hark) -> None:
    """The session carries it (client CS2)."""
    answer = keyed.ask(
        "POST",
        f"{PATH}/transcription_sessions",
        b'{"input_audio_format": "g711_ulaw"}',
        Authorization="Bearer kb",
    )
    secret = answer.json["client_secret"]["value"]
    with Client(keyed, header=[f"Authorization: Bearer {secret}"]) as client:
        shown = client.session["audio"]["input"]["format"]

    assert shown == {"type": "audio/pcmu"}
    assert keyed.ask("POST", f"{PATH}/client_secrets", b"{}").status == 401
