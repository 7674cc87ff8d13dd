"""A failing scenario made small.

Laws:
- What comes out fails with the same check as what went in: nothing is kept that was not seen to fail.
- The same scenario and the same number of runs give the same result, on every machine.
- Leaving much out moves every later moment, and may lose a failure that is only a matter of luck: then other seeds are
  tried too.

Source: Zeller and Hildebrandt, Simplifying and Isolating Failure-Inducing Input (2002), for the lists (ddmin).
"""

from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from quorate.netsim.scenario import PEER_NAMES, Conditions, Fault, Flow, Leaf, Load, Scenario

T = TypeVar("T")
Candidates = Callable[[Scenario], Iterator[Scenario]]
SHARES = (0.1, 0.25, 0.5, 0.75, 0.9)
LEAST_SECONDS = 0.1
SEEDS_TRIED = 3
COARSE_PIECES = 4
DIGITS = (0, 1, 2, 3)
"""After the point: what a person likes to read, fewest first."""


class Shrunk(msgspec.Struct, frozen=True):
    scenario: Scenario
    runs: int
    """How many candidates were played."""
    finished: bool
    """False: the allowance was used up, more might have been possible."""


class _Spent(Exception):
    """The allowance is used up; the best so far is known."""


class _Search:
    """The smallest scenario seen to fail, and how many more may be tried."""

    def __init__(
        self, scenario: Scenario, fails: Callable[[Scenario], bool], runs: int, may_go_on: Callable[[], bool]
    ) -> None:
        self.best = scenario
        self.runs = 0
        self._fails = fails
        self._most_runs = runs
        self._may_go_on = may_go_on
        self._seed = scenario.seed
        self._tried = {msgspec.json.encode(scenario)}

    def take(self, candidate: Scenario) -> bool:
        """Whether it fails too; then it is the best. Each is played once."""
        encoded = msgspec.json.encode(candidate)
        if encoded in self._tried:
            return False
        if self.runs >= self._most_runs or not self._may_go_on():
            raise _Spent
        self._tried.add(encoded)
        self.runs += 1
        if not self._fails(candidate):
            return False
        self.best = candidate
        return True

    def take_with_luck(self, candidate: Scenario) -> bool:
        """The same with another seed will do."""
        if candidate == self.best:
            return False
        others = (replace(candidate, seed=self._seed + more) for more in range(SEEDS_TRIED))
        return self.take(candidate) or any(self.take(other) for other in others)

    def descend(self, candidates: Candidates) -> None:
        """From the best to the first candidate that fails, until none does."""
        while any(self.take(candidate) for candidate in candidates(self.best)):
            continue

    def descend_with_luck(self, candidates: Candidates) -> None:
        while any(self.take_with_luck(candidate) for candidate in candidates(self.best)):
            continue

    def halve(self, items: tuple[T, ...], whole: Callable[[tuple[T, ...]], Scenario]) -> None:
        """ddmin: leave out ever smaller pieces. `whole`: the best scenario with these items only."""
        if items and self.take_with_luck(whole(())):
            return
        pieces = 2
        while len(items) > 1:
            size = -(-len(items) // pieces)
            for start in range(0, len(items), size):
                kept = items[:start] + items[start + size :]
                take = self.take_with_luck if pieces <= COARSE_PIECES else self.take
                if take(whole(kept)):
                    items, pieces = kept, max(pieces - 1, 2)
                    break
            else:
                if size == 1:
                    return
                pieces = min(pieces * 2, len(items))


def shrink(
    scenario: Scenario,
    fails: Callable[[Scenario], bool],
    runs: int = 300,
    may_go_on: Callable[[], bool] = lambda: True,
) -> Shrunk:
    """`scenario` must fail. `fails`: whether a scenario fails with the check that is looked for. `runs`: at most so
    many candidates are played. `may_go_on`: asked before each; a clock may end it early.
    """
    search = _Search(scenario, fails, runs, may_go_on)
    try:
        before = None
        while before != search.best:
            before = search.best
            _once(search)
    except _Spent:
        return Shrunk(search.best, search.runs, False)
    return Shrunk(search.best, search.runs, True)


def _once(search: _Search) -> None:
    """Coarse first: what leaves out most saves most runs later."""
    for candidates in (_shorter, _without_a_kind, _flows_of_one_task):
        search.descend_with_luck(candidates)
    search.halve(search.best.faults, lambda kept: replace(search.best, faults=kept))
    search.halve(search.best.operations, lambda kept: replace(search.best, operations=kept))
    for candidates in (
        _less_load,
        _fewer_peers,
        _smaller_flows,
        _usual_conditions,
        _milder_faults,
        _rounder_operations,
    ):
        search.descend(candidates)


def _shorter(best: Scenario) -> Iterator[Scenario]:
    """What would come after the new end goes with it."""
    for share in SHARES:
        seconds = _rounded(max(best.seconds * share, LEAST_SECONDS))
        if seconds < best.seconds:
            faults = tuple(fault for fault in best.faults if fault.at < seconds)
            operations = tuple(operation for operation in best.operations if operation.at < seconds)
            yield replace(best, seconds=seconds, faults=faults, operations=operations)


def _without_a_kind(best: Scenario) -> Iterator[Scenario]:
    for kind in sorted({operation.do for operation in best.operations}):
        yield replace(best, operations=tuple(operation for operation in best.operations if operation.do != kind))
    for kind in sorted({fault.do for fault in best.faults}):
        yield replace(best, faults=tuple(fault for fault in best.faults if fault.do != kind))


def _flows_of_one_task(best: Scenario) -> Iterator[Scenario]:
    """All at once; one by one comes later."""
    yield replace(best, operations=tuple(replace(operation, flow=None) for operation in best.operations))


def _less_load(best: Scenario) -> Iterator[Scenario]:
    if best.load is None:
        return
    yield replace(best, load=None)
    for load in _lighter(best.load, best.seconds):
        yield replace(best, load=load)


def _lighter(load: Load, seconds: float) -> Iterator[Load]:
    until_s = seconds if load.until_s is None else load.until_s
    for share in SHARES:
        if (rate := _rounded(load.rate * share)) > 0:
            yield replace(load, rate=rate)
        yield replace(load, until_s=_rounded(until_s * share))


def _fewer_peers(best: Scenario) -> Iterator[Scenario]:
    """The last of them goes, and whatever speaks of it."""
    left = best.conditions.peers - 1
    if not left:
        return
    gone = PEER_NAMES[left]
    regions = {name: tuple(peer for peer in peers if peer != gone) for name, peers in best.conditions.regions.items()}
    yield replace(
        best,
        conditions=replace(best.conditions, peers=left, regions=regions),
        faults=tuple(fault for fault in best.faults if gone not in (*fault.on, *fault.to)),
        operations=tuple(operation for operation in best.operations if operation.via != gone),
    )


def _smaller_flows(best: Scenario) -> Iterator[Scenario]:
    for n, operation in enumerate(best.operations):
        for flow in _simpler(operation.flow):
            yield replace(best, operations=_with(best.operations, n, replace(operation, flow=flow)))


def _simpler(flow: Flow | None) -> Iterator[Flow | None]:
    """Any part of a flow is a flow: it may stand for the whole."""
    if flow is None:
        return
    yield None
    if isinstance(flow, Leaf):
        yield from _nearer(flow, Leaf())
        return
    yield from flow.parts
    for n, part in enumerate(flow.parts):
        if len(flow.parts) > 1:
            yield type(flow)(parts=(*flow.parts[:n], *flow.parts[n + 1 :]))
        for simpler in _simpler(part):
            if simpler is not None:
                yield type(flow)(parts=_with(flow.parts, n, simpler))


def _usual_conditions(best: Scenario) -> Iterator[Scenario]:
    usual = replace(Conditions(), peers=best.conditions.peers)
    for conditions in _nearer(best.conditions, usual):
        yield replace(best, conditions=conditions)


def _nearer(value: T, usual: T) -> Iterator[T]:
    """All as usual, then one field after the other: what is as usual need not be written down."""
    assert isinstance(value, msgspec.Struct)
    if value == usual:
        return
    yield usual
    for name in value.__struct_fields__:
        if getattr(value, name) != getattr(usual, name):
            yield replace(value, **{name: getattr(usual, name)})


def _milder_faults(best: Scenario) -> Iterator[Scenario]:
    for n, fault in enumerate(best.faults):
        for milder in _milder(fault):
            if milder.at <= best.seconds:
                yield replace(best, faults=_with(best.faults, n, milder))


def _milder(fault: Fault) -> Iterator[Fault]:
    """One struck peer less, a rounder moment, a rounder length."""
    for name in ("on", "to"):
        peers = getattr(fault, name)
        if len(peers) > 1:
            yield from (replace(fault, **{name: (*peers[:n], *peers[n + 1 :])}) for n in range(len(peers)))
    yield from (replace(fault, at=at) for at in _rounder(fault.at))
    if fault.for_s is not None:
        yield from (replace(fault, for_s=for_s) for for_s in _rounder(fault.for_s))
    if isinstance(fault.amount, float):
        yield from (replace(fault, amount=amount) for amount in _rounder(fault.amount))


def _rounder_operations(best: Scenario) -> Iterator[Scenario]:
    for n, operation in enumerate(best.operations):
        for rounder in _rounder(operation.at):
            if rounder > best.seconds:
                continue
            yield replace(best, operations=_with(best.operations, n, replace(operation, at=rounder)))


def _rounder(value: float) -> Iterator[float]:
    for digits in DIGITS:
        rounded = round(value, digits)
        if rounded == value:
            return
        yield rounded


def _rounded(value: float) -> float:
    return round(value, DIGITS[-1])


def _with(items: tuple[T, ...], n: int, item: T) -> tuple[T, ...]:
    return (*items[:n], item, *items[n + 1 :])
