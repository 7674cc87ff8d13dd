"""Whether a history could have come from one sequential object for each key.

Law: a history is linearizable if the part of it that speaks of each key is (Herlihy and Wing 1990, theorem 1; Horn and
Kroening 2015), so keys are judged one by one, the short ones first. One key without an order decides; a key for which
the budget ran out makes the verdict `unknown`, which is no success.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec

from quorate.netsim.linear.budget import Budget, Exhausted
from quorate.netsim.linear.model import Model
from quorate.netsim.linear.operation import Operation, Value
from quorate.netsim.linear.part import Part, judge, shortest_part

Result = Literal["linearizable", "not linearizable", "unknown"]


class Verdict(msgspec.Struct, frozen=True):
    """`keys`: how many there are. `key`: the one that decided. `part`: what of it cannot be ordered."""

    result: Result
    operations: int
    keys: int
    key: Value = None
    part: Part | None = None


def check(history: Iterable[Operation], model: Model, budget: Budget) -> Verdict:
    """`history`: e.g. `History.operations()`."""
    parts: dict[Value, list[Operation]] = {}
    for operation in history:
        parts.setdefault(operation.key, []).append(operation)
    count = sum(map(len, parts.values()))
    unknown: list[Value] = []
    for key, operations in sorted(parts.items(), key=lambda item: len(item[1])):
        try:
            judged = judge(operations, model, model.initial, budget)
        except Exhausted:
            unknown.append(key)
            continue
        if judged.has_order:
            continue
        part = shortest_part(operations, judged.stuck, model, budget.renewed())
        return Verdict("not linearizable", count, len(parts), key, part)
    if unknown:
        return Verdict("unknown", count, len(parts), unknown[0])
    return Verdict("linearizable", count, len(parts))
