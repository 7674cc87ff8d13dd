"""Questions to the file.

Law: a record is given out only if its checksum is right. Every question ends its read transaction before it returns.
"""

import sqlite3
import zlib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from quorate.node.history.file import damaged, failed, open_for_reading
from quorate.scheduling.task import Task, TaskId

_BY_ID = "SELECT crc, record FROM ended WHERE id = ?"
_BY_KEY = """
SELECT crc, record FROM ended WHERE namespace = ? AND key = ? AND key <> '' ORDER BY seq DESC, end_seq DESC LIMIT 1
"""
_BETWEEN = "SELECT crc, record FROM ended WHERE end_seq > ? AND end_seq <= ? ORDER BY end_seq LIMIT ?"
_LIST = """
SELECT crc, record FROM ended
WHERE seq < :before_seq
    AND (:state IS NULL OR state = :state)
    AND (:namespace IS NULL OR namespace = :namespace)
    AND (:queue IS NULL OR queue = :queue)
    AND (:handler IS NULL OR handler = :handler)
    AND end_seq > :floor_end AND ended_ms > :floor_ms
ORDER BY seq DESC LIMIT :limit
"""
_PAGE_ROWS = 256
_decode = msgspec.msgpack.Decoder(Task).decode


class Reading:
    """One reading connection, used by one thread at a time. Everything raises HistoryError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = open_for_reading(path)

    def find(self, task: TaskId) -> Task | None:
        return next(iter(self._rows(_BY_ID, (task,))), None)

    def find_key(self, namespace: str, key: str) -> Task | None:
        return next(iter(self._rows(_BY_KEY, (namespace, key))), None)

    def id_at(self, end_seq: int) -> str | None:
        found = self._ask("SELECT id FROM ended WHERE end_seq = ?", (end_seq,))
        return str(found[0][0]) if found else None

    def between(self, after_end: int, upto_end: int, limit_bytes: int) -> tuple[list[Task], int]:
        """Lowest first, up to about `limit_bytes` of record, at least one row if there is any; and how far that
        looked."""
        rows: list[Task] = []
        while after_end < upto_end:
            page = self._ask(_BETWEEN, (after_end, upto_end, _PAGE_ROWS))
            for crc, record in page:
                row = self._checked(crc, record)
                after_end = row.end_seq
                rows.append(row)
                limit_bytes -= len(record)
                if limit_bytes <= 0:
                    return rows, after_end
            if len(page) < _PAGE_ROWS:
                break
        return rows, upto_end

    def newest(self, wanted: Mapping[str, object]) -> list[Task]:
        """`wanted`: before_seq, limit, state, namespace, queue, handler (None: all), floor_end, floor_ms."""
        return self._rows(_LIST, wanted)

    def flaw(self) -> str | None:
        """Reads the whole file; what is wrong with it, if anything."""
        found = str(self._ask("PRAGMA quick_check(1)", ())[0][0])
        return None if found == "ok" else found

    def interrupt(self) -> None:
        """End a long question of another thread with an error."""
        self._connection.interrupt()

    def close(self) -> None:
        self._connection.close()

    def _rows(self, question: str, values: tuple[object, ...] | Mapping[str, object]) -> list[Task]:
        return [self._checked(crc, record) for crc, record in self._ask(question, values)]

    def _ask(self, question: str, values: tuple[object, ...] | Mapping[str, object]) -> list[tuple[int, bytes]]:
        try:
            return self._connection.execute(question, values).fetchall()
        except sqlite3.Error as error:
            raise failed(self._path, error) from error

    def _checked(self, crc: int, record: bytes) -> Task:
        if zlib.crc32(record) != crc:
            raise damaged(self._path, "a record with a wrong checksum")
        try:
            return _decode(record)
        except msgspec.DecodeError as error:
            raise damaged(self._path, error) from error
