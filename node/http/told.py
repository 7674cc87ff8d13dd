"""What is told back: tasks, timelines and reasons as JSON.

Law: a record is rendered from one look at it and never kept. `args` and `result` are JSON already and are passed
through as they are.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

import msgspec

from quorate.node.http.ports import MachineView
from quorate.scheduling.task import ENDED, Moment, State, Task, TaskError

NULL: Final = msgspec.Raw(b"null")

encode: Final = msgspec.json.Encoder().encode


class ErrorTold(msgspec.Struct):
    type: str
    message: str
    code: str
    traceback: str


class RetryTold(msgspec.Struct):
    max: int
    schedule: tuple[float, ...]
    on: tuple[str, ...]


class TaskTold(msgspec.Struct):
    """A task. Times are RFC 3339, null for what has not happened. `timeout` in seconds, 0 for none."""

    id: str
    state: State
    reason: str | None
    handler: str
    args: msgspec.Raw
    namespace: str
    queue: str
    priority: int
    key: str | None
    after: tuple[str, ...]
    on_dependency_failure: str
    not_before: str | None
    deadline: str | None
    timeout: float
    retry: RetryTold | None
    labels: Mapping[str, str]
    attempt: int
    fence: int
    peer: str | None
    result: msgspec.Raw
    error: ErrorTold | None
    submitted_at: str
    started_at: str | None
    ended_at: str | None
    principal: str


class PageTold(msgspec.Struct):
    """Newest first. `cursor`: ask with it for what comes next; null at the end."""

    tasks: list[TaskTold]
    cursor: str | None


class MomentTold(msgspec.Struct):
    kind: str
    at: str
    attempt: int
    peer: str | None
    detail: str


class TimelineTold(msgspec.Struct):
    """Oldest first. `dropped`: older ones that are no longer kept."""

    id: str
    events: list[MomentTold]
    dropped: int


def task_told(task: Task, machine: MachineView) -> TaskTold:
    error = task.error
    return TaskTold(
        task.id,
        task.state,
        _reason(task, machine),
        task.handler,
        msgspec.Raw(task.args),
        task.namespace,
        task.queue,
        task.priority,
        task.key or None,
        task.after,
        "run" if task.run_after_failure else "fail",
        _at_ms(task.not_before_ms),
        _at_ms(task.deadline_ms),
        task.timeout_ms / 1000,
        None if task.retry is None else RetryTold(task.retry.max, task.retry.schedule, task.retry.on),
        task.labels or {},
        task.attempt,
        task.fence,
        task.peer or None,
        NULL if task.result is None else msgspec.Raw(task.result),
        None if error is None else ErrorTold(error.type, error.message, error.code, error.traceback),
        at(task.submitted_stamp),
        _at_or_none(task.started_stamp),
        _at_or_none(task.ended_stamp),
        task.principal,
    )


def timeline(task: Task) -> list[Moment]:
    """The kept moments, oldest first."""
    return _timeline_of(task.timeline, min(task.moments, KEPT_MOMENTS)) if task.moments else []


KEPT_MOMENTS: Final = 64
"""As `Task.timeline` says."""
_moments: Final = msgspec.msgpack.Decoder(list[Moment])


def _timeline_of(data: bytes, count: int) -> list[Moment]:
    """The moments stand one after the other; behind the header of a msgpack array (array 16) they are one value."""
    return _moments.decode(b"\xdc" + count.to_bytes(2) + data)


def timeline_told(task: Task) -> TimelineTold:
    moments = timeline(task)
    events = [MomentTold(m.kind, at(m.stamp), m.attempt, m.peer or None, m.detail) for m in moments]
    return TimelineTold(task.id, events, task.moments - len(moments))


def _reason(task: Task, machine: MachineView) -> str | None:
    if task.reason:
        return task.reason
    if task.state is State.READY and not able_peers(task.handler, machine):
        return "no_suitable_peer"
    return None


def able_peers(handler: str, machine: MachineView) -> list[str]:
    """Live peers that have the handler."""
    return [peer for peer, session in machine.sessions.items() if handler in session.info.handlers]


def has_ended(task: Task) -> bool:
    return task.state in ENDED


# --- times ----------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def rfc3339(at_ms: int) -> str:
    second, ms = divmod(at_ms, 1000)
    return f"{_second(second)}.{ms:03d}Z"


def at(stamp: int) -> str:
    """Of a hybrid logical clock stamp."""
    return rfc3339(stamp >> 16)


def _at_or_none(stamp: int) -> str | None:
    return at(stamp) if stamp else None


def _at_ms(ms: int) -> str | None:
    return rfc3339(ms) if ms else None


# --- why a task is where it is --------------------------------------------------------------------


class NeedTold(msgspec.Struct):
    id: str
    state: str


class WhyTold(msgspec.Struct):
    """Why a task is where it is, in a sentence, and what it waits for."""

    id: str
    state: State
    reason: str | None
    why: str
    waits_for: Sequence[NeedTold] = ()
    until: str | None = None


def why_told(task: Task, machine: MachineView) -> WhyTold:
    needs = _unmet(task, machine) if task.state is State.BLOCKED else ()
    until = _at_ms(task.due_ms) if task.state is State.SCHEDULED and not task.due_by_elapsed else None
    return WhyTold(task.id, task.state, _reason(task, machine), _WORDS[task.state](task, machine), needs, until)


def _unmet(task: Task, machine: MachineView) -> list[NeedTold]:
    return [NeedTold(need, machine.tasks[need].state) for need in task.after if need in machine.tasks]


def _why_ready(task: Task, machine: MachineView) -> str:
    able = able_peers(task.handler, machine)
    if not able:
        return f"no live peer has the handler {task.handler!r}; start a peer that has it"
    busy = [peer for peer in able if machine.sessions[peer].running >= machine.sessions[peer].slots]
    if len(busy) == len(able):
        return f"every peer that has the handler is busy ({', '.join(sorted(able))}); it is taken when a place is free"
    return f"it is about to be taken by {' or '.join(sorted(set(able) - set(busy)))}; tasks of higher priority go first"


def _why_held(task: Task, _machine: MachineView) -> str:
    if task.reason == "quarantined":
        return f"{task.deaths} peers died while they ran it; look at it, then POST /v1/tasks/{task.id}/ready or /cancel"
    return f"it is held; POST /v1/tasks/{task.id}/ready lets it go"


def _error_words(error: TaskError | None) -> str:
    return f": {error.type}: {error.message}" if error else ""


def _why_blocked(task: Task, _machine: MachineView) -> str:
    return f"it waits for {task.unmet} of {len(task.after)} tasks it comes after"


def _why_running(task: Task, _machine: MachineView) -> str:
    return f"attempt {task.attempt} runs on peer {task.peer} since {at(task.started_stamp)}"


def _why_succeeded(task: Task, _machine: MachineView) -> str:
    return f"attempt {task.attempt} succeeded at {at(task.ended_stamp)}"


def _why_failed(task: Task, _machine: MachineView) -> str:
    return f"it failed for good at {at(task.ended_stamp)}{_error_words(task.error)}"


def _why_cancelled(task: Task, _machine: MachineView) -> str:
    return f"it was cancelled at {at(task.ended_stamp)}{': ' + task.reason if task.reason else ''}"


def _why_scheduled(task: Task, machine: MachineView) -> str:
    if task.due_by_elapsed:
        return f"it is tried again in {max(0, task.due_ms - machine.elapsed) / 1000:.1f} s"
    return f"it may not start before {_at_ms(task.due_ms)}"


_WORDS: Final[Mapping[State, Callable[[Task, MachineView], str]]] = {
    State.HELD: _why_held,
    State.SCHEDULED: _why_scheduled,
    State.BLOCKED: _why_blocked,
    State.READY: _why_ready,
    State.RUNNING: _why_running,
    State.SUCCEEDED: _why_succeeded,
    State.FAILED: _why_failed,
    State.CANCELLED: _why_cancelled,
}
