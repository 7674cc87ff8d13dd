"""The leader's batch: operations of all peers that arrive while the last batch is being flushed become one log entry.

Law: bounded in count and bytes; renewals, completions and releases have room of their own, so a flood of submissions
never keeps a held task from being finished or a session from being renewed.
"""

from collections import deque
from typing import NamedTuple

from quorate.consensus.ports import PeerId

MAX_OPS = 8_192
MAX_BYTES = 16 * 1024 * 1024
RESERVED_OPS = 65_536
RESERVED_BYTES = 32 * 1024 * 1024
ENTRY_OPS = 2_048
"""Operations of one entry: keeps one `apply` to some tens of milliseconds."""
ENTRY_BYTES = 5 * 1024 * 1024
"""Above the largest request (4 MiB), below what a frame may carry."""


class Waiting(NamedTuple):
    origin: PeerId
    number: int
    data: bytes


class Batch:
    def __init__(self) -> None:
        self._ops: deque[Waiting] = deque()
        self._reserved: deque[Waiting] = deque()
        self._ops_bytes = 0
        self._reserved_bytes = 0
        self._waiting: set[bytes] = set()
        """All of them: what is sent again while it still waits here is not taken twice."""

    def __len__(self) -> int:
        return len(self._ops) + len(self._reserved)

    def add(self, op: Waiting) -> bool:
        """False: no room; surely not taken."""
        if op.data in self._waiting:
            return True
        if len(self._ops) >= MAX_OPS or self._ops_bytes + len(op.data) > MAX_BYTES:
            return False
        self._ops.append(op)
        self._waiting.add(op.data)
        self._ops_bytes += len(op.data)
        return True

    def add_reserved(self, op: Waiting) -> bool:
        """For renewals, completions and releases. Its room is for everything the peers may hold at once, so False
        means a peer that does not keep the rules.
        """
        if op.data in self._waiting:
            return True
        if len(self._reserved) >= RESERVED_OPS or self._reserved_bytes + len(op.data) > RESERVED_BYTES:
            return False
        self._reserved.append(op)
        self._waiting.add(op.data)
        self._reserved_bytes += len(op.data)
        return True

    def take(self) -> list[bytes]:
        """The operations of the next entry: reserved ones first, in order of arrival within each kind; at least one of
        each kind that waits, so that neither starves the other.
        """
        taken: list[bytes] = []
        room = ENTRY_BYTES
        for queue in (self._reserved, self._ops):
            size = 0
            while queue and (not size or (len(taken) < ENTRY_OPS and len(queue[0].data) <= room)):
                data = queue.popleft().data
                self._waiting.remove(data)
                taken.append(data)
                room -= len(data)
                size += len(data)
            if queue is self._reserved:
                self._reserved_bytes -= size
            else:
                self._ops_bytes -= size
        return taken

    def drain(self) -> list[Waiting]:
        """Everything waiting, for giving it back after a lost leadership."""
        everything = [*self._reserved, *self._ops]
        self._reserved.clear()
        self._ops.clear()
        self._waiting.clear()
        self._ops_bytes = self._reserved_bytes = 0
        return everything
