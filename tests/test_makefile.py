"""The Makefile on machines that lack something, and on a second start."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAKEFILE = (ROOT / "Makefile").read_text()
START = '.venv/bin/gunicorn -c gunicorn.conf.py "app:create_app()"'


def make(*arguments: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run make in the project; with ``path``, programs there hide those of the machine."""
    search = f"{path}:{os.environ['PATH']}" if path else os.environ["PATH"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["make", *arguments],
        cwd=ROOT,
        env={**kept, "PATH": search},
        text=True,
        capture_output=True,
        check=False,
        timeout=60,
    )


def program(path: Path, name: str, script: str) -> Path:
    path.mkdir(exist_ok=True)
    file = path / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file


@pytest.fixture(name="bare")
def _bare(tmp_path: Path) -> Path:
    """A machine whose Python has no venv until apt-get brings it, and whose user is nobody."""
    path = tmp_path / "bin"
    brought = tmp_path / "brought"
    program(path, "python3", f'case "$*" in *ensurepip*) test -e {brought};; esac')
    program(path, "apt-get", f'case "$*" in *python3-venv) touch {brought};; esac; echo "$@"')
    program(path, "id", "echo 1000")
    return path


def test_help_is_the_default_and_names_every_target() -> None:
    """``make`` alone tells what can be made; each line says what for."""
    targets = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert targets

    lines = make().stdout.splitlines()

    assert [line.split()[1] for line in lines] == targets[1].split()
    assert all(len(line.split()) > 2 for line in lines)


def test_a_second_start_does_nothing_but_start(tmp_path: Path) -> None:
    """Once installed, ``make run`` is gunicorn alone, exec'd so that signals reach it."""
    (tmp_path / ".created").touch()
    (tmp_path / ".installed").touch()

    lines = make("-n", "run", f"VENV={tmp_path}").stdout.splitlines()

    assert lines == [f"exec {START}".replace(".venv", str(tmp_path))]


def test_other_requirements_are_installed_again(tmp_path: Path) -> None:
    """A newer requirements.txt makes the stamp old."""
    (tmp_path / ".created").touch()
    (tmp_path / ".installed").touch()
    os.utime(tmp_path / ".installed", (0, 0))

    assert "pip" in make("-n", "run", f"VENV={tmp_path}").stdout


def test_measurements_bring_what_they_plot_with(tmp_path: Path) -> None:
    """``make bench`` installs its own requirements, once; nothing else needs them."""
    for stamp in (".created", ".installed", ".installed-dev"):
        (tmp_path / stamp).touch()

    fresh = make("-n", "bench", f"VENV={tmp_path}").stdout
    (tmp_path / ".installed-bench").touch()
    again = make("-n", "bench", f"VENV={tmp_path}").stdout

    assert "install -r requirements-bench.txt" in fresh
    assert again.splitlines() == [f"{tmp_path}/bin/python -m benchmarks"]
    assert "requirements-bench" not in make("-n", "test", f"VENV={tmp_path}").stdout


def test_other_peoples_clients_are_installed_apart(tmp_path: Path) -> None:
    """``make test-clients`` has an environment of its own, made once; nothing else needs it."""
    for stamp in (".created", ".installed", ".installed-dev", ".installed-wyoming"):
        (tmp_path / stamp).touch()
    apart = tmp_path / "clients"
    apart.mkdir()
    places = [f"VENV={tmp_path}", f"CLIENTS={apart}"]

    fresh = make("-n", "test-clients", *places).stdout
    (apart / ".created").touch()
    (apart / ".installed").touch()
    again = make("-n", "test-clients", *places).stdout

    assert f"-m venv {apart}" in fresh
    assert f"{apart}/bin/python -m pip" in fresh
    assert again.splitlines() == [
        f"VENV={tmp_path} {apart}/bin/python -m pytest -c tests_clients/pytest.ini tests_clients"
    ]
    assert "requirements-clients" not in make("-n", "check", *places).stdout


def test_home_assistant_brings_its_protocol(tmp_path: Path) -> None:
    """``make wyoming`` installs the library it needs, once, and starts the program (client WY6)."""
    for stamp in (".created", ".installed"):
        (tmp_path / stamp).touch()

    fresh = make("-n", "wyoming", f"VENV={tmp_path}", "ARGS=--language en").stdout
    (tmp_path / ".installed-wyoming").touch()
    again = make("-n", "wyoming", f"VENV={tmp_path}").stdout

    assert "install -r requirements-wyoming.txt" in fresh
    assert f"{tmp_path}/bin/python -m stt_wyoming --language en" in fresh
    assert again.strip() == f"exec {tmp_path}/bin/python -m stt_wyoming"


def test_a_user_without_venv_is_told_what_to_type(bare: Path, tmp_path: Path) -> None:
    """Debian without python3-venv, not root: the exact line, and no half-made environment."""
    done = make("install", f"VENV={tmp_path / 'venv'}", path=bare)

    assert done.returncode != 0
    assert "    sudo apt-get install -y python3-venv\n" in done.stdout
    assert not (tmp_path / "venv").exists()


def test_root_without_venv_gets_it(bare: Path, tmp_path: Path) -> None:
    """As root the package is installed, and the work goes on."""
    program(bare, "id", "echo 0")
    (tmp_path / "venv").mkdir()

    done = make(f"{tmp_path}/venv/.created", f"VENV={tmp_path / 'venv'}", path=bare)

    assert done.stdout.splitlines() == [
        "update -qq",
        "install -y -qq --no-install-recommends python3-venv",
    ]
    assert (tmp_path / "venv" / ".created").exists()


def test_an_old_python_is_refused(bare: Path, tmp_path: Path) -> None:
    """Before anything is made."""
    program(bare, "python3", "exit 1")

    done = make("install", f"VENV={tmp_path / 'venv'}", path=bare)

    assert done.returncode != 0
    assert "Hark needs Python 3.11 or newer" in done.stdout


def test_check_ends_with_the_tests() -> None:
    """The last line of each part of continuous integration is the count of its tests."""
    assert re.search(r"^check: lint types test ", MAKEFILE, re.MULTILINE)
    assert ".NOTPARALLEL:" in MAKEFILE

    script = (ROOT / ".ci" / "run").read_text().splitlines()
    assert script[0] == "#!/usr/bin/env bash"
    assert "set -euo pipefail" in script
    assert script[-2:] == ["make check </dev/null", "exec make test-clients </dev/null"]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
