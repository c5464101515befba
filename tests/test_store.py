"""The transcript store: tickets, removals, order, caps, several threads and processes, failures."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, wait
from pathlib import Path

import pytest

from stt.errors import SettingError, StoreError
from stt.store import writer as writer_module
from stt.store.base import Stored, TranscriptStore
from stt.store.schema import connect
from stt.store.sqlite import SQLiteStore
from stt.store.table import file_system, open_store

ROOT = Path(__file__).parent.parent
DEADLINE = 20  # seconds until a thing that should happen counts as missing


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TranscriptStore]:
    """An empty store, in a file and in memory."""
    url = "memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/t.db"
    opened = open_store(url)
    yield opened
    opened.close()


def keep(store: TranscriptStore, chunk_id: str, text: str = "hi", ticket: int = 1) -> None:
    """Put a row of tenant "a" and wait for the commit."""
    store.put(Stored("a", chunk_id, text, ticket)).result(DEADLINE)


def ids(store: TranscriptStore, tenant: str = "a") -> list[str]:
    """The chunk ids of a tenant, in the store's order."""
    return [row.chunk_id for row in store.chunks(tenant)]


def remove(store: TranscriptStore, *chunk_ids: str) -> None:
    """Remove chunks of tenant "a"."""
    store.edit("a", lambda rows: dict.fromkeys(chunk_ids))


def refuse(rows: object) -> dict[str, str | None]:
    """An edit that fails."""
    raise LookupError("nothing matches")


# What is put comes back.


def test_a_row_comes_back_as_it_was_put(store: TranscriptStore) -> None:
    """native DM7: all fields survive, and tenants do not see each other's chunks."""
    row = Stored("a", "17", "grüß dich 你好 \U0001f600", 5, True, '[{"word": "x"}]')

    store.put(row).result(DEADLINE)

    assert store.get("a", "17") == row
    assert store.chunks("a") == [row]
    assert store.get("b", "17") is None
    assert store.chunks("b") == []


@pytest.mark.parametrize("text", ["", "  \n"])
def test_a_blank_text_is_refused(store: TranscriptStore, text: str) -> None:
    """native FI3: a blank text is a mistake of the caller, in put and in edit."""
    keep(store, "1")

    with pytest.raises(ValueError, match="blank"):
        store.put(Stored("a", "2", text, 1))
    with pytest.raises(ValueError, match="blank"):
        store.edit("a", lambda rows: {"1": text})

    assert [row.text for row in store.chunks("a")] == ["hi"]


def test_ids_that_are_not_unicode_are_not_found_and_not_kept(store: TranscriptStore) -> None:
    """native DM8: half a surrogate pair, which JSON can bring, breaks nothing."""
    with pytest.raises(ValueError, match="surrogates"):
        store.put(Stored("a", "\ud800", "hi", 1))

    assert store.get("a", "\ud800") is None
    assert store.chunks("\ud800") == []


# Order.


def test_decimal_ids_come_by_value_then_the_others_by_arrival(store: TranscriptStore) -> None:
    """native DM9, B14: "10" after "9", ids above 2**63 and of 128 digits too."""
    huge = "9" * 128
    for ticket, chunk_id in enumerate(["b", huge, "10", "a", "9", str(2**64), "007", "-1", "٣"]):
        keep(store, chunk_id, ticket=ticket + 1)

    assert ids(store) == ["007", "9", "10", str(2**64), huge, "b", "a", "-1", "٣"]


def test_a_newer_snapshot_keeps_the_place_of_its_chunk(store: TranscriptStore) -> None:
    """native DM9: arrival is that of the chunk's first audio, not of its last snapshot."""
    keep(store, "x", ticket=1)
    keep(store, "y", ticket=2)

    keep(store, "x", ticket=3)

    assert ids(store) == ["x", "y"]


# Tickets and removals.


def test_an_older_ticket_never_replaces_a_newer_one(store: TranscriptStore) -> None:
    """native B3: the slower job of an older snapshot loses; the same ticket may be improved."""
    keep(store, "1", "newer", ticket=10)

    keep(store, "1", "older", ticket=9)
    before = store.get("a", "1")
    keep(store, "1", "final", ticket=10)

    assert before == Stored("a", "1", "newer", 10)
    assert store.get("a", "1") == Stored("a", "1", "final", 10)


def test_a_job_older_than_the_removal_does_not_bring_the_chunk_back(store: TranscriptStore) -> None:
    """native B27, RE5: audio that came before the removal is ignored, audio after it is not."""
    before = time.time_ns()
    keep(store, "1", ticket=before)

    remove(store, "1")
    keep(store, "1", "late", ticket=before + 1)
    gone = store.get("a", "1")
    after = time.time_ns() + 1
    keep(store, "1", "new", ticket=after)

    assert gone is None
    assert store.get("a", "1") == Stored("a", "1", "new", after)


def test_a_removal_of_a_chunk_that_has_no_text_yet_counts(store: TranscriptStore) -> None:
    """native RE5: the first job of the chunk still runs when it is deleted."""
    before = time.time_ns()

    remove(store, "1")
    keep(store, "1", "late", ticket=before)

    assert store.get("a", "1") is None


def test_the_removals_remembered_are_bounded(
    store: TranscriptStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """native RE4: deleting made-up ids does not fill the disk; the earliest are forgotten."""
    monkeypatch.setattr("stt.store.sqlite.MAX_REMOVALS", 3)

    remove(store, *"12345")
    for chunk_id in "12345":
        keep(store, chunk_id, "late", ticket=1)

    assert ids(store) == ["1", "2"]


# Edits.


def test_an_edit_changes_and_removes_in_one_step(store: TranscriptStore) -> None:
    """native SN10: the callback sees the chunks in order; words of a changed text go.

    The change counts as newer than what it changed: the same text does not come back.
    """
    store.put(Stored("a", "10", "Two three", 2, True, '[{"word": "Two"}]'))
    store.put(Stored("a", "9", "One.", 1, True))
    seen = []

    def first_sentence(rows: object) -> dict[str, str | None]:
        seen.extend(rows)  # type: ignore[call-overload]
        return {"9": None, "10": "three"}

    store.edit("a", first_sentence)

    assert [row.chunk_id for row in seen] == ["9", "10"]
    store.put(Stored("a", "10", "Two three", 2)).result(5)
    assert store.chunks("a") == [Stored("a", "10", "three", 3, True, "[]")]
    assert (store.has("a"), store.has("nobody")) == (True, False)


def test_a_failing_edit_changes_nothing_and_harms_no_neighbour(store: TranscriptStore) -> None:
    """The callback's exception reaches its caller; puts beside it are kept."""
    keep(store, "1")
    beside = store.put(Stored("a", "2", "hi", 1))

    with pytest.raises(LookupError, match="nothing matches"):
        store.edit("a", refuse)
    with pytest.raises(ValueError, match="no chunk '7'"):
        store.edit("a", lambda rows: {"1": None, "7": "hi"})

    beside.result(DEADLINE)
    assert ids(store) == ["1", "2"]


def test_two_pops_never_give_the_same_text(store: TranscriptStore) -> None:
    """runtime RT-92: 4 threads pop 100 chunks, each chunk goes to exactly one."""
    futures = [store.put(Stored("a", str(i), f"text {i}", 1)) for i in range(100)]
    popped: list[str] = []

    def pop_all() -> None:
        taken: list[str] = [""]

        def first(rows: list[Stored]) -> dict[str, str | None]:
            taken[:] = [row.chunk_id for row in rows[:1]]
            return dict.fromkeys(taken)

        while taken:
            store.edit("a", first)
            popped.extend(taken)

    wait(futures)
    in_threads([pop_all] * 4)

    assert sorted(popped, key=int) == [str(i) for i in range(100)]


# Retention.


def test_sweep_removes_by_arrival_whatever_the_id(store: TranscriptStore) -> None:
    """native RE1, RE3, B10, B11: the ticket's age counts, odd ids neither live nor die longer."""
    for chunk_id, ticket in [("1", 100), ("99999999999999", 10), ("odd id", 10), ("3", 99)]:
        keep(store, chunk_id, ticket=ticket)

    removed = store.sweep(100)

    assert removed == 3
    assert ids(store) == ["1"]


def test_sweep_forgets_old_removals(store: TranscriptStore) -> None:
    """native RE4: a removal is remembered as long as a job could be, no longer."""
    remove(store, "1")
    keep(store, "1", "late", ticket=1)
    remembered = store.get("a", "1")

    store.sweep(time.time_ns() + 1)
    keep(store, "1", "late", ticket=1)

    assert remembered is None
    assert ids(store) == ["1"]


def test_a_tenant_has_a_cap_and_its_oldest_tickets_go_first(tmp_path: Path) -> None:
    """native RE4, runtime RT-93: only the tenant that grows loses chunks."""
    store = open_store(f"sqlite:///{tmp_path}/t.db", max_chunks_per_tenant=2)
    store.put(Stored("b", "1", "hi", 1))

    for chunk_id, ticket in [("5", 50), ("1", 10), ("9", 30), ("9", 60), ("7", 55)]:
        keep(store, chunk_id, ticket=ticket)

    assert ids(store) == ["7", "9"]
    assert ids(store, "b") == ["1"]
    store.close()


def test_all_tenants_together_have_a_cap_in_bytes(tmp_path: Path) -> None:
    """native RE4: the oldest of all go first; the count holds over edits and reopening."""
    url = f"sqlite:///{tmp_path}/t.db"
    store = open_store(url, max_bytes=1000)
    keep(store, "1", "x" * 400, ticket=1)
    store.put(Stored("b", "1", "x" * 300, 2)).result(DEADLINE)
    store.edit("b", lambda rows: {"1": "x" * 500})
    store.close()

    store = open_store(url, max_bytes=1000)
    before = ids(store)
    keep(store, "2", "x" * 100, ticket=3)
    oldest_gone = (ids(store), ids(store, "b"))
    keep(store, "3", "x" * 2000, ticket=4)

    assert before == ["1"]
    assert oldest_gone == (["2"], ["1"])
    assert (ids(store), ids(store, "b")) == ([], [])  # too large even alone
    store.close()


# Threads and processes.


def in_threads(works: list) -> None:  # type: ignore[type-arg]
    """Run functions at once; what one raises is raised here."""
    failures: list[BaseException] = []

    def run(work: object) -> None:
        try:
            work()  # type: ignore[operator]
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
        assert not thread.is_alive()
    if failures:
        raise failures[0]


def test_8_writers_and_8_readers_lose_nothing(store: TranscriptStore) -> None:
    """native B9: no exception, no lost update, reads see every put whose future is done."""
    rounds = 40

    def write(tenant: str) -> None:
        for i in range(rounds):
            store.put(Stored(tenant, str(i), f"text {i}", i + 1)).result(DEADLINE)
            assert store.get(tenant, str(i)) == Stored(tenant, str(i), f"text {i}", i + 1)

    def read(tenant: str) -> None:
        seen = 0
        while seen < rounds:
            rows = store.chunks(tenant)
            assert [row.chunk_id for row in rows] == [str(i) for i in range(len(rows))]
            assert len(rows) >= seen
            seen = len(rows)

    in_threads(
        [lambda t=t: write(t) for t in "abcdefgh"] + [lambda t=t: read(t) for t in "abcdefgh"]
    )

    assert all(len(store.chunks(tenant)) == rounds for tenant in "abcdefgh")


_WRITER_PROCESS = """
import sys
from stt.store.base import Stored
from stt.store.table import open_store
store = open_store(sys.argv[1])
for i in range(int(sys.argv[3])):
    store.put(Stored(sys.argv[2], str(i), "text", i + 1)).result()
    print(i, flush=True)
"""


def writer_process(url: str, tenant: str, rows: int) -> subprocess.Popen[str]:
    """A process that puts rows and prints the number of each when it is acknowledged."""
    return subprocess.Popen(
        [sys.executable, "-c", _WRITER_PROCESS, url, tenant, str(rows)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_several_processes_open_and_write_the_same_file(tmp_path: Path) -> None:
    """runtime RT-90: 3 processes start on a file that does not exist yet."""
    url = f"sqlite:///{tmp_path}/new/t.db"

    processes = [writer_process(url, tenant, 50) for tenant in "abc"]
    for process in processes:
        process.communicate(timeout=DEADLINE)

    store = open_store(url)
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert [len(store.chunks(tenant)) for tenant in "abc"] == [50, 50, 50]
    store.close()


def test_an_acknowledged_put_survives_kill_9(tmp_path: Path) -> None:
    """runtime section 11: every row whose future was done is there after SIGKILL."""
    url = f"sqlite:///{tmp_path}/t.db"
    process = writer_process(url, "a", 1_000_000)
    assert process.stdout is not None

    acknowledged = [process.stdout.readline() for _ in range(300)]
    process.send_signal(signal.SIGKILL)
    acknowledged += process.stdout.readlines()
    process.wait(DEADLINE)
    process.stdout.close()

    store = open_store(url)
    last = int([line for line in acknowledged if line.endswith("\n")][-1])
    assert last >= 299
    assert set(map(str, range(last + 1))) <= set(ids(store))
    store.close()


# Failures.


def test_a_locked_file_fails_the_put_and_the_store_recovers(tmp_path: Path) -> None:
    """The future gets StoreError, healthy() tells, and the write thread lives on."""
    path = f"{tmp_path}/t.db"
    store = SQLiteStore(path, busy_timeout=0.02)
    other = sqlite3.connect(path, isolation_level=None)

    other.execute("BEGIN IMMEDIATE")
    future = store.put(Stored("a", "1", "hi", 1))
    with pytest.raises(StoreError, match="locked"):
        future.result(DEADLINE)
    with pytest.raises(StoreError, match="locked"):
        remove(store, "1")
    ill = store.healthy()
    other.execute("ROLLBACK")
    keep(store, "2")

    assert not ill
    assert store.healthy()
    assert ids(store) == ["2"]
    store.close()
    other.close()


_FULL_DISK = """
import resource, signal, sys
from stt.errors import StoreError
from stt.store.base import Stored
from stt.store.table import open_store
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = open_store(sys.argv[1])
store.put(Stored("a", "1", "kept", 1)).result()
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, resource.RLIM_INFINITY))
try:
    store.put(Stored("a", "2", "x" * 300_000, 2)).result()
except StoreError as error:
    print(error)
store.sweep(0) if store.healthy() else None
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
store.put(Stored("a", "3", "kept too", 3)).result()
print(store.healthy(), [row.chunk_id for row in store.chunks("a")])
"""


def test_a_full_disk_fails_the_put_and_the_store_recovers(tmp_path: Path) -> None:
    """A write the disk does not take is StoreError; when there is room again, writing works."""
    command = [sys.executable, "-c", _FULL_DISK, f"sqlite:///{tmp_path}/t.db"]

    answer = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE, check=False
    )

    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines()[0].startswith("The transcript store failed: ")
    assert answer.stdout.splitlines()[1:] == ["True ['1', '3']"]


def test_too_many_waiting_writes_are_refused(
    store: TranscriptStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """native RE4: a disk that hangs does not fill the memory."""
    monkeypatch.setattr(writer_module, "MAX_WAITING", 2)
    inside, go_on = threading.Event(), threading.Event()

    def hang(rows: object) -> dict[str, str | None]:
        inside.set()
        go_on.wait(DEADLINE)
        return {}

    editor = threading.Thread(target=store.edit, args=("a", hang))
    editor.start()
    assert inside.wait(DEADLINE)
    futures = [store.put(Stored("a", str(i), "hi", 1)) for i in range(3)]
    refused = futures[2].exception(DEADLINE)
    go_on.set()
    editor.join(DEADLINE)

    assert isinstance(refused, StoreError)
    assert [future.result(DEADLINE) for future in futures[:2]] == [None, None]
    assert ids(store) == ["0", "1"]


def test_a_cancelled_put_does_not_harm_the_write_thread(store: TranscriptStore) -> None:
    """A caller may cancel the future of a put."""
    inside, go_on = threading.Event(), threading.Event()

    def hang(rows: object) -> dict[str, str | None]:
        inside.set()
        go_on.wait(DEADLINE)
        return {}

    editor = threading.Thread(target=store.edit, args=("a", hang))
    editor.start()
    assert inside.wait(DEADLINE)
    cancelled = store.put(Stored("a", "1", "hi", 1)).cancel()
    go_on.set()
    editor.join(DEADLINE)
    keep(store, "2")

    assert cancelled
    assert ids(store) == ["2"]


def test_close_writes_what_waits_and_ends_everything(tmp_path: Path) -> None:
    """After close every put before it is on disk, everything later is StoreError."""
    url = f"sqlite:///{tmp_path}/t.db"
    store = open_store(url)
    futures: list[Future[None]] = [store.put(Stored("a", str(i), "hi", i + 1)) for i in range(2500)]

    store.close()
    store.close()

    assert all(future.done() and future.exception() is None for future in futures)
    with pytest.raises(StoreError, match="closed"):
        store.put(Stored("a", "1", "hi", 1)).result(DEADLINE)
    with pytest.raises(StoreError, match="closed"):
        store.chunks("a")
    assert not store.healthy()
    again = open_store(url)
    assert len(again.chunks("a")) == 2500
    again.close()


# Settings.


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("redis://h:6379/0", "not built in yet"),
        ("rediss://h", "not built in yet"),
        ("postgres://x", "not a transcript store"),
        ("", "not a transcript store"),
        ("memory", "not a transcript store"),
        ("sqlite://", "not a transcript store"),
        ("sqlite:///", "not a transcript store"),
        ("sqlite:///:memory:", "not a transcript store"),
        ("sqlite://host/t.db", "not a transcript store"),
        ("sqlite:///a\0b", "not a transcript store"),
    ],
)
def test_a_bad_url_stops_the_start(url: str, what: str) -> None:
    """The setting, its value and what is allowed are named."""
    with pytest.raises(SettingError, match=f"STT_STORE.*{what}.*sqlite:///<path>"):
        open_store(url)


def test_an_unusable_path_stops_the_start(tmp_path: Path) -> None:
    """A file in the way, a folder in its place, no database, another schema."""
    (tmp_path / "file").write_text("x" * 5000)
    (tmp_path / "folder").mkdir()
    with sqlite3.connect(tmp_path / "newer.db") as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()

    for path in ["file/under/t.db", "folder", "file", "newer.db"]:
        with pytest.raises(SettingError, match="STT_STORE"):
            open_store(f"sqlite:///{tmp_path}/{path}")


def test_a_file_without_wal_is_refused(tmp_path: Path) -> None:
    """runtime RT-91: neither a file that stays locked nor one that cannot do WAL is used."""
    other = sqlite3.connect(tmp_path / "t.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")

    with pytest.raises(sqlite3.OperationalError, match="locked"):
        connect(f"{tmp_path}/t.db", 0.02)
    with pytest.raises(sqlite3.OperationalError, match="gives 'delete'"):
        connect("", 0.02)  # SQLite's name for a file of its own, which has no WAL

    other.close()


def test_a_relative_path_is_under_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """runtime RT-90: ``sqlite:///var/hark.db`` makes the folder var."""
    monkeypatch.chdir(tmp_path)

    open_store("sqlite:///var/hark.db").close()

    assert os.path.exists(tmp_path / "var" / "hark.db")


def test_a_network_file_system_is_warned_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """runtime RT-96: the nearest mount above the folder decides."""
    mounts = tmp_path / "mounts"
    mounts.write_text("/dev/sda / ext4 rw 0 0\nserver:/x /srv/data nfs4 rw 0 0\nbroken\n")

    kinds = [file_system(Path(p), mounts) for p in ("/srv/data/a/b", "/srv/database", "/")]
    unknown = file_system(Path("/"), tmp_path / "none")
    monkeypatch.setattr("stt.store.table.file_system", lambda folder: "nfs4")
    open_store(f"sqlite:///{tmp_path}/t.db").close()

    assert kinds == ["nfs4", "ext4", "ext4"]
    assert unknown is None
    assert "lies on nfs4" in caplog.text
