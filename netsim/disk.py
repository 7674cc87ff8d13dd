"""A disk with a page cache.

Laws:
- What a killed process had written stays (the page cache belongs to the kernel); of the batch it was executing, a
  prefix happened.
- At power loss everything not synced is gone sector by sector: each 512-byte sector of an un-synced write is there or
  not, in any order.
- A finished batch is durable.
"""

from collections.abc import Callable, Sequence

from quorate.consensus.ports import Create, DiskOp, Entropy, Remove, Rename, Sync, Write

SECTOR = 512


class File:
    """`data`: as the page cache shows it. `unsynced`: writes since the last sync, as (offset, bytes before)."""

    def __init__(self, size: int = 0) -> None:
        self.data = bytearray(size)
        self.unsynced: list[tuple[int, bytes, int]] = []  # offset, what stood there, length of the file before

    def write(self, offset: int, data: bytes) -> None:
        before = bytes(self.data[offset : offset + len(data)])
        self.unsynced.append((offset, before, len(self.data)))
        if len(self.data) < offset:
            self.data.extend(bytes(offset - len(self.data)))
        self.data[offset : offset + len(data)] = data

    def lose_power(self, entropy: Entropy) -> None:
        """Undo a random choice of the un-synced sectors."""
        for offset, before, length in reversed(self.unsynced):
            for start in range(offset - offset % SECTOR, offset + max(len(before), 1), SECTOR):
                if entropy.random() < 0.5:
                    lo, hi = max(start, offset), min(start + SECTOR, offset + len(before))
                    self.data[lo:hi] = before[lo - offset : hi - offset]
            if len(self.data) > length and entropy.random() < 0.5:
                del self.data[length:]
        self.unsynced.clear()


class DiskFailure(OSError):
    """What the simulated disk reports as fatal."""


class SimDisk:
    """`ports.Disk` of one machine; it outlives the peer's process. `schedule(delay_s, call)` runs a call in virtual
    time.
    """

    def __init__(self, schedule: Callable[[float, Callable[[], None]], None], entropy: Entropy) -> None:
        self._schedule = schedule
        self._entropy = entropy
        self.files: dict[str, File] = {}
        self.flush_s = (0.0002, 0.001)
        self.free = 1 << 40
        self.fail_next: str | None = None
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
        return self.free

    # --- execution

    def _start(self) -> None:
        low, high = self.flush_s
        life = self._life
        self._schedule(low + (high - low) * self._entropy.random(), lambda: self._finish(life))

    def _finish(self, life: int) -> None:
        if life != self._life or not self._queue:
            return
        ticket, ops = self._queue[0]
        if self.fail_next is not None:
            reason, self.fail_next = self.fail_next, None
            self._queue.clear()
            self._failed(DiskFailure(reason))
            return
        for op in ops:
            self._execute(op)
        for file in self.files.values():
            file.unsynced.clear()
        self.flushes += 1
        self._queue.pop(0)
        self._done(ticket)
        if self._queue and life == self._life:
            self._start()

    def _execute(self, op: DiskOp) -> None:
        match op:
            case Create(name, size):
                self.files[name] = File(size)
            case Write(name, offset, data):
                self.files.setdefault(name, File()).write(offset, data)
            case Sync(name):
                self._file(name).unsynced.clear()
            case Rename(old, new):
                self.files[new] = self.files.pop(old)
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
            for op in ops[: int(self._entropy.random() * (len(ops) + 1))]:
                self._execute(op)
        self._queue.clear()

    def lose_power(self) -> None:
        self.kill()
        for name in sorted(self.files):
            self.files[name].lose_power(self._entropy)

    def wipe(self) -> None:
        self.kill()
        self.files.clear()


def _nobody(ticket: int) -> None:
    """Nobody is attached."""


def _nobody_failed(error: OSError) -> None:
    """Nobody is attached."""
