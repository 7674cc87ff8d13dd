"""A failing scenario is made small and still fails with the same check."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from quorate.netsim.scenario import Conditions, Fault, Flow, InTurn, Leaf, Load, Operation, Scenario, Together
from quorate.netsim.shrink import shrink

LARGE = Scenario(
    name="large",
    seed=3,
    seconds=40.0,
    conditions=Conditions(peers=5, delay_s=(0.01, 0.2), pending_ops=7),
    load=Load(rate=20.0),
    faults=tuple(
        Fault(at=n + 0.123456, do="kill" if n % 3 else "partition", on=("a", "b"), for_s=1.23456) for n in range(30)
    ),
    operations=tuple(
        Operation(
            at=n / 10 + 0.01234,
            do="submit",
            key=f"k{n}",
            flow=InTurn(parts=(Leaf(run_s=0.5), Together(parts=(Leaf(), Leaf(failures=2))))),
        )
        for n in range(200)
    ),
)
"""Larger than any failure of it needs."""


def leaves(flow: Flow | None) -> list[Leaf]:
    if flow is None:
        return []
    return [flow] if isinstance(flow, Leaf) else [leaf for part in flow.parts for leaf in leaves(part)]


def needs_two_faults_and_one_failing_task(scenario: Scenario) -> bool:
    kinds = {fault.do for fault in scenario.faults if "a" in fault.on}
    return kinds >= {"kill", "partition"} and any(
        leaf.failures for operation in scenario.operations for leaf in leaves(operation.flow)
    )


def test_only_what_the_failure_needs_is_left() -> None:
    small = shrink(LARGE, needs_two_faults_and_one_failing_task, runs=2_000)
    assert small.finished
    found = small.scenario
    assert {fault.do for fault in found.faults} == {"kill", "partition"}
    assert [fault.on for fault in found.faults] == [("a",), ("a",)]
    assert [operation.flow for operation in found.operations] == [Leaf(failures=2)]
    assert (found.load, found.conditions.peers, found.conditions.pending_ops) == (None, 1, Conditions().pending_ops)
    assert found.seconds < LARGE.seconds
    assert all(fault.at == round(fault.at) for fault in found.faults)


def test_nothing_is_kept_that_was_not_seen_to_fail() -> None:
    seen = []

    def fails(scenario: Scenario) -> bool:
        failed = len(scenario.faults) >= 3 and scenario.seconds > 12.0
        if failed:
            seen.append(scenario)
        return failed

    small = shrink(LARGE, fails, runs=2_000)
    assert small.scenario == seen[-1]
    assert len(small.scenario.faults) == 3


def test_the_same_scenario_is_made_small_in_the_same_way() -> None:
    def once() -> list[Scenario]:
        tried: list[Scenario] = []

        def fails(scenario: Scenario) -> bool:
            tried.append(scenario)
            return needs_two_faults_and_one_failing_task(scenario)

        shrink(LARGE, fails, runs=500)
        return tried

    first = once()
    assert first == once()
    assert len(first) == len({repr(scenario) for scenario in first}), "the same candidate was played twice"


@pytest.mark.parametrize("runs", [0, 1, 10])
def test_an_allowance_is_kept_and_the_best_so_far_is_given(runs: int) -> None:
    played = []

    def fails(scenario: Scenario) -> bool:
        played.append(scenario)
        return needs_two_faults_and_one_failing_task(scenario)

    small = shrink(LARGE, fails, runs=runs)
    assert (len(played), small.runs, small.finished) == (runs, runs, False)
    assert needs_two_faults_and_one_failing_task(small.scenario)


def test_a_clock_may_end_it() -> None:
    assert shrink(LARGE, always, may_go_on=lambda: False).scenario == LARGE


def test_a_failure_that_needs_nothing_is_made_of_nothing() -> None:
    small = shrink(LARGE, always).scenario
    assert (small.faults, small.operations, small.load, small.conditions) == ((), (), None, Conditions(peers=1))


def test_what_cannot_be_smaller_stays_as_it_is() -> None:
    only: Callable[[Scenario], bool] = lambda scenario: scenario == LARGE  # noqa: E731  # a law in one line
    assert shrink(LARGE, only, runs=3_000).scenario == LARGE


def test_a_peer_that_is_spoken_of_goes_only_with_what_speaks_of_it() -> None:
    five = replace(LARGE, faults=(Fault(at=1.0, do="kill", on=("e",)),), operations=(), load=None)
    small = shrink(five, lambda scenario: any(fault.on == ("e",) for fault in scenario.faults))
    assert small.scenario.conditions.peers == 5


def always(_scenario: Scenario) -> bool:
    return True
