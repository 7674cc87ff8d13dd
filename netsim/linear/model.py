"""What a sequential object does: the yardstick a concurrent history is held against.

Law: a model is pure. `step` gives the state after an operation that happened alone, or IMPOSSIBLE when the object could
not have answered so in that state. All the rest only makes the checker faster or its words shorter: a model of
`name`, `initial` and `step` alone gets the same verdicts.
"""

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from enum import Enum
from typing import Any

import msgspec

from quorate.netsim.linear.operation import Operation, Value

State = Hashable


class Verdictless(Enum):
    IMPOSSIBLE = "impossible"


IMPOSSIBLE = Verdictless.IMPOSSIBLE

Form = Callable[[Value], str | None]
"""None if a value has the form, else what was expected instead."""


class Forms(msgspec.Struct, frozen=True):
    """What an operation of one name may be given and told."""

    given: Form
    told: Form
    repeats: bool = False
    """What it is told is what it was given, or null."""


def _never(_operation: Operation) -> bool:
    return False


def _its_own(_operation: Operation) -> None:
    return None


def _all_of_them(operations: Sequence[Operation]) -> list[Operation]:
    return list(operations)


def _undecided(_operations: Sequence[Operation], _start: State) -> bool | None:
    return None


def _nothing(_operations: Sequence[Operation]) -> None:
    return None


def _nobody(_chosen: Collection[int], _among: Sequence[Operation]) -> set[int]:
    return set()


class Model(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    initial: State
    step: Callable[[Any, Operation], State]
    """(state, operation) -> state after it, or IMPOSSIBLE. An operation whose `told` is UNKNOWN may have been told
    anything."""
    forms: Mapping[str, Forms] = {}
    """By name of operation; empty: any name, any value."""
    observes: Callable[[Operation], bool] = _never
    """Whether it changes no state ever. In every state but `anywhere`, `step` gives such an operation the very object
    it was handed."""
    alike: Callable[[Operation], Hashable] = _its_own
    """The same for two operations that the model cannot tell from each other; the one due first is then tried first,
    and only that one. None: like no other."""
    needed: Callable[[Sequence[Operation]], list[Operation]] = _all_of_them
    """Without the open ones that cannot help: with them and without them the verdict is the same."""
    decide: Callable[[Sequence[Operation], State], bool | None] = _undecided
    """A faster way to the verdict on what is `needed`, where there is one; None: search for it."""
    easier: Callable[[Sequence[Operation]], "Model | None"] = _nothing
    """Another model that gives the same verdicts on such operations from `initial` and is searched faster."""
    anywhere: State | None = None
    """A state that stands for every state, from which a window in the midst of a history may be judged; None: there is
    none, and histories are judged from their beginning only."""
    leaving: Callable[[Collection[int], Sequence[Operation]], set[int]] = _nobody
    """Which operations, by `call`, leave a history when those chosen are to leave it: with all that rests on them, and
    without those that have to stay. What is left of a linearizable history is linearizable."""
    words: Callable[[Any], str] = str
    """A state in words, after "the object ..."."""
