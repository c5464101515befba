"""The requests that /docs shows to copy, copied."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from stt.curl import FILE, curl
from tests.described import OPENAPI
from tests.live import ROOT, Hark, hark

CANNOT = {"/v1/audio/translations", "/v1/models/{model_id}"}
"""With this engine: it does not translate, and has another name."""
OPERATIONS = [(path, method) for path, said in OPENAPI["paths"].items() for method in said]

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="this machine has no curl")


@pytest.fixture(name="service", scope="module")
def _service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hark]:
    keys = {"STT_API_KEYS": "YOUR_KEY:0000"}
    with hark(tmp_path_factory.mktemp("manual"), STT_ENGINE="fake", **keys) as service:
        yield service


@pytest.mark.parametrize(("path", "method"), OPERATIONS, ids=lambda value: value)
def test_a_line_works_as_it_is_printed(
    service: Hark, tmp_path: Path, path: str, method: str
) -> None:
    """Each is answered as its operation answers those who ask rightly, the key included."""
    shutil.copy(ROOT / "tests" / "audio" / "en_hello.wav", tmp_path / FILE)
    base = f"http://127.0.0.1:{service.port}"
    line = curl(OPENAPI, path, method, base=base, keys=True)

    done = subprocess.run(
        ["bash", "-c", f"{line} -s -w '\n%{{http_code}}'"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )

    body, _, status = done.stdout.rpartition("\n")
    answers = OPENAPI["paths"][path][method]["responses"]
    assert status in answers, body
    if path not in CANNOT and any(code.startswith("2") for code in answers):
        assert status.startswith("2"), body
