"""Pages in a browser: the printed ones in Chromium, with a file in place of the microphone."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
import urllib.request
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests_clients.printed import code_of, shell
from tests_clients.service import KEY, Service, service
from tests_clients.sounds import HELLO_WORDS, hello, words

RATE = 48_000  # Hz, of the microphone
LIMIT = 40.0  # s; a deadline for all that is said
LOGGED = re.compile(r'CONSOLE.*?"(text|closed) (.*?)", source')
SENT_ON = {"/ticket": "/stt/ticket", "/secret": "/v1/realtime/client_secrets"}
"""What the server of a page asks Hark for."""
VISITOR = """<script>
  const Plain = WebSocket;
  WebSocket = class extends Plain {
    constructor(...given) {
      super(...given);
      this.addEventListener("close", ({ code }) => console.log("closed " + code));
    }
  };
  addEventListener("load", () => {
    new MutationObserver(() => {
      console.log("text " + text.textContent);
      if (/three/i.test(text.textContent)) done.click();
    }).observe(text, { childList: true, characterData: true, subtree: true });
    speak.click();
  });
</script>"""
"""Who clicks on `speak`, and on `done` when all was said; and who writes down what is seen."""
BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)

pytestmark = pytest.mark.skipif(BROWSER is None, reason="this machine has no Chromium")


@pytest.fixture(name="guarded", scope="module")
def _guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The demo model behind a key, which no page is given."""
    with service(tmp_path_factory.mktemp("guarded"), STT_API_KEYS=f"{KEY}:0000") as running:
        yield running


@contextmanager
def application(html: str, running: Service) -> Iterator[str]:
    """The address of a page's own server, which passes tickets and secrets on.

    Of this machine, as browsers give a page of it the microphone.
    """

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.say("text/html", html.encode())

        def do_POST(self) -> None:
            asked = urllib.request.Request(
                f"http://{running.host}{SENT_ON[self.path]}",
                b"",
                {"Authorization": f"Bearer {KEY}"},
            )
            with urllib.request.urlopen(asked, timeout=10) as answer:
                self.say("application/json", answer.read())

        def say(self, content_type: str, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", content_type)
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


@pytest.mark.parametrize(("name", "code"), [("browser", "1000"), ("browser-realtime", "1005")])
def test_a_page_hears_its_visitor(guarded: Service, tmp_path: Path, name: str, code: str) -> None:
    """BR2, DG3, CS1: with a ticket or a secret, and no key; the words show, and the end is clean.

    1005: the page closes by itself, without a code.
    """
    microphone = tmp_path / "microphone.wav"
    with wave.open(str(microphone), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(hello(RATE, after=1.0))
    html = code_of(name, guarded.host)
    texts, closed, log = [""], "", []

    with (
        application(html + VISITOR, guarded) as address,
        browser(address, microphone, tmp_path) as process,
    ):
        assert process.stderr is not None
        for line in process.stderr:
            log.append(line)
            if seen := LOGGED.search(line):
                kind, value = seen.groups()
                if kind == "closed":
                    closed = value
                    break
                texts.append(value)

    assert closed == code, "".join(log)
    assert set(HELLO_WORDS) <= set(words(texts[-1]))


def test_a_server_is_given_tickets_and_secrets(locked: Service) -> None:
    """What the server of a page asks for: each answer has what the pages take out of it."""
    ticket, secret = map(
        json.loads, shell("browser-server", locked).replace("}{", "}\n{").split("\n", 1)
    )

    assert ticket["ticket"]
    assert secret["value"].startswith("ek_")
