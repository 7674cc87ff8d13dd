"""What a task is.

Law: a `Task` is the one record of a task, the same on every peer, from submission to history. It is changed only by
the state machine (`quorate.consensus.machine`), in place; everybody else treats it as read-only. Times: `*_stamp` are
hybrid logical clock stamps (`ms << 16 | counter`), `*_ms` of the wall are milliseconds since 1970, `*_elapsed` are
milliseconds of cluster life.
"""

from enum import StrEnum
from typing import Annotated, NewType

import msgspec

TaskId = NewType("TaskId", str)
"""26 characters of Crockford base32 (a ULID), minted by the peer that took the submission."""

Ms = Annotated[int, msgspec.Meta(ge=0, le=1 << 46)]
"""Milliseconds, of a wall (until the year 4199) or of a duration. The bound keeps every sum of a few of them an
integer that can be encoded."""
Instant = Annotated[int, msgspec.Meta(ge=0, le=1 << 48)]
"""A sum of a few `Ms`."""
Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 48)]
"""A number that only rises: sequence, attempt, fence, incarnation."""
Stamp = Annotated[int, msgspec.Meta(ge=0, le=1 << 62)]
"""A hybrid logical clock stamp."""
Priority = Annotated[int, msgspec.Meta(ge=-100, le=100)]


class State(StrEnum):
    """The states of the contract, and no others."""

    HELD = "held"
    SCHEDULED = "scheduled"
    BLOCKED = "blocked"
    READY = "ready"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    __hash__ = str.__hash__
    """Of the text, as equality is; and without a call, because states are looked up all the time."""


ENDED = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})


class Retry(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """When an attempt that failed with a handler error is tried again.

    max: retries after handler errors. schedule: delays in seconds, row n before retry n (the last row repeats);
    without one the delay doubles from 1 s to 300 s with jitter. on: names of error types that are retried (empty:
    all).
    """

    max: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0
    schedule: tuple[float, ...] = ()
    on: tuple[str, ...] = ()


class TaskError(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """Why an attempt or a task failed, as told back: `{type, message, code, traceback}`."""

    type: str
    message: str
    code: str = ""
    traceback: str = ""


class NewTask(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """A validated submission, as it stands in a Submit command. `args` is JSON, with every `$result` naming an id."""

    id: TaskId
    handler: str
    args: bytes
    namespace: str = "default"
    queue: str = "default"
    priority: Priority = 0
    key: str = ""
    digest: bytes = b""
    """blake2b-16 of the contents as asked; the same key with another digest is refused (`key_reused`)."""
    held: bool = False
    not_before_ms: Ms = 0
    deadline_ms: Ms = 0
    timeout_ms: Ms = 300_000
    after: tuple[TaskId, ...] = ()
    run_after_failure: bool = False
    """What a failed or cancelled dependency does to this task: False fails it, True lets it run."""
    retry: Retry | None = None
    labels: dict[str, str] | None = None
    principal: str = ""
    trace: str = ""
    """W3C traceparent of the submitter."""


class Task(msgspec.Struct, array_like=True, gc=False):
    """The record. Field order is the storage format: append only."""

    id: TaskId
    seq: Count
    """Order of acceptance: strictly rising over the cluster's life; lists and cursors go by it."""
    handler: str
    args: bytes
    namespace: str
    queue: str
    priority: Priority
    key: str
    digest: bytes
    not_before_ms: Ms
    deadline_ms: Ms
    timeout_ms: Ms
    after: tuple[TaskId, ...]
    run_after_failure: bool
    retry: Retry | None
    labels: dict[str, str] | None
    principal: str
    trace: str
    submitted_stamp: Stamp
    state: State
    reason: str = ""
    attempt: Count = 0
    fence: Count = 0
    peer: str = ""
    incarnation: Count = 0
    failures: Count = 0
    """Attempts of this round that failed with a handler error (what `retry.max` counts)."""
    deaths: Count = 0
    """Attempts that ended with the death of a single peer (what `poison_limit` counts)."""
    unmet: Count = 0
    """Dependencies that have not ended."""
    due_ms: Instant = 0
    """state scheduled: wall ms (`due_by_elapsed` False) or elapsed ms from which it is ready; running: elapsed ms of
    the attempt's limit (0: none)."""
    due_by_elapsed: bool = False
    ready_stamp: Stamp = 0
    started_stamp: Stamp = 0
    ended_stamp: Stamp = 0
    result: bytes | None = None
    """JSON."""
    error: TaskError | None = None
    end_seq: Count = 0
    """Order of ending, strictly rising; 0 while live. History and retention go by it."""
    timeline: bytes = b""
    """The last 64 `Moment`s, each a msgpack array, one after the other, oldest first."""
    moments: Count = 0
    """Moments so far (more than 64: the oldest were dropped)."""


class Moment(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One step on a task's timeline."""

    kind: str
    """As in `lifecycle.MEANINGS`: submitted, ready, running, succeeded, failed, cancelled, retrying, requeued ..."""
    stamp: Stamp
    attempt: Count = 0
    peer: str = ""
    detail: str = ""


class Attempt(msgspec.Struct, frozen=True):
    """One granted attempt, as handed to the workers."""

    task: TaskId
    handler: str
    args: bytes
    """JSON with `$result` not yet filled in."""
    attempt: Count
    fence: Count
    timeout_ms: Ms
    """0: none."""
    deadline_ms: Ms
    results: dict[TaskId, bytes]
    """JSON results of the tasks named in `after`."""
    namespace: str
    queue: str
    principal: str
    labels: dict[str, str]
    trace: str
    seq: Count = 0


class Succeeded(msgspec.Struct, frozen=True, tag=True):
    """How an attempt ended: with a result (JSON). `staged`: what the handler submitted through its context, not yet
    sent."""

    result: bytes
    staged: tuple[NewTask, ...] = ()
    ran_ms: int = 0


class Failed(msgspec.Struct, frozen=True, tag=True):
    """With a handler error (also a timeout: type `TimeoutError`, or a handler unknown here: type `UnknownHandler`)."""

    error: TaskError
    ran_ms: int = 0


class Returned(msgspec.Struct, frozen=True, tag=True):
    """It was not run, or stopped because of cancellation, a lost session or a draining peer; it does not count as a
    failure."""

    why: str


Ending = Succeeded | Failed | Returned
