"""A disk for the lab: a page cache, durable sectors, and what is left of both after a kill or a power failure."""

import random
from collections import deque
from collections.abc import Sequence

from quorate.consensus.ports import Create, DiskOp, Remove, Rename, Sync, Write

SECTOR = 512


class LabDisk:
    """What a killed process had written stays; what was not synced when the power went is there or not, sector by
    sector.
    """

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.files: dict[str, bytearray] = {}
        self._unsynced: dict[str, list[tuple[int, bytes]]] = {}
        self.batches: deque[tuple[int, Sequence[DiskOp]]] = deque()

    def names(self) -> list[str]:
        return sorted(self.files)

    def read(self, name: str) -> bytes:
        return bytes(self._file(name))

    def read_at(self, name: str, offset: int, size: int) -> bytes:
        return bytes(self._file(name)[offset : offset + size])

    def submit(self, ticket: int, ops: Sequence[DiskOp]) -> None:
        self.batches.append((ticket, list(ops)))

    def free_bytes(self) -> int:
        return 1 << 40

    def _file(self, name: str) -> bytearray:
        if name not in self.files:
            raise FileNotFoundError(name)
        return self.files[name]

    def finish_batch(self) -> int:
        ticket, ops = self.batches.popleft()
        for op in ops:
            self._do(op)
        for op in ops:  # what an earlier process left in other files stays as it is
            self._unsynced.pop(op.new if isinstance(op, Rename) else op.name, None)
        return ticket

    def _do(self, op: DiskOp) -> None:
        match op:
            case Create(name, size):
                self.files[name] = bytearray(size)
                self._unsynced.pop(name, None)
            case Write(name, offset, data):
                self._write(name, offset, data)
            case Sync(name):
                self._unsynced.pop(name, None)
            case Rename(old, new):
                self.files[new] = self.files.pop(old)
                self._unsynced.pop(new, None)
                if old in self._unsynced:
                    self._unsynced[new] = self._unsynced.pop(old)
            case Remove(name):
                self.files.pop(name, None)
                self._unsynced.pop(name, None)

    def _write(self, name: str, offset: int, data: bytes) -> None:
        file = self.files.setdefault(name, bytearray())
        if len(file) < offset + len(data):
            file.extend(bytes(offset + len(data) - len(file)))
        first = offset - offset % SECTOR
        for start in range(first, offset + len(data), SECTOR):
            self._unsynced.setdefault(name, []).append((start, bytes(file[start : start + SECTOR])))
        file[offset : offset + len(data)] = data

    def kill(self) -> None:
        """kill -9: of the batch in execution a prefix happened, the others never."""
        if self.batches:
            _, ops = self.batches[0]
            for op in ops[: self.rng.randint(0, len(ops))]:
                self._do(op)
        self.batches.clear()

    def lose_power(self) -> None:
        self.kill()
        for name, sectors in self._unsynced.items():
            for start, before in reversed(sectors):
                if self.rng.random() < 0.5:
                    self.files[name][start : start + len(before)] = before
        self._unsynced.clear()
