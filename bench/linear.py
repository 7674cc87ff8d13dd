"""How long the linearizability checker takes: histories of objects that exist, and the same with one answer changed.

    python -m bench.linear [--quick]

No cluster and no disk: one thread of Python. `search` is the search alone, where a faster way would decide.
"""

import random
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from quorate.netsim.linear import MODELS, Budget, Model, Operation, check
from quorate.netsim.linear.budget import Exhausted
from quorate.netsim.linear.part import in_order_of_call
from quorate.netsim.linear.search import search
from tests.netsim.linear import drawn

BUDGET_S = 60.0
CASES = (
    ("register", 100_000, 10, 100),
    ("cas-register", 100_000, 10, 100),
    ("cas-register, unique values", 100_000, 10, 1),
    ("cas-register", 100_000, 10, 1),
    ("register", 100_000, 10, 1),
    ("lock", 100_000, 10, 1),
    ("queue", 5_000, 5, 1),
    ("queue, unique values", 100_000, 5, 1),
)
"""What it is (`drawn.KINDS`), operations asked, processes, keys. What the object refuses is not part of a history."""


def many(kind: str, count: int, processes: int, keys: int) -> list[Operation]:
    """The keys one after the other: they are judged by themselves."""
    return [
        msgspec.structs.replace(operation, key=key)
        for key in range(keys)
        for operation in drawn.real(kind, random.Random(key), count // keys, processes, 0.0)
    ]


def with_another_answer(operations: Sequence[Operation]) -> list[Operation]:
    """Nine tenths down the history, somebody is told what was true at its beginning (and may be true again)."""
    stale = next(each for each in operations[20:] if each.f in ANSWERS and each.told is not None)
    last = len(operations) * 9 // 10
    at = next(n for n in range(last, len(operations)) if operations[n].f == stale.f)
    return [*operations[:at], msgspec.structs.replace(operations[at], told=stale.told), *operations[at + 1 :]]


ANSWERS = ("read", "dequeue", "acquire")


def measured(label: str, does: Callable[[], str]) -> None:
    began = time.perf_counter()
    told = does()
    print(f"  {label:14} {time.perf_counter() - began:7.2f} s  {told}", flush=True)


def verdict(operations: Sequence[Operation], model: Model) -> str:
    told = check(operations, model, Budget(seconds=BUDGET_S))
    part = "" if told.part is None else f", shown by {len(told.part.operations)} operations"
    return told.result + part


def searched(operations: Sequence[Operation], model: Model) -> str:
    needed = in_order_of_call(model.needed(operations))
    try:
        order = search(needed, model.easier(needed) or model, model.initial, Budget(seconds=BUDGET_S)).order
    except Exhausted:
        return "unknown"
    return "not linearizable" if order is None else "linearizable"


def main() -> None:
    scale = 10 if "--quick" in sys.argv[1:] else 1
    for kind, count, processes, keys in CASES:
        model = MODELS[drawn.KINDS[kind][0]]
        operations = many(kind, count // scale, processes, keys)
        print(f"{kind}: {len(operations):,} operations, {processes} processes on {keys} keys")
        measured("true", partial(verdict, operations, model))
        if keys == 1:
            measured("true, search", partial(searched, operations, model))
        changed = with_another_answer(operations)
        measured("one changed", partial(verdict, changed, model))


if __name__ == "__main__":
    main()
