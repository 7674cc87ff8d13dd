"""The checker says what trying every order would say, and finds the order of whatever really happened."""

import random

import pytest
from hypothesis import given

from quorate.netsim.linear import MODELS, Budget, check
from quorate.netsim.linear.part import in_order_of_call
from quorate.netsim.linear.search import search, slots
from tests.netsim.linear import brute, drawn
from tests.netsim.linear.agreement import disagreement, small

kinds = pytest.mark.parametrize("kind", drawn.KINDS)


@kinds
@given(chance=drawn.chances())
def test_both_verdicts_are_those_of_trying_every_order(kind: str, chance: random.Random) -> None:
    assert disagreement(kind, small(kind, chance)) is None


@kinds
def test_both_verdicts_occur_among_small_histories(kind: str) -> None:
    """... so that the test above compares something."""
    model = MODELS[drawn.KINDS[kind][0]]
    histories = [small(kind, random.Random(seed)) for seed in range(150)]
    yes = [brute.has_order(operations, model, [model.initial]) for operations in histories]
    assert 30 < sum(yes) < 145
    assert [disagreement(kind, operations) for operations in histories] == [None] * 150


@kinds
@given(chance=drawn.chances())
def test_what_a_real_object_answered_is_linearizable(kind: str, chance: random.Random) -> None:
    """However many ask at once, whatever was refused, and whichever answers were lost."""
    model = MODELS[drawn.KINDS[kind][0]]
    operations = drawn.real(kind, chance, chance.randrange(1, 60), 5, chance.choice([0.0, 0.03]))
    assert check(operations, model, Budget()).result == "linearizable"


@kinds
@given(chance=drawn.chances())
def test_the_order_found_explains_every_answer_and_keeps_real_time(kind: str, chance: random.Random) -> None:
    model = MODELS[drawn.KINDS[kind][0]]
    operations = drawn.real(kind, chance, chance.randrange(1, 12), 4, chance.choice([0.0, 0.05]))
    order = search(operations, model, model.initial, Budget()).order
    assert order is not None
    placed = [operations[n] for n in order]
    assert brute.keeps_real_time(placed)
    assert brute.explains(placed, model, model.initial)
    assert {each.call for each in operations if not each.is_open} <= {each.call for each in placed}


@pytest.mark.parametrize("kind", ["queue", "queue, unique values"])
@given(chance=drawn.chances())
def test_a_queue_whose_order_is_decided_late_gives_the_same_verdicts(kind: str, chance: random.Random) -> None:
    operations = drawn.real(kind, chance, chance.randrange(4, 11), 4, 0.0)
    for _ in range(chance.randrange(3)):
        operations = drawn.mutated(operations, chance)
    model = MODELS["queue"]
    late = model.easier(operations)
    assert late is not None
    found = [search(operations, each, (), Budget()).order is not None for each in (model, late)]
    assert found[0] == found[1]


@pytest.mark.parametrize("kind", ["register, unique values", "cas-register, unique values", "queue, unique values"])
@given(chance=drawn.chances())
def test_what_is_decided_without_a_search_is_what_a_search_finds(kind: str, chance: random.Random) -> None:
    """On histories longer than any that all orders could be tried of."""
    model = MODELS[drawn.KINDS[kind][0]]
    operations = drawn.real(kind, chance, chance.randrange(5, 40), 4, chance.choice([0.0, 0.03]))
    operations = drawn.mutated(operations, chance)
    needed = in_order_of_call(model.needed(operations))
    decided = model.decide(needed, model.initial)
    late = model.easier(needed)
    if decided is None or (model.name == "queue" and late is None):
        return
    assert (search(needed, late or model, model.initial, Budget()).order is not None) == decided


def test_operations_under_way_together_never_share_a_slot() -> None:
    operations = drawn.real("register", random.Random(3), 300, 6, 0.02)
    bits = slots(operations)
    for n, one in enumerate(operations):
        for m in range(n):
            assert bits[m] != bits[n] or operations[m].ret < one.call


def test_keys_are_judged_by_themselves() -> None:
    """A history of many objects is linearizable if that of each is, and the verdict names the one that is not."""
    import msgspec

    several = [
        msgspec.structs.replace(operation, key=key)
        for key in range(20)
        for operation in drawn.real("register", random.Random(key), 30, 3, 0.0)
    ]
    model = MODELS["register"]
    verdict = check(several, model, Budget())
    assert (verdict.result, verdict.keys, verdict.operations) == ("linearizable", 20, 600)
    reads = [n for n, each in enumerate(several) if each.key == 7 and each.f == "read"]
    several[reads[-1]] = msgspec.structs.replace(several[reads[-1]], told="never written")
    verdict = check(several, model, Budget())
    assert (verdict.result, verdict.key) == ("not linearizable", 7)


def test_who_runs_out_of_budget_says_unknown_and_never_guesses() -> None:
    operations = drawn.real("cas-register", random.Random(1), 400, 8, 0.0)
    model = MODELS["cas-register"]
    assert check(operations, model, Budget(steps=20)).result == "unknown"
    assert check(operations, model, Budget(seconds=0.0)).result == "unknown"
    assert check(operations, model, Budget()).result == "linearizable"


def test_a_key_without_an_order_outweighs_one_that_is_unknown() -> None:
    import msgspec

    hard = drawn.real("cas-register", random.Random(1), 400, 8, 0.0)
    wrong = [msgspec.structs.replace(hard[0], f="read", given=None, told=99, key="wrong")]
    verdict = check([*hard, *wrong], MODELS["cas-register"], Budget(steps=300))
    assert (verdict.result, verdict.key) == ("not linearizable", "wrong")
