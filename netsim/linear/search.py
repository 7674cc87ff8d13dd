"""The search for an order: Wing and Gong (1993) with the memory of Lowe (2017).

Law: an order explains a history if the model can take its operations in that order, and no operation stands before one
that was over when it began. The search is complete: without an order found and without the budget spent there is none.

Theory of operation. Operations that were answered have to be placed, in the order of their answers: the first one not
placed is the deadline, and only what was called before its answer may be placed now. Everything answered before the
deadline is placed, so what is placed beyond it is a few of those under way: a bit each, in a slot that an operation
shares with those never under way together with it. The arrangement (deadline, bits, state) says everything about what
can follow; one that was seen does not come back (Lowe's cache). Calls are kept in linked lists, from which the placed
are lifted and to which they return in reverse order, by Knuth's dancing links. Open operations (which may never have
happened) have slots of their own for ever and are tried last.

Of operations under way that are alike, only the one due first is tried. An observation that fits the present state is
placed at once and without an alternative: if an order exists that has it later, it may as well be moved here, since it
changes nothing.
"""

import heapq
from collections.abc import Hashable, Sequence
from typing import NamedTuple

from quorate.netsim.linear.budget import Budget
from quorate.netsim.linear.model import IMPOSSIBLE, Model, State
from quorate.netsim.linear.operation import NEVER, Operation

CHANGES, OPEN, OBSERVATIONS = range(3)
"""The lists of calls, in the order in which they are tried."""


class Searched(NamedTuple):
    """`order`: indexes of operations, None if there is none. `stuck_at`: the operation whose answer no arrangement
    ever got past; what had been answered before it can be ordered."""

    order: list[int] | None
    stuck_at: int | None


class _Placed(NamedTuple):
    """How to go back."""

    operation: int
    lane: int
    state: State
    bits: int
    deadline: int
    observed: list[int]


def slots(operations: Sequence[Operation]) -> list[int]:
    """A bit for each (in order of call): never shared by two that are under way together."""
    bits = [0] * len(operations)
    free: list[int] = []
    busy: list[tuple[int, int]] = []
    used = 0
    for n, operation in enumerate(operations):
        while busy and busy[0][0] < operation.call:
            heapq.heappush(free, heapq.heappop(busy)[1])
        if free:
            slot = heapq.heappop(free)
        else:
            slot, used = used, used + 1
        bits[n] = 1 << slot
        heapq.heappush(busy, (operation.ret, slot))
    return bits


# One function on purpose: it is the inner loop of everything, and a call costs as much as a step.
def search(operations: Sequence[Operation], model: Model, start: State, budget: Budget) -> Searched:  # noqa: C901, PLR0912, PLR0915
    """`operations` in order of call. Raises Exhausted."""
    count = len(operations)
    due = sorted((n for n in range(count) if operations[n].ret != NEVER), key=lambda n: operations[n].ret)
    last = len(due)
    bits = slots(operations)
    width = max(bits, default=1).bit_length()
    calls = [operation.call for operation in operations] + [NEVER] * 3
    ends = [operations[n].ret for n in due] + [NEVER]
    rank = _ranks(due, count)
    twins = _twins(operations, model)
    heads = (count + CHANGES, count + OPEN, count + OBSERVATIONS)
    after, before = _lists(operations, model, heads)
    numbers: dict[State, int] = {}
    seen: set[int] = set()
    trail: list[_Placed] = []
    step = model.step
    any_state = model.anywhere

    state, placed, deadline, deepest = start, 0, 0, 0
    operation, new = -1, start  # placed at the beginning: nothing
    result: State = start
    lane, candidate = CHANGES, after[heads[CHANGES]]
    granted = budget.grant()
    while True:
        # --- the arrangement after `operation`
        now, next_deadline = placed, deadline
        if operation >= 0:
            now |= bits[operation]
        observed: list[int] = []
        seen_call = after[heads[OBSERVATIONS]]
        while True:
            while next_deadline < last and now & bits[due[next_deadline]]:
                now &= ~bits[due[next_deadline]]
                next_deadline += 1
            while calls[seen_call] < ends[next_deadline] and (
                seen_call == operation or step(new, operations[seen_call]) is not new
            ):
                seen_call = after[seen_call]
            if calls[seen_call] >= ends[next_deadline] or seen_call >= count:
                break
            observed.append(seen_call)
            now |= bits[seen_call]
            seen_call = after[seen_call]
        arrangement = (numbers.setdefault(new, len(numbers)) * (last + 1) + next_deadline) << width | now
        if arrangement not in seen:
            seen.add(arrangement)
            granted -= 1
            if not granted:
                granted = budget.grant()
            for lifted in (operation, *observed) if operation >= 0 else observed:
                after[before[lifted]] = after[lifted]
                before[after[lifted]] = before[lifted]
            trail.append(_Placed(operation, lane, state, placed, deadline, observed))
            state, placed, deadline = new, now, next_deadline
            deepest = max(deepest, deadline)
            if deadline == last:
                return Searched([n for row in trail for n in (row.operation, *row.observed) if n >= 0], None)
            lane, candidate = CHANGES, after[heads[CHANGES]]
        else:
            candidate = after[operation]

        # --- the next operation that can be placed, or back
        while True:
            end = ends[deadline]
            while calls[candidate] < end:
                result = step(state, operations[candidate])
                if result is not IMPOSSIBLE:
                    for twin in twins[candidate]:
                        if calls[twin] < end and rank[twin] >= deadline and not placed & bits[twin]:
                            break
                    else:
                        break
                candidate = after[candidate]
            else:
                if lane == CHANGES or (lane == OPEN and any_state is not None and state == any_state):
                    lane += 1
                    candidate = after[heads[lane]]
                    continue
                operation, lane, state, placed, deadline, observed = trail.pop()
                for lifted in (*reversed(observed), operation) if operation >= 0 else reversed(observed):
                    after[before[lifted]] = lifted
                    before[after[lifted]] = lifted
                if operation < 0:
                    return Searched(None, due[deepest])
                candidate = after[operation]
                continue
            operation, new = candidate, result
            break


def _lists(operations: Sequence[Operation], model: Model, heads: tuple[int, int, int]) -> tuple[list[int], list[int]]:
    """`after` and `before` of three rings in order of call, each through its head."""
    after, before = [0] * (len(operations) + 3), [0] * (len(operations) + 3)
    tails = list(heads)
    for n, operation in enumerate(operations):
        lane = OBSERVATIONS if model.observes(operation) else OPEN if operation.is_open else CHANGES
        after[tails[lane]], before[n] = n, tails[lane]
        tails[lane] = n
    for head, tail in zip(heads, tails, strict=True):
        after[tail], before[head] = head, tail
    return after, before


def _ranks(due: Sequence[int], count: int) -> list[int]:
    """In order of answers; what is never due comes last."""
    ranks = [len(due)] * count
    for rank, operation in enumerate(due):
        ranks[operation] = rank
    return ranks


def _twins(operations: Sequence[Operation], model: Model) -> list[list[int]]:
    """For each, those alike that may be under way with it and are due before it: while one of them is not placed, there
    is no need to try this one, for the two could change places. Of open ones only the last is named: it has to wait for
    the one before it in turn.
    """
    twins: list[list[int]] = [[] for _ in operations]
    recent: dict[Hashable, list[int]] = {}
    last_open: dict[Hashable, int] = {}
    for n, operation in enumerate(operations):
        kind = model.alike(operation)
        if kind is None:
            continue
        if operation.is_open:
            if kind in last_open:
                twins[n].append(last_open[kind])
            last_open[kind] = n
            continue
        others = [other for other in recent.get(kind, ()) if operations[other].ret > operation.call]
        for other in others:
            early, late = (other, n) if operations[other].ret < operation.ret else (n, other)
            twins[late].append(early)
        recent[kind] = [*others, n]
    return twins
