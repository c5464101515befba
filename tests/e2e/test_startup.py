"""Starting: what it says when all is well, and the one sentence it says when it cannot start."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.sounds import FAKE, pinged
from tests.live import ROOT, Hark, free_port, hark
from tests.sockets import until

OFFLINE = {"HF_HUB_OFFLINE": "1"}


def start(folder: Path, *arguments: str, **settings: str) -> tuple[int, str]:
    """Start a service that must not come up; its exit status and all it printed."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("STT_", "WHISPER_"))}
    environ |= {
        "STT_PORT": str(free_port()),
        "STT_STORE": f"sqlite:///{folder}/hark.db",
        "HF_HOME": str(folder / "hub"),
    }
    environ |= settings
    done = subprocess.run(
        [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", *arguments],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


# What stops the start.


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("STT_PORT", "eighty", "a whole number from 1 to 65535"),
        ("STT_NUM_WORKERS", "0", "a whole number from 1"),
        ("STT_QUEUE_OVERFLOW_POLICY", "drop", "one of reject, drop_oldest"),
        ("STT_ENGINE", "magic", "one of faster-whisper, fake"),
        ("STT_STORE", "postgres://db", "sqlite:///<path> or memory:"),
        ("STT_AUDIO_RATE", "nan", "a number from 1 to 1000"),
    ],
)
def test_a_bad_setting_stops_the_start(
    tmp_path: Path, variable: str, value: str, allowed: str
) -> None:
    """One message with the variable, the value and what is allowed; no traceback; status 2."""
    code, said = start(tmp_path, **{variable: value})
    assert code == 2
    assert f"{variable}={value!r}" in said
    assert allowed in said
    assert "Traceback" not in said
    assert len(said.strip().splitlines()) == 1


def test_all_bad_settings_are_told_at_once(tmp_path: Path) -> None:
    """Two mistakes need one start to be found; a key is not shown."""
    code, said = start(tmp_path, STT_STEP_MS="no", STT_API_KEYS="sesame", STT_PORT="0")
    assert code == 2
    assert all(name in said for name in ("STT_STEP_MS", "STT_API_KEYS", "STT_PORT"))
    assert "sesame" not in said


def test_an_open_door_must_be_meant(tmp_path: Path) -> None:
    """HT-AUTH, RT-53: no bind beyond this machine without keys."""
    code, said = start(tmp_path, STT_HOST="0.0.0.0")
    assert code == 2
    assert "STT_API_KEYS" in said
    assert "STT_ALLOW_OPEN=1" in said


def test_what_is_not_built_is_not_ignored(tmp_path: Path) -> None:
    """C15, B25: older names for a remote server or a second model stop the start."""
    code, said = start(tmp_path, WHISPER_SERVER="http://localhost:8007")
    assert code == 2
    assert "WHISPER_SERVER='http://localhost:8007': not supported in this version" in said


@pytest.mark.parametrize("model", ["no-such-model", "nobody/has-this-model", "tests"])
def test_a_model_that_cannot_be_had(tmp_path: Path, model: str) -> None:
    """Offline, with a name nobody knows, or a folder without a model: it says so and ends."""
    code, said = start(tmp_path, STT_MODEL=model, **OFFLINE)
    assert code not in (0, 2)
    assert said.count("\nhark: ") == 1
    sentence = said.split("\nhark: ")[1]
    assert sentence.startswith(f"STT_MODEL={model}: ")
    assert "Traceback" not in said


def test_a_gpu_that_is_not_there(tmp_path: Path) -> None:
    """STT_DEVICE=cuda on a machine without one: at the start, not at the first speech."""
    model = str(ROOT / "models" / "demo")
    code, said = start(tmp_path, STT_MODEL=model, STT_DEVICE="cuda", CUDA_VISIBLE_DEVICES="-1")
    assert code not in (0, 2)
    sentence = said.split("\nhark: ")[1]
    assert "STT_DEVICE" in sentence
    assert "cuda" in sentence
    assert "Traceback" not in said


def test_a_second_worker_is_refused(tmp_path: Path) -> None:
    """B22, RT-11: one process is one service, from the command line or the environment."""
    for arguments, settings in ((("-w", "2"), {}), ((), {"WEB_CONCURRENCY": "2"})):
        code, said = start(tmp_path, *arguments, **FAKE, **settings)
        assert code == 2
        assert "2 workers are asked for" in said
        assert "replicas" in said


def test_a_store_that_cannot_be_opened(tmp_path: Path) -> None:
    """A path that is no place for a database stops the start with its name."""
    (tmp_path / "file").write_text("x")
    code, said = start(tmp_path, **FAKE, STT_STORE=f"sqlite:///{tmp_path}/file/hark.db")
    assert code not in (0, 2)
    assert said.split("\nhark: ")[1].startswith(f"STT_STORE='sqlite:///{tmp_path}/file/hark.db'")
    assert "Traceback" not in said


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    """Two services on one port: the second ends with one sentence that says what to type."""
    with hark(tmp_path, **FAKE) as service:
        code, said = start(tmp_path, **FAKE, STT_PORT=str(service.port))
        assert code == 2
        assert f"port {service.port} is taken (another Hark?): STT_PORT=" in said
        assert "make run" in said
        assert len(said.strip().splitlines()) == 1


# What it says once it is up.


@pytest.fixture(name="demo", scope="module")
def _demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hark]:
    """No model is set and the hub is out of reach: the demo model."""
    folder = tmp_path_factory.mktemp("demo")
    hub = {"HF_HOME": str(folder / "hub"), **OFFLINE}
    with hark(folder, STT_MODEL="auto", **hub) as service:
        yield service


def test_the_start_up_text(demo: Hark) -> None:
    """The page, a curl line, the client, the model and its origin; both lines work as printed."""
    log = demo.log.read_text()
    for line in (
        "Hark is ready.",
        "engine   faster-whisper",
        "model    demo (demo)",
        f"page     {demo.url}/",
        f"curl -F file=@tests/audio/en_hello.wav {demo.url}/transcribe",
        f".venv/bin/python -m stt_client --url {demo.url} tests/audio/en_hello.wav",
    ):
        assert line in log
    if shutil.which("curl"):
        printed = next(line for line in log.splitlines() if "curl" in line)
        command = [*printed[printed.index("curl") :].split(), "-s"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=60)
        assert b'"text": "' in done.stdout
    printed = next(line for line in log.splitlines() if "stt_client" in line)
    command = [sys.executable, *printed.partition(".venv/bin/python ")[2].split()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=60)
    assert b"hello world" in done.stdout.lower()


def test_the_demo_model_is_not_to_be_overlooked(demo: Hark) -> None:
    """U10: its warning stands in the log, at /healthz and on the page, with the way out."""
    state = demo.get("/healthz")
    assert (state["model"], state["model_origin"], state["ready"]) == ("demo", "demo", True)
    assert "THE DEMO MODEL IS RUNNING" in state["warning"]
    assert "STT_MODEL" in state["warning"]
    assert state["warning"] in demo.log.read_text()
    page = demo.ask("GET", "/").body.decode()
    assert "THE DEMO MODEL IS RUNNING" in page


def test_a_healthy_start_warns_of_nothing(tmp_path: Path) -> None:
    """STT_ENGINE=fake: named as such everywhere, no warning, one worker, nothing on the hub."""
    with hark(tmp_path, **FAKE, HF_HOME=str(tmp_path / "hub")) as service:
        state = service.get("/healthz")
        assert (state["engine"], state["model"], state["warning"]) == ("fake", "fake", None)
        assert service.get("/readyz") == {"status": "ready"}
        log = service.log.read_text()
        assert "!!!" not in log
        assert log.count("Booting worker") == 1
    assert not (tmp_path / "hub").exists()


def test_a_strange_name_is_pointed_at(tmp_path: Path) -> None:
    """A setting that is none is most likely misspelt: the log says so, the service runs."""
    with hark(tmp_path, **FAKE, STT_MAX_SESSION="7") as service:
        assert "STT_MAX_SESSION is set but is no setting; did you mean STT_MAX_SESSIONS?" in (
            service.log.read_text()
        )


def test_a_second_worker_cannot_come_later(tmp_path: Path) -> None:
    """B22: SIGTTIN asks gunicorn for one more worker; it stays at one."""
    with hark(tmp_path, **FAKE) as service:
        service.process.send_signal(signal.SIGTTIN)
        until(lambda: "still one worker" in service.log.read_text())
        assert service.log.read_text().count("Booting worker") == 1
        with service.connect() as stream:
            assert pinged(stream) == []
