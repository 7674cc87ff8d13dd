"""The kinds by name, and one rule in force."""

from typing import TYPE_CHECKING

from quorate.netsim.faults import clocks, disks, links, processes
from quorate.netsim.faults.kind import End, Kind
from quorate.netsim.scenario import Fault

if TYPE_CHECKING:
    from quorate.netsim.world import World

KINDS: dict[str, type[Kind]] = {
    "partition": links.Partition,
    "partial": links.Partial,
    "one_way": links.OneWay,
    "drop": links.Drop,
    "half_open": links.HalfOpen,
    "stall": links.Stall,
    "slow_link": links.SlowLink,
    "leftovers": links.Leftovers,
    "freeze": processes.Freeze,
    "kill": processes.Kill,
    "kill_at": processes.KillAt,
    "power": processes.Power,
    "power_at": processes.PowerAt,
    "torn": processes.Torn,
    "everybody_kill": processes.EverybodyKill,
    "everybody_power": processes.EverybodyPower,
    "rolling": processes.Rolling,
    "twice": processes.Twice,
    "handover": processes.Handover,
    "overload": processes.Overload,
    "wipe": disks.Wipe,
    "bit_rot": disks.BitRot,
    "disk_slow": disks.DiskSlow,
    "disk_error": disks.DiskError,
    "disk_full": disks.DiskFull,
    "clock_jump": clocks.ClockJump,
    "clock_rate": clocks.ClockRate,
}


class Rule:
    """A fault that has struck, until it is over."""

    def __init__(self, world: "World", fault: Fault, number: int, end: End) -> None:
        self._world = world
        self._fault = fault
        self._number = number
        self._end: End | None = end

    @property
    def in_force(self) -> bool:
        return self._end is not None

    def end(self) -> None:
        """Once; after that, nothing."""
        end, self._end = self._end, None
        if end is None:
            return
        self._world.trace.note(self._world.now, "fault_over", "", **facts(self._fault, self._number))
        end()


def facts(fault: Fault, number: int) -> dict[str, str | int | float]:
    """What a trace tells of it."""
    told: dict[str, str | int | float] = {"n": number, "do": fault.do}
    if fault.on:
        told["on"] = ", ".join(fault.on)
    if fault.to:
        told["to"] = ", ".join(fault.to)
    if fault.amount is not None:
        told["amount"] = fault.amount
    return told


def strike(world: "World", fault: Fault, number: int) -> Rule | None:
    """Now. None: there was nothing to strike. Raises KeyError for a kind that is none."""
    place = f"fault {fault.at!r} {fault.do} {','.join(fault.on)} {','.join(fault.to)}"
    kind = KINDS[fault.do](fault, world.stream(place))
    world.trace.note(world.now, "fault", "", **facts(fault, number))
    end = kind.strike(world)
    if end is None:
        return None
    if not kind.tells_itself:
        world.struck[fault.do] += 1
    return Rule(world, fault, number, end)
