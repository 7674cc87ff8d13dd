"""The parcels, out and back, in one SQLite file that the peers of this machine share.

Law: an order has one parcel, however often it is asked for.
"""

import time
from pathlib import Path

import msgspec

from examples.orders.fenced import FencedStore
from examples.orders.order import Step

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS parcels (id INTEGER PRIMARY KEY, number TEXT UNIQUE NOT NULL, step TEXT NOT NULL,"
    " country TEXT NOT NULL, because TEXT NOT NULL, fence INTEGER NOT NULL, at_ns INTEGER NOT NULL)",
)


class Parcel(msgspec.Struct, frozen=True):
    id: str
    number: str
    step: Step
    """SHIP: to the customer; COLLECT: back to us."""
    country: str
    because: str
    """The movement that took the goods off the shelf; "" for the first step."""
    fence: int
    at_ns: int


class Shipping:
    def __init__(self, path: Path) -> None:
        self._store = FencedStore(path, _SCHEMA)

    def close(self) -> None:
        self._store.close()

    def send(self, step: Step, number: str, country: str, because: str, fence: int) -> str:
        """The parcel's id; asked again for the same order, the first one's.

        Raises:
            StaleFence: this attempt is no longer the holder of its task.
        """
        with self._store.step(step, number, fence) as connection:
            before = connection.execute("SELECT id FROM parcels WHERE number = ?", (number,)).fetchone()
            if before is not None:
                return f"parcel-{before[0]}"
            row = connection.execute(
                "INSERT INTO parcels (number, step, country, because, fence, at_ns) VALUES (?, ?, ?, ?, ?, ?)",
                (number, step, country, because, fence, time.monotonic_ns()),
            )
            return f"parcel-{row.lastrowid}"

    def parcels(self) -> list[Parcel]:
        with self._store.transaction() as connection:
            rows = connection.execute(
                "SELECT id, number, step, country, because, fence, at_ns FROM parcels ORDER BY id"
            ).fetchall()
        return [Parcel(f"parcel-{row[0]}", row[1], Step(row[2]), *row[3:]) for row in rows]
