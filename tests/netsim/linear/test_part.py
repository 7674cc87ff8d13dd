"""The shortest part proves that the whole history has no order, and nothing of it can be left out."""

import random
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given

from quorate.netsim.linear import MODELS, NEVER, Budget, Model, Part, check
from quorate.netsim.linear.operation import Operation
from quorate.netsim.linear.part import judge, since, until
from quorate.netsim.linear.search import search
from tests.netsim.linear import brute, drawn

kinds = pytest.mark.parametrize("kind", drawn.KINDS)
LONGEST_FOR_BRUTE_FORCE = 5
"""Operations; the orders of more are too many to try often."""


def states(model: Model, operations: tuple[Operation, ...]) -> Iterator[object]:
    """All that could matter to such operations: what they put in or show, one value more, and who may hold a lock."""
    yield model.initial
    if model.name == "lock":
        yield from (model.step(model.initial, each) for each in operations if each.f == "acquire")
        yield from (
            model.step(model.initial, msgspec.structs.replace(each, f="acquire", told=None)) for each in operations
        )
        return
    yield "some other value"
    for each in operations:
        yield from each.given if each.f == "cas" and isinstance(each.given, tuple) else (each.given, each.told)


def wrong_part(kind: str, chance: random.Random) -> Part:
    """Of a history with changed answers, of which some at last have no order."""
    model = MODELS[drawn.KINDS[kind][0]]
    while True:
        operations = drawn.real(kind, chance, chance.randrange(4, 30), 3, chance.choice([0.0, 0.05]))
        for _ in range(4):
            operations = drawn.mutated(operations, chance)
        verdict = check(operations, model, Budget())
        if verdict.result == "not linearizable":
            assert verdict.part is not None
            return verdict.part


@kinds
@given(chance=drawn.chances())
def test_the_shortest_part_has_no_order_by_itself(kind: str, chance: random.Random) -> None:
    """Not from the beginning, or (where it says so) not from any state."""
    part = wrong_part(kind, chance)
    model = MODELS[drawn.KINDS[kind][0]]
    starts = list(states(model, part.operations)) if part.from_anywhere else [model.initial]
    assert all(search(part.operations, model, start, Budget()).order is None for start in starts)
    if len(part.operations) <= LONGEST_FOR_BRUTE_FORCE:
        assert not brute.has_order(part.operations, model, starts)


@kinds
@given(chance=drawn.chances())
def test_nothing_of_the_shortest_part_can_be_left_out(kind: str, chance: random.Random) -> None:
    """... with what rests on it; what nobody can prove to be needless stays."""
    part = wrong_part(kind, chance)
    assert part.is_shortest
    model = MODELS[drawn.KINDS[kind][0]]
    start = model.anywhere if part.from_anywhere else model.initial
    for each in part.operations:
        gone = model.leaving({each.call}, part.operations)
        rest = [other for other in part.operations if other.call not in gone]
        assert not gone or judge(rest, model, start, Budget()).has_order


@kinds
@given(chance=drawn.chances())
def test_what_is_taken_away_never_takes_an_order_away(kind: str, chance: random.Random) -> None:
    """The ways of shortening leave a linearizable history linearizable: else a part would prove nothing."""
    model = MODELS[drawn.KINDS[kind][0]]
    operations = drawn.real(kind, chance, chance.randrange(2, 12), 3, chance.choice([0.0, 0.1]))
    chosen = {each.call for each in operations if chance.random() < 0.4}
    gone = model.leaving(chosen, operations)
    rest = [each for each in operations if each.call not in gone]
    assert judge(rest, model, model.initial, Budget()).has_order
    at = chance.randrange(1, 40)
    assert judge(until(operations, at), model, model.initial, Budget()).has_order
    if model.anywhere is not None:
        assert judge(operations, model, model.anywhere, Budget()).has_order
        assert judge(since(operations, at), model, model.anywhere, Budget()).has_order


@kinds
@given(chance=drawn.chances())
def test_the_longest_order_works_and_the_next_operation_does_not_fit(kind: str, chance: random.Random) -> None:
    part = wrong_part(kind, chance)
    model = MODELS[drawn.KINDS[kind][0]]
    start = model.anywhere if part.from_anywhere else model.initial
    assert part.stuck is not None
    assert part.stuck.ret < NEVER
    assert brute.keeps_real_time(part.order)
    assert brute.explains(part.order, model, start)
    assert not brute.explains((*part.order, part.stuck), model, start) or part.stuck.ret < max(
        each.call for each in part.order
    )
    earlier = {each.call for each in part.operations if each.ret < part.stuck.ret}
    assert earlier <= {each.call for each in part.order}


def test_a_stale_read_in_a_long_history_is_told_in_two_operations() -> None:
    operations = drawn.real("register, unique values", random.Random(5), 3_000, 1, 0.0)
    writes = [each for each in operations if each.f == "write"]
    last = operations[-1]
    stale = Operation(99, "read", None, None, writes[100].given, last.ret + 1, last.ret + 2)
    verdict = check([*operations, stale], MODELS["register"], Budget())
    assert verdict.part is not None
    assert verdict.part.from_anywhere
    assert len(verdict.part.operations) == 2
    assert verdict.part.stuck == stale


def test_with_no_budget_left_the_part_says_that_it_may_not_be_the_shortest() -> None:
    operations = drawn.real("cas-register", random.Random(2), 300, 4, 0.0)
    operations.append(Operation(99, "read", None, None, "never", 10_000, 10_001))
    model = MODELS["cas-register"]
    verdict = check(operations, model, Budget(steps=3_000))
    assert verdict.part is not None
    from quorate.netsim.linear.part import shortest_part

    hasty = shortest_part(operations, operations[-1], model, Budget(seconds=0.0))
    assert not hasty.is_shortest
    assert len(hasty.operations) > len(verdict.part.operations)
