"""A stock cluster through the scenario that a seed draws for ours.

A fair configuration: batch mode, messages of 500 B to 64 KiB (the default), our election timers, a leader that steps
down without a majority; the kernel writes back what is dirty every five seconds, as kernels do. Faults that need parts
which stock has not (asked handovers, replaced disks, an overloaded front) are left out for it.
"""

import time
from typing import Any, NamedTuple

from pysyncobj.config import FAIL_REASON

from quorate.netsim.machine import Machine
from quorate.netsim.play import play
from quorate.netsim.profiles import PROFILES
from quorate.netsim.scenario import Fault, Scenario
from quorate.netsim.swarm import draw
from quorate.netsim.world import World
from tests.netsim.stock.laws import Laws
from tests.netsim.stock.peer import StockPeer

COMPARED = ("plain", "pipelining", "compaction", "kill-anywhere", "power", "leftovers", "five")
FAULTS = {
    "kill", "kill_at", "twice", "power", "torn", "everybody_kill", "everybody_power", "rolling", "freeze", "partition",
    "one_way", "partial", "drop", "stall", "slow_link", "half_open", "leftovers",
}  # fmt: skip
SURELY_NOT = {
    FAIL_REASON.QUEUE_FULL,
    FAIL_REASON.MISSING_LEADER,
    FAIL_REASON.DISCARDED,
    FAIL_REASON.NOT_LEADER,
    FAIL_REASON.REQUEST_DENIED,
}
WRITE_BACK_S = 5.0
COMMAND_EVERY_S = 0.04
FILLER_BYTES = 300
SETTLE_S = 40.0


class StockWorld(World):
    """The same world with stock peers in it."""

    def __init__(self, scenario: Scenario) -> None:
        super().__init__(scenario.seed, conditions=scenario.conditions)
        self.laws = Laws(self)
        self.cannot_start: dict[str, str] = {}
        self.after(WRITE_BACK_S, self._write_back)
        self.after(1.0, self._compare_logs)

    def _open(self, machine: Machine, found: bool) -> None:
        machine.disk.attach(lambda _ticket: None, lambda _error: None)
        try:
            peer: Any = StockPeer(self, machine, self.laws.applied, self.conditions.snapshot_entries)
        except Exception as error:  # noqa: BLE001 - whatever its files make it raise
            self.cannot_start[machine.id] = f"{type(error).__name__}: {error}"
            self.laws.tell("starts", f"{machine.id} cannot read its files: {self.cannot_start[machine.id]}")
            return
        machine.peer = peer
        machine.seen, machine.seen_commit, machine.seen_index = ("", -1), 0, -1
        self.trace.note(self.now, "start", machine.id, found=int(found))
        self.network.dial_around(machine.id)
        self.touch(machine.id)

    def _end_process(self, machine: Machine, how: str) -> None:
        super()._end_process(machine, how)
        if how == "power":
            self.laws.forget(machine.id)

    def _write_back(self) -> None:
        for machine in self.machines.values():
            for file in machine.disk.files.values():
                file.unsynced.clear()
        self.after(WRITE_BACK_S, self._write_back)

    def _compare_logs(self) -> None:
        self.laws.log_matching()
        self.after(1.0, self._compare_logs)


class Load:
    """Commands, one every few hundredths of a second, at any peer that runs."""

    def __init__(self, world: StockWorld, until_s: float) -> None:
        self._world = world
        self._until = until_s
        self._draw = world.stream("commands")
        self.number = 0
        self.acknowledged: set[int] = set()
        self.refused: set[int] = set()
        self.open: dict[int, tuple[str, int]] = {}
        world.after(1.0, self._next)

    def _next(self) -> None:
        if self._world.now < self._until:
            live = self._world.live()
            if live:
                self.put(live[int(self._draw.random() * len(live))])
            self._world.after(COMMAND_EVERY_S * 2.0 * self._draw.random(), self._next)

    def put(self, machine: Machine) -> int:
        self.number += 1
        number = self.number
        self.open[number] = (machine.id, machine.life)

        def answered(_result: object, error: int) -> None:
            self.open.pop(number, None)
            if error == FAIL_REASON.SUCCESS:
                self.acknowledged.add(number)
            elif error in SURELY_NOT:
                self.refused.add(number)

        peer: Any = machine.peer
        self._world.surviving(peer.put, number, bytes(int(self._draw.random() * FILLER_BYTES)), answered)
        self._world.touch(machine.id)
        return number

    def silent(self) -> int:
        """Commands never answered by a process that lives still."""
        return sum(self._world.machines[peer].life == life for peer, life in self.open.values())


def stock(seed: int, profile: str) -> dict[str, str]:
    """What was broken, by law; empty if nothing was."""
    scenario = draw(seed, PROFILES[profile])
    world = StockWorld(scenario)
    for peer in world.ids:
        world.try_start(peer)
    for fault in scenario.faults:
        if fault.do in FAULTS:
            world.after(fault.at, _strike, world, fault)
    load = Load(world, scenario.seconds)
    world.run(scenario.seconds)
    world.heal_everything()
    _settle(world, load)
    if load.silent():
        world.laws.tell("answered", f"{load.silent()} commands were never answered though their peer lives")
    world.laws.log_matching()
    if not load.acknowledged:
        world.laws.tell("progress", "no command was acknowledged")
    states = {machine.id: machine.peer.items for machine in world.live()}  # type: ignore[union-attr]  # stock peers
    if states:
        world.laws.end(states, load.acknowledged, load.refused)
    return world.laws.broken


def _strike(world: World, fault: Fault) -> None:
    world.strike(fault)


def _settle(world: StockWorld, load: Load) -> None:
    end = world.now + SETTLE_S
    while world.now < end:
        leaders = [machine for machine in world.live() if machine.peer.role == "leader"]  # type: ignore[union-attr]  # stock peers
        number = load.put((leaders or world.live())[0]) if world.live() else 0
        world.run(3.0)
        states = [machine.peer.items for machine in world.live()]  # type: ignore[union-attr]  # stock peers
        if number in load.acknowledged and len(states) == len(world.ids) and all(one == states[0] for one in states):
            return
    world.laws.tell("convergence", f"not all peers are equal and serving {SETTLE_S:g} s after everything healed")


class Compared(NamedTuple):
    """One row. `first`: the smallest bad seed; `broken`: how many seeds broke each law; `ours`: bad seeds of ours."""

    profile: str
    seeds: int
    bad: int
    first: int | None
    broken: dict[str, int]
    ours: int
    seconds: float


def compare(profile: str, seeds: range) -> Compared:
    began, bad, ours = time.perf_counter(), [], 0
    broken: dict[str, int] = {}
    for seed in seeds:
        found = stock(seed, profile)
        for law in found:
            broken[law] = broken.get(law, 0) + 1
        if found:
            bad.append(seed)
        ours += play(draw(seed, PROFILES[profile])).violation is not None
    first = min(bad, default=None)
    return Compared(profile, len(seeds), len(bad), first, broken, ours, time.perf_counter() - began)
