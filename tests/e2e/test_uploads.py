"""Many files at once: what is refused, how soon, and that the other doors stay open."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from select import select
from threading import Thread
from time import monotonic

import pytest

from tests.e2e.sounds import FAKE
from tests.live import ROOT, Answer, Hark, hark
from tests.sockets import read_answer, until

AT_ONCE = 2
MANY = 60  # more than the threads there are
FLAC = (ROOT / "tests" / "audio" / "en_hello.flac").read_bytes()
HEAD = (
    b"POST /transcribe HTTP/1.1\r\nHost: x\r\nContent-Type: audio/flac\r\n"
    b"Content-Length: %d\r\n\r\n"
)
FORM = (
    b"POST /transcribe HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    b"Content-Length: 9000000\r\n\r\n"
)


@pytest.fixture(name="service", scope="module")
def _service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hark]:
    limits = {"STT_MAX_UPLOADS": str(AT_ONCE), "STT_MAX_SESSIONS": "2"}
    with hark(tmp_path_factory.mktemp("uploads"), **FAKE, **limits) as service:
        yield service


def begun(service: Hark, data: bytes) -> socket.socket:
    """A connection on which this has been sent."""
    sock = socket.create_connection(("127.0.0.1", service.port), timeout=30)
    sock.sendall(data)
    return sock


def check_refused(sock: socket.socket) -> None:
    """This connection's answer is a proper 429."""
    answer = read_answer(sock.makefile("rb"))
    assert answer.status == 429
    assert answer.headers["retry-after"] == "2"
    error = answer.json["error"]
    assert (error["type"], error["code"]) == ("rate_limit_error", "queue_overload")
    assert error["message"].startswith(f"{AT_ONCE} files are being transcribed")


def test_a_file_too_many_is_refused_before_its_body_is_read(service: Hark) -> None:
    """F-17, LIB-15: 429 with Retry-After in OpenAI's shape; then there is room again."""
    with ExitStack() as stack:

        def begin(data: bytes) -> socket.socket:
            return stack.enter_context(closing(begun(service, data)))

        half = [begin(HEAD % len(FLAC) + FLAC[:-100]) for _ in range(AT_ONCE + 1)]
        (late,), _, _ = select(half, [], [], 10)  # the others now wait for their last bytes
        check_refused(late)
        half.remove(late)
        check_refused(begin(FORM))  # nothing of its body has been sent
        check_refused(begin(HEAD % 9_000_000 + FLAC[:5000]))
        whole = service.ask("POST", "/transcribe", bytes(9_000_000), Content_Type="audio/wav")
        assert whole.status == 429  # who sends all of it without a look still hears it
        assert service.ask("GET", "/healthz").status == 200
        queued = service.post("/transcribe", {"chunk_id": "1", "audio_b64": "AAAA"})
        assert queued.status == 200  # a chunk in JSON is no file

        for sock in half:
            sock.sendall(FLAC[-100:])
            assert read_answer(sock.makefile("rb")).status == 200

    assert service.ask("POST", "/transcribe", FLAC, Content_Type="audio/flac").status == 200


def test_files_do_not_take_every_thread(tmp_path: Path) -> None:
    """F-17: with more uploads than threads on their way, health answers at once."""
    slow = {"STT_FAKE_DELAY_MS": "1000", "STT_NUM_WORKERS": "1", "STT_MAX_BATCH": "1"}
    limits = {"STT_MAX_UPLOADS": "4", "STT_MAX_SESSIONS": "2"}
    answers: list[Answer] = []
    with hark(tmp_path, **FAKE | slow | limits) as service:

        def send() -> None:
            answers.append(service.ask("POST", "/transcribe", FLAC, Content_Type="audio/flac"))

        threads = [Thread(target=send) for _ in range(MANY)]
        for thread in threads:
            thread.start()
        assert until(lambda: len(answers) >= MANY - 4)  # those that did not get in
        began = monotonic()
        assert service.ask("GET", "/healthz").status == 200
        took = monotonic() - began
        for thread in threads:
            thread.join(30)

    assert took < 5
    assert sorted(answer.status for answer in answers) == [200] * 4 + [429] * (MANY - 4)
