"""Scenarios drawn from seeds. Every seed takes its own mix of fault kinds, weights, pace, sizes and limits (swarm
testing: Groce et al., ISSTA 2012): what some seeds leave out gives the rest room to go further.

Law: pure. The same seed and profile give the same scenario; whatever the run will need beyond it is named by the
scenario itself.
"""

from collections.abc import Callable
from typing import NamedTuple

from msgspec.structs import replace

from quorate.netsim.clock import SeededEntropy
from quorate.netsim.faults.rules import KINDS
from quorate.netsim.flow import draw_flow
from quorate.netsim.points import ALL_POINTS
from quorate.netsim.profiles import Profile
from quorate.netsim.scenario import Fault, Load, Operation, Scenario, peer_names

FIRST_FAULT_S = 1.5
"""By then a leader has been elected, mostly."""
FIRST_OPERATION_S = 0.2
LEFT_OUT = 0.35
"""The share of kinds a seed does without."""

MIX = (
    ("submit", 0.40),
    ("look", 0.22),
    ("read", 0.18),
    ("list", 0.05),
    ("twin", 0.06),
    ("cancel", 0.06),
    ("retry", 0.03),
)
"""What clients ask, by share. `twin`: a submission sent to two peers at once under one key."""
READS = frozenset({"look", "read", "list"})
RECENT = 30
"""Of which of the last submissions the other operations speak."""

Amount = float | str | None


class Small(NamedTuple):
    """How one kind is drawn: how long it lasts, its amount, whether it has another side."""

    for_s: tuple[float, float] | None
    amount: Callable[[SeededEntropy], Amount] = lambda _draw: None
    to: bool = False
    side: bool = False
    """It may hit several at once."""
    of_all: bool = False


_POINTS = sorted(ALL_POINTS)
SMALL: dict[str, Small] = {
    "partition": Small((0.3, 3.0), side=True),
    "partial": Small((0.3, 3.0), to=True),
    "one_way": Small((0.3, 3.0), to=True),
    "drop": Small(None, to=True),
    "half_open": Small((0.2, 2.0), to=True),
    "stall": Small((0.05, 1.5), to=True),
    "slow_link": Small((0.3, 3.0), lambda draw: round(draw.between(0.02, 0.3), 3), to=True),
    "leftovers": Small(None, lambda draw: round(draw.between(0.05, 0.8), 3), to=True),
    "freeze": Small((0.1, 6.0)),
    "kill": Small((0.0, 2.0)),
    "kill_at": Small((0.5, 5.0), lambda draw: _POINTS[draw.below(len(_POINTS))]),
    "power": Small((0.0, 2.0)),
    "power_at": Small((0.5, 5.0), lambda draw: _POINTS[draw.below(len(_POINTS))]),
    "torn": Small((0.0, 2.0)),
    "everybody_kill": Small((0.1, 2.0), of_all=True),
    "everybody_power": Small((0.1, 2.0), of_all=True),
    "rolling": Small((1.0, 4.0), lambda draw: round(draw.between(0.05, 0.8), 3), of_all=True),
    "twice": Small((0.5, 2.0), lambda draw: round(draw.between(0.01, 0.4), 3)),
    "handover": Small(None, of_all=True),
    "overload": Small(None, lambda draw: float(20 + draw.below(180))),
    "wipe": Small((0.0, 1.0)),
    "bit_rot": Small((0.0, 1.0), lambda draw: float(1 + draw.below(8))),
    "disk_slow": Small((0.3, 3.0), lambda draw: round(draw.between(0.005, 0.3), 4)),
    "disk_error": Small((0.1, 2.0)),
    "disk_full": Small((0.3, 2.0), lambda draw: "enospc" if draw.share(0.5) else "floor"),
    "clock_jump": Small((0.5, 5.0), lambda draw: round(draw.between(-3_600.0, 3_600.0), 1)),
    "clock_rate": Small((0.5, 5.0), lambda draw: round(draw.between(0.99, 1.01), 4)),
}


def draw(seed: int, profile: Profile) -> Scenario:
    """One scenario within the bounds of a profile."""
    dice = SeededEntropy(f"{seed} swarm {profile.name}")
    peers = _whole(dice, profile.peers)
    conditions = replace(
        profile.conditions,
        peers=peers,
        snapshot_entries=_whole(dice, profile.snapshot_entries),
        keep_entries=_whole(dice, profile.keep_entries),
        segment_bytes=_whole(dice, profile.segment_bytes),
        turn_s=round(dice.between(*profile.turn_s), 5),
    )
    rate = round(dice.between(*profile.rate), 1)
    return Scenario(
        name=f"{profile.name} {seed}",
        seed=seed,
        seconds=profile.seconds,
        conditions=conditions,
        load=Load(rate=rate, reads=profile.reads),
        faults=_faults(dice, profile, peer_names(peers)),
    )


def _whole(dice: SeededEntropy, pair: tuple[int, int]) -> int:
    return pair[0] + dice.below(pair[1] - pair[0] + 1)


def _faults(dice: SeededEntropy, profile: Profile, ids: tuple[str, ...]) -> tuple[Fault, ...]:
    weights: dict[str, float] = {}
    for kind, weight in profile.faults.items():
        own = weight * dice.between(0.5, 1.5)
        if kind in profile.always or not dice.share(LEFT_OUT):
            weights[kind] = own
    weights = weights or dict(profile.faults)
    pace = dice.between(*profile.pace_s)
    at, made = FIRST_FAULT_S, []
    while (at := at + dice.random() * 2.0 * pace) < profile.seconds:
        made.append(_fault(dice, round(at, 4), _pick(dice, weights), ids))
    if not made:
        made.append(_fault(dice, FIRST_FAULT_S, _pick(dice, weights), ids))
    return tuple(made)


def _pick(dice: SeededEntropy, weights: dict[str, float]) -> str:
    point = dice.random() * sum(weights.values())
    for kind, weight in weights.items():
        point -= weight
        if point < 0:
            return kind
    return next(iter(weights))


def _fault(dice: SeededEntropy, at: float, kind: str, ids: tuple[str, ...]) -> Fault:
    small = SMALL[kind]
    on = () if small.of_all else _on(dice, ids, small.side)
    to: tuple[str, ...] = ()
    if small.to:
        others = [peer for peer in ids if peer not in on] or list(ids)
        to = (others[dice.below(len(others))],)
    for_s = round(dice.between(*small.for_s), 3) if small.for_s is not None else None
    return Fault(at=at, do=kind, on=on, to=to, for_s=for_s, amount=small.amount(dice))


def _on(dice: SeededEntropy, ids: tuple[str, ...], side: bool) -> tuple[str, ...]:
    """A third of the time whoever leads by then."""
    if dice.share(0.33):
        return ("leader",)
    if side and len(ids) > 3 and dice.share(0.5):
        return tuple(peer for peer in ids if dice.share(0.4)) or ids[:1]
    return (ids[dice.below(len(ids))],)


# --- load


def expand(scenario: Scenario) -> Scenario:
    """The same, with its load as operations one by one."""
    if scenario.load is None:
        return scenario
    load = scenario.load
    until = scenario.seconds if load.until_s is None else min(load.until_s, scenario.seconds)
    dice = SeededEntropy(f"{scenario.seed} load")
    ids = peer_names(scenario.conditions.peers)
    made: list[Operation] = []
    keys: list[str] = []
    at, mix = FIRST_OPERATION_S, _mix(load.reads)
    while (at := at + dice.random() * 2.0 / load.rate) < until:
        made += _operations(dice, mix, round(at, 4), keys, ids, scenario.conditions.run_s)
    return replace(scenario, load=None, operations=(*scenario.operations, *made))


def _mix(reads: float | None) -> dict[str, float]:
    """Weights of what clients ask; `reads`: the share of what only reads."""
    mix = dict(MIX)
    if reads is None:
        return mix
    reading = sum(weight for do, weight in MIX if do in READS)
    return {do: weight * (reads / reading if do in READS else (1.0 - reads) / (1.0 - reading)) for do, weight in MIX}


def _operations(
    dice: SeededEntropy,
    mix: dict[str, float],
    at: float,
    keys: list[str],
    ids: tuple[str, ...],
    run_s: tuple[float, float],
) -> list[Operation]:
    do = _pick(dice, mix)
    via = ids[dice.below(len(ids))]
    if do in ("submit", "twin") or not keys:
        keys.append(f"k{len(keys) + 1}")
        first = Operation(at=at, do="submit", via=via, key=keys[-1], flow=draw_flow(dice, run_s))
        other = ids[dice.below(len(ids))]
        return [first, replace(first, via=other)] if do == "twin" and other != via else [first]
    recent = keys[-RECENT:]
    key = "" if do in ("read", "list") else recent[dice.below(len(recent))]
    return [Operation(at=at, do=do, via=via, key=key)]


assert SMALL.keys() == KINDS.keys(), "every kind of fault has its small print here"
