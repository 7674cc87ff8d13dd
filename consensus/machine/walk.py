"""Snapshots of the state in slices.

Law: a walk shows the state at its cut, however much is applied while it goes on: `Table` keeps the image of each
record from before its first change. A restored machine is equal to the one that was walked, or `DamagedSnapshot` is
raised.

The form: a chunk is `[header or nil, [[table, [record, ...]], ...]]` in msgpack; only the first has a header.
"""

import msgspec

from quorate.consensus.machine.store import Store
from quorate.consensus.machine.tables import encode
from quorate.scheduling.task import Count

VERSION = 1


class DamagedSnapshot(Exception):
    """The bytes are not those of a snapshot of this version, or not all of them. Take another one."""


class Header(msgspec.Struct, frozen=True, array_like=True):
    version: int
    index: Count
    state_hash: bytes
    counts: list[Count]
    """Records of each table, in the order of the tables."""


class Chunk(msgspec.Struct, frozen=True, array_like=True):
    header: Header | None
    slices: list[tuple[int, list[msgspec.Raw]]]


class Walk:
    """One walk. `chunk` until it returns None, or `close`: until then images are kept."""

    def __init__(self, store: Store) -> None:
        self._tables = store.all()
        counts = [len(table.records) for table in self._tables]
        self._header: Header | None = Header(VERSION, store.now.index, store.state_hash, counts)
        self.index = store.now.index
        self._saved = [table.begin_saving() for table in self._tables]
        # The keys, not the records: 8 bytes each.
        self._keys = [iter(list(table.records)) for table in self._tables]
        self._at = 0

    def chunk(self, limit_bytes: int) -> bytes | None:
        """The next records, about `limit_bytes` of them (one at least); None at the end."""
        slices: list[tuple[int, list[msgspec.Raw]]] = []
        left = limit_bytes
        while left > 0 and self._at < len(self._tables):
            at = self._at
            images, left = self._take(at, left)
            if images:
                slices.append((at, images))
        header, self._header = self._header, None
        return encode(Chunk(header, slices)) if slices or header else None

    def close(self) -> None:
        """Keep no more images. Harmless after the end."""
        self._header = None
        while self._at < len(self._tables):
            self._leave_table()

    @property
    def is_open(self) -> bool:
        return self._at < len(self._tables)

    def _take(self, at: int, left: int) -> tuple[list[msgspec.Raw], int]:
        """Images of one table until `left` bytes are used up or the table is done."""
        records, saved = self._tables[at].records, self._saved[at]
        images = []
        for key in self._keys[at]:
            image = saved.pop(key, None) or encode(records[key])
            images.append(msgspec.Raw(image))
            left -= len(image)
            if left <= 0:
                return images, left
        self._leave_table()
        return images, left

    def _leave_table(self) -> None:
        self._tables[self._at].end_saving()
        self._at += 1
