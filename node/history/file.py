"""The file of ended tasks: its tables, how it is opened, and what is said when it cannot be used.

Law: a missing file is made anew, because that is how a damaged one is mended; a damaged or foreign one is refused
with its name and the way out, and never replaced. Nothing is written outside its folder.
"""

import sqlite3
from pathlib import Path

FILE_NAME = "history.sqlite"
FORMAT = 1

_APPLICATION_ID = 0x51554F52  # "QUOR", in the file's header
_OLDEST_SQLITE = (3, 35, 0)  # more than one ON CONFLICT clause

_NOT_THE_FILES_FAULT = ("disk I/O", "locked", "readonly", "unable to open", "interrupted", "out of memory")

_SCHEMA = """
CREATE TABLE ended (
    end_seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    namespace TEXT NOT NULL,
    queue TEXT NOT NULL,
    handler TEXT NOT NULL,
    state TEXT NOT NULL,
    key TEXT NOT NULL,
    ended_ms INTEGER NOT NULL,
    crc INTEGER NOT NULL,
    record BLOB NOT NULL
);
CREATE UNIQUE INDEX ended_by_id ON ended (id);
CREATE INDEX ended_by_key ON ended (namespace, key, seq) WHERE key <> '';
CREATE INDEX ended_by_seq ON ended (seq, state, namespace, queue, handler);
CREATE TABLE span (first INTEGER PRIMARY KEY, last INTEGER NOT NULL);
CREATE TABLE progress (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
"""


class HistoryError(Exception):
    """The history file cannot be used any more; the words name it and say what to do."""


def damaged(path: Path, finding: object) -> HistoryError:
    return HistoryError(
        f"{path} is damaged ({finding}): stop this peer, delete {path.name}, {path.name}-wal and {path.name}-shm, "
        f"and start it again; it then fetches the history from another peer"
    )


def failed(path: Path, error: sqlite3.Error) -> HistoryError:
    """What to say of an error SQLite reported."""
    if isinstance(error, sqlite3.OperationalError) and "full" in str(error):
        return HistoryError(f"{path}: {error}; free some space and start the peer again")
    if isinstance(error, sqlite3.OperationalError) and any(word in str(error) for word in _NOT_THE_FILES_FAULT):
        return HistoryError(
            f"{path}: {error}; history cannot go on, see that the disk is sound and start the peer again"
        )
    return damaged(path, error)


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Made if it is missing. Raises HistoryError."""
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise HistoryError(
            f"SQLite {sqlite3.sqlite_version} is too old, Quorate needs 3.35 or newer: update Python's sqlite3"
        )
    connection = _connect(path)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA wal_autocheckpoint = 4000")  # pages: fewer, larger check points
        if _number(connection, "PRAGMA schema_version") == 0:
            connection.executescript(
                f"BEGIN; {_SCHEMA} PRAGMA application_id = {_APPLICATION_ID}; PRAGMA user_version = {FORMAT}; COMMIT;"
            )
        _check(connection, path)
    except sqlite3.Error as error:
        connection.close()
        raise failed(path, error) from error
    except HistoryError:
        connection.close()
        raise
    return connection


def open_for_reading(path: Path) -> sqlite3.Connection:
    """A further connection to a file that was opened for writing; used from any thread, one at a time."""
    connection = _connect(path)
    connection.execute("PRAGMA query_only = ON")
    return connection


def _connect(path: Path) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
        # Otherwise each large batch spills records into a file in the machine's temporary folder.
        connection.execute("PRAGMA temp_store = MEMORY")
        return connection
    except sqlite3.Error as error:
        raise HistoryError(f"{path} cannot be opened: {error}; check the folder and its permissions") from error


def _check(connection: sqlite3.Connection, path: Path) -> None:
    if _number(connection, "PRAGMA application_id") != _APPLICATION_ID:
        raise HistoryError(
            f"{path} is an SQLite file of another program: move it away, Quorate keeps its history there"
        )
    found = _number(connection, "PRAGMA user_version")
    if found != FORMAT:
        raise HistoryError(
            f"{path} has format {found}, this version of Quorate reads {FORMAT}: start the version that wrote it"
        )


def _number(connection: sqlite3.Connection, question: str) -> int:
    return int(connection.execute(question).fetchone()[0])
