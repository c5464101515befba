"""The Python client, against a small server that speaks the messages of native section 11."""

from __future__ import annotations

import io
import json
import socket
import sys
import threading
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask, Response, request
from flask_sock import Sock
from simple_websocket import ConnectionClosed, Server
from werkzeug.serving import make_server

from stt_client import ClientError, client, stream, transcribe
from stt_client.__main__ import main, paced, show

SECOND = b"\x01\x00" * 16_000


class FakeHark:
    """Opens a chunk after every second of audio and closes it when the next one opens."""

    def __init__(self) -> None:
        self.queries: list[dict[str, str]] = []
        self.keys: list[str | None] = []
        self.said: list[dict[str, Any]] = []
        self.audio = b""
        self.body = b""
        self.hang_up: int | None = None
        self.mute = False
        self.answer: Callable[[], Response] = lambda: Response('{"text": "Hello file."}')
        self.gone = threading.Event()
        self.heard = threading.Event()
        app = Flask("fake")
        Sock(app).route("/stt/stream")(self._live)
        app.route("/transcribe", methods=["POST"])(self._file)
        self.server = make_server("127.0.0.1", 0, app, threaded=True)
        self.url = f"ws://127.0.0.1:{self.server.server_port}"

    def _file(self) -> Response:
        self.queries.append(dict(request.args))
        self.keys.append(request.headers.get("Authorization"))
        self.body = request.get_data()
        return self.answer()

    def _live(self, ws: Server) -> None:
        self.queries.append(dict(request.args))
        self.keys.append(request.headers.get("Authorization"))
        try:
            self._talk(ws)
        except ConnectionClosed:
            self.gone.set()

    def _talk(self, ws: Server) -> None:
        def say(**message: Any) -> None:
            ws.send(json.dumps(message))

        current, heard = 0, b""
        say(type="session", session_id="s1", tenant_id="0000")
        while True:
            message = ws.receive()
            if isinstance(message, bytes):
                heard += message
                self.audio += message
                self.heard.set()
                while len(heard) >= (current + 1) * len(SECOND):
                    if current:
                        say(
                            type="transcript",
                            chunk_id=str(current),
                            text=f"Final {current}.",
                            is_final=True,
                        )
                    current += 1
                    say(type="chunk", chunk_id=str(current))
                    say(
                        type="transcript",
                        chunk_id=str(current),
                        text=f"fin {current}",
                        is_final=False,
                    )
                if self.hang_up:
                    return ws.close(self.hang_up, "restart")
                continue
            self.said.append(json.loads(message))
            if self.mute:
                continue
            if self.said[-1]["type"] == "ping":
                say(type="pong", id=self.said[-1]["id"])
            elif self.said[-1]["type"] == "finalize_chunk":
                chunk = self.said[-1]["chunk_id"]
                say(type="transcript", chunk_id=chunk, text=f"Final {chunk}.", is_final=True)


@pytest.fixture(name="hark")
def _hark() -> Iterator[FakeHark]:
    fake = FakeHark()
    thread = threading.Thread(target=fake.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield fake
    fake.server.shutdown()
    thread.join()
    fake.server.server_close()


def write_wav(path: Path, seconds: int = 1, rate: int = 16_000, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as audio:
        audio.setnchannels(channels)
        audio.setsampwidth(2)
        audio.setframerate(rate)
        audio.writeframes(b"\x01\x00" * rate * seconds * channels)
    return path


def finals(events: list[dict[str, Any]]) -> list[str]:
    return [event["text"] for event in events if event.get("is_final")]


# Streams


def test_a_stream_yields_every_event_and_ends_with_the_last_final(hark: FakeHark) -> None:
    """Greeting first, a final for each utterance, the open one finalised; pongs are ours."""
    events = list(stream([SECOND] * 3, url=hark.url, language="en", sample_rate=8000))

    assert [event["type"] for event in events[:3]] == ["session", "chunk", "transcript"]
    assert finals(events) == ["Final 1.", "Final 2.", "Final 3."]
    assert hark.audio == SECOND * 3
    assert hark.queries == [{"auto_chunk": "1", "sample_rate": "8000", "language": "en"}]
    assert [message["type"] for message in hark.said] == ["ping", "finalize_chunk"]


def test_all_of_a_stream_may_be_one_chunk(hark: FakeHark) -> None:
    """Named by the caller before any audio, and finalised after all of it (native W9)."""
    events = list(stream([b"\x00\x00"] * 2, url=hark.url, chunk_id="7"))

    assert finals(events) == ["Final 7."]
    assert "auto_chunk" not in hark.queries[0]
    assert [message["type"] for message in hark.said] == ["set_chunk", "ping", "finalize_chunk"]
    assert {message.get("chunk_id", "7") for message in hark.said} == {"7"}
    assert hark.audio == b"\x00\x00" * 2


def test_a_stream_without_speech_ends_without_a_final(hark: FakeHark) -> None:
    """Nothing was said: nothing is asked for, and nobody hangs (native W6)."""
    events = list(stream([b"\x00\x00"], url=hark.url))

    assert [event["type"] for event in events] == ["session"]
    assert [message["type"] for message in hark.said] == ["ping"]


def test_events_come_while_audio_is_still_being_sent(hark: FakeHark) -> None:
    """An interim is in the caller's hands before the next chunk is even there."""
    seen = threading.Event()

    def speech() -> Iterator[bytes]:
        yield SECOND
        assert seen.wait(10), "no event until the audio was over"
        yield SECOND

    for event in stream(speech(), url=hark.url):
        if event.get("text") == "fin 1":
            seen.set()

    assert seen.is_set()


def test_pings_go_out_while_the_speaker_is_silent(
    hark: FakeHark, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client pings by itself, also when no audio comes (native C18)."""
    monkeypatch.setattr(client, "PING_INTERVAL", 0.01)

    def pinged(times: int) -> bool:
        return len([1 for message in hark.said if message["type"] == "ping"]) >= times

    def silence() -> Iterator[bytes]:
        waiting = threading.Event()
        for _ in range(1000):
            if pinged(3):
                break
            waiting.wait(0.01)
        yield b"\x00\x00"

    list(stream(silence(), url=hark.url))

    numbers = [message["id"] for message in hark.said if message["type"] == "ping"]
    assert len(numbers) >= 4
    assert numbers == sorted(set(numbers))


def test_a_caller_may_stop_early(hark: FakeHark) -> None:
    """Closing the iterator closes the connection."""
    events = stream([SECOND], url=hark.url)
    next(events)

    events.close()  # type: ignore[attr-defined]

    assert hark.gone.wait(10)


def test_the_service_hanging_up_is_an_error_with_its_code(hark: FakeHark) -> None:
    """A close in mid-stream is told, with code and reason (native W31)."""
    hark.hang_up = 1012

    with pytest.raises(ClientError, match="closed the connection: 1012 restart"):
        list(stream([SECOND], url=hark.url))


def test_a_silent_service_is_given_up(hark: FakeHark) -> None:
    """After the last audio an answer must come within the time limit."""
    hark.mute = True

    with pytest.raises(ClientError, match=r"no answer within 0\.05 s"):
        list(stream([SECOND], url=hark.url, timeout=0.05))


def test_what_the_callers_audio_raises_reaches_the_caller(hark: FakeHark) -> None:
    """A broken microphone is the caller's own error, not a hang."""

    def broken() -> Iterator[bytes]:
        yield SECOND
        raise ValueError("unplugged")

    with pytest.raises(ValueError, match="unplugged"):
        list(stream(broken(), url=hark.url))


def test_a_broken_connection_is_an_error() -> None:
    """A peer that is no WebSocket server, or gone: one kind of error."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ClientError, match="no connection to ws://"):
        list(stream([], url=f"ws://127.0.0.1:{port}"))


def test_a_refused_upgrade_says_why(hark: FakeHark) -> None:
    """The status and the reason of the refusal (native W30)."""
    with pytest.raises(ClientError, match=r"^404: "):
        list(stream([], url=f"{hark.url}/elsewhere"))


def test_the_key_travels_in_a_header(hark: FakeHark, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bearer, never in the address (native W30); the argument wins over the environment."""
    monkeypatch.setenv("STT_API_KEY", "from-env")

    list(stream([], url=hark.url, key="k1"))
    transcribe(__file__, url=hark.url)

    assert hark.keys == ["Bearer k1", "Bearer from-env"]


# Files


def test_a_file_is_sent_as_it_is(hark: FakeHark, tmp_path: Path) -> None:
    """The raw body form of /transcribe (native TF-RAW); options become the query."""
    path = write_wav(tmp_path / "a.wav")

    answer = transcribe(path, url=hark.url, language="de", response_format="verbose_json")

    assert answer == {"text": "Hello file."}
    assert hark.body == path.read_bytes()
    assert hark.queries == [{"language": "de", "response_format": "verbose_json"}]


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (400, '{"error": {"message": "no audio"}}', "400: no audio"),
        (400, '{"error": "No JSON payload received"}', "400: No JSON payload received"),
        (502, "", "502: no reason given"),
        (502, "<html>", "502: <html>"),
    ],
)
def test_a_refused_file_says_why(hark: FakeHark, status: int, body: str, message: str) -> None:
    """Both shapes of error, and those of proxies."""
    hark.answer = lambda: Response(body, status)

    with pytest.raises(ClientError) as caught:
        transcribe(__file__, url=hark.url)

    assert str(caught.value) == message


def test_an_answer_that_is_no_json_is_an_error(hark: FakeHark) -> None:
    """Somebody else listens there."""
    hark.answer = lambda: Response("hello")

    with pytest.raises(ClientError, match="not JSON"):
        transcribe(__file__, url=hark.url)


def test_nobody_there_is_an_error() -> None:
    """The address is in the message."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ClientError, match=f"no answer from http://127.0.0.1:{port}/transcribe"):
        transcribe(__file__, url=f"http://127.0.0.1:{port}")


# Addresses


@pytest.mark.parametrize(
    ("url", "live", "expected"),
    [
        ("ws://h:5055", True, "ws://h:5055/stt/stream?a=1"),
        ("http://h:5040/transcribe", True, "ws://h:5040/stt/stream?a=1"),
        ("https://h/hark/", True, "wss://h/hark/stt/stream?a=1"),
        ("wss://h/stt/stream", False, "https://h/transcribe?a=1"),
        ("ws://[::1]:5055", False, "http://[::1]:5055/transcribe?a=1"),
    ],
)
def test_any_address_of_the_service_leads_to_each_door(url: str, live: bool, expected: str) -> None:
    """Also the full address that TRANSCRIBE_SERVER_URL used to hold (native section 15)."""
    door = "/stt/stream" if live else "/transcribe"

    assert client.endpoint(url, door, live=live, query={"a": "1", "b": None}) == expected


def test_a_bad_address_is_refused() -> None:
    """A forgotten scheme is the usual slip."""
    with pytest.raises(ClientError, match="'localhost:5055' is no address such as ws://"):
        client.endpoint("localhost:5055", "/transcribe", live=False, query={})


def test_the_default_address() -> None:
    """STT_URL, then the older name, then this machine."""
    older = {"TRANSCRIBE_SERVER_URL": "http://b/transcribe"}

    assert client.default_url({}) == client.DEFAULT_URL == "ws://127.0.0.1:5055"
    assert client.default_url(older) == "http://b/transcribe"
    assert client.default_url({**older, "STT_URL": "ws://a"}) == "ws://a"


# Command line


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_finals_are_printed_line_by_line(
    hark: FakeHark, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Into a pipe go finals and nothing else."""
    path = write_wav(tmp_path / "a.wav", seconds=2)

    assert main([str(path), "--fast", "--url", hark.url]) == 0

    assert capsys.readouterr().out == "Final 1.\nFinal 2.\n"


def test_interims_rewrite_the_line_on_a_terminal(
    hark: FakeHark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line is erased for every newer text; the final keeps it."""
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)

    main([str(write_wav(tmp_path / "a.wav")), "--fast", "--url", hark.url])

    assert screen.getvalue() == "\r\x1b[Kfin 1\r\x1b[KFinal 1.\n"


def test_a_revised_final_takes_the_place_of_its_interims() -> None:
    """What was committed is gone from the screen, and so is text that came to nothing (REC-27)."""
    screen = Terminal()

    with redirect_stdout(screen):
        for text, is_final in (
            ("I scream", False),
            ("Ice cream.", True),
            ("Mm", False),
            ("", True),
        ):
            event = {"type": "transcript", "text": text, "is_final": is_final, "revised": is_final}
            show(event, as_json=False, terminal=True)

    assert screen.getvalue() == ("\r\x1b[KI scream\r\x1b[KIce cream.\n\r\x1b[KMm\r\x1b[K")


def test_the_command_line_chooses_hot_words_finals_and_words(
    hark: FakeHark, tmp_path: Path
) -> None:
    """They go into the query, live and for a file; words are asked for where they are shown."""
    path = str(write_wav(tmp_path / "a.wav"))
    options = ["--hotwords", "Hark, Opus", "--final", "best", "--url", hark.url]

    main([path, "--fast", *options])
    main([path, "--fast", "--json", *options])
    main([path, "--fast", "--json", "--words", "interim", *options])
    main([path, "--file", *options])

    chosen = {"hotwords": "Hark, Opus", "final": "best"}
    assert all(query.items() >= chosen.items() for query in hark.queries)
    assert [query.get("words") for query in hark.queries] == ["none", None, "interim", None]


def test_a_caller_chooses_hot_words_finals_and_words(hark: FakeHark, tmp_path: Path) -> None:
    """The same from Python; what is not chosen is not sent."""
    for _ in stream([SECOND], url=hark.url, hotwords="Hark", final="best", words="none"):
        pass
    transcribe(write_wav(tmp_path / "a.wav"), url=hark.url, hotwords="Hark", final="best")

    live, file = hark.queries
    assert live == {
        "auto_chunk": "1", "sample_rate": "16000", "hotwords": "Hark", "final": "best",
        "words": "none",
    }  # fmt: skip
    assert file == {"hotwords": "Hark", "final": "best"}


def test_json_prints_whole_events(
    hark: FakeHark, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One event a line; a WAV of any rate that the service hears is streamed (native W27)."""
    main([str(write_wav(tmp_path / "a.wav", rate=11_025)), "--fast", "--json", "--url", hark.url])

    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert events[0]["type"] == "session"
    assert hark.queries[0]["sample_rate"] == "11025"


@pytest.mark.parametrize("kind", ["stereo", "rate", "text"])
def test_what_cannot_be_streamed_is_uploaded(
    hark: FakeHark, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    """Stereo, higher rates and other formats go whole to /transcribe, and the user is told."""
    path = tmp_path / "a.wav"
    if kind == "text":
        path.write_text("no wav at all")
    else:
        write_wav(path, rate=96_000 if kind == "rate" else 16_000, channels=1 + (kind == "stereo"))

    assert main([str(path), "--url", hark.url]) == 0

    printed = capsys.readouterr()
    assert printed.out == "Hello file.\n"
    assert printed.err.endswith("sent as a whole file\n")
    assert hark.body == path.read_bytes()


def test_upload_is_possible_by_name(
    hark: FakeHark, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``--file`` skips the stream, ``--json`` prints the whole answer."""
    main([str(write_wav(tmp_path / "a.wav")), "--file", "--json", "--url", hark.url])

    assert json.loads(capsys.readouterr().out) == {"text": "Hello file."}


def test_problems_are_told_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    """No traceback; exit status 1."""
    assert main(["no-such-file.wav", "--url", "ws://127.0.0.1:9"]) == 1

    assert "error: " in capsys.readouterr().err


def test_errors_of_the_service_are_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An error event goes to standard error, code first."""
    error = {"type": "error", "code": "queue_overload", "message": "queue_full"}
    show(error, as_json=False, terminal=False)
    show({"type": "transcript", "text": "", "is_final": True}, as_json=False, terminal=False)

    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "queue_overload: queue_full\n")


@pytest.mark.parametrize(("code", "status"), [("transcription_failed", 1), ("queue_overload", 0)])
def test_the_exit_status_says_whether_all_was_recognised(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: str, status: int
) -> None:
    """A failed utterance is a problem for a script; an interim that was refused is none."""
    said = [
        {"type": "error", "code": code, "message": "so it is"},
        {"type": "transcript", "text": "", "is_final": True},
    ]
    monkeypatch.setattr("stt_client.__main__.stream", lambda *_, **__: iter(said))

    assert main([str(write_wav(tmp_path / "a.wav")), "--fast"]) == status


def test_pacing_is_real_time_and_can_be_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Message n leaves n tenths of a second after the start, without drift."""
    waits: list[float] = []
    clock = iter([100.0, 100.0, 100.15, 100.2])
    monkeypatch.setattr("stt_client.__main__.time.monotonic", lambda: next(clock))

    def wait(seconds: float) -> bool:
        waits.append(round(seconds, 3))
        return len(waits) == 3

    stop: Any = SimpleNamespace(wait=wait)

    assert list(paced([b"a", b"b", b"c", b"d"], stop)) == [b"a", b"b"]
    assert waits == [0.1, 0.05, 0.1]


class FakeStream:
    """A microphone that hears one second and is then switched off."""

    def __init__(self, callback: Callable[..., None], **options: Any) -> None:
        assert (options["samplerate"], options["channels"], options["dtype"]) == (16000, 1, "int16")
        self.callback = callback

    def __enter__(self) -> None:
        for at in range(0, len(SECOND), 3200):
            self.callback(memoryview(SECOND)[at : at + 3200], 1600, None, None)

    def __exit__(self, *_: object) -> None:
        pass


@contextmanager
def sounddevice(monkeypatch: pytest.MonkeyPatch, stream: Any) -> Iterator[None]:
    module = SimpleNamespace(RawInputStream=stream, PortAudioError=RuntimeError)
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    yield


def test_the_microphone_is_streamed_until_it_is_stopped(
    hark: FakeHark, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every block it hears is sent, in order."""
    from stt_client.__main__ import microphone

    stop = threading.Event()
    with sounddevice(monkeypatch, FakeStream):
        for event in stream(microphone(stop), url=hark.url):
            if "text" in event:
                stop.set()

    assert hark.audio == SECOND


def test_no_microphone_is_said_plainly(
    hark: FakeHark, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No library, or no device: a sentence that helps."""

    def no_device(**_: Any) -> None:
        raise RuntimeError("no default input device")

    monkeypatch.setitem(sys.modules, "sounddevice", None)
    assert main(["mic", "--url", hark.url]) == 1
    assert "pip install sounddevice" in capsys.readouterr().err

    with sounddevice(monkeypatch, no_device):
        assert main(["mic", "--url", hark.url]) == 1
    assert "no microphone: no default input device" in capsys.readouterr().err


def test_an_empty_file_is_not_sent(tmp_path: Path) -> None:
    """A file without a byte is named before anything goes over the wire."""
    empty = tmp_path / "empty.wav"
    empty.touch()

    with pytest.raises(ClientError, match=r"empty\.wav is empty"):
        transcribe(empty, url="http://127.0.0.1:9")
