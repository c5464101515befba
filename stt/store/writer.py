"""The one thread that writes to the SQLite store, with group commit (runtime RT-91).

Works wait in a queue; all that wait together run in one transaction, so a commit's price is shared.
A work's future is done only after the commit. Knows nothing of transcripts, and never dies of a
failed transaction.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from stt.errors import StoreError

log = logging.getLogger("stt.store")

MAX_GROUP = 1000
"""Works in one transaction: about 20 ms, which bounds how long another process must wait."""
MAX_WAITING = 100_000
"""Works waiting for the disk; a disk that hangs must not fill the memory (native RE4)."""

T = TypeVar("T")
Work = tuple[Callable[[], Any], "Future[Any]"]


class WriteThread:
    """Runs works inside transactions of ``connection``, holding ``lock`` for each transaction.

    ``before_commit`` runs as the last step of each transaction. All methods are thread-safe.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        lock: threading.Lock,
        before_commit: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._lock = lock
        self._before_commit = before_commit
        self._waiting: SimpleQueue[Work | None] = SimpleQueue()
        self._gate = threading.Lock()  # guards _closed: nothing enters the queue after the None
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Have ``work`` run on the write thread, in order of submission. Never blocks.

        An exception of ``work`` undoes what it did, not what its neighbours did, and goes to the
        future. A failed transaction gives StoreError to every work in it.
        """
        future: Future[T] = Future()
        with self._gate:
            if self._closed:
                future.set_exception(StoreError("The transcript store is closed."))
            elif self._waiting.qsize() >= MAX_WAITING:
                future.set_exception(
                    StoreError(f"The transcript store is too slow: {MAX_WAITING} writes wait.")
                )
            else:
                self._waiting.put((work, future))
        return future

    def close(self) -> None:
        """Run what waits, then end the thread."""
        with self._gate:
            if not self._closed:
                self._closed = True
                self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        more = True
        while more:
            group, more = self._take()
            self._commit(group)

    def _take(self) -> tuple[list[Work], bool]:
        """Everything that waits, at least one; False with it when it is the last."""
        group: list[Work] = []
        work = self._waiting.get()
        while work is not None:
            if work[1].set_running_or_notify_cancel():
                group.append(work)
            if len(group) >= MAX_GROUP:
                return group, True
            try:
                work = self._waiting.get_nowait()
            except Empty:
                return group, True
        return group, False

    def _commit(self, group: list[Work]) -> None:
        """Run a group in one transaction, and tell its futures."""
        if not group:
            return
        try:
            with self._lock:
                answers = self._transact(group)
        except Exception as error:
            log.error("a transaction of %d writes failed: %r", len(group), error)
            for _, future in group:
                future.set_exception(StoreError(f"The transcript store failed: {error}"))
        else:
            for answer in answers:
                answer()

    def _transact(self, group: list[Work]) -> list[Callable[[], None]]:
        """How to tell each future, once the transaction is committed. The lock must be held."""
        execute = self._connection.execute
        try:
            execute("BEGIN IMMEDIATE")
            answers = [self._apply(work, future) for work, future in group]
            self._before_commit()
            execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):  # the first error is the one to report
                self._connection.rollback()
            raise
        return answers

    def _apply(self, work: Callable[[], Any], future: Future[Any]) -> Callable[[], None]:
        """Run one work; its own mistake is undone alone, the database's fails the group."""
        self._connection.execute("SAVEPOINT work")
        try:
            result = work()
        except sqlite3.Error:
            raise
        except Exception as error:
            self._connection.execute("ROLLBACK TO work")
            self._connection.execute("RELEASE work")
            return partial(future.set_exception, error)
        self._connection.execute("RELEASE work")
        return partial(future.set_result, result)
