"""The real service, run by the interpreter that `make run` has; these tests have another one."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PYTHON = ROOT / os.environ.get("VENV", ".venv") / "bin" / "python"
START = 30.0  # s; a deadline for the start on a busy machine
LOOK = 0.05  # s between two looks

KEY = "secret"
"""The key in every line of docs/clients.md."""
COUNTING = {
    "STT_ENGINE": "fake",
    "STT_VAD": "energy",  # the voices of these tests are synthetic buzzes
    "STT_AUDIO_RATE": "1000",
    "STT_AUDIO_BURST_S": "600",
}
"""The engine that counts, and audio taken as fast as it comes."""


@dataclass(frozen=True, slots=True)
class Service:
    """A running service."""

    port: int
    log: Path
    environment: dict[str, str]

    @property
    def host(self) -> str:
        """Its address and port."""
        return f"127.0.0.1:{self.port}"


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def service(folder: Path, **settings: str) -> Iterator[Service]:
    """Start the service as `make run` does, ready, with its store in ``folder``."""
    port = free_port()
    log = folder / "log.txt"
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("STT_", "WHISPER_"))}
    store = f"sqlite:///{folder}/hark.db"
    environment = kept | {"STT_PORT": str(port), "STT_STORE": store} | settings
    running = Service(port, log, environment)
    with program(running, "gunicorn", "-c", "gunicorn.conf.py", stop=signal.SIGQUIT) as process:
        await_ready(running, process)
        yield running


@contextmanager
def program(
    running: Service, module: str, *arguments: str, stop: signal.Signals = signal.SIGTERM
) -> Iterator[subprocess.Popen[str]]:
    """Run a module of the project beside the service; its log goes to the same file."""
    with running.log.open("a") as output:
        process = subprocess.Popen(
            [str(PYTHON), "-m", module, *arguments],
            cwd=ROOT,
            env=running.environment,
            stdout=output,
            stderr=output,
            text=True,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(stop)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)


def await_ready(running: Service, process: subprocess.Popen[str]) -> None:
    """Until the service can be used; fails with its log."""
    deadline = time.monotonic() + START
    while True:
        assert process.poll() is None, running.log.read_text()
        assert time.monotonic() < deadline, running.log.read_text()
        try:
            with urllib.request.urlopen(f"http://{running.host}/readyz", timeout=5):
                return
        except (urllib.error.HTTPError, OSError):
            time.sleep(LOOK)
