"""What clients asked and were told, in order.

Law: append-only. A request that is answered again is told again, so that it can be seen. Deadlines are in the clock of
the peer that was asked.
"""

from collections.abc import Sequence

from quorate.consensus.commands import Outcome
from quorate.scheduling.task import TaskId


class Request:
    """One submission at one peer. `ids`: minted for its tasks. `life`: of the machine when it was asked."""

    __slots__ = ("answers", "deadline", "ids", "index", "key", "life", "outcome", "peer")

    def __init__(self, peer: str, life: int, key: str, ids: Sequence[TaskId], deadline: float) -> None:
        self.peer = peer
        self.life = life
        self.key = key
        self.ids = tuple(ids)
        self.deadline = deadline
        self.answers = 0
        self.outcome: Outcome | None = None
        self.index = 0


class Read:
    """One linearizable read at one peer. `told_before`: how many answers anybody had been given when it began."""

    __slots__ = ("applied", "index", "peer", "told_before")

    def __init__(self, peer: str, told_before: int) -> None:
        self.peer = peer
        self.told_before = told_before
        self.index = self.applied = -1


class Record:
    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.told: list[Request] = []
        """In the order of answers."""
        self.reads: list[Read] = []
        """In the order of answers; those without one are not here."""

    def ask(self, peer: str, life: int, key: str, ids: Sequence[TaskId], deadline: float) -> Request:
        """`deadline`: monotonic second of the peer's clock."""
        request = Request(peer, life, key, ids, deadline)
        self.requests.append(request)
        return request

    def tell(self, request: Request, outcome: Outcome, index: int) -> None:
        """`index`: of the entry that answered it (0: none, it had been accepted before)."""
        request.answers += 1
        request.outcome, request.index = outcome, index
        self.told.append(request)

    def begin_read(self, peer: str) -> Read:
        return Read(peer, len(self.told))

    def end_read(self, read: Read, index: int, applied: int) -> None:
        """`index`: the point given; `applied`: the last entry its state had applied then."""
        read.index, read.applied = index, applied
        self.reads.append(read)
