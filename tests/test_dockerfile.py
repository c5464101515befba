"""The image is built and started by the same steps as ``make install`` and ``make run``."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from stt.errors import SettingError
from stt_config import Settings

ROOT = Path(__file__).parent.parent
MAKEFILE = (ROOT / "Makefile").read_text().replace("$(VENV)", ".venv")
DOCKERFILE = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
STEPS = [
    tuple(step.split(None, 1)) for step in DOCKERFILE.replace("\\\n", " ").splitlines() if step
]


def arguments(instruction: str) -> list[str]:
    """The arguments of every such instruction, in order."""
    return [" ".join(rest.split()) for name, rest in STEPS if name == instruction]


def environment() -> dict[str, str]:
    """What the image sets."""
    return dict(pair.split("=", 1) for pair in shlex.split(" ".join(arguments("ENV"))))


def test_it_installs_what_make_installs() -> None:
    """The same pip, the same pinned requirements, in the same place."""
    pip = re.search(r"^PIP := (.*)$", MAKEFILE, re.MULTILINE)
    install = re.search(r"@\$\(PIP\) (install -r requirements\.txt)$", MAKEFILE, re.MULTILINE)
    assert pip
    assert install
    [step] = [run for run in arguments("RUN") if "pip" in run and "requirements" in run]

    assert step.replace("--no-cache-dir ", "").endswith(f"{pip[1]} {install[1]}")
    assert step.startswith("python3 -m venv .venv && ")


def test_it_asks_for_the_same_python() -> None:
    """One lower limit, and the same two modules for a virtual environment."""
    for probe in ("import sys; sys.exit(sys.version_info < (3, 11))", "import ensurepip, venv"):
        assert probe in MAKEFILE
        assert any(probe in run for run in arguments("RUN"))


def test_it_starts_what_make_starts() -> None:
    """The command of ``make run``, as a list: no shell stands between gunicorn and SIGTERM."""
    run = re.search(r"@exec (\.venv/bin/gunicorn .*)$", MAKEFILE, re.MULTILINE)
    assert run

    assert json.loads(arguments("CMD")[0]) == shlex.split(run[1])
    assert arguments("STOPSIGNAL") == ["SIGTERM"]


def test_it_does_not_run_as_root() -> None:
    """By number, which also tells an orchestrator; what comes after USER needs no rights."""
    [user] = arguments("USER")

    assert int(user) > 0
    assert f"--uid {user} " in " ".join(arguments("RUN"))


def test_it_refuses_an_open_door() -> None:
    """Inside it listens to everybody, so without keys or consent the service does not start."""
    with pytest.raises(SettingError, match="STT_ALLOW_OPEN=1"):
        Settings.from_env(environment())

    settings = Settings.from_env({**environment(), "STT_ALLOW_OPEN": "1"})
    assert [str(settings.port)] == arguments("EXPOSE")


def test_what_is_written_is_in_the_volume() -> None:
    """Transcripts and downloaded models outlive the container."""
    [volume], [workdir] = arguments("VOLUME"), set(arguments("WORKDIR"))

    assert f"{workdir}/{Settings().store.removeprefix('sqlite:///')}".startswith(f"{volume}/")
    assert environment()["HF_HOME"].startswith(f"{volume}/")


def test_the_health_check_is_python_and_compiles() -> None:
    """No curl in the image; it asks /healthz on the port that the service listens on."""
    [check] = arguments("HEALTHCHECK")

    python, flag, code = json.loads(check[check.index("CMD ") + 4 :])

    assert (python, flag) == (".venv/bin/python", "-c")
    assert "/healthz" in code
    compile(code, "HEALTHCHECK", "exec")


def test_the_image_leaves_out_what_it_makes_itself() -> None:
    """The host's environment, transcripts and caches stay on the host; the demo model goes in."""
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    made = {line.rstrip("/") for line in (ROOT / ".gitignore").read_text().splitlines()}

    assert {name for name in made if "*" not in name and "__" not in name} <= set(ignored)
    assert not any("models/demo".startswith(name) for name in ignored if name)
