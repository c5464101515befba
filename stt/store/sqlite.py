"""Transcripts in a SQLite file, or in memory: survives ``kill -9``, shared by processes (RT-90).

One thread writes (stt.store.writer), one connection behind a lock reads. Never holds audio. The
file must not lie on a network file system: WAL needs shared memory (RT-96).
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from concurrent.futures import Future
from functools import partial
from typing import Any

from stt.errors import StoreError
from stt.store.base import Edit, Stored
from stt.store.schema import BUSY_TIMEOUT, connect
from stt.store.writer import WriteThread

MAX_CHUNKS_PER_TENANT = 10_000  # runtime RT-93
MAX_BYTES = 256 * 2**20
"""Texts, words and ids of all tenants; some 500,000 chunks of 500 bytes."""
MAX_REMOVALS = 100_000
"""Removals remembered at most; the earliest are forgotten first (native RE4)."""
HEALTH_TIMEOUT = 2.0  # seconds until a store that does not write counts as ill

# Text of an older ticket than the chunk's, or than its removal, changes nothing (native B3, RE5).
_PUT = """
INSERT INTO transcripts (tenant, chunk_id, text, ticket, arrived, is_final, words, size)
SELECT :tenant, :chunk_id, :text, :ticket, :ticket, :is_final, :words, :size
WHERE NOT EXISTS (
    SELECT 1 FROM removals
    WHERE tenant = :tenant AND chunk_id = :chunk_id AND removed >= :ticket
)
ON CONFLICT (tenant, chunk_id) DO UPDATE SET
    text = excluded.text, ticket = excluded.ticket, is_final = excluded.is_final,
    words = excluded.words, size = excluded.size
WHERE excluded.ticket >= transcripts.ticket
"""

_REMOVE_OLDEST_OF_TENANT = """
DELETE FROM transcripts WHERE seq IN
    (SELECT seq FROM transcripts WHERE tenant = ? ORDER BY ticket, seq LIMIT ?)
"""

_REMOVE_OLDEST = """
DELETE FROM transcripts WHERE seq =
    (SELECT seq FROM transcripts ORDER BY ticket, seq LIMIT 1)
"""

_COLUMNS = "tenant, chunk_id, text, ticket, is_final, words"

_OF_TENANT = f"SELECT {_COLUMNS} FROM transcripts WHERE tenant = ? ORDER BY arrived, seq"


class SQLiteStore:
    """The TranscriptStore of ``sqlite:///path`` and ``memory:`` (path ``:memory:``).

    Raises sqlite3.Error where the file cannot be used. Any thread may call it; the callback of
    ``edit`` runs on the write thread and must not call the store.
    """

    def __init__(
        self,
        path: str,
        *,
        max_chunks_per_tenant: int = MAX_CHUNKS_PER_TENANT,
        max_bytes: int = MAX_BYTES,
        busy_timeout: float = BUSY_TIMEOUT,
    ) -> None:
        self._max_chunks = max_chunks_per_tenant
        self._max_bytes = max_bytes
        self._grown: set[str] = set()  # tenants with new chunks; only the write thread uses it
        self._write = connect(path, busy_timeout)
        write_lock = threading.Lock()
        if path == ":memory:":  # a second connection would see another database
            self._read, self._read_lock = self._write, write_lock
        else:
            self._read, self._read_lock = connect(path, busy_timeout), threading.Lock()
        self._writer = WriteThread(self._write, write_lock, self._enforce_caps)

    def put(self, row: Stored) -> Future[None]:
        """Keep a transcript; see TranscriptStore. ValueError: blank text, or not Unicode."""
        return self._writer.submit(partial(self._put, row, _size(row.text, row)))

    def get(self, tenant: str, chunk_id: str) -> Stored | None:
        """One chunk, or None."""
        where = "WHERE tenant = ? AND chunk_id = ?"
        rows = self._select(f"SELECT {_COLUMNS} FROM transcripts {where}", (tenant, chunk_id))
        return rows[0] if rows else None

    def has(self, tenant: str) -> bool:
        """Whether a tenant has any chunk."""
        return bool(
            self._select(f"SELECT {_COLUMNS} FROM transcripts WHERE tenant = ? LIMIT 1", (tenant,))
        )

    def chunks(self, tenant: str) -> list[Stored]:
        """All chunks of a tenant: decimal ids by value, then the others by arrival (DM9)."""
        return sorted(self._select(_OF_TENANT, (tenant,)), key=_by_value)

    def edit(self, tenant: str, edit: Edit) -> None:
        """Read a tenant's chunks and change them in one transaction (RT-92).

        Raises what ``edit`` raises, ValueError for a blank text or text for a chunk that is not
        there; then nothing is changed. Removing an absent chunk keeps older jobs from making it.
        """
        self._writer.submit(partial(self._edit, tenant, edit)).result()

    def sweep(self, older_than: int) -> int:
        """Remove every chunk whose ticket is below ``older_than`` (ns); how many (RE1)."""
        return self._writer.submit(partial(self._sweep, older_than)).result()

    def healthy(self) -> bool:
        """Whether it can be read and written now; answers within some seconds."""
        try:
            self._select(f"SELECT {_COLUMNS} FROM transcripts LIMIT 1", ())
            self._writer.submit(self._touch).result(timeout=HEALTH_TIMEOUT)
        except (StoreError, TimeoutError):
            return False
        return True

    def close(self) -> None:
        """Write what is waiting, then let go. Never raises."""
        self._writer.close()
        with self._read_lock, contextlib.suppress(sqlite3.Error):
            self._read.close()
        with contextlib.suppress(sqlite3.Error):
            self._write.close()

    def _select(self, sql: str, values: tuple[str, ...]) -> list[Stored]:
        """Rows of the read connection. Raises StoreError."""
        try:
            with self._read_lock:
                rows = self._read.execute(sql, values).fetchall()
        except UnicodeEncodeError:  # half a surrogate pair: nothing is stored under such an id
            return []
        except sqlite3.Error as error:
            raise StoreError(f"The transcript store cannot be read: {error}") from error
        return [_stored(row) for row in rows]

    # The rest runs on the write thread, inside a transaction.

    def _put(self, row: Stored, size: int) -> None:
        values = {
            "tenant": row.tenant,
            "chunk_id": row.chunk_id,
            "text": row.text,
            "ticket": row.ticket,
            "is_final": row.is_final,
            "words": row.words,
            "size": size,
        }
        self._write.execute(_PUT, values)
        self._grown.add(row.tenant)

    def _edit(self, tenant: str, edit: Edit) -> None:
        rows = [_stored(row) for row in self._write.execute(_OF_TENANT, (tenant,))]
        known = {row.chunk_id: row for row in rows}
        for chunk_id, text in edit(sorted(rows, key=_by_value)).items():
            if text is None:
                self._remove(tenant, chunk_id)
            elif chunk_id not in known:
                raise ValueError(f"There is no chunk {chunk_id!r} to change.")
            elif text != known[chunk_id].text:
                # The times of the old words do not fit the new text. A ticket more: what was
                # said before the change is older now, and does not bring the old text back.
                size = _size(text, known[chunk_id])
                self._write.execute(
                    "UPDATE transcripts SET text = ?, words = '[]', size = ?, ticket = ticket + 1"
                    " WHERE tenant = ? AND chunk_id = ?",
                    (text, size, tenant, chunk_id),
                )

    def _remove(self, tenant: str, chunk_id: str) -> None:
        ids = (tenant, chunk_id)
        self._write.execute("DELETE FROM transcripts WHERE tenant = ? AND chunk_id = ?", ids)
        # A new seq each time: the numbers then tell the newest MAX_REMOVALS without counting.
        self._write.execute(
            "INSERT OR REPLACE INTO removals (seq, tenant, chunk_id, removed)"
            " VALUES ((SELECT ifnull(max(seq), 0) + 1 FROM removals), ?, ?, ?)",
            (*ids, time.time_ns()),
        )
        self._write.execute(
            "DELETE FROM removals WHERE seq <= (SELECT max(seq) FROM removals) - ?",
            (MAX_REMOVALS,),
        )

    def _sweep(self, older_than: int) -> int:
        self._write.execute("DELETE FROM removals WHERE removed < ?", (older_than,))
        gone = self._write.execute("DELETE FROM transcripts WHERE ticket < ?", (older_than,))
        return gone.rowcount

    def _touch(self) -> None:
        self._write.execute("UPDATE total SET checked = ?", (time.time_ns(),))

    def _enforce_caps(self) -> None:
        """Oldest tickets go first: of each tenant that grew, then of all (native RE4)."""
        for tenant in self._grown:
            excess = self._number("SELECT chunks FROM tenants WHERE tenant = ?", tenant)
            if (excess := excess - self._max_chunks) > 0:
                self._write.execute(_REMOVE_OLDEST_OF_TENANT, (tenant, excess))
        self._grown.clear()
        while self._number("SELECT bytes FROM total") > self._max_bytes:
            self._write.execute(_REMOVE_OLDEST)

    def _number(self, sql: str, *values: str) -> int:
        row = self._write.execute(sql, values).fetchone()
        return int(row[0]) if row else 0


def _stored(row: tuple[Any, ...]) -> Stored:
    tenant, chunk_id, text, ticket, is_final, words = row
    return Stored(tenant, chunk_id, text, ticket, bool(is_final), words)


def _size(text: str, row: Stored) -> int:
    """Bytes of a row, with ``text`` as its text. ValueError: blank text, or not Unicode."""
    if not text.strip():
        raise ValueError(f"The text of chunk {row.chunk_id!r} is blank; it cannot be stored.")
    return sum(len(part.encode()) for part in (row.tenant, row.chunk_id, text, row.words))


def _by_value(row: Stored) -> tuple[bool, int, str]:
    """Sort key of native DM9; equal for ids that are not decimal, whose order then stays."""
    if not (row.chunk_id.isascii() and row.chunk_id.isdigit()):
        return True, 0, ""
    digits = row.chunk_id.lstrip("0")  # the longer the larger: no limit of an integer type
    return False, len(digits), digits
