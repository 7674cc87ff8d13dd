"""What `apply` tells: one event per change, in order, the same on every peer.

Law: an event's address is (log index, n-th of the entry); whoever keeps events (stream, waiters, history) keeps that
address.
"""

import msgspec

from quorate.scheduling.task import State, Task, TaskId


class TaskEvent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A task came to `state`. `kind` as in `Moment.kind`. `record`: the task as it stands in the table (live, do not
    keep) or, when it ended, its last record (yours to keep)."""

    kind: str
    task: TaskId
    namespace: str
    queue: str
    handler: str
    state: State
    stamp: int
    attempt: int
    fence: int
    peer: str
    incarnation: int
    detail: str
    record: Task


class SessionEvent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """kind: `opened`, `renewed` (only when info changed), `closed` (in peace), `expired`, `replaced` (by a newer
    incarnation)."""

    kind: str
    peer: str
    incarnation: int
    stamp: int


Event = TaskEvent | SessionEvent
