"""The dumb model of the checker: try every order of every choice of what happened."""

from collections.abc import Sequence
from itertools import chain, combinations, permutations

from quorate.netsim.linear.model import IMPOSSIBLE, Model, State
from quorate.netsim.linear.operation import Operation


def has_order(operations: Sequence[Operation], model: Model, starts: Sequence[State]) -> bool:
    """From any of the states given."""
    certain = [operation for operation in operations if not operation.is_open]
    maybe = [operation for operation in operations if operation.is_open]
    choices = chain.from_iterable(combinations(maybe, count) for count in range(len(maybe) + 1))
    return any(
        keeps_real_time(order) and any(explains(order, model, start) for start in starts)
        for happened in choices
        for order in permutations((*certain, *happened))
    )


def keeps_real_time(order: Sequence[Operation]) -> bool:
    return not any(later.ret < earlier.call for earlier, later in combinations(order, 2))


def explains(order: Sequence[Operation], model: Model, start: State) -> bool:
    state = start
    for operation in order:
        state = model.step(state, operation)
        if state is IMPOSSIBLE:
            return False
    return True
