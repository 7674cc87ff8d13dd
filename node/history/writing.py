"""What the writer thread does to the file.

Law: rows, the spans they belong to and the progress they prove are one transaction. Of two rows of one task the one
that ended later stays, in whatever order they come. SQLite is asked once for hundreds of rows, because each call
gives the interpreter away and has to win it back from a busy loop.
"""

import sqlite3
import zlib
from collections.abc import Sequence

import msgspec

from quorate.node.history.spans import Spans
from quorate.scheduling.task import Task

PRUNED_AT_ONCE = 500

_COLUMNS = 11
_ROWS_PER_CALL = (512, 64, 8, 1)
_ROW = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_INSERT = "INSERT INTO ended (end_seq, id, seq, namespace, queue, handler, state, key, ended_ms, crc, record) VALUES "
_NEWER_WINS = """
ON CONFLICT (end_seq) DO NOTHING
ON CONFLICT (id) DO UPDATE SET
    end_seq = excluded.end_seq, seq = excluded.seq, namespace = excluded.namespace, queue = excluded.queue,
    handler = excluded.handler, state = excluded.state, key = excluded.key, ended_ms = excluded.ended_ms,
    crc = excluded.crc, record = excluded.record
WHERE excluded.end_seq > ended.end_seq
"""
_STATEMENTS = {count: _INSERT + ", ".join([_ROW] * count) + _NEWER_WINS for count in _ROWS_PER_CALL}
_PRUNE = """
DELETE FROM ended
WHERE end_seq IN (SELECT end_seq FROM ended ORDER BY end_seq LIMIT ?) AND (end_seq <= ? OR ended_ms <= ?)
"""
_encode = msgspec.msgpack.Encoder().encode

Cell = int | str | bytes


class Batch(msgspec.Struct):
    """One transaction. `prune`: instead of writing, forget what ended up to (end_seq, wall ms)."""

    rows: list[Task]
    spans: list[tuple[int, int]]
    readable_index: int
    prune: tuple[int, int] | None = None
    pruned: int = 0
    """Told back."""


class Writing:
    """The writing connection. Belongs to the writer thread, once that runs."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._spans = Spans(self.stored_spans())

    def stored_spans(self) -> list[tuple[int, int]]:
        return [(int(first), int(last)) for first, last in self._connection.execute("SELECT first, last FROM span")]

    def stored_index(self) -> int:
        found = self._connection.execute("SELECT value FROM progress WHERE name = 'readable_index'").fetchall()
        return int(found[0][0]) if found else 0

    def execute(self, batch: Batch) -> None:
        """Durable on return. Raises sqlite3.Error."""
        self._connection.execute("BEGIN IMMEDIATE")
        if batch.prune is not None:
            batch.pruned = self._connection.execute(_PRUNE, (PRUNED_AT_ONCE, *batch.prune)).rowcount
        else:
            self._write(batch)
        self._connection.execute("COMMIT")

    def close(self) -> None:
        self._connection.close()

    def _write(self, batch: Batch) -> None:
        self._insert([cell for row in batch.rows for cell in _cells(row)])
        if batch.spans:
            for first, last in batch.spans:
                self._spans.add(first, last)
            self._connection.execute("DELETE FROM span")
            self._connection.executemany("INSERT INTO span VALUES (?, ?)", self._spans.as_list())
        if batch.readable_index:
            self._connection.execute(
                "INSERT OR REPLACE INTO progress VALUES ('readable_index', ?)", (batch.readable_index,)
            )

    def _insert(self, cells: Sequence[Cell]) -> None:
        at = 0
        for count in _ROWS_PER_CALL:
            while at + count * _COLUMNS <= len(cells):
                self._connection.execute(_STATEMENTS[count], cells[at : at + count * _COLUMNS])
                at += count * _COLUMNS


def _cells(row: Task) -> tuple[Cell, ...]:
    record = _encode(row)
    return (
        row.end_seq,
        row.id,
        row.seq,
        row.namespace,
        row.queue,
        row.handler,
        row.state.value,
        row.key,
        row.ended_stamp >> 16,
        zlib.crc32(record),
        record,
    )
