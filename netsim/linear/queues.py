"""A queue: first in, first out.

Law: `enqueue` is given a value, never null; `dequeue` is told the value it took, or null when it found nothing.

An open enqueue whose value nobody took can be left out (with the open dequeue that may have taken it); an open dequeue
cannot: what it took is gone.
"""

from bisect import bisect
from collections.abc import Collection, Hashable, Sequence
from typing import Any, NamedTuple

from quorate.netsim.linear import fifo, forms
from quorate.netsim.linear.model import IMPOSSIBLE, Forms, Model, State
from quorate.netsim.linear.operation import NEVER, UNKNOWN, Operation, Value, shown

ENQUEUE, DEQUEUE = "enqueue", "dequeue"


def step(state: tuple[Value, ...], operation: Operation) -> State:
    if operation.f == ENQUEUE:
        return (*state, operation.given)
    told = operation.told
    if told is None:
        return IMPOSSIBLE if state else state
    if not state:
        return state if told is UNKNOWN else IMPOSSIBLE
    return state[1:] if told is UNKNOWN or state[0] == told else IMPOSSIBLE


def observes(operation: Operation) -> bool:
    return operation.f == DEQUEUE and operation.told is None


def alike(operation: Operation) -> Hashable:
    return (operation.f, _value(operation))


def needed(operations: Sequence[Operation]) -> list[Operation]:
    taken = {operation.told for operation in operations if operation.f == DEQUEUE}
    return [
        operation
        for operation in operations
        if not operation.is_open or (operation.given in taken if operation.f == ENQUEUE else operation.told is not None)
    ]


def decide(operations: Sequence[Operation], start: State) -> bool | None:
    """`fifo.decide`, from the empty queue."""
    if start != ():
        return None
    enqueues = [operation for operation in operations if operation.f == ENQUEUE]
    dequeues = [operation for operation in operations if operation.f == DEQUEUE]
    unknown = [operation for operation in dequeues if operation.is_open]
    if any(operation.told is not UNKNOWN for operation in unknown):
        return None
    return fifo.decide(enqueues, [operation for operation in dequeues if not operation.is_open], unknown)


def leaving(chosen: Collection[int], among: Sequence[Operation]) -> set[int]:
    """A value leaves with who took it; where a value came twice nobody can say who took which, and it stays. What took
    an unknown value stays."""
    by_value: dict[Value, list[Operation]] = {}
    for operation in among:
        by_value.setdefault(_value(operation), []).append(operation)
    gone: set[int] = set()
    for value, same in by_value.items():
        if value is None:
            gone.update(look.call for look in same if look.call in chosen)
        elif value is not UNKNOWN and _is_clear(same) and any(operation.call in chosen for operation in same):
            gone.update(operation.call for operation in same)
    return gone


def _value(operation: Operation) -> Value:
    return operation.given if operation.f == ENQUEUE else operation.told


def _is_clear(same: Sequence[Operation]) -> bool:
    return len(same) == 1 or (len(same) == 2 and same[0].f != same[1].f)


# --- the same queue, whose order is decided late


class Put(NamedTuple):
    """A value in the queue, and when it was put in."""

    call: int
    ret: int
    value: Value


def step_late(state: tuple[Put, ...], operation: Operation) -> State:
    """Values put in at the same time have no order until one of them is taken; so the state does not tell apart the
    many orders of which none was ever seen. `state`: in order of call.

    Two values that are both still there may change places if they were being put in at the same time: nobody found the
    queue empty in between, and who took something took what was before both. Of equal values that may be taken, the one
    whose putting in was over first is: what it leaves behind holds up less.
    """
    if operation.f == ENQUEUE:
        put = Put(operation.call, operation.ret, operation.given)
        at = bisect(state, put)
        return (*state[:at], put, *state[at:])
    told = operation.told
    if told is None:
        return IMPOSSIBLE if state else state
    first_over = min((put.ret for put in state), default=NEVER)
    equal = [put for put in state if put.call < first_over and put.value == told]
    if not equal:
        return IMPOSSIBLE
    taken = min(equal, key=lambda put: put.ret)
    return tuple(put for put in state if put is not taken)


def easier(operations: Sequence[Operation]) -> Model | None:
    """None where something unknown was taken, which may be any of several."""
    if any(operation.f == DEQUEUE and operation.told is UNKNOWN for operation in operations):
        return None
    return _LATE_QUEUE


_LATE_QUEUE = Model(name="queue", initial=(), step=step_late, observes=observes, alike=alike)


def words(state: Any) -> str:
    return f"holds {shown(state)}" if state else "is empty"


QUEUE = Model(
    name="queue",
    initial=(),
    step=step,
    forms={
        ENQUEUE: Forms(given=forms.not_null, told=forms.anything, repeats=True),
        DEQUEUE: Forms(given=forms.null, told=forms.anything),
    },
    observes=observes,
    alike=alike,
    needed=needed,
    decide=decide,
    leaving=leaving,
    easier=easier,
    words=words,
)
