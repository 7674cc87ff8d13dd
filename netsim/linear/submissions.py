"""What clients of a cluster were told of a submission: one object for each idempotency key.

Law: `submit` is given the id that its task would get (or null) and told the id of the task that the key has, the same
for ever (promise 6): the one that the first submission gave it. `look` is told null while there is none, else
`[id, state]` or `[id, state, fence]`: an end is an end, and the fence never goes back; the state "" says that the task
is not found. `cancel` and `retry` are given the id they speak of, or null; answered `ok`, a cancel found the task alive
or cancelled and left it cancelled, a retry found it failed and left it alive. Whatever was refused is a `fail`.

A task moves on by itself between two operations: attempts begin (the fence rises) and it succeeds or fails. It is never
cancelled by itself.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from quorate.netsim.linear import forms
from quorate.netsim.linear.model import IMPOSSIBLE, Forms, Model, State
from quorate.netsim.linear.operation import UNKNOWN, Operation, Value, shown

SUBMIT, LOOK, CANCEL, RETRY = "submit", "look", "cancel", "retry"
ALIVE = "alive"
SUCCEEDED, FAILED, CANCELLED = "succeeded", "failed", "cancelled"
ENDS = frozenset((SUCCEEDED, FAILED, CANCELLED))
NOT_FOUND = ""
STATES = frozenset((NOT_FOUND, "held", "scheduled", "blocked", "ready", "running")) | ENDS


class Submitted(NamedTuple):
    """`task`: UNKNOWN while nobody who knows has told. `stage`: alive, or how it has ended."""

    task: Value
    stage: str
    fence: int


def step(state: Submitted | None, operation: Operation) -> State:
    if operation.f == SUBMIT:
        return _submit(state, operation)
    if operation.f == LOOK:
        return _look(state, operation.told)
    if state is None or not _is_same(state, operation.given):
        return IMPOSSIBLE
    if operation.f == CANCEL:
        return IMPOSSIBLE if state.stage in (SUCCEEDED, FAILED) else state._replace(stage=CANCELLED)
    # A task that was alive when last seen may have failed since.
    return state._replace(stage=ALIVE) if state.stage in (ALIVE, FAILED) else IMPOSSIBLE


def _submit(state: Submitted | None, operation: Operation) -> State:
    told = operation.told
    if state is None:
        task = told if operation.given is None else operation.given
        return Submitted(task, ALIVE, 0) if told in (UNKNOWN, task) else IMPOSSIBLE
    if told is UNKNOWN or told == state.task:
        return state
    return state._replace(task=told) if state.task is UNKNOWN else IMPOSSIBLE


def _look(state: Submitted | None, told: Value) -> State:
    if told is UNKNOWN:
        return state
    if not isinstance(told, tuple) or told[1] == NOT_FOUND:
        return IMPOSSIBLE if state else state
    if state is None or not _is_same(state, told[0]):
        return IMPOSSIBLE
    stage = told[1] if told[1] in ENDS else ALIVE
    if stage != state.stage and (state.stage != ALIVE or stage == CANCELLED):
        return IMPOSSIBLE
    fence = told[2] if len(told) == 3 else state.fence
    if fence < state.fence:  # type: ignore[operator]  # its form has been looked at
        return IMPOSSIBLE
    return Submitted(told[0], stage, fence)  # type: ignore[arg-type]  # so have those of the others


def _is_same(state: Submitted, task: Value) -> bool:
    return task is None or state.task in (UNKNOWN, task)


def needed(operations: Sequence[Operation]) -> list[Operation]:
    return [operation for operation in operations if not (operation.is_open and operation.f == LOOK)]


def leaving(chosen: Collection[int], among: Sequence[Operation]) -> set[int]:
    """A look leaves alone, a retry not at all, a cancel with all cancels and who saw what they did, a submission with
    everything."""
    names = {operation.f for operation in among if operation.call in chosen}
    if SUBMIT in names:
        return {operation.call for operation in among}
    gone = {operation.call for operation in among if operation.f == LOOK and operation.call in chosen}
    if CANCEL in names:
        gone |= {operation.call for operation in among if operation.f == CANCEL or _saw_cancelled(operation)}
    return gone


def _saw_cancelled(operation: Operation) -> bool:
    return operation.f == LOOK and isinstance(operation.told, tuple) and operation.told[1] == CANCELLED


def _task_id(value: Value) -> str | None:
    return None if isinstance(value, str) else f"got {shown(value)}, expected the id of a task"


def _task_id_or_null(value: Value) -> str | None:
    return None if value is None else _task_id(value)


def _sight(value: Value) -> str | None:
    if value is None:
        return None
    match value:
        case (str(), str() as name) if name in STATES:
            return None
        case (str(), str() as name, int() as fence) if name in STATES and fence >= 0:
            return None
    return f"got {shown(value)}, expected null, or [id, state, fence] with a state of a task or an empty text"


def words(state: Submitted | None) -> str:
    if state is None:
        return "does not exist"
    return f"is task {shown(state.task)}, {state.stage}, fence {state.fence}"


SUBMISSIONS = Model(
    name="submissions",
    initial=None,
    step=step,
    forms={
        SUBMIT: Forms(given=_task_id_or_null, told=_task_id),
        LOOK: Forms(given=forms.null, told=_sight),
        CANCEL: Forms(given=_task_id_or_null, told=forms.anything),
        RETRY: Forms(given=_task_id_or_null, told=forms.anything),
    },
    needed=needed,
    leaving=leaving,
    words=words,
)
