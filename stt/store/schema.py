"""The SQLite file: its tables, and connections to it. Knows nothing of threads or callers."""

from __future__ import annotations

import sqlite3
import time

BUSY_TIMEOUT = 5.0  # seconds to wait for another process's transaction (runtime RT-91)
SCHEMA = 1  # PRAGMA user_version

# `arrived` is the ticket that brought the chunk, `ticket` that of its present text. The triggers
# keep the counts that the caps need, so that a put never scans.
_TABLES = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS transcripts (
    seq INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    chunk_id TEXT NOT NULL,
    text TEXT NOT NULL,
    ticket INTEGER NOT NULL,
    arrived INTEGER NOT NULL,
    is_final INTEGER NOT NULL,
    words TEXT NOT NULL,
    size INTEGER NOT NULL,
    UNIQUE (tenant, chunk_id)
);
CREATE INDEX IF NOT EXISTS by_tenant_and_age ON transcripts (tenant, ticket);
CREATE INDEX IF NOT EXISTS by_age ON transcripts (ticket);
CREATE TABLE IF NOT EXISTS removals (
    seq INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    chunk_id TEXT NOT NULL,
    removed INTEGER NOT NULL,
    UNIQUE (tenant, chunk_id)
);
CREATE TABLE IF NOT EXISTS tenants (
    tenant TEXT PRIMARY KEY, chunks INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS total (
    one INTEGER PRIMARY KEY CHECK (one = 1), bytes INTEGER NOT NULL, checked INTEGER NOT NULL
);
INSERT OR IGNORE INTO total VALUES (1, 0, 0);
CREATE TRIGGER IF NOT EXISTS count_new AFTER INSERT ON transcripts BEGIN
    INSERT INTO tenants VALUES (NEW.tenant, 1)
        ON CONFLICT (tenant) DO UPDATE SET chunks = chunks + 1;
    UPDATE total SET bytes = bytes + NEW.size;
END;
CREATE TRIGGER IF NOT EXISTS count_changed AFTER UPDATE OF size ON transcripts BEGIN
    UPDATE total SET bytes = bytes + NEW.size - OLD.size;
END;
CREATE TRIGGER IF NOT EXISTS count_gone AFTER DELETE ON transcripts BEGIN
    UPDATE tenants SET chunks = chunks - 1 WHERE tenant = OLD.tenant;
    DELETE FROM tenants WHERE tenant = OLD.tenant AND chunks <= 0;
    UPDATE total SET bytes = bytes - OLD.size;
END;
PRAGMA user_version = {SCHEMA};
COMMIT;
"""


def connect(path: str, busy_timeout: float) -> sqlite3.Connection:
    """A connection in autocommit mode to a file with our tables, made where they are missing.

    Raises sqlite3.Error: no such folder, no right to write, not a database, another schema.
    """
    connection = sqlite3.connect(
        path, timeout=busy_timeout, isolation_level=None, check_same_thread=False
    )
    try:
        _use_wal(connection, busy_timeout)
        connection.execute("PRAGMA synchronous = NORMAL")  # kill -9 loses nothing, a power cut may
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version not in (0, SCHEMA):
            raise sqlite3.DatabaseError(f"its schema is {version}, this version knows {SCHEMA}")
        if version == 0:
            connection.executescript(_TABLES)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _use_wal(connection: sqlite3.Connection, timeout: float) -> None:
    """Switch to WAL. SQLite does not wait by itself here when several processes open at once."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            if mode not in ("wal", "memory"):
                raise sqlite3.OperationalError(f"its file system gives {mode!r}, not 'wal'")
            return
