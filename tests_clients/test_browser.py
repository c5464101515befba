"""A page in a browser: the printed lines in Chromium, with a file in place of the microphone."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests_clients.printed import code_of
from tests_clients.service import Service
from tests_clients.sounds import HELLO_WORDS, hello, words

RATE = 48_000  # Hz, of the microphone
LIMIT = 40.0  # s; a deadline for all that is said
FINAL = re.compile(r'CONSOLE.*"true,? (.*?)", source')
BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)

pytestmark = pytest.mark.skipif(BROWSER is None, reason="this machine has no Chromium")


@contextmanager
def page(script: str) -> Iterator[str]:
    """The address of a page with a script; of this machine, as browsers give it the microphone."""
    body = f"<!doctype html><script type=module>{script}</script>".encode()

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nobody asks."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def browser(address: str, microphone: Path, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Chromium on a page; what the page logs stands in its standard error."""
    process = subprocess.Popen(
        [
            str(BROWSER),
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={folder / 'profile'}",
            "--use-fake-ui-for-media-stream",
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-audio-capture={microphone}",
            "--enable-logging=stderr",
            address,
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    killer = threading.Timer(LIMIT, process.kill)
    killer.start()
    try:
        yield process
    finally:
        killer.cancel()
        process.kill()
        process.wait(10)
        assert process.stderr is not None
        process.stderr.close()


def test_a_recorder_is_heard(hark: Service, tmp_path: Path) -> None:
    """BR2, DG3: WebM of the browser's own making, the key in the subprotocol; finals are words."""
    microphone = tmp_path / "microphone.wav"
    with wave.open(str(microphone), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(hello(RATE, after=1.0))
    heard: list[str] = []

    with (
        page(code_of("browser", hark.host)) as address,
        browser(address, microphone, tmp_path) as process,
    ):
        assert process.stderr is not None
        log = []
        for line in process.stderr:
            log.append(line)
            if final := FINAL.search(line):
                heard += words(final[1])
            if set(HELLO_WORDS) <= set(heard):
                break

    assert set(HELLO_WORDS) <= set(heard), "".join(log)
