"""Faults of disks."""

from typing import TYPE_CHECKING

from quorate.netsim.faults.kind import End, Kind

if TYPE_CHECKING:
    from quorate.netsim.world import World

MOST_BITS = 10_000.0
SLOWEST_S = 600.0


class Wipe(Kind):
    """An empty disk under the old name, back after `for_s`; only while the others can spare what the old one held."""

    def strike(self, world: "World") -> End | None:
        peers = self.on(world)[:1]
        if not peers or not world.may_lose_disk(peers[0]):
            return None
        world.keep_down(peers[0])
        world.wipe(peers[0])
        return lambda: world.let_up(peers[0])


class BitRot(Kind):
    """The process dies, `amount` bits (3) of one of its files turn over, and it is started again after `for_s`; only
    while the others can spare what the disk held.
    """

    bounds = (1.0, MOST_BITS)

    def strike(self, world: "World") -> End | None:
        peers = self.on(world)[:1]
        if not peers or not world.may_lose_disk(peers[0]):
            return None
        machine = world.machines[peers[0]]
        world.keep_down(machine.id)
        world.kill(machine.id)
        machine.disk.rot(self.draw, int(self.number(3.0)))
        return lambda: world.let_up(machine.id)


class DiskSlow(Kind):
    """Every flush takes `amount` seconds more (0.05)."""

    bounds = (0.0, SLOWEST_S)

    def strike(self, world: "World") -> End | None:
        added = self.number(0.05)
        disks = [world.machines[peer].disk for peer in self.on(world)]
        for disk in disks:
            disk.added_s.append(added)

        def quick() -> None:
            for disk in disks:
                disk.added_s.remove(added)

        return quick if disks else None


class DiskError(Kind):
    """The next flush fails (EIO), which ends the process; after `for_s` it finds a sound disk."""

    def strike(self, world: "World") -> End | None:
        live = {machine.id for machine in world.live()}
        machines = [world.machines[peer] for peer in self.on(world) if peer in live]
        for machine in machines:
            world.keep_down(machine.id)
            machine.disk.fail_next = "EIO"

        def sound() -> None:
            for machine in machines:
                machine.disk.fail_next = None
                world.let_up(machine.id)

        return sound if machines else None


class DiskFull(Kind):
    """`amount` `floor` (the default): space is short, submissions are refused, the rest goes on; `enospc`: nothing more
    fits, and a process that has to make a file ends.
    """

    words = frozenset(("floor", "enospc"))

    def strike(self, world: "World") -> End | None:
        peers = self.on(world)
        nothing_fits = self.fault.amount == "enospc"
        for peer in peers:
            disk = world.machines[peer].disk
            disk.full += nothing_fits
            disk.floors += 1
            world.keep_down(peer)

        def space() -> None:
            for peer in peers:
                disk = world.machines[peer].disk
                disk.full -= nothing_fits
                disk.floors -= 1
                world.let_up(peer)

        return space if peers else None
