"""README.md and the pages beside it: what they print works, what they name is there."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stt.metrics import METRICS
from stt_config import CLIENT_NAMES, table
from tests.described import ASYNCAPI, OPENAPI
from tests.live import ROOT, Hark, hark

README = (ROOT / "README.md").read_text()
PROTOCOL = (ROOT / "docs" / "protocol.md").read_text()
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
FOLDERS = (
    "stt", "api", "dialects", "stt_client", "stt_wyoming", "tests", "tests_clients", "benchmarks",
    "docs", "models",
)  # fmt: skip
PORT = "127.0.0.1:5055"
HELLO = "Hello world. Testing, one, two, three."
"""What is said in tests/audio/en_hello.flac, in two utterances."""

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="this machine has no curl")


@pytest.fixture(name="service", scope="module")
def _service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hark]:
    with hark(tmp_path_factory.mktemp("readme")) as service:
        yield service


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a page in a language, as printed."""
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.DOTALL | re.MULTILINE)


def run(service: Hark, code: str, *command: str) -> str:
    """What a block prints, run in the project's folder with only the port replaced."""
    assert PORT in code
    done = subprocess.run(
        command,
        input=code.replace(PORT, f"127.0.0.1:{service.port}"),
        cwd=ROOT,
        text=True,
        capture_output=True,
        check=False,
        timeout=90,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def words(text: str) -> list[str]:
    """The words of a text, without case and marks."""
    return re.findall(r"\w+", text.lower())


def shell(service: Hark, code: str) -> str:
    """The output of a block of curl lines; an HTTP error would be in it."""
    return run(service, code, "bash", "-e", "-o", "pipefail")


@needs_curl
def test_the_curl_line_gives_the_words_beside_it(service: Hark) -> None:
    """The first thing anybody tries prints what the page says it prints."""
    (code,) = blocks(README, "sh")
    printed = re.search(r'^    \{"text": "(.*?)"', README, re.MULTILINE)
    assert printed

    said = re.search(r'"text": "(.*?)"', shell(service, code))

    assert said
    assert words(said[1]) == words(printed[1]) == words(HELLO)


def test_the_python_example_prints_live_text(service: Hark) -> None:
    """Ten lines: a greeting, interims, and a final with the words of each utterance."""
    (code,) = blocks(README, "python")
    assert len([line for line in code.splitlines() if line.strip()]) <= 10

    lines = run(service, code, sys.executable, "-").splitlines()

    finals = [line.partition(" True ")[2] for line in lines if line.startswith("transcript True")]
    assert lines[0] == "session None None"
    assert any(line.startswith("transcript False") for line in lines)
    assert len(finals) == 2
    assert words(" ".join(finals)) == words(HELLO)


def test_the_example_without_our_client_works_too(service: Hark) -> None:
    """The first session of docs/protocol.md ends with its final."""
    (code,) = blocks(PROTOCOL, "python")

    lines = run(service, code, sys.executable, "-").splitlines()

    assert '"type":"session"' in lines[0]
    assert '"is_final":true' in lines[-1]
    assert "hello world" in lines[-1].lower()


@needs_curl
def test_the_curl_lines_of_the_protocol_work(service: Hark) -> None:
    """Files, chunks and reads are answered without an error."""
    upload, chunk, openai, reads = (shell(service, code) for code in blocks(PROTOCOL, "sh"))

    assert upload.lower().count("hello world") >= 3, upload
    assert "-->" in upload, "subtitles"
    assert '"segments"' in upload, "verbose_json"
    assert '{"chunk_id": "1700000000000", "tenant_id": "0000", "status": "processing"}' in chunk
    assert '"transcript.text.delta"' in openai, "a stream of events"
    assert "error" not in openai + reads
    assert "message" not in reads


def test_measured_figures_are_those_of_the_benchmarks() -> None:
    """README.md repeats rows of docs/benchmarks.md, by name and by value."""
    measured = README.partition("## Measured")[2].partition("\n## ")[0]
    page = (ROOT / "docs" / "benchmarks.md").read_text()
    known = dict(re.findall(r"^\| ([^|]+) \| ([^|(]+?) (?:\([^|]*)?\|", page, re.MULTILINE))
    rows = re.findall(r"^\| (.+) \| (.*\d.*) \|$", measured, re.MULTILINE)

    assert len(rows) >= 5
    assert [(name, known.get(name)) for name, _ in rows] == rows


def test_every_make_target_named_is_there() -> None:
    """No page tells to make something that cannot be made."""
    made = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert made
    named = {
        target
        for page in PAGES
        for target in re.findall(r"(?:`|^    )make ([a-z]+)", page.read_text(), re.MULTILINE)
    }

    assert named <= set(made[1].split())
    assert {"run", "test"} <= named


def test_the_table_lists_every_endpoint() -> None:
    """The paths of README.md, its older names included, are those of both descriptions."""
    section = README.partition("## Endpoints")[2].partition("\n## ")[0]
    named = set(re.findall(r"[` ](/[\w/{}.]*)`", section))
    channels = {channel["address"] for channel in ASYNCAPI["channels"].values()}

    assert named == set(OPENAPI["paths"]) | channels


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Each link to a file of the project finds it, and each to a heading finds that."""
    text = page.read_text()
    headings = {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings_of(text)}
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        place, _, heading = target.partition("#")
        if place.startswith("http"):
            continue
        assert (page.parent / place).exists(), target
        if not place:
            assert heading in headings, target


def headings_of(text: str) -> list[str]:
    """The headings of a page."""
    return re.findall(r"^#+ (.*)$", text, re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_named_are_there(page: Path) -> None:
    """A path in code type that looks like one of our files is one."""
    mine = rf"`((?:{'|'.join(FOLDERS)})/[\w./]+|[a-z_]+\.py)`"
    known = {file.name for folder in FOLDERS for file in (ROOT / folder).rglob("*.py")}
    for name in re.findall(mine, page.read_text()):
        assert (ROOT / name).exists() or name in known | {"live.py"}, name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings_and_metrics_named_are_there(page: Path) -> None:
    """No page tells to set, or to watch, what does not exist; decisions.md names what is absent."""
    if page.name == "decisions.md":
        return
    settings = {setting.name for setting in table().values()} | CLIENT_NAMES
    metrics = {metric.name for metric in METRICS}
    text = page.read_text()

    assert set(re.findall(r"\bSTT_[A-Z_]*[A-Z]\b", text)) <= settings
    assert set(re.findall(r"\bhark_[a-z_]*[a-z]\b", text)) <= metrics | {
        f"{metric}_bucket" for metric in metrics
    }


def test_the_architecture_has_a_line_for_every_room() -> None:
    """Each module of the running service, and each folder, is explained."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    rooms = [
        *ROOT.glob("*.py"),
        *(ROOT / "api").glob("[a-z]*.py"),
        *(ROOT / "dialects").glob("[a-z]*.py"),
        *(ROOT / "stt").glob("[a-z]*.py"),
    ]
    names = [room.name for room in rooms if room.name != "conftest.py"]

    assert [name for name in names if f"`{name}`" not in text and f"/{name}`" not in text] == []


def test_the_proxy_of_the_operations_upgrades_every_websocket() -> None:
    """What is printed for nginx names each path of asyncapi.yaml (RT-48)."""
    page = (ROOT / "docs" / "operations.md").read_text()
    upgraded = re.search(r"location ~ (\S+) \{(?:(?!\}).)*Upgrade", page, re.DOTALL)
    assert upgraded

    channels = [channel["address"] for channel in ASYNCAPI["channels"].values()]

    assert [path for path in channels if not re.fullmatch(upgraded[1], path)] == []
