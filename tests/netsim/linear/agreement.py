"""The checker beside its dumb model, on the same histories."""

import random

from quorate.netsim.linear import MODELS, Budget, check, part
from quorate.netsim.linear.operation import Operation
from quorate.netsim.linear.search import search
from tests.netsim.linear import brute, drawn


def disagreement(kind: str, operations: list[Operation]) -> str | None:
    """Of every way to a verdict: what the checker says of all, and what its search says by itself. None: they agree."""
    model = MODELS[drawn.KINDS[kind][0]]
    expected = brute.has_order(operations, model, [model.initial])
    whole = check(operations, model, Budget()).result == "linearizable"
    needed = part.in_order_of_call(model.needed(operations))
    plain = search(operations, model, model.initial, Budget()).order is not None
    easier = search(needed, model.easier(needed) or model, model.initial, Budget()).order is not None
    if whole == plain == easier == expected:
        return None
    return f"{kind}: {whole=} {plain=} {easier=} {expected=} {[*map(str, operations)]}"


def small(kind: str, chance: random.Random) -> list[Operation]:
    """A few operations: imagined, real, or real with one answer changed."""
    unknown = chance.choice([0.0, 0.25])
    draw = chance.randrange(3)
    if draw == 0:
        return drawn.imagined(kind, chance, chance.randrange(1, 6), 3, unknown)
    operations = drawn.real(kind, chance, chance.randrange(1, 7), 3, unknown)
    return operations if draw == 1 else drawn.mutated(operations, chance)
