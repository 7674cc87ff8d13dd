"""What clients asked and were told, in order.

Law: append-only. A request that is answered again is told again, so that it can be seen. Deadlines are in the clock of
the peer that was asked.
"""

from typing import Literal, NamedTuple

from quorate.consensus.commands import Outcome
from quorate.scheduling.task import TaskId

Value = str | int | None | tuple[str | int, ...]


class Entry(NamedTuple):
    """A line of the history. `process`: one request each. `type`: invoke, ok (told so), fail (surely not done), info
    (not known). `f`: submit, cancel, retry, read, look, list. `key`: of the submission spoken of.

    `value`: of a submission the id of its first task (when asked: the id it would get); of a look `(id, state, fence)`,
    the state "" where there is no such task; of a read the log index; of a list the ids found.
    """

    process: int
    type: Literal["invoke", "ok", "fail", "info"]
    f: str
    key: str
    value: Value
    time: float


class Asked:
    """One thing asked of one peer. `life`: of the machine then. `ids`: minted for the tasks of a submission. `outcome`:
    of reads None.
    """

    __slots__ = ("answers", "deadline", "do", "ids", "index", "key", "life", "outcome", "peer")

    def __init__(self, peer: str, life: int, do: str, key: str, deadline: float) -> None:
        self.peer = peer
        self.life = life
        self.do = do
        self.key = key
        self.deadline = deadline
        self.ids: tuple[TaskId, ...] = ()
        self.answers = 0
        self.outcome: Outcome | None = None
        self.index = 0

    def __str__(self) -> str:
        return f"{self.do} {self.key}".rstrip()


class Read:
    """One linearizable read at one peer. `told_before`: how many answers anybody had been given when it began."""

    __slots__ = ("applied", "index", "peer", "told_before")

    def __init__(self, peer: str, told_before: int) -> None:
        self.peer = peer
        self.told_before = told_before
        self.index = self.applied = -1


class Record:
    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.told: list[Asked] = []
        """In the order of answers."""
        self.reads: list[Read] = []
        """In the order of answers; those without one are not here."""
        self.history: list[Entry] = []
        """All of it as clients saw it, in order."""

    def ask(self, peer: str, life: int, do: str, key: str, deadline: float) -> Asked:
        """`deadline`: monotonic second of the peer's clock."""
        asked = Asked(peer, life, do, key, deadline)
        self.asked.append(asked)
        return asked

    def tell(self, asked: Asked, outcome: Outcome | None, index: int) -> None:
        """`index`: of the entry that answered it (0: none, or what it asks for was there before)."""
        asked.answers += 1
        asked.outcome, asked.index = outcome, index
        self.told.append(asked)

    def begin_read(self, peer: str) -> Read:
        return Read(peer, len(self.told))

    def end_read(self, read: Read, index: int, applied: int) -> None:
        """`index`: the point given; `applied`: the last entry its state had applied then."""
        read.index, read.applied = index, applied
        self.reads.append(read)
