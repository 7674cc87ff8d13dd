"""What stands durable on each machine's disk, by its own reading of every batch that was flushed.

Laws:
- Only bytes of finished batches count: what a peer believes, or holds in memory, is not asked.
- An entry is known by its index, its term and a fingerprint of its bytes.
"""

import struct
from collections.abc import Callable, Sequence

from quorate.consensus.journal import segment_name, segment_number
from quorate.consensus.journal_format import (
    CUT,
    ENTRY,
    HEADER_BYTES,
    INDEX_TERM,
    RESET,
    SECTOR,
    Record,
    SegmentHeader,
    read_header,
    read_record,
    record_bytes,
)
from quorate.consensus.ports import DiskOp, Remove, Rename, Write
from quorate.consensus.snapshot import SnapshotParser, snapshot_index
from quorate.netsim.machine import Machine
from quorate.netsim.world import World

FIRST = 1
"""The log of every peer begins with an entry of this index that is nowhere written."""
SNAPSHOT_HEAD_BYTES = 4096
_LENGTH_KIND = struct.Struct("<I4xBB")
"""Of a record: length, kind, mask."""

Entry = tuple[int, int]
"""(term, fingerprint)."""
Appended = Callable[["DurableLog", int, int, int], None]
"""Told (log, index, term, fingerprint) of every entry."""


class DurableLog:
    """Of one machine."""

    def __init__(self, machine: Machine, appended: list[Appended]) -> None:
        self.machine = machine
        self.entries: dict[int, Entry] = {}
        self.last = FIRST
        self.base: tuple[int, int] = (FIRST, 0)
        self.snapshots: dict[int, int] = {}
        """Term by index of the whole snapshots."""
        self.lost: list[dict[int, Entry]] = []
        """Of earlier disks, which were wiped."""
        self.changed_from = 1 << 62
        """The lowest index that the last batches cut or wrote again; whoever looks resets it."""
        self._appended = appended
        self._begins: dict[int, int] = {}
        self._wipes = machine.disk.wipes
        machine.disk.made_durable.append(self.flushed)

    # --- asked by checkers

    def renew(self) -> None:
        """A wiped disk holds nothing."""
        wipes = self.machine.disk.wipes
        if wipes != self._wipes:
            self.lost.append(self.entries)
            self.entries, self.snapshots, self._begins = {}, {}, {}
            self.last, self.base, self._wipes = FIRST, (FIRST, 0), wipes

    def term_at(self, index: int) -> int | None:
        """None: not known from the log itself."""
        if index in self.snapshots:
            return self.snapshots[index]
        entry = self.entries.get(index)
        if entry is not None:
            return entry[0]
        return self.base[1] if self.base[0] == index else None

    def holds(self, index: int, term: int) -> bool:
        """That entry, or a whole snapshot that covers it."""
        self.renew()
        entry = self.entries.get(index)
        return (entry is not None and entry[0] == term) or index <= self.covered

    @property
    def covered(self) -> int:
        """Up to here a whole snapshot stands for the log. What the journal still has there counts no more: a log that
        ended otherwise is given up with the next flush.
        """
        return max(self.snapshots, default=FIRST)

    def held(self, index: int, term: int) -> bool:
        """On a disk that was wiped since."""
        return any(index in lost and lost[index][0] == term for lost in self.lost)

    # --- following the disk

    def flushed(self, ops: Sequence[DiskOp]) -> None:
        self.renew()
        for op in ops:
            kind = type(op)
            if kind is Write:
                assert isinstance(op, Write)
                number = segment_number(op.name)
                if number is not None:
                    self._written(number, op)
            elif kind is Rename:
                assert isinstance(op, Rename)
                self._renamed(op.new)
            elif kind is Remove:
                assert isinstance(op, Remove)
                self._removed(op.name)

    def _written(self, segment: int, write: Write) -> None:
        data, at = write.data, 0
        if write.offset == 0:
            header = read_header(data, segment)
            if isinstance(header, SegmentHeader):
                self._header(segment, header)
            at = SECTOR
        end = len(data)
        while at + HEADER_BYTES <= end:
            length, kind, mask = _LENGTH_KIND.unpack_from(data, at)
            payload_at = at + HEADER_BYTES
            if kind in (ENTRY, CUT, RESET):
                payload = data[payload_at : payload_at + length] if not mask else _unmasked(write, segment, at)
                index, term = INDEX_TERM.unpack_from(payload)
                self._record(kind, index, term, payload)
            at += record_bytes(length)

    def _record(self, kind: int, index: int, term: int, payload: bytes) -> None:
        if kind == ENTRY:
            if index <= self.last:
                self._cut(index)
            fingerprint = hash(payload[INDEX_TERM.size :])
            for tell in self._appended:
                tell(self, index, term, fingerprint)
            self.entries[index] = (term, fingerprint)
            self.last = index
        elif kind == CUT:
            self._cut(index)
            if index <= self.base[0]:
                self.base = (index - 1, term)
        else:
            self._cut(0)
            self.base, self.last = (index, term), index

    def _cut(self, index: int) -> None:
        self.changed_from = min(self.changed_from, index)
        for void in [i for i in self.entries if i >= index] if index == 0 else range(index, self.last + 1):
            self.entries.pop(void, None)
        self.last = min(self.last, index - 1)

    def _look_around(self) -> None:
        """What a process had done of a batch before it died: renamed snapshots, removed segments."""
        names = self.machine.disk.files
        for name in names:
            index = snapshot_index(name)
            if index is not None and index not in self.snapshots:
                self._renamed(name)
        for segment in [number for number in self._begins if segment_name(number) not in names]:
            self._removed(segment_name(segment))

    def _header(self, segment: int, header: SegmentHeader) -> None:
        """A new segment says where the log stands: what is beyond was a torn tail."""
        if segment not in self._begins:
            self._look_around()
            if header.last_index < self.last:
                self._cut(header.last_index + 1)
        if not self.entries:
            self.base, self.last = (header.last_index, header.last_term), header.last_index
        self._begins[segment] = header.last_index

    def _renamed(self, name: str) -> None:
        index = snapshot_index(name)
        if index is None or name not in self.machine.disk.files:
            return
        parser = SnapshotParser()
        parser.feed(self.machine.disk.read_at(name, 0, SNAPSHOT_HEAD_BYTES))
        if parser.header is not None:
            self.snapshots[parser.header.index] = parser.header.term

    def _removed(self, name: str) -> None:
        index = snapshot_index(name)
        if index is not None:
            self.snapshots.pop(index, None)
            return
        segment = segment_number(name)
        if segment is None or self._begins.pop(segment, None) is None:
            return
        later = [begin for number, begin in self._begins.items() if number > segment]
        if later and not any(number < segment for number in self._begins):
            upto = min(later)
            for gone in [i for i in self.entries if i <= upto]:
                del self.entries[gone]


def _unmasked(write: Write, segment: int, at: int) -> bytes:
    """A record that was written under a mask, read at its place."""
    found = read_record(bytes(write.offset) + write.data, segment, write.offset + at)
    return found.payload if isinstance(found, Record) else bytes(INDEX_TERM.size)


class DurableLogs:
    """Of all machines. `appended` is told of every entry before it counts as there."""

    def __init__(self, world: World) -> None:
        self.appended: list[Appended] = []
        self.of = {machine.id: DurableLog(machine, self.appended) for machine in world.machines.values()}
