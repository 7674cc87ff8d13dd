"""The schedule of faults, drawn from a seed."""

import itertools

import pytest

from quorate.netsim.live import drill
from quorate.netsim.live.plan import EXPLAINED, FAMILIES, LAST_BEFORE_END_S, OF_LINKS, plan
from quorate.netsim.scenario import Fault

PEERS = ("a", "b", "c")
ALL = tuple(FAMILIES)


def end_of(fault: Fault) -> float:
    return fault.at + (fault.for_s or 0.0)


def test_the_same_seed_is_the_same_schedule_and_another_is_another() -> None:
    assert plan(7, PEERS, 60, ALL) == plan(7, PEERS, 60, ALL)
    assert plan(7, PEERS, 60, ALL) != plan(8, PEERS, 60, ALL)


@pytest.mark.parametrize("seed", range(20))
def test_a_schedule_keeps_to_its_time_and_to_one_fault_of_each_lane_at_a_time(seed: int) -> None:
    faults = plan(seed, PEERS, 60, ALL)
    of_links = {kind for family in OF_LINKS for kind in FAMILIES[family]}
    for lane in ([f for f in faults if f.do in of_links], [f for f in faults if f.do not in of_links]):
        assert len(lane) > 5
        for one, after in itertools.pairwise(lane):
            assert end_of(one) < after.at
        assert end_of(lane[-1]) <= 60 - LAST_BEFORE_END_S


def test_every_kind_comes_within_a_minute_or_two_and_is_explained() -> None:
    kinds = {kind for family in FAMILIES.values() for kind in family}
    assert {fault.do for fault in plan(1, PEERS, 120, ALL)} == kinds
    assert set(EXPLAINED) == kinds


def test_only_the_families_that_were_asked_for_come() -> None:
    assert {fault.do for fault in plan(1, PEERS, 60, ("kill",))} == {"kill"}
    assert {fault.do for fault in plan(1, PEERS, 60, ("slow", "freeze"))} == {"slow_link", "narrow", "freeze"}


@pytest.mark.parametrize("seed", range(20))
def test_a_drill_hits_one_peer_at_a_time_and_only_those_that_are_here(seed: int) -> None:
    faults = drill.plan(seed, ["b", "c"], 60, ("freeze", "kill"))
    assert faults
    for one, after in itertools.pairwise(faults):
        assert end_of(one) + drill.CALM_S[0] <= after.at
    assert {name for fault in faults for name in fault.on} <= {"b", "c", "leader"}
    assert all(len(fault.on) == 1 for fault in faults)
    assert not drill.plan(seed, [], 60, ("freeze",)), "without a peer of this machine there is only load"
