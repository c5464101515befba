"""Pages in a browser: the printed ones in Chromium, with a file in place of the microphone."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
import time
import urllib.request
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from tests_clients.printed import code_of, shell
from tests_clients.service import KEY, Service, service
from tests_clients.sounds import HELLO_WORDS, hello, words

RATE = 48_000  # Hz, of the microphone
LIMIT = 40.0  # s; a deadline for all that is said
LISTENING = re.compile(r"DevTools listening on ws://(\S+?)/")
LOOK = 0.1  # s between two looks at a page
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
            "--remote-debugging-port=0",
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


@pytest.fixture(name="microphone")
def _microphone(tmp_path: Path) -> Path:
    """What the browser takes for one: the clip, again and again."""
    path = tmp_path / "microphone.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(hello(RATE, after=1.0))
    return path


@contextmanager
def looking_at(process: subprocess.Popen[str]) -> Iterator[Callable[[str], Any]]:
    """Asks the page for the value of an expression, as if its visitor had written it."""
    assert process.stderr is not None
    lines = iter(process.stderr.readline, "")
    place = next(found[1] for line in lines if (found := LISTENING.search(line)))
    with urllib.request.urlopen(f"http://{place}/json", timeout=10) as answer:
        (tab,) = [each for each in json.load(answer) if each["type"] == "page"]
    with connect(tab["webSocketDebuggerUrl"]) as tools:

        def ask(expression: str) -> Any:
            order = {"expression": expression, "userGesture": True}
            tools.send(json.dumps({"id": 1, "method": "Runtime.evaluate", "params": order}))
            return json.loads(tools.recv(10))["result"]["result"].get("value")

        yield ask


@pytest.mark.parametrize(("name", "code"), [("browser", "1000"), ("browser-realtime", "1005")])
def test_a_page_hears_its_visitor(
    guarded: Service, tmp_path: Path, microphone: Path, name: str, code: str
) -> None:
    """BR2, DG3, CS1: with a ticket or a secret, and no key; the words show, and the end is clean.

    1005: the page closes by itself, without a code.
    """
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


@pytest.mark.parametrize("key", ["", KEY])
def test_the_start_page_hears_its_visitor(
    hark: Service, guarded: Service, tmp_path: Path, microphone: Path, key: str
) -> None:
    """BR2: under its own policy; its button begins, the words show, and the button ends it."""
    address = f"http://{(guarded if key else hark).host}/"
    deadline = time.monotonic() + LIMIT
    with (
        browser(address, microphone, tmp_path) as process,
        looking_at(process) as ask,
    ):

        def wait(expression: str) -> None:
            while ask(expression) is not True:
                assert time.monotonic() < deadline, ask("document.body.innerText")
                time.sleep(LOOK)

        wait("document.readyState === 'complete' && !live.hidden")
        ask(f"if (document.getElementById('key')) key.value = '{key}'; speak.click()")
        wait("/three/i.test(said.innerText)")
        ask("speak.click()")
        wait("speak.innerText === 'Speak' && !speak.disabled")
        said, trouble = ask("said.innerText"), ask("trouble.innerText")

    assert set(HELLO_WORDS) <= set(words(said))
    assert trouble == ""
