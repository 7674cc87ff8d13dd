"""The operations that may stand in the log, and what is told of each.

Law: a command is plain data, complete in itself. Formats only grow (append fields with defaults, add tags); a peer
that does not know a tag or a field refuses that operation and changes nothing, so mixed versions need the feature
level of `docs/design.md` before a new one is sent. Every number has bounds, in its type, that keep what is reckoned
with it valid.
"""

from typing import Annotated

import msgspec

from quorate.scheduling.task import Count, Ms, NewTask, Stamp, State, TaskError, TaskId

MAX_SLOTS = 999
"""Attempts one peer may hold: the end of a session puts all of them back within one entry's budget of derived work."""

Slots = Annotated[int, msgspec.Meta(ge=0, le=MAX_SLOTS)]
Limit = Annotated[int, msgspec.Meta(ge=0, le=1 << 46)]


class SessionInfo(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a peer says of itself when it opens its session."""

    http: str
    """`scheme://host:port` others and clients reach it by; "" if none."""
    slots: Slots
    """Attempts it may hold at once (threads plus what it claims ahead)."""
    handlers: tuple[str, ...]
    region: str = ""
    capabilities: tuple[str, ...] = ()
    version: str = ""


class OpenSession(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="open"):
    """Also updates the info of an open one. Ends older incarnations of the same peer (their attempts are requeued)."""

    peer: str
    incarnation: Count
    ttl_ms: Ms
    info: SessionInfo


class RenewSession(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="renew"):
    peer: str
    incarnation: Count
    slots: Slots


class CloseSession(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="close"):
    """Leaves in peace: what it still holds is requeued without counting as a death."""

    peer: str
    incarnation: Count


class Found(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A dependency that had ended when the submitter looked."""

    id: TaskId
    state: State
    result: bytes | None


class Submit(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="submit"):
    """All or none. `looked_at`: history was readable up to this index when keys and dependencies were looked up (0:
    nothing to look up).

    Done value: list of ids, in order: the id of the first task with that key where it was a repetition.
    """

    tasks: tuple[NewTask, ...]
    looked_at: Count = 0
    found: tuple[Found, ...] = ()


class Claim(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="claim"):
    """For each (task, attempts so far): run it, if it is ready, no attempt happened since, and the session lives.
    Each is decided alone.

    Done value: for each wanted its fence in decimal, or "" where it was not granted.
    """

    peer: str
    incarnation: Count
    wanted: tuple[tuple[TaskId, Count], ...]


class SetResult(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="result"):
    result: bytes


class SetError(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="error"):
    """`retry_ms`: delay before the next attempt if retries are left; None: this error is not retried."""

    error: TaskError
    retry_ms: Ms | None


class GiveBack(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="giveback"):
    """The attempt did not happen, or was stopped for no fault of its own; ready again."""

    why: str


class Stage(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="stage"):
    """Tasks that the attempt submitted through its context. Only beside a `SetResult`; `looked_at` and `found` as in
    Submit."""

    tasks: tuple[NewTask, ...]
    looked_at: Count = 0
    found: tuple[Found, ...] = ()


Staged = SetResult | SetError | GiveBack | Stage


class Finish(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="finish"):
    """The end of an attempt: a list of operations, all or none, accepted only with the attempt's fence.

    Refused as `stale_fence` when the attempt is no longer the current one. If a staged task is refused none applies
    and the attempt ends with the error `StagedRefused` naming it; except `stale_lookup`, which refuses the Finish:
    look again. Done value: empty, or `["staged_refused", reason]`.
    """

    task: TaskId
    fence: Count
    ops: tuple[Staged, ...]


class MakeReady(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="ready"):
    """A held task: set ready, perhaps with another earliest time (wall ms; None: unchanged)."""

    task: TaskId
    not_before_ms: Ms | None = None


class Cancel(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="cancel"):
    task: TaskId
    reason: str = ""


class Again(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="again"):
    """A fresh round of attempts for a failed task. `record`: the ended record as msgpack if it has left the stubs;
    `looked_at` and `found` (its dependencies) as in Submit."""

    task: TaskId
    record: bytes = b""
    looked_at: Count = 0
    found: tuple[Found, ...] = ()


class Limits(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What `apply` enforces; data, never read from a peer's own file while applying."""

    live_tasks: Limit = 1_000_000
    live_bytes: Limit = 1 << 30
    """Arguments and kept results of live tasks and stubs."""
    poison_limit: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 5
    history_rows: Limit = 1_000_000
    history_ms: Limit = 7 * 24 * 3600 * 1000
    attempt_grace_ms: Limit = 5_000
    """An attempt whose own peer has not ended it this long after its timeout is taken away from it."""


class Configure(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="configure"):
    limits: Limits


Command = (
    OpenSession | RenewSession | CloseSession | Submit | Claim | Finish | MakeReady | Cancel | Again | Configure
)  # fmt: skip


class Op(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One operation in an entry; `command` stays encoded until it is applied."""

    peer: str
    incarnation: Count
    number: Count
    floor: Count
    command: bytes


class Entry(msgspec.Struct, frozen=True, array_like=True):
    elapsed: Ms
    stamp: Stamp
    fresh: bool
    ops: list[msgspec.Raw]


class Done(msgspec.Struct, frozen=True, array_like=True, tag="done"):
    """Applied. `value` depends on the command."""

    value: list[str] = []


class Refused(msgspec.Struct, frozen=True, array_like=True, tag="refused"):
    """Surely not applied. `reason`: a stable word (`not_found`, `key_reused`, `stale_lookup`, `too_many_tasks`,
    `already_ended` ...)."""

    reason: str
    detail: str = ""
    field: str = ""


class Unknown(msgspec.Struct, frozen=True, array_like=True, tag="unknown"):
    """It may or may not be applied; asking again under the same key is safe."""

    detail: str = ""


Applied = Done | Refused
Outcome = Done | Refused | Unknown
