"""Queues whose values are all different are decided without a search (Henzinger, Sezgin and Vafeiadis, "Aspect-Oriented
Linearizability Proofs", CONCUR 2013, theorem 1).

Law: true to the model. An order exists exactly if none of these is there:

- a value taken that nobody put in, or taken before it was put in (VFresh), or taken twice (VRepeat);
- b taken although a was put in before b, and a is still there or was taken only after b was (VOrd);
- nothing found although at every moment of the looking some value was there for certain (VWit).
"""

from bisect import bisect_left
from collections.abc import Sequence

from quorate.netsim.linear.operation import NEVER, Operation, Value

NEVER_TAKEN = NEVER + 1
"""Behind every call and every answer."""


def decide(enqueues: Sequence[Operation], dequeues: Sequence[Operation], unknown: Sequence[Operation]) -> bool | None:
    """Whether there is an order, beginning with an empty queue. `unknown`: open dequeues, each of which may have taken
    anything or nothing; of all others it is certain that they happened.

    None: a value is put in twice, so that nobody can say which of the two was taken; or what `unknown` took matters to
    who found nothing.
    """
    put = {operation.given: operation for operation in enqueues}
    takes = [operation for operation in dequeues if operation.told is not None]
    taken = {operation.told: operation for operation in takes}
    if not taken.keys() <= put.keys():
        return False
    if len(put) < len(enqueues):
        return None
    if len(taken) < len(takes):
        return False
    if any(operation.ret < put[value].call for value, operation in taken.items()):
        return False
    looks = [operation for operation in dequeues if operation.told is None]
    if not unknown:
        return _fits(enqueues, taken, looks)
    left = [enqueue for enqueue in enqueues if enqueue.given not in taken]
    return _with_unknown(enqueues, taken, looks, left, sorted(unknown, key=lambda operation: operation.call))


def _with_unknown(
    enqueues: Sequence[Operation],
    taken: dict[Value, Operation],
    looks: Sequence[Operation],
    left: Sequence[Operation],
    unknown: Sequence[Operation],
) -> bool | None:
    """What was put in before something taken was itself taken, early enough: by the unknown, or there is no order. For
    who found nothing it may matter that they took more: one guess is made, the longest there first.
    """
    due = _due(enqueues, taken)
    missing = sorted((enqueue for enqueue in left if enqueue.given in due), key=lambda each: due[each.given])
    if len(missing) > len(unknown):
        return False
    if any(take.call > due[enqueue.given] for enqueue, take in zip(missing, unknown, strict=False)):
        return False
    longest = sorted(left, key=lambda enqueue: enqueue.ret)
    for guess in (missing, longest):
        took = {enqueue.given: take for enqueue, take in zip(guess, unknown, strict=False)}
        if _fits(enqueues, taken | took, looks):
            return True
    return None if looks else False


def _due(enqueues: Sequence[Operation], taken: dict[Value, Operation]) -> dict[Value, int]:
    """By value, the first answer to who took something that was put in after it; values without one are left out."""
    due: dict[Value, int] = {}
    later = sorted((each for each in enqueues if each.given in taken), key=lambda each: each.call)
    first = NEVER
    for enqueue in sorted(enqueues, key=lambda operation: operation.ret, reverse=True):
        while later and later[-1].call > enqueue.ret:
            first = min(first, taken[later.pop().given].ret)
        if first < NEVER:
            due[enqueue.given] = first
    return due


def _fits(enqueues: Sequence[Operation], taken: dict[Value, Operation], looks: Sequence[Operation]) -> bool:
    return _in_turn(enqueues, taken) and _may_be_empty(looks, _occupied(enqueues, taken))


def _in_turn(enqueues: Sequence[Operation], taken: dict[Value, Operation]) -> bool:
    over = sorted(enqueues, key=lambda operation: operation.ret)
    n, last_take = 0, -1
    for enqueue in sorted(enqueues, key=lambda operation: operation.call):
        while n < len(over) and over[n].ret < enqueue.call:
            last_take = max(last_take, _take_call(over[n], taken))
            n += 1
        take = taken.get(enqueue.given)
        if take is not None and last_take > take.ret:
            return False
    return True


def _occupied(enqueues: Sequence[Operation], taken: dict[Value, Operation]) -> list[tuple[int, int]]:
    """When some value was there for certain: spans apart from each other, in order."""
    spans = sorted((enqueue.ret, _take_call(enqueue, taken)) for enqueue in enqueues)
    joined: list[tuple[int, int]] = []
    for begin, end in spans:
        if begin >= end:
            continue
        if joined and begin < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((begin, end))
    return joined


def _may_be_empty(looks: Sequence[Operation], occupied: Sequence[tuple[int, int]]) -> bool:
    begins = [begin for begin, _ in occupied]
    for look in looks:
        n = bisect_left(begins, look.call) - 1
        if n >= 0 and occupied[n][1] > look.ret:
            return False
    return True


def _take_call(enqueue: Operation, taken: dict[Value, Operation]) -> int:
    take = taken.get(enqueue.given)
    return NEVER_TAKEN if take is None else take.call
