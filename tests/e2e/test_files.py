"""Files through `/v1/audio/transcriptions` on the real service: streams, and clients that leave."""

from __future__ import annotations

import io
import json
import re
import socket
import wave
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.sounds import FAKE, FAST, counted, quiet, say, voice
from tests.live import Answer, Hark, hark
from tests.sockets import until

PATH = "/v1/audio/transcriptions"
MANY = 100  # utterances of a long file
ONE_BY_ONE = {"STT_NUM_WORKERS": "1", "STT_MAX_BATCH": "1"}


def wav(data: bytes) -> bytes:
    """A RIFF file of samples at 16 kHz."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16_000)
        out.writeframes(data)
    return file.getvalue()


LONG = wav((voice(1) + quiet(1)) * MANY)
SHORT = wav(voice(1) + quiet(1) + voice(2) + quiet(1))


def form(data: bytes, **fields: str) -> bytes:
    """A multipart body with the boundary ``b``."""
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    return b"".join((*parts, head, data, b"\r\n--b--\r\n"))


def sent(service: Hark, data: bytes, **fields: str) -> socket.socket:
    """A connection on which a file has been sent."""
    body = form(data, **fields)
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    sock = socket.create_connection(("127.0.0.1", service.port), timeout=30)
    sock.sendall(head.encode() + body)
    return sock


def post(service: Hark, data: bytes, **fields: str) -> Answer:
    """A file's answer."""
    kind = "multipart/form-data; boundary=b"
    return service.ask("POST", PATH, form(data, **fields), Content_Type=kind)


def metric(service: Hark, pattern: str) -> float:
    """The sum of the metrics whose line begins like this."""
    text = service.ask("GET", "/metrics").body.decode()
    return sum(map(float, re.findall(rf"^{pattern} (\S+)$", text, re.MULTILINE)))


def recognised(service: Hark) -> float:
    """Windows of files that the engine has answered."""
    return metric(service, r'hark_decode_seconds_count\{kind="bulk"\}')


def at_work(service: Hark) -> bool:
    """Whether anything waits or runs."""
    return bool(metric(service, r'hark_queue_depth\{kind="(?:ordered|running)"\}'))


@pytest.fixture(name="slow", scope="module")
def _slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hark]:
    """One file at a time, 0.3 s for each of its utterances."""
    settings = {"STT_FAKE_DELAY_MS": "300", "STT_MAX_UPLOADS": "1", "STT_SSE_KEEPALIVE_S": "1"}
    with hark(tmp_path_factory.mktemp("slow"), **FAKE, **ONE_BY_ONE, **settings) as service:
        yield service
        assert "Traceback" not in service.log.read_text()


def events(body: bytes) -> list[Any]:
    """What a stream says, comments left out."""
    frames = [f for f in body.decode().split("\n\n") if f and not f.startswith(":")]
    assert frames.pop() == "data: [DONE]"
    return [json.loads(frame.removeprefix("data: ")) for frame in frames]


def test_os2_a_file_streams_its_text(slow: Hark) -> None:
    """OS1-OS4: a delta for each utterance, joined they are the text; the answer is chunked."""
    answer = post(slow, SHORT, stream="true", model="gpt-4o-transcribe")

    assert answer.status == 200
    headers = {name.lower(): value for name, value in answer.headers.items()}
    assert headers["content-type"] == "text/event-stream"
    assert headers["transfer-encoding"] == "chunked"
    assert (headers["cache-control"], headers["x-accel-buffering"]) == ("no-cache", "no")
    *deltas, done = events(answer.body)
    assert [delta["delta"] for delta in deltas] == [counted(1), f" {counted(2)}"]
    assert done == {"type": "transcript.text.done", "text": f"{counted(1)} {counted(2)}"}
    assert post(slow, SHORT).json["text"] == done["text"]


def test_s12_a_client_that_leaves_a_stream_stops_the_work(slow: Hark) -> None:
    """S12: most of the file is never recognised, and the next file has its turn."""
    before = recognised(slow)
    with closing(sent(slow, LONG, stream="true")) as sock:
        heard = b""
        while b"transcript.text.delta" not in heard:
            heard += sock.recv(65536)

    until(lambda: post(slow, SHORT).status == 200, 20)
    until(lambda: not at_work(slow), 20)
    assert recognised(slow) - before < MANY


def test_s12_a_client_that_leaves_without_a_stream_stops_the_work(slow: Hark) -> None:
    """S12: though nothing is written to it before the end."""
    before = recognised(slow)
    with closing(sent(slow, LONG)):
        until(lambda: recognised(slow) > before, 20)
        assert post(slow, SHORT).status == 429
        assert post(slow, bytes(60_000_000)).status == 429  # sent without a look

    until(lambda: post(slow, SHORT).status == 200, 20)
    until(lambda: not at_work(slow), 20)
    assert recognised(slow) - before < MANY


def test_os5_comments_come_while_there_is_no_text(tmp_path: Path) -> None:
    """OS5: the engine takes 2.5 s, so a comment comes first; no data is empty."""
    settings = {"STT_FAKE_DELAY_MS": "2500", "STT_SSE_KEEPALIVE_S": "1"}
    with hark(tmp_path, **FAKE, **ONE_BY_ONE, **settings) as service:
        answer = post(service, SHORT, stream="true")

    frames = answer.body.decode().split("\n\n")
    assert frames[0].startswith(":")
    assert all(frame.startswith((":", "data: ")) for frame in frames[:-1])
    assert len(events(answer.body)) == 3


def test_live_speech_is_served_while_a_long_file_is_heard(slow: Hark) -> None:
    """REC-63: a session gets its final in the middle of a file, which goes on."""
    with closing(sent(slow, LONG, stream="true")) as sock, slow.connect() as stream:
        while b"transcript.text.delta" not in sock.recv(65536):
            pass
        before = recognised(slow)

        say(stream, "1", voice(2))
        stream.send(type="finalize_chunk")
        said = stream.final("1")["text"]

        assert said.startswith(counted(1))
        assert recognised(slow) - before < MANY
        assert sock.recv(65536)


def test_ad8_a_stop_tells_the_clients_of_files(tmp_path: Path) -> None:
    """AD8, OS6, OE2: what cannot be brought to its end in time hears 503, or an event, no EOF."""
    slow = {"STT_FAKE_DELAY_MS": "300", "STT_GRACEFUL_TIMEOUT_S": "6"}
    with hark(tmp_path, **FAKE, **ONE_BY_ONE, **slow) as service:
        with (
            closing(sent(service, LONG, stream="true")) as one,
            closing(sent(service, LONG)) as two,
        ):
            streamed = b""
            while b"transcript.text.delta" not in streamed:
                streamed += one.recv(65536)
            until(lambda: metric(service, r'hark_queue_depth\{kind="ordered"\}') > 0)

            service.terminate()
            while data := one.recv(65536):
                streamed += data
            whole = b"".join(iter(lambda: two.recv(65536), b""))

        assert service.process.wait(10) == 0

    frames = re.findall(rb"^data: (.*)$", streamed, re.MULTILINE)
    assert json.loads(frames[-2])["error"]["code"] == "not_ready"
    assert frames[-1] == b"[DONE]"
    assert whole.startswith(b"HTTP/1.1 503")
    assert b"Retry-After" in whole


def test_of23_the_log_finds_a_file_by_its_request(slow: Hark) -> None:
    """OF23: the id of the client is in the lines of the engine, of the file and of the answer."""
    kind = "multipart/form-data; boundary=b"
    until(lambda: post(slow, SHORT).status == 200, 20)

    answer = slow.ask("POST", PATH, form(SHORT), Content_Type=kind, X_Request_Id="find-me")

    assert {k.lower(): v for k, v in answer.headers.items()}["x-request-id"] == "find-me"
    lines = [line for line in slow.log.read_text().splitlines() if "find-me" in line]
    assert len(lines) == 2 + 1 + 1


def test_oe1_errors_over_a_real_socket(tmp_path: Path) -> None:
    """OE1-OE3: every refusal has the shape and an id, with the body read or not."""
    settings = {"STT_MAX_UPLOAD_BYTES": "100000", "STT_API_KEYS": "k:t"}
    with hark(tmp_path, **FAST, **settings) as service:

        def ask(method: str, path: str, body: bytes | None, kind: str, key: str = "k") -> Answer:
            headers = {"Content_Type": kind, "Authorization": f"Bearer {key}"}
            return service.ask(method, path, body, **headers)

        parted = "multipart/form-data; boundary=b"
        answers = {
            413: ask("POST", PATH, form(bytes(200_000)), parted),
            401: ask("POST", PATH, form(SHORT[:90_000]), parted, "wrong"),
            415: ask("POST", PATH, b"", "application/json"),
            400: ask("POST", PATH, form(b"no audio"), parted),
            404: ask("GET", "/v1/models/nobody/nothing", None, parted),
            405: ask("DELETE", PATH, None, parted),
        }
        models = ask("GET", "/v1/models", None, parted).json["data"]

    for status, answer in answers.items():
        assert answer.status == status, answer.body
        assert set(answer.json["error"]) == {"message", "type", "param", "code"}
        headers = {name.lower(): value for name, value in answer.headers.items()}
        assert headers["x-request-id"]
        assert headers["x-should-retry"] == "false"
    assert [model["id"] for model in models] == ["fake"]
