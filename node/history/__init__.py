"""Ended tasks in an SQLite file per peer: `SqliteHistory` is `ports.History`."""

from quorate.node.history.file import FILE_NAME, HistoryError
from quorate.node.history.store import Filter, Floor, SqliteHistory

__all__ = ["FILE_NAME", "Filter", "Floor", "HistoryError", "SqliteHistory"]
