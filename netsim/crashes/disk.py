"""A simulated disk that remembers every batch it was given, with the folder as it stood before.

Law: what a crash leaves here follows the rules of `Folder`; the peer on it lives on what it finds.
"""

from collections.abc import Callable, Sequence

from quorate.consensus.journal import segment_number
from quorate.consensus.ports import DiskOp
from quorate.netsim.clock import SeededEntropy
from quorate.netsim.crashes.folder import Folder
from quorate.netsim.crashes.promises import Log, Promise, promises_in
from quorate.netsim.disk import Schedule, SimDisk


class Moment:
    """A batch about to be executed: the folder, the log whose flush is acknowledged, and what was promised since."""

    def __init__(self, folder: Folder, ops: Sequence[DiskOp], log: Log, open_promises: tuple[Promise, ...]) -> None:
        self.folder = folder
        self.ops = ops
        self.log = log
        self.open_promises = open_promises
        """Not acknowledged: what a killed process had written, then what `ops` write."""


Examining = Callable[["CrashDisk"], tuple[Promise, ...]]


class CrashDisk(SimDisk):
    """In place of a machine's disk. `examining` looks at the folder when a process opens it, and says which of the open
    promises are there.
    """

    def __init__(self, schedule: Schedule, entropy: SeededEntropy, examining: "Examining") -> None:
        super().__init__(schedule, entropy)
        self.examining = examining
        self.folder = Folder()
        self.moments: list[Moment] = []
        self.log = Log()
        """What is acknowledged."""
        self.open_promises: tuple[Promise, ...] = ()
        self._chance = entropy
        self._after = schedule
        self._batches: list[tuple[int, Sequence[DiskOp]]] = []
        self._lives = 0
        self._old: frozenset[int] = frozenset()

    def attach(self, *callbacks: object) -> None:
        super().attach(*callbacks)  # type: ignore[arg-type]  # as they are, to whom they belong
        self._lives += 1
        self._batches.clear()
        numbers = (segment_number(name) for name in self.folder.names())
        self._old = frozenset(number for number in numbers if number is not None)
        self.open_promises = self.examining(self)

    @property
    def busy(self) -> bool:
        """A batch is not flushed yet."""
        return bool(self._batches)

    # --- ports.Disk

    def names(self) -> list[str]:
        return self.folder.names()

    def read(self, name: str) -> bytes:
        return self.folder.read(name)

    def read_at(self, name: str, offset: int, size: int) -> bytes:
        return self.folder.read(name)[offset : offset + size]

    def submit(self, ticket: int, ops: Sequence[DiskOp]) -> None:
        self._batches.append((ticket, ops))
        if len(self._batches) == 1:
            self._begin()

    # --- execution

    def _begin(self) -> None:
        _, ops = self._batches[0]
        self.open_promises += tuple(promises_in(ops, self._old))
        self.moments.append(Moment(self.folder.copy(), ops, self.log.copy(), self.open_promises))
        low, high = self.flush_s
        self._after(low + (high - low) * self._chance.random(), self._complete, self._lives)

    def _complete(self, life: int) -> None:
        if life != self._lives or not self._batches:
            return
        ticket, ops = self._batches.pop(0)
        self.folder.execute(ops)
        self.folder.finish_batch()
        for promise in self.open_promises:
            self.log.keep(promise)
        self.open_promises = ()
        if self._batches:
            self._begin()
        self._done(ticket)

    # --- faults

    def kill(self) -> None:
        self._lives += 1
        if self._batches:
            crash(self.folder, self._batches[0][1], self._chance)
        self._batches.clear()
        self.folder.reopen()

    def lose_power(self) -> None:
        self.kill()
        keep, keep_names = shares(self._chance)
        self.become(self.folder.lose_power(self._chance, keep, keep_names))

    def wipe(self) -> None:
        self.kill()
        self.become({})
        self.log, self.open_promises = Log(), ()
        self.wipes += 1

    def become(self, files: dict[str, bytes]) -> None:
        """These files, all durable, instead of what is there."""
        self.folder = Folder.holding(files)


def crash(folder: Folder, ops: Sequence[DiskOp], chance: SeededEntropy) -> None:
    """A process dies while it executes `ops`: some of them happened, and perhaps a part of the next."""
    done = chance.below(len(ops) + 1)
    folder.execute(ops[:done])
    if done < len(ops):
        folder.begin(ops[done], chance.random())


def shares(chance: SeededEntropy) -> tuple[float, float]:
    """How much of un-synced sectors and of un-synced names a power loss leaves: all, nothing, or something between."""
    levels = (0.0, 0.1, 0.5, 0.9, 1.0)
    return levels[chance.below(len(levels))], levels[chance.below(len(levels))]
