"""What lies in the warehouses, in one SQLite file that the peers of this machine share.

Law: an order moves its goods once, however often it is asked; the shelf and the record of the movement change
together; no shelf goes below zero.
"""

import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from examples.orders.fenced import FencedStore
from examples.orders.order import Step

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS stock (warehouse TEXT PRIMARY KEY, on_hand INTEGER NOT NULL CHECK (on_hand >= 0))"
    " WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS movements (id INTEGER PRIMARY KEY, number TEXT UNIQUE NOT NULL, step TEXT NOT NULL,"
    " warehouse TEXT NOT NULL, change INTEGER NOT NULL, because TEXT NOT NULL, fence INTEGER NOT NULL,"
    " at_ns INTEGER NOT NULL)",
)


class Movement(msgspec.Struct, frozen=True):
    id: str
    number: str
    step: Step
    warehouse: str
    change: int
    because: str
    """What the step before told: a receipt, a parcel; "" for the first step."""
    fence: int
    at_ns: int


class NoSuchWarehouse(Exception):
    """The order names a warehouse that was never stocked."""


class Inventory:
    def __init__(self, path: Path) -> None:
        self._store = FencedStore(path, _SCHEMA)

    def close(self) -> None:
        self._store.close()

    def open_with(self, stock: Mapping[str, int]) -> None:
        """Put the opening stock on the shelves; once, before the first order."""
        with self._store.transaction() as connection:
            connection.executemany("INSERT INTO stock VALUES (?, ?)", stock.items())

    def move(self, step: Step, number: str, warehouse: str, change: int, because: str, fence: int) -> str:
        """The movement's id; asked again for the same order, the first one's.

        Raises:
            StaleFence: this attempt is no longer the holder of its task.
            NoSuchWarehouse: it has no shelf.
            sqlite3.IntegrityError: not enough on the shelf.
        """
        with self._store.step(step, number, fence) as connection:
            before = connection.execute("SELECT id FROM movements WHERE number = ?", (number,)).fetchone()
            if before is not None:
                return f"movement-{before[0]}"
            found = connection.execute(
                "UPDATE stock SET on_hand = on_hand + ? WHERE warehouse = ?", (change, warehouse)
            ).rowcount
            if found == 0:
                raise NoSuchWarehouse(f"order {number}: no warehouse {warehouse!r}")
            row = connection.execute(
                "INSERT INTO movements (number, step, warehouse, change, because, fence, at_ns)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (number, step, warehouse, change, because, fence, time.monotonic_ns()),
            )
            return f"movement-{row.lastrowid}"

    def stock(self) -> dict[str, int]:
        with self._store.transaction() as connection:
            return dict(connection.execute("SELECT warehouse, on_hand FROM stock").fetchall())

    def movements(self) -> list[Movement]:
        with self._store.transaction() as connection:
            rows = connection.execute(
                "SELECT id, number, step, warehouse, change, because, fence, at_ns FROM movements ORDER BY id"
            ).fetchall()
        return [Movement(f"movement-{row[0]}", row[1], Step(row[2]), *row[3:]) for row in rows]
