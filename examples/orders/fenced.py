"""A shared SQLite file that rejects stale holders.

Law: per order and step the fence only rises. Whoever comes with a lower one than was seen before has lost the task to
somebody else (it was frozen, say) and is turned away before it writes anything. All of a step happens in one
transaction, or none of it.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from examples.orders.order import Step

# A peer that is frozen inside a transaction holds the file's lock until it thaws; the others wait that long rather
# than fail.
LOCK_PATIENCE_S = 30.0

_FENCES = (
    "CREATE TABLE IF NOT EXISTS fences (step TEXT, number TEXT, fence INTEGER NOT NULL, PRIMARY KEY (step, number))"
    " WITHOUT ROWID"
)


class StaleFence(Exception):
    """A newer attempt of the same step was here before; this one's task is no longer its own."""


class FencedStore:
    """One connection per process, one transaction at a time in it; other processes are kept apart by SQLite."""

    def __init__(self, path: Path, schema: tuple[str, ...]) -> None:
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, timeout=LOCK_PATIENCE_S, isolation_level=None, check_same_thread=False)
        # Write-ahead log: readers do not stop writers, and a killed process leaves nothing half-written. The demo
        # kills processes, it does not cut the power, so a flush per checkpoint is enough.
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        for statement in (_FENCES, *schema):
            self._connection.execute(statement)

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Commits at the end, rolls back on any exception."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    @contextmanager
    def step(self, step: Step, number: str, fence: int) -> Iterator[sqlite3.Connection]:
        """A transaction that belongs to one attempt of one order's step.

        Raises:
            StaleFence: an attempt with a higher fence was here; nothing is changed.
        """
        with self.transaction() as connection:
            row = connection.execute(
                "SELECT fence FROM fences WHERE step = ? AND number = ?", (step, number)
            ).fetchone()
            if row is not None and row[0] > fence:
                raise StaleFence(
                    f"{step} of {number}: came with fence {fence}, but {row[0]} was here before: "
                    "the task has a newer holder"
                )
            connection.execute("INSERT OR REPLACE INTO fences VALUES (?, ?, ?)", (step, number, fence))
            yield connection
