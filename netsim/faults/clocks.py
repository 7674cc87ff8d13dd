"""Faults of clocks."""

from typing import TYPE_CHECKING

from quorate.netsim.faults.kind import End, Kind

if TYPE_CHECKING:
    from quorate.netsim.world import World

FARTHEST_S = 1e9
"""Some thirty years."""


class ClockJump(Kind):
    """The wall clock jumps by `amount` seconds (drawn: up to an hour either way), and back when it is over."""

    bounds = (-FARTHEST_S, FARTHEST_S)

    def strike(self, world: "World") -> End | None:
        by_ms = int(1_000 * self.number(self.draw.between(-3_600.0, 3_600.0)))
        clocks = [world.machines[peer].clock for peer in self.on(world)]
        for clock in clocks:
            clock.wall_offset_ms += by_ms

        def back() -> None:
            for clock in clocks:
                clock.wall_offset_ms -= by_ms

        return back if clocks else None


class ClockRate(Kind):
    """The monotonic clock runs at `amount` times its rate (drawn: within 1 %, so that two stay within the bound the
    peers are told).
    """

    bounds = (0.1, 10.0)

    def strike(self, world: "World") -> End | None:
        factor = self.number(self.draw.between(0.99, 1.01))
        machines = [world.machines[peer] for peer in self.on(world)]
        for machine in machines:
            machine.rates.append(factor)
            machine.reckon_rate()
            world.touch(machine.id)

        def right() -> None:
            for machine in machines:
                machine.rates.remove(factor)
                machine.reckon_rate()
                world.touch(machine.id)

        return right if machines else None
