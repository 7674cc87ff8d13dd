"""The shortest part of a history that no order explains.

Law: whatever is taken away is taken away such that a linearizable history would stay linearizable; so what remains
without an order proves that the whole has none. Three ways:

- the end: nothing after the answer that could not be placed; what was under way then may have happened or not;
- the beginning, where the model has a state that stands for every state: nothing before some moment, whatever the
  object was then; what was under way then may have happened or not;
- from the midst: whatever `Model.leaving` lets go, in halves, quarters and so on (Zeller's ddmin), at last one by one.

In the end nothing of it can be left out (with what rests on it) without the rest having an order.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from quorate.netsim.linear.budget import Budget, Exhausted
from quorate.netsim.linear.model import Model, State
from quorate.netsim.linear.operation import NEVER, Operation
from quorate.netsim.linear.search import Searched, search

TRIAL_STEPS = 200_000
FIRST_WINDOW = 16
SEARCHED_AGAIN = 200
"""Operations of which a search costs little."""


class Part(msgspec.Struct, frozen=True):
    """`operations`: in order of call; one that is open here but not in the history was under way at an edge of it.
    `order`: what can be placed before `stuck` cannot; `state`: of the object after that. `stuck` is None where it took
    too long to find.
    """

    operations: tuple[Operation, ...]
    from_anywhere: bool
    """Whether it has no order whatever state the object was in before it; else, from the initial state."""
    is_shortest: bool
    """False: the budget ran out before."""
    order: tuple[Operation, ...] = ()
    state: str = ""
    stuck: Operation | None = None


class Judged(NamedTuple):
    """`stuck`: the operation that could not be placed, where it was a search that said so."""

    has_order: bool
    stuck: Operation | None = None


def judge(operations: Sequence[Operation], model: Model, start: State, budget: Budget) -> Judged:
    """Of one key, from a state on. Raises Exhausted."""
    needed = in_order_of_call(model.needed(operations))
    decided = model.decide(needed, start)
    if decided is not None:
        return Judged(decided)
    searched = search(needed, model.easier(needed) or model, start, budget)
    return Judged(searched.order is not None, None if searched.stuck_at is None else needed[searched.stuck_at])


def in_order_of_call(operations: Sequence[Operation]) -> list[Operation]:
    return sorted(operations, key=lambda operation: operation.call)


def until(operations: Sequence[Operation], end: int) -> list[Operation]:
    """What was called before a position; what was answered only after it may have happened or not."""
    return [_opened(each) if each.ret > end else each for each in operations if each.call < end]


def since(operations: Sequence[Operation], begin: int) -> list[Operation]:
    """What was answered after a position; what was called before it may have happened or not."""
    return [_opened(each) if each.call < begin else each for each in operations if each.ret >= begin]


def _opened(operation: Operation) -> Operation:
    return msgspec.structs.replace(operation, ret=NEVER)


def shortest_part(operations: Sequence[Operation], stuck: Operation | None, model: Model, budget: Budget) -> Part:
    """`operations`: of one key, without an order. `stuck`: as judged."""
    shortening = _Shortening(operations if stuck is None else until(operations, stuck.ret), model, budget)
    try:
        shortening.run()
    except Exhausted:
        return shortening.told(is_shortest=False)
    return shortening.told(is_shortest=True)


class _Shortening:
    """Each way leaves `operations` without an order, from `start` on."""

    def __init__(self, operations: Sequence[Operation], model: Model, budget: Budget) -> None:
        self._model = model
        self._budget = budget
        self.start: State = model.initial
        self.operations = in_order_of_call(model.needed(operations))

    def run(self) -> None:
        """Raises Exhausted."""
        self._from_the_end_by_halves()
        before = len(self.operations) + 1
        while len(self.operations) < before:
            before = len(self.operations)
            self._from_the_beginning()
            self._from_the_midst()
            self._from_the_end()

    def told(self, *, is_shortest: bool) -> Part:
        model, operations = self._model, tuple(self.operations)
        from_anywhere = self.start != model.initial
        try:
            stuck_at = self._search(operations).stuck_at
            assert stuck_at is not None
            stuck = operations[stuck_at]
            before = [each for each in until(operations, stuck.ret) if each.call != stuck.call]
            order = self._search(before).order or []
        except Exhausted:
            return Part(operations, from_anywhere, is_shortest)
        state = self.start
        for n in order:
            state = model.step(state, before[n])
        is_any = from_anywhere and not order
        words = "may be in any state" if is_any else model.words(state)
        return Part(operations, from_anywhere, is_shortest, tuple(before[n] for n in order), words, stuck)

    # --- three ways

    def _from_the_end(self) -> None:
        """Where the search says how far it came."""
        if len(self.operations) > SEARCHED_AGAIN:
            return
        try:
            stuck_at = self._search(self.operations).stuck_at
        except Exhausted:
            return
        assert stuck_at is not None
        self._keep(until(self.operations, self.operations[stuck_at].ret))

    def _from_the_end_by_halves(self) -> None:
        """Where there was no search to say how far it came. Only for registers: of a queue, what was being taken at the
        end would be a matter of search again."""
        if self._model.anywhere is None or self._model.decide(self.operations, self.start) is None:
            return
        answers = sorted(each.ret for each in self.operations if not each.is_open)
        self._keep(until(self.operations, answers[self._first(answers, self._has_none_until)]))

    def _has_none_until(self, end: int) -> bool:
        return self._has_none(until(self.operations, end), self.start)

    def _from_the_beginning(self) -> None:
        """By windows that grow from the end, so that the big ones are looked at only if they have to be."""
        anywhere = self._model.anywhere
        if anywhere is None:
            return
        calls = [each.call for each in self.operations]
        width = FIRST_WINDOW
        while not self._has_none(since(self.operations, calls[-min(width, len(calls))]), anywhere):
            if width >= len(calls):
                return
            width *= 2
        calls = calls[-min(width, len(calls)) :]
        # The latest beginning is the first one from behind that is early enough.
        calls.reverse()
        latest = calls[self._first(calls, lambda begin: self._has_none(since(self.operations, begin), anywhere))]
        self.start = anywhere
        self._keep(since(self.operations, latest))

    def _from_the_midst(self) -> None:
        size = len(self.operations) // 2
        while size >= 1:
            has_shrunk = self._without_chunks(size)
            size = size if has_shrunk and size == 1 else size // 2

    def _without_chunks(self, size: int) -> bool:
        """Goes backwards: what came late is rested on by less."""
        has_shrunk = False
        end = len(self.operations)
        while end > 0:
            chosen = {each.call for each in self.operations[max(0, end - size) : end]}
            gone = self._model.leaving(chosen, self.operations)
            rest = [each for each in self.operations if each.call not in gone]
            if gone and self._has_none(rest, self.start):
                self._keep(rest)
                has_shrunk = True
            end = min(end - size, len(self.operations))
        return has_shrunk

    # --- trials

    def _keep(self, operations: Sequence[Operation]) -> None:
        self.operations = in_order_of_call(self._model.needed(operations))

    def _first(self, positions: Sequence[int], has_none: Callable[[int], bool]) -> int:
        """Index of the first that has none; the last is known to, and so have all behind the first."""
        low, high = 0, len(positions) - 1
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if has_none(positions[middle]) else (middle + 1, high)
        return low

    def _has_none(self, operations: Sequence[Operation], start: State) -> bool:
        """What takes too long to tell does not count. Raises Exhausted when all of the time is gone."""
        if not self._budget.has_left():
            raise Exhausted
        try:
            return not judge(operations, self._model, start, self._budget.lent(TRIAL_STEPS)).has_order
        except Exhausted:
            return False

    def _search(self, operations: Sequence[Operation]) -> Searched:
        return search(operations, self._model, self.start, self._budget.lent(TRIAL_STEPS))
