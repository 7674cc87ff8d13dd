"""Registers whose values are all different are decided without a search (after Gibbons and Korach, "Testing Shared
Memories", SIAM J. Comput. 26(4), 1997).

Law: true to the model. With every value put in at most once, who saw what is certain: each value is a block (its write,
its reads), and a cas ties the block of the value it found to the one it put in. A chain of blocks so tied cannot be
interrupted, since what it needs never comes back. Hence an order exists exactly if

- each chain can be ordered block after block;
- no two chains each have an operation that was over before one of the other began;
- no operation was over before one of the chain of the first value began.

For chains let f be the first answer and g the last call. A has to come before B if f(A) < g(B). A circle of such pairs
contains two that have to come before each other (the one with the least f, and the one before it in the circle), so
pairs are enough: two chains with f < g whose spans [f, g] overlap, or one with g < f whose span lies within such a one.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from quorate.netsim.linear.operation import NEVER, UNKNOWN, Operation, Value

BEFORE_ALL = -1

Step = tuple[Operation, Value, Value]
"""Operation, the value it puts in, the value it found; UNKNOWN: none."""


class _Span(NamedTuple):
    first_answer: int
    last_call: int


def decide(steps: Sequence[Step], start: Value) -> bool | None:
    """Whether there is an order. Open operations must be `registers.needed`. `start`: the value before everything.

    None: a value is put in twice, so that nobody can say who saw whose.
    """
    writers: dict[Value, Operation] = {put: operation for operation, put, _ in steps if put is not UNKNOWN}
    orphans = [operation for operation, _, seen in steps if seen not in writers and seen not in (UNKNOWN, start)]
    if any(not operation.is_open for operation in orphans):
        return False
    if len(writers) < sum(put is not UNKNOWN for _, put, _ in steps) or start in writers:
        return None
    if orphans:
        return False
    return _has_order(steps, writers, start)


def _has_order(steps: Sequence[Step], writers: Mapping[Value, Operation], start: Value) -> bool:
    takers: dict[Value, Value] = {}
    readers: dict[Value, list[Operation]] = {}
    roots = [start]
    for operation, put, seen in steps:
        if put is UNKNOWN:
            readers.setdefault(seen, []).append(operation)
        elif seen is UNKNOWN:
            roots.append(put)
        elif takers.setdefault(seen, put) != put:
            return False
    spans: list[_Span] = []
    values_met = 0
    for root in roots:
        chain = list(_chain(root, takers))
        values_met += len(chain)
        span = _span([group for value in chain for group in ([writers.get(value)], readers.get(value, []))])
        if span is None:
            return False
        spans.append(span)
    # What no root leads to is a circle of cas, each waiting for the other.
    is_complete = values_met == len(writers) + 1
    return is_complete and _first_fits(spans) and _fit(spans[1:])


def _chain(root: Value, takers: Mapping[Value, Value]) -> Iterable[Value]:
    yield root
    while root in takers:
        root = takers[root]
        yield root


def _span(groups: Iterable[Sequence[Operation | None]]) -> _Span | None:
    """None if a group has an operation that was over before one of an earlier group began."""
    first_answer, last_call = NEVER, BEFORE_ALL
    for group in groups:
        calls_before = last_call
        for operation in group:
            if operation is None:
                continue
            if operation.ret < calls_before:
                return None
            first_answer = min(first_answer, operation.ret)
            last_call = max(last_call, operation.call)
    return _Span(first_answer, last_call)


def _first_fits(spans: Sequence[_Span]) -> bool:
    """The chain of the value before everything comes before all others."""
    return all(span.first_answer > spans[0].last_call for span in spans[1:])


def _fit(spans: Iterable[_Span]) -> bool:
    apart: list[_Span] = []
    together: list[_Span] = []
    for span in spans:
        (apart if span.first_answer < span.last_call else together).append(span)
    apart.sort()
    if any(one.last_call > other.first_answer for one, other in pairwise(apart)):
        return False
    begins = [span.first_answer for span in apart]
    for span in together:
        n = bisect_right(begins, span.last_call) - 1
        if n >= 0 and apart[n].last_call > span.first_answer:
            return False
    return True
