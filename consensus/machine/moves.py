"""The moves of a task from state to state, one function each: everything that changes a task is made of these.

Law: each follows `scheduling.lifecycle`, appends one moment to the timeline and tells one event.
"""

import msgspec

from quorate.consensus.events import TaskEvent
from quorate.consensus.machine.records import Ended, Telling
from quorate.consensus.machine.store import Store
from quorate.consensus.machine.stubs import drop_if_spent
from quorate.consensus.machine.tables import encode
from quorate.scheduling.task import Moment, State, Task, TaskError

MOMENTS_KEPT = 64
DETAIL_CHARS = 200
STUB_MS = 15_000
"""Longer than any request's deadline: whoever looked a task up before it left can still hear of it."""
STUB_STEP_MS = 1_000
"""Stubs go in steps of this, so that a leader is not called for each of them."""

HELD, SCHEDULED, BLOCKED, READY, RUNNING, SUCCEEDED, FAILED, CANCELLED = State

_moments = msgspec.msgpack.Decoder(list[msgspec.Raw])


def mark(store: Store, task: Task, kind: str, detail: str = "") -> None:
    """Timeline and event of what has just been done to `task`."""
    stamp = store.now.stamp
    detail = detail[:DETAIL_CHARS]
    if task.moments >= MOMENTS_KEPT:
        task.timeline = _without_oldest(task.timeline)
    task.timeline += encode(Moment(kind, stamp, task.attempt, task.peer, detail))
    task.moments += 1
    store.events.append(
        TaskEvent(
            kind,
            task.id,
            task.namespace,
            task.queue,
            task.handler,
            task.state,
            stamp,
            task.attempt,
            task.fence,
            task.peer,
            task.incarnation,
            detail,
            task,
        )
    )


def place(store: Store, task: Task, kind: str) -> None:
    """Where a round begins, or goes on: behind its dependencies, its earliest time, or ready.

    The caller has taken the task out of the state it was in.
    """
    if task.unmet:
        task.state = BLOCKED
    elif task.not_before_ms > store.wall_ms:
        task.state, task.due_ms, task.due_by_elapsed = SCHEDULED, task.not_before_ms, False
    else:
        task.state, task.due_ms, task.ready_stamp = READY, 0, store.now.stamp
    task.reason = ""
    store.enter(task)
    mark(store, task, kind, "" if task.state is READY else str(task.state))


def withhold(store: Store, task: Task) -> None:
    """Where a round begins that its submitter wants held."""
    task.state = HELD
    store.enter(task)
    mark(store, task, "submitted", "held")


def unblock(store: Store, task: Task) -> None:
    """A blocked task whose dependencies have all ended."""
    store.tasks.touch(task.id)
    store.leave(task)
    place(store, task, "scheduled" if task.not_before_ms > store.wall_ms else "ready")


def make_ready(store: Store, task: Task) -> None:
    """A scheduled task whose time has come."""
    store.tasks.touch(task.id)
    store.leave(task)
    task.state, task.due_ms, task.due_by_elapsed, task.ready_stamp = READY, 0, False, store.now.stamp
    store.enter(task)
    mark(store, task, "ready")


def start(store: Store, task: Task, peer: str, incarnation: int) -> None:
    """A ready task is granted to a peer: a new attempt under a new fence."""
    now = store.now
    store.tasks.touch(task.id)
    store.leave(task)
    now.fence += 1
    task.state, task.peer, task.incarnation = RUNNING, peer, incarnation
    task.attempt, task.fence, task.started_stamp = task.attempt + 1, now.fence, now.stamp
    if task.timeout_ms:
        task.due_ms, task.due_by_elapsed = now.elapsed + task.timeout_ms + store.bounds.attempt_grace_ms, True
    store.enter(task)
    hold(store, peer, 1)
    mark(store, task, "running")


def hold(store: Store, peer: str, change: int) -> None:
    """Count an attempt of a session."""
    session = store.sessions.records.get(peer)
    if session is not None:
        store.sessions.touch(peer)
        session.running += change


def stop(store: Store, task: Task) -> None:
    """An attempt is over, whatever comes of it. The record still says whose it was."""
    store.tasks.touch(task.id)
    store.leave(task)
    if task.state is RUNNING:
        hold(store, task.peer, -1)
    task.due_ms, task.due_by_elapsed = 0, False


def put_back(store: Store, task: Task, kind: str, detail: str) -> None:
    """A running task is ready again, at its old place in the order: it has waited already."""
    stop(store, task)
    task.state = READY
    store.enter(task)
    mark(store, task, kind, detail)
    task.peer, task.incarnation = "", 0


def quarantine(store: Store, task: Task, detail: str) -> None:
    """A running task is held: it is suspected of killing peers."""
    stop(store, task)
    task.state, task.reason = HELD, "quarantined"
    store.enter(task)
    mark(store, task, "quarantined", detail)
    task.peer, task.incarnation = "", 0


def reschedule(store: Store, task: Task, delay_ms: int) -> None:
    """A failed attempt will be followed by another after `delay_ms` of elapsed time."""
    stop(store, task)
    task.state, task.due_ms, task.due_by_elapsed = SCHEDULED, store.now.elapsed + delay_ms, True
    store.enter(task)
    mark(store, task, "retrying", task.error.type if task.error else "")
    task.peer, task.incarnation = "", 0


def succeed(store: Store, task: Task, result: bytes) -> None:
    stop(store, task)
    task.result, task.error = result, None
    _end(store, task, SUCCEEDED, "")


def fail(store: Store, task: Task, error: TaskError, reason: str) -> None:
    """For good, from any state."""
    stop(store, task)
    task.error, task.reason = error, reason
    _end(store, task, FAILED, reason or error.type)


def cancel(store: Store, task: Task, reason: str) -> None:
    stop(store, task)
    task.reason = reason[:DETAIL_CHARS]
    _end(store, task, CANCELLED, reason)


def _end(store: Store, task: Task, state: State, detail: str) -> None:
    """Out of the live table: the stub stays, the complete record goes to every peer's history."""
    now = store.now
    now.end_seq += 1
    task.state, task.ended_stamp, task.end_seq = state, now.stamp, now.end_seq
    mark(store, task, str(state), detail)
    store.tasks.drop(task.id)
    store.detach(task)
    stub = stub_of(task, now.index, (now.elapsed + STUB_MS) // STUB_STEP_MS * STUB_STEP_MS + STUB_STEP_MS)
    if task.id in store.dependants:
        stub.telling = Telling.OWED
    store.ended.put(task.id, stub)
    store.attach_stub(stub)
    store.rows.append(task)
    for dependency in task.after:
        drop_if_spent(store, dependency)


def stub_of(task: Task, index: int, until_elapsed: int) -> Ended:
    """What stays of an ended task."""
    result, task.result = task.result, None
    packed = encode(task)
    task.result = result
    size = len(task.args) + len(result or b"")
    return Ended(
        task.id,
        task.seq,
        task.namespace,
        task.key,
        task.digest,
        task.state,
        result,
        index,
        task.end_seq,
        until_elapsed,
        size,
        packed,
    )


def _without_oldest(timeline: bytes) -> bytes:
    """The timeline without its first moment; the moments stand one after the other, so an array header makes a list
    of them."""
    try:
        moments = _moments.decode(b"\xdc" + MOMENTS_KEPT.to_bytes(2, "big") + timeline)
    except msgspec.MsgspecError:
        return b""
    return timeline[len(bytes(moments[0])) :]
