"""Which transcript store a ``STT_STORE`` value means. One line here for each further store."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path

from stt.errors import SettingError
from stt.store.base import TranscriptStore
from stt.store.sqlite import MAX_BYTES, MAX_CHUNKS_PER_TENANT, SQLiteStore

log = logging.getLogger("stt.store")

SERVED = "sqlite:///<path>, sqlite:////<absolute path>, memory:"

NETWORK_FILE_SYSTEMS = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "glusterfs", "lustre", "fuse.sshfs")
)


def open_store(
    url: str,
    *,
    max_chunks_per_tenant: int = MAX_CHUNKS_PER_TENANT,
    max_bytes: int = MAX_BYTES,
) -> TranscriptStore:
    """The store that ``url`` names, open, its folder made. Raises SettingError naming STT_STORE."""
    scheme, colon, rest = url.partition(":")
    if scheme in ("redis", "rediss") and colon:
        raise SettingError(f"STT_STORE={url!r}: Redis is not built in yet; use one of {SERVED}")
    if url == "memory:":
        path = ":memory:"
    elif scheme == "sqlite" and rest.startswith("///") and _is_file_name(rest[3:]):
        path = _prepared(url, rest[3:])
    else:
        raise SettingError(f"STT_STORE={url!r} is not a transcript store; use one of {SERVED}")
    try:
        return SQLiteStore(path, max_chunks_per_tenant=max_chunks_per_tenant, max_bytes=max_bytes)
    except sqlite3.Error as error:
        raise SettingError(f"STT_STORE={url!r} cannot be used: {error}") from error


def _is_file_name(path: str) -> bool:
    """Neither empty, nor one of SQLite's special names, nor cut off by a NUL."""
    return bool(path) and not path.startswith((":", "file:")) and "\0" not in path


def _prepared(url: str, path: str) -> str:
    """The path, with its folder made; warns where it lies on a network file system (RT-96)."""
    file = Path(path)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingError(f"STT_STORE={url!r}: its folder cannot be made: {error}") from error
    if (kind := file_system(file.parent.resolve())) in NETWORK_FILE_SYSTEMS:
        log.warning("STT_STORE=%r lies on %s; SQLite can lose transcripts there", url, kind)
    return path


def file_system(folder: Path, mounts: Path = Path("/proc/self/mounts")) -> str | None:
    """The kind of file system an absolute folder lies on, as Linux names it; None: cannot tell."""
    try:
        lines = [line.split() for line in mounts.read_text().splitlines()]
    except (OSError, UnicodeDecodeError):
        return None
    kinds = {Path(fields[1]): fields[2] for fields in lines if len(fields) > 2}
    places = (place for place in (folder, *folder.parents) if place in kinds)
    return next((kinds[place] for place in places), None)
