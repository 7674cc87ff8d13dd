"""What a peer has promised by its journal, told from the bytes it wrote.

Law: records are taken in the order in which they were written, each once; how they are spread over files, what was
torn and what was repeated plays no part. What recovery makes of the files is measured against this.
"""

from collections.abc import Iterator, Sequence

import msgspec

from quorate.consensus.journal import segment_number
from quorate.consensus.journal_format import CUT, ENTRY, INDEX, INDEX_TERM, RESET, SECTOR, Record, read_record
from quorate.consensus.journal_recovery import Entry
from quorate.consensus.ports import DiskOp, Write


class Promise(msgspec.Struct, frozen=True):
    """One record: its kind and payload, as the journal's format has them."""

    kind: int
    payload: bytes


def promises_in(ops: Sequence[DiskOp], old_segments: frozenset[int]) -> Iterator[Promise]:
    """The records `ops` write. Segments of an earlier life get only repetitions."""
    for op in ops:
        number = segment_number(op.name) if isinstance(op, Write) else None
        if number is not None and number not in old_segments and isinstance(op, Write):
            yield from _records(op, number)


def _records(write: Write, number: int) -> Iterator[Promise]:
    data = bytes(write.offset) + write.data
    offset = max(write.offset, SECTOR)
    while offset < len(data):
        record = read_record(data, number, offset)
        if not isinstance(record, Record):
            raise AssertionError(f"a peer wrote at offset {offset} of segment {number} what is no record: {record}")
        yield Promise(record.kind, record.payload)
        offset = record.end


class Log:
    """Term, vote and entries after some promises. `base`: index and term of the entry before the first one."""

    def __init__(self) -> None:
        self.base = (1, 0)
        self.entries: list[Entry] = []
        self.term = 0
        self.vote: str | None = None

    def copy(self) -> "Log":
        twin = Log()
        twin.base, twin.entries, twin.term, twin.vote = self.base, list(self.entries), self.term, self.vote
        return twin

    def keep(self, promise: Promise) -> None:
        payload = promise.payload
        if promise.kind == ENTRY:
            index, term = INDEX_TERM.unpack_from(payload)
            self.entries.append((payload[INDEX_TERM.size :], index, term))
        elif promise.kind == CUT:
            index, term = INDEX_TERM.unpack_from(payload)
            del self.entries[max(index - self.base[0] - 1, 0) :]
            if index <= self.base[0]:
                self.base = (index - 1, term)
        elif promise.kind == RESET:
            self.base = INDEX_TERM.unpack_from(payload)
            self.entries = []
        else:
            (self.term,) = INDEX.unpack_from(payload)
            self.vote = payload[INDEX.size :].decode() or None

    @property
    def last_index(self) -> int:
        return self.entries[-1][1] if self.entries else self.base[0]

    def term_at(self, index: int) -> int | None:
        """None: it does not hold that entry, nor is it the base."""
        place = index - self.base[0]
        if place == 0:
            return self.base[1]
        return self.entries[place - 1][2] if 0 < place <= len(self.entries) else None

    def after(self, index: int) -> list[Entry]:
        return self.entries[index - self.base[0] :]
