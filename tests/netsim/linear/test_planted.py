"""Mistakes planted in the checker itself are seen by the comparison with trying every order."""

import random
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from quorate.netsim.linear import MODELS, chains, fifo, queues, search, submissions
from quorate.netsim.linear import part as part_module
from quorate.netsim.linear.budget import Budget
from quorate.netsim.linear.model import IMPOSSIBLE, Model, State
from quorate.netsim.linear.operation import NEVER, Operation
from tests.netsim.linear import agreement, drawn

HISTORIES = 600
"""Drawn for each kind at most, until one disagrees."""
_search = search.search
Patch = Callable[[pytest.MonkeyPatch], None]


def replaced_model(patch: pytest.MonkeyPatch, name: str, **parts: object) -> None:
    patch.setitem(MODELS, name, msgspec.structs.replace(MODELS[name], **parts))


def searching(change: Callable[[Operation], Operation | None]) -> Patch:
    """The search sees other operations than there were."""

    def changed(operations: Sequence[Operation], model: Model, start: State, budget: Budget) -> search.Searched:
        seen = [new for each in operations if (new := change(each)) is not None]
        return _search(seen, model, start, budget)

    def apply(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(part_module, "search", changed)
        patch.setattr(agreement, "search", changed)

    return apply


class Blurred:
    """A state that equals every other."""

    def __init__(self, state: State) -> None:
        self.state = state

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Blurred)

    def __hash__(self) -> int:
        return 0


def forget_the_state_in_the_cache(patch: pytest.MonkeyPatch) -> None:
    def blurred(operations: Sequence[Operation], model: Model, start: State, budget: Budget) -> search.Searched:
        def step(state: Any, operation: Operation) -> State:
            result = model.step(state.state, operation)
            if result is state.state:
                return state  # type: ignore[no-any-return]  # a Blurred
            return result if result is IMPOSSIBLE else Blurred(result)

        return _search(operations, msgspec.structs.replace(model, step=step), Blurred(start), budget)

    patch.setattr(part_module, "search", blurred)
    patch.setattr(agreement, "search", blurred)


def share_one_slot(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(search, "slots", lambda operations: [1] * len(operations))


def wait_for_the_twin_that_is_due_later(patch: pytest.MonkeyPatch) -> None:
    true_twins = search._twins

    def twins(operations: Sequence[Operation], model: Model) -> list[list[int]]:
        turned: list[list[int]] = [[] for _ in operations]
        for late, earlier in enumerate(true_twins(operations, model)):
            for early in earlier:
                turned[early].append(late)
        return turned

    patch.setattr(search, "_twins", twins)


def drop_every_open_write(patch: pytest.MonkeyPatch) -> None:
    for name in ("register", "cas-register"):
        replaced_model(patch, name, needed=lambda operations: [each for each in operations if not each.is_open])


def take_writes_for_observations(patch: pytest.MonkeyPatch) -> None:
    replaced_model(patch, "register", observes=lambda _: True, decide=lambda _operations, _start: None)


def take_a_look_at_a_task_for_an_observation(patch: pytest.MonkeyPatch) -> None:
    replaced_model(patch, "submissions", observes=lambda operation: operation.f == submissions.LOOK)


def ignore_that_chains_overlap(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(chains, "_fit", lambda _: True)


def ignore_that_the_first_value_comes_first(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(chains, "_first_fits", lambda _: True)


def ignore_the_order_of_a_queue(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(fifo, "_in_turn", lambda _enqueues, _taken: True)


def ignore_who_found_a_queue_empty(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(fifo, "_may_be_empty", lambda _looks, _occupied: True)


def drop_unknown_dequeues(patch: pytest.MonkeyPatch) -> None:
    replaced_model(
        patch,
        "queue",
        needed=lambda operations: [
            each for each in queues.needed(operations) if not (each.is_open and each.f == queues.DEQUEUE)
        ],
    )


PLANTED: dict[str, Patch] = {
    "ignore real-time order": searching(lambda each: msgspec.structs.replace(each, call=0)),
    "answers come at once": searching(
        lambda each: each if each.is_open else msgspec.structs.replace(each, ret=each.call)
    ),
    "drop what is open": searching(lambda each: None if each.is_open else each),
    "take what is open for certain": searching(
        lambda each: msgspec.structs.replace(each, ret=NEVER - 1 - each.call) if each.is_open else each
    ),
    "forget the state in the cache": forget_the_state_in_the_cache,
    "share one slot": share_one_slot,
    "wait for the twin that is due later": wait_for_the_twin_that_is_due_later,
    "drop every open write": drop_every_open_write,
    "take writes for observations": take_writes_for_observations,
    "take a look at a task for an observation": take_a_look_at_a_task_for_an_observation,
    "ignore that chains overlap": ignore_that_chains_overlap,
    "ignore that the first value comes first": ignore_that_the_first_value_comes_first,
    "ignore the order of a queue": ignore_the_order_of_a_queue,
    "ignore who found a queue empty": ignore_who_found_a_queue_empty,
    "drop unknown dequeues": drop_unknown_dequeues,
}


def first_disagreement() -> str | None:
    for seed in range(HISTORIES):
        for kind in drawn.KINDS:
            try:
                found = agreement.disagreement(kind, agreement.small(kind, random.Random(seed)))
            except (AssertionError, AttributeError, IndexError) as error:
                return f"{kind}: {error!r}"
            if found is not None:
                return found
    return None


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_mistake_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    PLANTED[name](monkeypatch)
    assert first_disagreement() is not None


def test_without_a_planted_mistake_there_is_no_disagreement() -> None:
    assert first_disagreement() is None
