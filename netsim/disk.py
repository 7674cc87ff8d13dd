"""A disk with a page cache.

Laws:
- What a killed process had written stays (the page cache belongs to the kernel); of the batch it was executing, a
  prefix happened.
- At power loss everything not synced is gone sector by sector: each 512-byte sector of an un-synced write is there or
  not, in any order; a file whose making was not synced may be gone.
- A finished batch is durable: the files it touched, not those that an earlier process left un-synced.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from quorate.consensus.ports import Create, DiskOp, Remove, Rename, Sync, Write
from quorate.netsim.clock import SeededEntropy
from quorate.netsim.points import Killed

SECTOR = 512


class File:
    """`data`: as the page cache shows it. `unsynced`: writes since the last sync, as (offset, bytes before, length of
    the file before). `named`: whether its making is durable.
    """

    def __init__(self, size: int = 0) -> None:
        self.data = bytearray(size)
        self.unsynced: list[tuple[int, bytes, int]] = []
        self.named = False

    def write(self, offset: int, data: bytes) -> None:
        before = bytes(self.data[offset : offset + len(data)])
        self.unsynced.append((offset, before, len(self.data)))
        if len(self.data) < offset:
            self.data.extend(bytes(offset - len(self.data)))
        self.data[offset : offset + len(data)] = data

    def lose_power(self, entropy: SeededEntropy, keep: float) -> None:
        """Undo un-synced sectors; each stays with probability `keep`."""
        for offset, before, length in reversed(self.unsynced):
            self._undo(entropy, offset, before, length, keep)
        self.unsynced.clear()

    def tear(self, entropy: SeededEntropy) -> None:
        """All un-synced writes arrived, but of the last one only some sectors."""
        if self.unsynced:
            self._undo(entropy, *self.unsynced[-1], 0.5)
        self.unsynced.clear()

    def _undo(self, entropy: SeededEntropy, offset: int, before: bytes, length: int, keep: float) -> None:
        for start in range(offset - offset % SECTOR, offset + max(len(before), 1), SECTOR):
            if not entropy.share(keep):
                lo, hi = max(start, offset), min(start + SECTOR, offset + len(before))
                self.data[lo:hi] = before[lo - offset : hi - offset]
        if len(self.data) > length and not entropy.share(keep):
            del self.data[length:]


class DiskFailure(OSError):
    """What the simulated disk reports as fatal."""


class Schedule(Protocol):
    def __call__(self, delay_s: float, call: Callable[..., None], *args: Any) -> None: ...


class SimDisk:
    """`ports.Disk` of one machine; it outlives the peer's process. `executing` is told of each operation before it
    happens, and may end the process there.
    """

    def __init__(self, schedule: Schedule, entropy: SeededEntropy) -> None:
        self._schedule = schedule
        self._entropy = entropy
        self.executing: Callable[[DiskOp], None] = _unwatched
        self.made_durable: list[Callable[[Sequence[DiskOp]], None]] = []
        """Told of each batch the moment it is durable, before the peer is."""
        self.wipes = 0
        self.files: dict[str, File] = {}
        self.flush_s = (0.0002, 0.001)
        self.added_s: list[float] = []
        """What faults add to every flush."""
        self.free = 1 << 40
        self.full = 0
        """How many faults say that nothing more fits."""
        self.floors = 0
        """How many faults say that space is short, though what is written still fits."""
        self.fail_next: str | None = None
        self.rotten = False
        self.flushes = 0
        self._life = 0
        self._queue: list[tuple[int, Sequence[DiskOp]]] = []
        self._done: Callable[[int], None] = _nobody
        self._failed: Callable[[OSError], None] = _nobody_failed

    def attach(self, done: Callable[[int], None], failed: Callable[[OSError], None]) -> None:
        """A new process opens the folder."""
        self._life += 1
        self._queue.clear()
        self._done, self._failed = done, failed

    # --- ports.Disk

    def names(self) -> list[str]:
        return sorted(self.files)

    def read(self, name: str) -> bytes:
        return bytes(self._file(name).data)

    def read_at(self, name: str, offset: int, size: int) -> bytes:
        return bytes(self._file(name).data[offset : offset + size])

    def submit(self, ticket: int, ops: Sequence[DiskOp]) -> None:
        self._queue.append((ticket, ops))
        if len(self._queue) == 1:
            self._start()

    def free_bytes(self) -> int:
        return 0 if self.full or self.floors else self.free

    # --- execution

    def _start(self) -> None:
        low, high = self.flush_s
        takes_s = low + (high - low) * self._entropy.random()
        if self.added_s:
            takes_s += sum(self.added_s)
        self._schedule(takes_s, self._finish, self._life)

    def _finish(self, life: int) -> None:
        if life != self._life or not self._queue:
            return
        ticket, ops = self._queue[0]
        reason, self.fail_next = self.fail_next, None
        if reason is None and self.full and any(type(op) is Create for op in ops):
            reason = "ENOSPC"
        if reason is not None:
            self._queue.clear()
            self._failed(DiskFailure(reason))
            return
        try:
            for op in ops:
                self.executing(op)
                self._execute(op)
        except Killed:
            self._queue.clear()
            raise
        for op in ops:
            file = self.files.get(op.new if isinstance(op, Rename) else op.name)
            if file is not None:
                file.unsynced.clear()
                file.named = True
        self.flushes += 1
        self._queue.pop(0)
        for tell in self.made_durable:
            tell(ops)
        self._done(ticket)
        if self._queue and life == self._life:
            self._start()

    def _execute(self, op: DiskOp) -> None:
        if type(op) is Write:  # most are
            file = self.files.get(op.name)
            if file is None:
                file = self.files[op.name] = File()
            file.write(op.offset, op.data)
            return
        match op:
            case Sync(name):
                self._file(name).unsynced.clear()
                self._file(name).named = True
            case Create(name, size):
                self.files[name] = File(size)
            case Rename(old, new):
                self.files[new] = self.files.pop(old)
                self.files[new].named = True
            case Remove(name):
                self.files.pop(name, None)

    def _file(self, name: str) -> File:
        if name not in self.files:
            raise FileNotFoundError(name)
        return self.files[name]

    # --- faults

    def kill(self) -> None:
        """The process dies: of the batch in execution, a prefix happened; later batches never did."""
        self._life += 1
        if self._queue:
            _, ops = self._queue[0]
            for op in ops[: self._entropy.below(len(ops) + 1)]:
                self._execute(op)
        self._queue.clear()

    def lose_power(self) -> None:
        """What was not synced is there or not, sector by sector: mostly there in one loss, hardly in another."""
        self.kill()
        keep = self._entropy.random()
        for name in sorted(self.files):
            file = self.files[name]
            if file.named or self._entropy.share(keep):
                file.lose_power(self._entropy, keep)
            else:
                del self.files[name]

    def tear(self) -> None:
        """Power fails in the middle of the last write."""
        self.kill()
        for name in sorted(self.files):
            self.files[name].tear(self._entropy)

    def rot(self, entropy: SeededEntropy, bits: int) -> bool:
        """Flip bits in one file, where something is written. False: there is nothing yet."""
        names = [name for name in sorted(self.files) if any(self.files[name].data)]
        if not names:
            return False
        data = self.files[names[entropy.below(len(names))]].data
        used = len(data.rstrip(b"\0"))
        for _ in range(bits):
            data[entropy.below(used)] ^= 1 << entropy.below(8)
        self.rotten = True
        return True

    def wipe(self) -> None:
        self.kill()
        self.files.clear()
        self.wipes += 1
        self.rotten = False


def _nobody(ticket: int) -> None:
    """Nobody is attached."""


def _nobody_failed(error: OSError) -> None:
    """Nobody is attached."""


def _unwatched(op: DiskOp) -> None:
    """Nobody looks."""
