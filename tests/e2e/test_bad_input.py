"""Hostile and clumsy clients at every door of the running service."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.e2e.sounds import FAKE, pinged, voice
from tests.e2e.test_faults import memory, metric
from tests.live import Hark, hark
from tests.sockets import BINARY, CLOSE, TEXT, Frames, until
from tests.test_decode import encoded, flac_of_silence
from tests.test_untagged import bomb, id3

FORMS = ("/v1/audio/transcriptions", "/v1/audio/translations", "/transcribe")
FILES = (*FORMS, "/v1/listen")
SOCKETS = ("/v1/realtime?model=x", "/v1/listen", "/v1/listen?encoding=linear16", "/stt/stream",
           "/stt/stream?encoding=auto")  # fmt: skip
CONTAINERS = ("/v1/listen", "/stt/stream?encoding=auto")
MIB = 2**20
PLAYLISTS = {
    "m3u8": b"#EXTM3U\n#EXTINF:1,\n%s\n",
    "concat": b"ffconcat version 1.0\nfile '%s'\n",
    "sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=audio 9 RTP/AVP 0\n",
    "dash": b"<MPD><Period><BaseURL>%s</BaseURL></Period></MPD>",
    "address": b"%s\n",
    "zip": b"PK\x03\x04" + bytes(99),
    "png": b"\x89PNG\r\n\x1a\n" + bytes(99),
    "page": b"<html><body>no audio here</body></html>",
    "noise": bytes(range(1, 250)) * 263,
}


@pytest.fixture(name="service", scope="module")
def _service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hark]:
    """Without admission, which would refuse these clients sooner; no error may be in its log."""
    with hark(tmp_path_factory.mktemp("bad"), STT_ADMISSION="0", **FAKE) as service:
        yield service
        log = service.log.read_text()
    assert "Traceback" not in log
    assert " ERROR " not in log


@pytest.fixture(autouse=True)
def _undisturbed(service: Hark) -> Iterator[None]:
    """After each test: no session is left, health answers, another session is served."""
    yield
    until(lambda: metric(service, 'hark_sessions{state="open"}') == 0, 20)
    assert service.ask("GET", "/healthz").status == 200
    with service.connect() as stream:
        assert pinged(stream) == []


def part(name: str, value: bytes, file: bool = False) -> bytes:
    """A part of a form whose boundary is B."""
    head = f'--B\r\nContent-Disposition: form-data; name="{name}"' + '; filename="f"' * file
    return head.encode() + b"\r\n\r\n" + value + b"\r\n"


def sent(service: Hark, path: str, data: bytes) -> Any:
    """A file, as the door wants it."""
    if path == "/v1/listen":
        return service.ask("POST", path, data, Content_Type="audio/wav")
    form = part("file", data, file=True) + b"--B--\r\n"
    return service.ask("POST", path, form, Content_Type="multipart/form-data; boundary=B")


def problem(answer: Any) -> dict[str, Any]:
    """An error of OpenAI's shape."""
    error: dict[str, Any] = answer.json["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


WAV = encoded("wav", "pcm_s16le", 16000, seconds=0.2)
AUDIO = part("file", WAV, file=True)
BROKEN: dict[str, tuple[str, bytes, int, str | None]] = {
    "no boundary": ("", AUDIO, 400, None),
    "another boundary": ("; boundary=C", AUDIO, 400, None),
    "cut off": ("; boundary=B", AUDIO[:-200], 400, None),
    "empty": ("; boundary=B", b"", 400, None),
    "too many parts": ("; boundary=B", part("x", b"") * 5000 + AUDIO, 413, None),
    "a field too long": ("; boundary=B", part("prompt", b"a" * 4 * MIB) + AUDIO, 413, None),
    "the file as a field": ("; boundary=B", part("file", WAV), 400, "file"),
    "a field as a file": ("; boundary=B", part("model", b"m", file=True) + AUDIO, 400, "model"),
    "a wrong number": ("; boundary=B", part("temperature", b"nan") + AUDIO, 400, "temperature"),
    "a deep object": (
        "; boundary=B", part("chunking_strategy", b"[" * 99_999) + AUDIO, 400, "chunking_strategy",
    ),
    "an encoding": ("; boundary=B", part("encoding", b"mp7") + AUDIO, 415, "encoding"),
    "no rate": (
        "; boundary=B", part("encoding", b"linear16") + part("sample_rate", b"0") + AUDIO,
        415, "sample_rate",
    ),
}  # fmt: skip


@pytest.mark.parametrize("path", FORMS)
def test_broken_forms_are_refused_by_name(service: Hark, path: str) -> None:
    """client-OE1, OE3: the door's shape, the field at fault, never 500."""
    for name, (boundary, body, status, param) in BROKEN.items():
        end = b"" if name in ("cut off", "empty") else b"--B--\r\n"

        answer = service.ask(
            "POST", path, body + end, Content_Type=f"multipart/form-data{boundary}"
        )

        assert (name, answer.status) == (name, status)
        assert (name, problem(answer)["param"]) == (name, param)


@pytest.mark.parametrize("path", FILES)
def test_what_is_no_audio_is_no_audio_at_any_door(service: Hark, path: str, tmp_path: Path) -> None:
    """runtime RT-63, F-21: playlists, addresses, pictures, noise; nothing is opened."""
    (tmp_path / "secret.wav").write_bytes(WAV)
    target = bytes(tmp_path / "secret.wav")

    for name, script in PLAYLISTS.items():
        answer = sent(service, path, script.replace(b"%s", target))

        assert (name, answer.status) == (name, 400)
        told = answer.json["err_msg"] if path == "/v1/listen" else problem(answer)["message"]
        assert "not an audio file we know" in told


@pytest.mark.parametrize("path", CONTAINERS)
def test_a_stream_that_is_no_audio_is_closed(service: Hark, path: str) -> None:
    """client-E11: once, with the protocol's code."""
    for data in PLAYLISTS.values():
        script = data.replace(b"%s", b"http://127.0.0.1:9/a.wav")
        with Frames(service.port, path) as peer:
            with suppress(ConnectionError):
                if path.startswith("/stt"):
                    peer.send(TEXT, b'{"type":"set_chunk","chunk_id":"1"}')
                peer.send(BINARY, script)

            assert peer.close_code() == (1008 if path == "/v1/listen" else 1003)


@pytest.mark.parametrize("path", sorted({*FILES, *CONTAINERS}))
def test_what_expands_takes_bounded_memory(service: Hark, path: str) -> None:
    """client-E13, runtime RT-60: 2 h of 8 channels in 300 KB, and a gigabyte of tags in 650 KB."""
    tagged = id3([bomb(n) for n in range(4)]) + encoded("mp3", "libmp3lame", seconds=0.5)
    before = memory(service)

    for data in (tagged, flac_of_silence(hours=0.1)):
        if path in FILES:
            assert sent(service, path, data).status == 200
        if path in CONTAINERS:
            with Frames(service.port, path) as peer:
                peer.send(BINARY, data)

    assert memory(service) - before < 150 * MIB


@pytest.mark.parametrize("path", CONTAINERS)
def test_a_picture_before_the_audio_holds_nobody_up(service: Hark, path: str) -> None:
    """client-E11, RT-27: 9 MiB of a tag are too many, and refused as soon as they have come."""
    endless = b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + bytes(9 * MIB)

    with Frames(service.port, path) as peer:
        with suppress(ConnectionError):
            if path.startswith("/stt"):
                peer.send(TEXT, b'{"type":"set_chunk","chunk_id":"1"}')
            for at in range(0, len(endless), MIB):
                peer.send(BINARY, endless[at : at + MIB])

        assert peer.close_code() == (1008 if path == "/v1/listen" else 1003)


LIES: list[object] = [None, True, -1, 1e300, 10**400, "x", "\ud800", [], [[]], {}, ["\ud800"]]
FIELDS = (
    "type", "audio", "audio.input", "audio.input.format", "audio.input.format.rate", "include",
    "audio.input.transcription", "audio.input.transcription.model", "turn_detection.threshold",
    "audio.input.transcription.languages", "audio.input.noise_reduction.type",
    "audio.input.turn_detection", "audio.input.turn_detection.silence_duration_ms",
    "input_audio_format", "input_audio_transcription.prompt", "turn_detection.type",
)  # fmt: skip


def within(path: str, value: object) -> object:
    """A value at the end of a dotted path."""
    for name in reversed(path.split(".")):
        value = {name: value}
    return value


@pytest.mark.parametrize("kind", ["session.update", "transcription_session.update"])
def test_no_value_in_an_update_ends_a_session(service: Hark, kind: str) -> None:
    """client-RE4, S1: each is taken or refused by its path, in its turn."""
    for path in FIELDS:
        with Frames(service.port, SOCKETS[0]) as peer:
            assert peer.message() is not None
            for number, value in enumerate(LIES):
                update = {"type": kind, "session": within(path, value), "event_id": f"e{number}"}
                peer.send(TEXT, json.dumps(update).encode())
                event = json.loads(peer.message() or b"{}")

                if event["type"] == "error":
                    error = event["error"]
                    assert (error["event_id"], error["code"]) == (f"e{number}", "invalid_value")
                    assert error["param"].startswith(f"session.{path}"[: len(error["param"])])
                else:
                    assert event["type"] == f"{kind}d"


def test_base64_with_junk_is_refused(service: Hark) -> None:
    """client-RE5: blanks, another alphabet, wrong padding; the session goes on."""
    junk = ["AA AA", "AAAA\n", "-_-_", "A", "A=", "====", "\u0661AAA", "data:audio/wav;base64,AAAA"]
    with Frames(service.port, SOCKETS[0]) as peer:
        assert peer.message() is not None
        for audio in junk:
            event = {"type": "input_audio_buffer.append", "audio": audio}
            peer.send(TEXT, json.dumps(event).encode())

            error = json.loads(peer.message() or b"{}")["error"]
            assert (audio, error["code"], error["param"]) == (audio, "invalid_audio", "audio")


STORMS: dict[str, tuple[str, list[bytes]]] = {
    "commits": (SOCKETS[0], [b'{"type":"input_audio_buffer.commit"}']),
    "clears": (SOCKETS[0], [b'{"type":"input_audio_buffer.clear"}']),
    "updates": (
        SOCKETS[0],
        [json.dumps({"type": "session.update", "session": within(
            "audio.input.format", {"type": "audio/pcm", "rate": rate})}).encode()
         for rate in (8000, 48_000)],
    ),
    "finalizes": (SOCKETS[2], [b'{"type":"Finalize"}']),
    "finalizes of a container": (SOCKETS[1], [b'{"type":"Finalize"}']),
    "configures": (SOCKETS[2], [b'{"type":"Configure","keyterms":["a","b"]}']),
    "closes": (SOCKETS[2], [b'{"type":"CloseStream"}', b'{"type":"Finalize"}']),
}  # fmt: skip


@pytest.mark.parametrize("name", STORMS)
def test_a_storm_of_messages_harms_its_own_session_alone(service: Hark, name: str) -> None:
    """runtime F-08, RT-26: 10,000 without reading; answered, or closed; memory stays."""
    path, messages = STORMS[name]
    before = memory(service)

    with Frames(service.port, path) as peer, suppress(ConnectionError, TimeoutError):
        for number in range(10_000):
            peer.send(TEXT, messages[number % len(messages)])

    assert memory(service) - before < 50 * MIB


def test_audio_after_the_end_is_nothing(service: Hark) -> None:
    """DG8: two ends of a stream, and audio between and behind, give one Metadata and 1000."""
    with Frames(service.port, SOCKETS[2]) as peer:
        for data in (voice(1.0), b"", voice(1.0), b""):
            peer.send(BINARY, data)
        peer.send(TEXT, b'{"type":"CloseStream"}')
        said = [json.loads(message) for message in iter(peer.message, None)]

    assert [message["type"] for message in said].count("Metadata") == 1
    assert said[-1]["duration"] == pytest.approx(1.0)


@pytest.mark.parametrize("path", SOCKETS)
def test_clients_that_vanish_in_any_state_leave_nothing(service: Hark, path: str) -> None:
    """F-22, S10: at once, in mid frame, with audio unheard, after the end, while closing."""
    audio = base64.b64encode(voice(0.5))
    frames: list[list[tuple[int, bytes]]] = [
        [],
        [(BINARY, WAV[:2000])],
        [(TEXT, b'{"type":"input_audio_buffer.append","audio":"' + audio + b'"}'),
         (TEXT, b'{"type":"input_audio_buffer.commit"}')],
        [(BINARY, WAV), (TEXT, b'{"type":"Finalize"}'), (TEXT, b'{"type":"CloseStream"}')],
        [(BINARY, WAV), (CLOSE, struct.pack("!H", 1000))],
    ]  # fmt: skip
    for sends in frames * 4:
        peer = Frames(service.port, path)
        with suppress(ConnectionError):
            for opcode, data in sends:
                peer.send(opcode, data)
            peer.sock.sendall(b"\x82\xfe\xff")  # the beginning of a frame
        peer.reset()


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "TRACE"])
def test_other_methods_are_refused_in_the_shape_of_the_door(service: Hark, method: str) -> None:
    """client-OE1, DP3, native HT4: with Allow; 400 where only a WebSocket may come so."""
    for path in (*FORMS, "/v1/realtime/client_secrets"):
        answer = service.ask(method, path)

        assert (path, answer.status) == (path, 405)
        assert "POST" in answer.headers["Allow"]


@pytest.mark.parametrize("path", ["/stt/stream", "/v1/realtime", "/v1/listen"])
def test_plain_http_at_a_websocket_address_is_told_so(service: Hark, path: str) -> None:
    """RFC 9110, 15.5.22; client-OE1, DP3: 426 in the shape of the door, and one line of the log."""
    answer = service.ask("GET", path)

    assert (answer.status, answer.headers["Upgrade"]) == (426, "websocket")
    said = answer.json
    told = said["error"]["message"] if path == "/v1/realtime" else said.get("error", said)
    assert "forward the Upgrade header" in str(told)
    assert f"GET {path}: 426" in service.log.read_text()


def test_a_prompt_of_any_script_fits_a_query(service: Hark) -> None:
    """client-S1: 1000 characters of Devanagari and as many hot words are 18 kB as they are sent."""
    hint = quote("न" * 1000)

    with service.connect(f"?prompt={hint}&hotwords={hint}") as stream:
        assert stream.greeting is not None
        assert stream.greeting["type"] == "session"


def test_a_refused_session_is_a_line_of_the_log(service: Hark) -> None:
    """Also where the refusal is said in the WebSocket; and never the query."""
    with service.connect("?encoding=mp7&api_key=hush") as stream:
        assert stream.greeting is not None
        assert stream.greeting["type"] == "error"

    log = service.log.read_text()
    assert "/stt/stream: refused with 1003: encoding='mp7' is not served" in log
    assert "hush" not in log


@pytest.mark.parametrize("path", FILES)
def test_an_address_in_place_of_a_file_is_told_so(service: Hark, path: str) -> None:
    """runtime RT-63: nothing is fetched, at any door."""
    for address in (b"https://example.org/a.mp3", b' {"url": "http://example.org"}'):
        answer = sent(service, path, address)

        assert answer.status == 400
        told = answer.json["err_msg"] if path == "/v1/listen" else problem(answer)["message"]
        assert "send the file itself" in told


def test_a_form_where_a_body_belongs_is_told_so(service: Hark) -> None:
    """DP3: curl -F to Deepgram's door."""
    form = part("file", WAV, file=True) + b"--B--\r\n"
    answer = service.ask("POST", "/v1/listen", form, Content_Type="multipart/form-data; boundary=B")

    assert answer.status == 400
    assert "--data-binary @file" in answer.json["err_msg"]
