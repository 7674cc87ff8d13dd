"""The stored tables and their hash.

Law: every change of a record is announced by `touch` before it is made. So the hash is brought up to date by re-hashing
only what was touched since it was last asked for, and a walk gets the image a record had at its cut.
"""

from collections.abc import Callable, Hashable
from hashlib import blake2b
from typing import Any, Generic, TypeVar

import msgspec

from quorate.consensus.commands import Limits
from quorate.consensus.machine.records import Client, Counters, Death, Ended, Handler, Session, Told
from quorate.scheduling.task import Task, TaskId

HASH_BYTES = 16
HASH_MODULUS = 1 << (8 * HASH_BYTES)
TOUCHED_KEPT = 1_000
"""Records may wait for their hash: the more entries pass before somebody asks, the fewer are hashed, because a task
that has come and gone meanwhile is not. Not more than this many of a table, because who asks waits for all of them.
"""

K = TypeVar("K", bound=Hashable)
R = TypeVar("R", bound=msgspec.Struct)

encode = msgspec.msgpack.Encoder(order="deterministic").encode
"""The canonical encoding: dictionary keys in order."""


class Table(Generic[K, R]):
    """Records of one kind by key."""

    __slots__ = ("_fresh_hasher", "_hashes", "_saved", "kind", "name", "of", "records", "touched")

    def __init__(self, name: str, kind: type[R], of: Callable[[R], K]) -> None:
        self.name = name
        self.kind = kind
        self.of = of
        """The key of a record."""
        self.records: dict[K, R] = {}
        self._hashes: dict[K, int] = {}
        self.touched: dict[K, None] = {}
        """Changed since the last `rehash`."""
        self._saved: dict[K, bytes] | None = None
        self._fresh_hasher = blake2b(digest_size=HASH_BYTES, person=name.encode()).copy

    def touch(self, key: K) -> None:
        """The record under `key` is about to change."""
        if key not in self.touched:
            self.touched[key] = None
            if self._saved is not None:
                self._save(key)

    def put(self, key: K, record: R) -> None:
        """Insert or replace."""
        self.touch(key)
        self.records[key] = record

    def drop(self, key: K) -> R:
        """Remove a record that is there."""
        self.touch(key)
        return self.records.pop(key)

    def rehash(self) -> int:
        """By how much the sum of the hashes has changed since the last call."""
        change = 0
        records, hashes = self.records, self._hashes
        for key in self.touched:
            change -= hashes.pop(key, 0)
            record = records.get(key)
            if record is not None:
                hashes[key] = new = self.hash_of(record)
                change += new
        self.touched.clear()
        return change

    def hash_of(self, record: R) -> int:
        hasher = self._fresh_hasher()
        hasher.update(encode(record))
        return int.from_bytes(hasher.digest(), "big")

    def load(self, record: R) -> bool:
        """Insert a record of a snapshot. False: there is one with its key."""
        key = self.of(record)
        if key in self.records:
            return False
        self.put(key, record)
        return True

    def begin_saving(self) -> dict[K, bytes]:
        """From now on the image of every record is kept here before its first change."""
        self._saved = {}
        return self._saved

    def end_saving(self) -> None:
        self._saved = None

    def _save(self, key: K) -> None:
        record = self.records.get(key)
        if self._saved is not None and record is not None and key not in self._saved:
            self._saved[key] = encode(record)


AnyTable = Table[Any, Any]


class Tables:
    """Everything that is replicated, and its hash."""

    def __init__(self) -> None:
        self.counters = Table[str, Counters]("counters", Counters, lambda _: "")
        self.limits = Table[str, Limits]("limits", Limits, lambda _: "")
        self.tasks = Table[TaskId, Task]("tasks", Task, lambda record: record.id)
        self.ended = Table[TaskId, Ended]("ended", Ended, lambda record: record.id)
        self.sessions = Table[str, Session]("sessions", Session, lambda record: record.peer)
        self.clients = Table[str, Client]("clients", Client, lambda record: record.peer)
        self.told = Table[tuple[str, int, int], Told](
            "told", Told, lambda record: (record.peer, record.incarnation, record.index)
        )
        self.handlers = Table[str, Handler]("handlers", Handler, lambda record: record.name)
        self.deaths = Table[str, Death]("deaths", Death, lambda record: record.peer)
        self._hash = 0
        self._all = self.all()

    def all(self) -> tuple[AnyTable, ...]:
        """In the order in which a snapshot has them."""
        return (
            self.counters,
            self.limits,
            self.handlers,
            self.sessions,
            self.clients,
            self.deaths,
            self.told,
            self.ended,
            self.tasks,
        )

    def rehash(self) -> None:
        """Bring the hash up to date with what was touched."""
        change = sum([table.rehash() for table in self._all if table.touched])
        self._hash = (self._hash + change) % HASH_MODULUS

    def rehash_if_much(self) -> None:
        """At the end of every entry. Of the other tables an entry touches little, or touches these as well."""
        if (
            len(self.tasks.touched) > TOUCHED_KEPT
            or len(self.ended.touched) > TOUCHED_KEPT
            or len(self.told.touched) > TOUCHED_KEPT
        ):
            self.rehash()

    @property
    def state_hash(self) -> bytes:
        """The sum of the hashes of all records modulo 2**128: the same whatever order they came in."""
        self.rehash()
        return self._hash.to_bytes(HASH_BYTES, "big")

    def dump(self) -> bytes:
        """All of it in canonical order and form. Equal states have equal dumps."""
        return encode([[table.name, [table.records[key] for key in sorted(table.records)]] for table in self.all()])
