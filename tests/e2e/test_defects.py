"""The defects of the older services as requirements: those that no other test names (native 13).

The last test holds the list: every id of the review (C) and of the code (B) is named by a test.
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from stt.audio.pcm import pcm16_to_samples
from stt.speech.text import is_rejected
from stt.speech.vad import EnergyVAD
from stt_client.client import DEFAULT_URL
from stt_config import Settings
from tests.e2e.sounds import FAST, b64, counted, pinged, quiet, say, spoken, voice
from tests.live import ROOT, Hark, hark
from tests.own import own
from tests.sockets import until

NOT_BUILT = {"C15", "B25"}  # refused at the start: stt_config.NOT_BUILT


@pytest.fixture(name="service", scope="module")
def _service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hark]:
    with hark(tmp_path_factory.mktemp("defects"), **FAST) as service:
        yield service


@pytest.fixture(name="slow", scope="module")
def _slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hark]:
    """Two workers of 0.3 s, and a small queue that drops its oldest."""
    settings = {
        "STT_FAKE_DELAY_MS": "300",
        "STT_NUM_WORKERS": "2",
        "STT_MAX_BATCH": "1",
        "STT_MAX_QUEUE_SIZE": "4",
        "STT_QUEUE_OVERFLOW_POLICY": "drop_oldest",
        "STT_ADMISSION": "0",  # it is about the queue
    }
    with hark(tmp_path_factory.mktemp("defects-slow"), **FAST, **settings) as service:
        yield service


def post(service: Hark, tenant: str, chunk_id: str, audio: bytes) -> int:
    """Post a snapshot; its status."""
    body = {"tenant_id": tenant, "chunk_id": chunk_id, "audio_b64": b64(audio)}
    return service.post("/transcribe", body).status


def listed(service: Hark, tenant: str) -> dict[str, dict[str, str]]:
    """A tenant's transcripts."""
    found: dict[str, dict[str, str]] = service.get(f"/list_transcripts?tenant_id={tenant}")
    return found


def wait_for(service: Hark, tenant: str, count: int) -> None:
    """Until a tenant has so many transcripts."""
    until(lambda: len(listed(service, tenant)) == count)


def displaced(service: Hark) -> float:
    """Jobs that a newer one has pushed out of the queue, ever."""
    text = service.ask("GET", "/metrics").body.decode()
    found = re.search(r"^hark_jobs_displaced_total (\S+)$", text, re.MULTILINE)
    assert found
    return float(found[1])


def quickest(call: Callable[[], object], times: int = 7) -> float:
    """The shortest of some runs in seconds: what the machine's other work disturbs least."""
    spans = []
    for _ in range(times):
        begun = time.perf_counter()
        call()
        spans.append(time.perf_counter() - begun)
    return min(spans)


# The review.


def test_every_program_shares_one_address() -> None:
    """C1: client, service and what is shipped beside them agree on 5055; nothing names 5040."""
    assert Settings().port == 5055
    assert DEFAULT_URL == "ws://127.0.0.1:5055"
    files = [*own("*.py"), *own("stt_client/*.py"), *own("benchmarks/*.py")]
    files += [ROOT / "Makefile", ROOT / "Dockerfile", ROOT / "openapi.yaml"]
    ports = {
        (path.name, port)
        for path in files
        for port in re.findall(r"(?:localhost|127\.0\.0\.1|0\.0\.0\.0):(\d{4,5})", path.read_text())
    }
    assert {port for _, port in ports} <= {"5055"}, ports


@pytest.mark.parametrize(
    ("path", "chunk_id"),
    [
        ("/get_transcript?chunk_id=2", "2"),
        ("/get_first_transcript?", "1"),
        ("/pop_first_transcript?", "1"),
        ("/get_latest_transcript?", "2"),
        ("/pop_latest_transcript?", "2"),
        ("/delete_transcript?chunk_id=2", "2"),
    ],
    ids=["C2", "C3", "C4", "C5", "C6", "C7"],
)
def test_sentences_is_compared_as_a_flag(service: Hark, path: str, chunk_id: str) -> None:
    """C2, C3, C4, C5, C6, C7: true, True and 1 change the answer of each path; false does not."""
    whole = {"chunk_id": chunk_id, "transcript": counted(int(chunk_id))}
    cut = {"chunk_id": "2", "transcript": f"{counted(1)} {counted(2)}"}  # no sentence ends
    for flag, wanted in (("false", whole), ("true", cut), ("True", cut), ("1", cut)):
        tenant = f"{re.sub(r'[^a-z]', '-', path)}{flag}"
        for number in (1, 2):
            assert post(service, tenant, str(number), voice(number)) == 200
        wait_for(service, tenant, 2)
        assert service.get(f"{path}&tenant_id={tenant}&sentences={flag}") == wanted, flag


def test_builtins_are_not_shadowed() -> None:
    """C11: the rule that finds it is on, and finds nothing."""
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--select", "A001,A002,A004", "--no-cache", "."],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    chosen = re.search(r"^select = \[(.*)\]$", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert chosen is not None
    assert '"A"' in chosen[1]


def test_unread_pings_lose_nothing(service: Hark) -> None:
    """C12, C18: 3,000 unread pings neither close the connection nor lose an event."""
    with service.connect() as stream:
        say(stream, "1", voice(2))
        for _ in range(3000):
            stream.send(type="ping")
        stream.send(type="finalize_chunk")
        assert stream.final()["text"] == counted(2)


def test_an_id_that_is_no_number_breaks_nothing(service: Hark) -> None:
    """C13, B10, B14: beside numbers, over every door, in every list."""
    with service.connect("?tenant_id=c13") as stream:
        for chunk_id in ("abc", "10", "9", "भाषण"):
            spoken(stream, chunk_id, voice(1))
    assert list(listed(service, "c13")) == ["9", "10", "abc", "भाषण"]
    assert list(service.get("/list_transcripts?tenant_id=c13&from=1")) == ["9", "10"]
    assert service.get("/get_transcript?tenant_id=c13&chunk_id=abc")["transcript"] == counted(1)


def test_gating_takes_no_time() -> None:
    """C16: judging a second of PCM takes less than 1 ms, far less than sample by sample."""
    data = voice(1)
    samples = np.frombuffer(data, "<i2").tolist()

    def naive() -> float:
        return float((sum(sample * sample for sample in samples) / len(samples)) ** 0.5)

    vad = EnergyVAD()
    gate = quickest(lambda: vad.judge(pcm16_to_samples(data)))
    assert gate < 0.001
    assert gate < quickest(naive) / 2


def test_silent_binary_frames_make_no_job(service: Hark) -> None:
    """C17, W26: nothing is transcribed of 5 s of silence in binary frames."""
    before = service.log.read_text().count("stt_latency_ms")
    with service.connect() as stream:
        final = spoken(stream, "1", quiet(5))
    assert (final["text"], final["reason"]) == ("", "silence")
    assert service.log.read_text().count("stt_latency_ms") == before


# Found in the code.


def test_results_wait_for_no_client_frame(slow: Hark) -> None:
    """B1, W19: interim and speech_final arrive as they are ready; the client sends nothing."""
    with slow.connect() as stream:
        say(stream, "1", voice(2) + quiet(1))
        sent = time.monotonic()
        stream.until(lambda e: e.get("speech_final"))
        assert time.monotonic() - sent < 5.0  # at most two calls of 0.3 s, and little else


def test_a_final_waits_for_its_job(slow: Hark) -> None:
    """B2, W5, W25: finalize answers after the running job, and no interim follows it."""
    with slow.connect() as stream:
        say(stream, "1", voice(2))
        stream.send(type="finalize_chunk")
        final = stream.final("1")
        stream.send(type="set_chunk", chunk_id="2")
        stream.audio(voice(1))
        stream.send(type="finalize_chunk")
        stream.final("2")
    assert final["text"] == counted(2)
    position = stream.events.index(final)
    assert [e for e in stream.events[position + 1 :] if e.get("chunk_id") == "1"] == []


def test_an_older_snapshot_never_wins(slow: Hark) -> None:
    """B3, QU4: with two workers, of snapshots posted one after the other the last one stays."""
    for seconds in (3, 1, 2):
        assert post(slow, "b3", "1", voice(seconds)) == 200
        until(lambda: slow.get("/healthz")["running"])
    until(lambda: listed(slow, "b3") == {"1": {"transcript": counted(2)}})
    until(lambda: slow.get("/healthz")["running"] == 0)
    assert listed(slow, "b3") == {"1": {"transcript": counted(2)}}


def test_nobody_starves(slow: Hark) -> None:
    """B4, QU5: five clients at more than the capacity get about as many results each."""
    counts = dict.fromkeys("abcde", 0)
    last = dict.fromkeys("abcde", "")
    begun = time.monotonic()
    number = 0
    while time.monotonic() - begun < 3:
        number += 1
        for tenant in counts:
            post(slow, f"b4{tenant}", "1", voice(1 + number % 2))
            text = slow.get(f"/get_transcript?tenant_id=b4{tenant}&chunk_id=1")["transcript"]
            counts[tenant] += text != last[tenant]
            last[tenant] = text
    assert min(counts.values()) >= 1, counts
    assert max(counts.values()) - min(counts.values()) <= 2, counts
    until(lambda: slow.get("/healthz")["queue"] == 0)


def test_no_increment_is_lost_under_load(slow: Hark) -> None:
    """B5, W2, QU3: several sessions at once, more frames than the workers can follow."""
    streams = [slow.connect(f"?tenant_id=b5{number}") for number in range(4)]
    try:
        audio = voice(6)
        for stream in streams:
            stream.send(type="set_chunk", chunk_id="1")
        for at in range(0, len(audio), 3200):
            for stream in streams:
                stream.audio(audio[at : at + 3200])
        for stream in streams:
            stream.send(type="finalize_chunk")
        finals = [stream.final("1") for stream in streams]
    finally:
        for stream in streams:
            stream.close()
    assert [final["text"] for final in finals] == [counted(6)] * 4
    assert {final["usage"]["received_s"] for final in finals} == {6.0}


def test_silence_erases_no_transcript(service: Hark) -> None:
    """B6, FI3: a silent snapshot of a chunk leaves the text that is there, and makes none."""
    assert post(service, "b6", "1", voice(1)) == 200
    until(lambda: listed(service, "b6"))
    assert post(service, "b6", "1", quiet(2)) == 200
    assert post(service, "b6", "2", quiet(2)) == 200
    assert post(service, "b6", "3", voice(2)) == 200
    until(lambda: "3" in listed(service, "b6"))
    assert listed(service, "b6") == {
        "1": {"transcript": counted(1)},
        "3": {"transcript": counted(2)},
    }


def test_whoever_knows_a_session_id_gets_nothing(service: Hark) -> None:
    """B8, W21: neither texts nor pongs of the first client reach the second, which is closed."""
    with service.connect("?session_id=b8") as first, service.connect("?session_id=b8") as second:
        say(first, "1", voice(2))
        assert second.to_the_end() == []
        first.send(type="finalize_chunk")
        assert first.final("1")["text"] == counted(2)
    assert [event["code"] for event in second.events] == ["session_in_use"]


def test_readers_and_writers_at_once(service: Hark) -> None:
    """B9: posts and reads of one tenant from many threads: never an error, nothing lost."""
    stop = threading.Event()

    def read() -> set[int]:
        statuses = set()
        while not stop.is_set():
            for path in ("/list_transcripts", "/get_latest_transcript", "/transcripts_size"):
                statuses.add(service.ask("GET", f"{path}?tenant_id=b9").status)
        return statuses

    def write(first: int) -> set[int]:
        return {post(service, "b9", str(first + number), voice(1)) for number in range(20)}

    with ThreadPoolExecutor(8) as pool:
        readers = [pool.submit(read) for _ in range(4)]
        writers = [pool.submit(write, 100 * number) for number in range(4)]
        try:
            answers = set[int]().union(*(writer.result(30) for writer in writers))
            wait_for(service, "b9", 80)
        finally:
            stop.set()
        answers = answers.union(*(reader.result(10) for reader in readers))
    assert answers == {200}


def test_the_victims_of_drop_oldest_are_told(slow: Hark) -> None:
    """B19, QU7: live interims as `dropped` on their connection, a counter, finals never.

    An interim that comes when only finals wait has nothing to displace: `queue_overload` (REC-73).
    """
    before = displaced(slow)
    streams = [slow.connect(f"?tenant_id=b19{number}") for number in range(8)]
    try:
        for stream in streams:
            say(stream, "1", voice(1.2))
        for stream in streams:
            pinged(stream)
            stream.send(type="finalize_chunk")
        finals = [stream.final("1") for stream in streams]
    finally:
        for stream in streams:
            stream.close()
    errors = [e for stream in streams for e in stream.events if e["type"] == "error"]
    dropped = [error for error in errors if error["code"] == "dropped"]
    assert dropped
    assert {error["code"] for error in errors} <= {"dropped", "queue_overload"}
    assert {error["chunk_id"] for error in errors} == {"1"}
    assert [final["text"] for final in finals] == ["one two"] * 8
    assert displaced(slow) - before == len(dropped)


def test_the_queue_counts_right(slow: Hark) -> None:
    """B21, QU9: after replaced, dropped and done jobs nothing is left waiting or running."""
    for number in range(12):
        post(slow, f"b21{number % 3}", str(number % 4), voice(1 + number % 2))
    until(lambda: slow.get("/healthz")["running"] == 0 == slow.get("/healthz")["queue"], 10)
    with slow.connect() as stream:
        assert spoken(stream, "1", voice(1))["text"] == counted(1)


def test_the_app_is_usable_while_the_model_loads() -> None:
    """B24, B23: importing and building the application loads no model and needs no torch."""
    code = (
        "import sys, threading\n"
        "from app import create_app\n"
        "from stt_config import Settings\n"
        "import app\n"
        "gate = threading.Event()\n"
        "app.create_engine = lambda *_: gate.wait(30) and None\n"
        "client = create_app(Settings(store='memory:')).test_client()\n"
        "print(client.get('/healthz').status_code, client.get('/readyz').status_code,\n"
        "      client.get('/').status_code, 'torch' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60,
        check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["200", "503", "200", "False"], done.stderr


def test_our_pages_name_no_chunk(service: Hark) -> None:
    """B31: the page that records lets the server name the chunks; the other one runs no script."""
    start, docs = (service.ask("GET", path) for path in ("/", "/docs"))

    said = start.body.decode()
    assert "auto_chunk=1" in said
    assert not any(name in said for name in ("set_chunk", "audio_b64"))
    assert b"<script" not in docs.body
    assert "script-src" not in docs.headers["Content-Security-Policy"]
    for answer in (start, docs):
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("sign", [1, -1])
def test_the_gate_hears_either_sign(service: Hark, sign: int) -> None:
    """B32: speech whose samples are all of one sign is speech, whatever a client's test makes."""
    samples = np.frombuffer(voice(2), "<i2").astype(np.int32)
    one_sided = (sign * (np.abs(samples) + 1)).clip(-32768, 32767).astype("<i2")
    with service.connect() as stream:
        assert spoken(stream, "1", one_sided.tobytes())["text"] == counted(2)


def test_chunks_of_a_tenant_wait_side_by_side(slow: Hark) -> None:
    """B33, QU3: jobs of other chunks are never merged into one."""
    for chunk_id in ("1", "2", "3"):
        assert post(slow, "b33", chunk_id, voice(int(chunk_id))) == 200
    wanted = {chunk_id: {"transcript": counted(int(chunk_id))} for chunk_id in ("1", "2", "3")}
    until(lambda: listed(slow, "b33") == wanted)


def test_latency_is_measured(service: Hark) -> None:
    """B34, QU11: wait and inference as histograms, and a log line with its fields for each job."""
    with service.connect("?session_id=b34") as stream:
        spoken(stream, "77", voice(1))
    text = service.ask("GET", "/metrics").body.decode()
    for name in (
        "hark_queue_wait_seconds",
        "hark_decode_seconds",
        "hark_utterance_end_latency_seconds",
    ):
        counts = re.findall(rf"^{name}_bucket{{.*?}} (\S+)$", text, re.MULTILINE)
        assert counts, name
        assert float(counts[-1]) >= 1, name
    line = next(x for x in service.log.read_text().splitlines() if "session_id=b34" in x)
    assert re.search(r"stt_latency_ms=\d+ chunk_id=77 session_id=b34 qsize=\d+ workers=\d+", line)


def test_no_language_is_blocked() -> None:
    """B36, FI4-FI8: texts of many scripts pass the filter; hallucinated repetition does not."""
    for text in (
        "안녕하세요 뉴스 김수근입니다",
        "अपका नाम क्या है?",
        "今日はとても良い天気ですから、一緒に公園まで散歩に行って、それから駅前の喫茶店でゆっくり話しましょう。",
        "วันนี้อากาศดีมากเราไปเดินเล่นที่สวนสาธารณะด้วยกันแล้วไปดื่มกาแฟกันเถอะนะครับ",
        "مرحبا، كيف حالك اليوم؟",
        "Сегодня очень хорошая погода.",
        "you",
        "Thank you.",
    ):
        assert not is_rejected(text), text
    for text in ("bye.", "Thanks for watching!", "x" * 41, "I know. " * 20, "   "):
        assert is_rejected(text), text


# The list.


def test_every_defect_has_its_test() -> None:
    """C1-C18 and B1-B36 are each named where a test says what it holds."""
    named: set[str] = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        for begin, end in re.findall(r"\b([CB]\d+)(?:-([CB]\d+))?\b", _docstrings(path)):
            low, high = int(begin[1:]), int((end or begin)[1:])
            named |= {f"{begin[0]}{number}" for number in range(low, high + 1)}
    wanted = {f"C{n}" for n in range(1, 19)} | {f"B{n}" for n in range(1, 37)}
    assert wanted - named == set()
    assert wanted >= NOT_BUILT


def _docstrings(path: Path) -> str:
    """The lines of a test file that are sentences about tests."""
    return "\n".join(re.findall(r'^    """.*?"""', path.read_text(), re.MULTILINE | re.DOTALL))
