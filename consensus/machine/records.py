"""The kinds of records the state is made of, beside `Task`.

Law: what stands in a record is replicated, hashed and kept in snapshots; nothing that can be derived from other records
stands in one. Field order is the storage format: append only.
"""

from enum import IntEnum

import msgspec

from quorate.consensus.commands import Applied, SessionInfo, Slots
from quorate.scheduling.task import Count, Instant, Ms, Stamp, State, Task, TaskId


class Counters(msgspec.Struct, array_like=True, gc=False):
    """The single numbers of the state. None ever falls."""

    index: Count = 0
    term: Count = 0
    elapsed: Ms = 0
    stamp: Stamp = 0
    seq: Count = 0
    """Tasks accepted so far."""
    fence: Count = 0
    """The last one given out."""
    end_seq: Count = 0
    """Tasks ended so far."""
    lookup_floor: Count = 0
    """The greatest log index at which a task ended whose stub is gone: only history knows of ends up to here."""


class Session(msgspec.Struct, array_like=True):
    """The life sign of one peer, on which all it holds hangs."""

    peer: str
    incarnation: Count
    ttl_ms: Ms
    expires_elapsed: Instant
    info: SessionInfo
    slots: Slots
    running: Count = 0
    """Attempts it holds."""


class Telling(IntEnum):
    """What of an ended task is still owed to those that wait for it."""

    OWED = 1
    """Dependants are told one by one; those up to `Ended.told` have been."""
    SETTLED = 2


class Ended(msgspec.Struct, array_like=True, gc=False):
    """What stays of an ended task until everybody can find it in history: its stub."""

    id: TaskId
    seq: Count
    """0: ended before a submitter looked it up (`Found`); no more is known than state and result."""
    namespace: str
    key: str
    digest: bytes
    state: State
    result: bytes | None
    index: Count
    """Of the log entry in which it ended."""
    end_seq: Count
    until_elapsed: Instant
    """It stays at least so long, and as long as a live task depends on it."""
    size: Count
    """Of arguments and result, as it counts towards `Limits.live_bytes`."""
    packed: bytes
    """The last record, without the result, as msgpack; empty if only looked up."""
    telling: Telling = Telling.SETTLED
    told: Count = 0

    @property
    def record(self) -> Task | None:
        """The ended task, complete; None if it was only looked up."""
        if not self.packed:
            return None
        task = unpack_task(self.packed)
        task.result = self.result
        return task


class Client(msgspec.Struct, array_like=True, gc=False):
    """One life of one peer, as a sender of operations."""

    peer: str
    incarnation: Count
    floor: Count
    """Its lowest number still unanswered, as it says."""


class Told(msgspec.Struct, array_like=True):
    """What one entry told one client: the outcomes of its operations by number."""

    peer: str
    incarnation: Count
    index: Count
    answers: list[tuple[Count, Applied]]


class Death(msgspec.Struct, array_like=True):
    """The unexpected end of a session, as long as it may turn out to be part of a greater calamity (`deaths.py`)."""

    peer: str
    incarnation: Count
    counted: list[TaskId]
    """The tasks for which it was counted."""
    awaited: list[str]
    """The peers that have shown no life since, in order."""


class Handler(msgspec.Struct, array_like=True, gc=False):
    """A handler that a session has offered once."""

    name: str


unpack_task = msgspec.msgpack.Decoder(Task).decode
