"""The gate: what depends on the disk leaves only after the flush it depends on.

Laws:
- One batch is on its way to the disk at a time; what is written meanwhile gathers for the next one.
- A gated message leaves when everything written before it was gated is durable, and messages leave in the order they
  came.
"""

from collections import deque
from collections.abc import Callable, Sequence

from quorate.consensus.frames import RaftMessage
from quorate.consensus.journal import Journal, segment_number
from quorate.consensus.journal_format import Position
from quorate.consensus.points import Points
from quorate.consensus.ports import Disk, DiskOp, PeerId, Remove, Sync, Write
from quorate.consensus.raft.log import Log

Done = Callable[[], object]


class Gate:
    def __init__(
        self,
        disk: Disk,
        journal: Journal,
        log: Log,
        send: Callable[[PeerId, RaftMessage], object],
        points: Points,
        first: Sequence[DiskOp],
        remember: Callable[[Position], Sequence[DiskOp]],
    ) -> None:
        """`first`: to be written before anything else. `remember(mark)`: how to write down, if it is worth it, that the
        journal is flushed up to there.
        """
        self._disk = disk
        self._reach = points.reach
        self._journal = journal
        self._log = log
        self._send = send
        self._others = list(first)
        self._remember = remember
        self._ticket = 0
        self._flying: tuple[int, int] | None = None
        self._staged = 0
        """Number of the batch that gathers now."""
        self._waiting: deque[tuple[int, Done]] = deque()

    @property
    def flushing(self) -> bool:
        return self._flying is not None

    @property
    def pending(self) -> bool:
        """Something is to be written that is in no batch yet."""
        return bool(self._others) or self._journal.pending

    @property
    def waits(self) -> bool:
        """The next `flush` hands something to the disk."""
        return self._flying is None and (bool(self._others) or self._journal.pending)

    def write(self, ops: Sequence[DiskOp]) -> None:
        """After everything written so far, in the same order of flushes."""
        self._others.extend(self._journal.take_now())
        self._others.extend(ops)

    def when_durable(self, done: Done) -> None:
        """Called once everything written so far is flushed; at once if it is."""
        if self.pending:
            self._waiting.append((self._staged, done))
        elif self._flying is not None:
            self._waiting.append((self._flying[1], done))
        else:
            done()

    def send(self, to: PeerId, message: RaftMessage) -> None:
        """A message that must not leave before what was written up to now is durable."""
        self.when_durable(lambda: self._send(to, message))

    def flush(self) -> None:
        """Hand one batch to the disk, if there is something to write and none is on its way."""
        if self._flying is not None:
            return
        if not (self._others or self._journal.pending):
            self._others.extend(self._journal.prepare())
            if not self._others:
                return
        ops = [*self._others, *self._journal.take()]
        if proof := self._remember(self._journal.taken):
            ops += [*(Sync(name) for name in _journal_files(ops)), *proof]
        self._others = []
        self._ticket += 1
        self._flying = (self._ticket, self._staged)
        self._staged += 1
        self._log.leaves_for_disk()
        self._reach("flush.submit")
        self._disk.submit(self._ticket, ops)

    def flushed(self, ticket: int) -> bool:
        """The batch of that ticket is durable. False: it is none of ours."""
        if self._flying is None or self._flying[0] != ticket:
            return False
        self._reach("flush.done")
        durable = self._flying[1]
        self._flying = None
        self._journal.flushed()
        self._log.flushed()
        while self._waiting and self._waiting[0][0] <= durable:
            self._waiting.popleft()[1]()
            self._reach("flush.release")
        return True


def _journal_files(ops: Sequence[DiskOp]) -> list[str]:
    """Those that `ops` write to and leave there."""
    names: dict[str, None] = {}
    for op in ops:
        if isinstance(op, Remove):
            names.pop(op.name, None)
        elif isinstance(op, Write) and segment_number(op.name) is not None:
            names[op.name] = None
    return list(names)
