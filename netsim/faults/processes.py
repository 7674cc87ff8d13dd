"""Faults of processes and of the power they run on. `for_s`: how long they stay down."""

from typing import TYPE_CHECKING

from quorate.consensus.ports import PeerId
from quorate.netsim.faults.kind import End, Kind, over_at_once, resolve
from quorate.netsim.points import ALL_POINTS

if TYPE_CHECKING:
    from quorate.netsim.world import World

LONGEST_S = 3_600.0
MOST_AT_ONCE = 10_000.0
"""Submissions."""


class _Down(Kind):
    def strike(self, world: "World") -> End | None:
        peers = self.on(world)
        for peer in peers:
            world.keep_down(peer)
            self.fell(world, peer)

        def back() -> None:
            for peer in peers:
                world.let_up(peer)

        return back if peers else None

    def fell(self, world: "World", peer: PeerId) -> None:
        world.kill(peer)


class Kill(_Down):
    """kill -9."""


class Power(_Down):
    """Power fails: what was not flushed is there or not, sector by sector."""

    def fell(self, world: "World", peer: PeerId) -> None:
        world.lose_power(peer)


class Torn(_Down):
    """Power fails in the middle of the last write."""

    def fell(self, world: "World", peer: PeerId) -> None:
        world.tear(peer)


class EverybodyKill(_Down):
    """All processes die at once; each comes back when it likes, the last after `for_s` (3)."""

    def strike(self, world: "World") -> End | None:
        for peer in world.ids:
            world.keep_down(peer)
            self.fell(world, peer)
        last = self.for_s(3.0)
        back = Back(world, list(world.ids))
        for peer in world.ids:
            world.after(self.draw.random() * last, back.one, peer)
        return back.all


class EverybodyPower(EverybodyKill):
    """The whole site loses power."""

    def fell(self, world: "World", peer: PeerId) -> None:
        world.lose_power(peer)


class Back:
    """Peers that come back one by one, or all of them when it is over; each once."""

    def __init__(self, world: "World", peers: list[PeerId]) -> None:
        self._world = world
        self.down = peers

    def one(self, peer: PeerId) -> None:
        if peer in self.down:
            self.down.remove(peer)
            self._world.let_up(peer)

    def all(self) -> None:
        for peer in list(self.down):
            self.one(peer)


class Rolling(Kind):
    """One after the other is killed and comes back, each down for `amount` seconds (0.5), within `for_s` (5)."""

    bounds = (0.0, LONGEST_S)

    def strike(self, world: "World") -> End | None:
        peers = self.on(world)
        every = self.for_s(5.0) / max(1, len(peers))
        back = Back(world, [])
        over: list[bool] = []

        def next_one(peer: PeerId) -> None:
            if not over:
                world.keep_down(peer)
                back.down.append(peer)
                world.kill(peer)

        for place, peer in enumerate(peers):
            world.after(place * every, next_one, peer)
            world.after(place * every + min(every, self.number(0.5)), back.one, peer)

        def end() -> None:
            over.append(True)
            back.all()

        return end


class Twice(Kind):
    """Killed, back after `amount` seconds (0.2), and killed again while it comes back."""

    bounds = (0.0, LONGEST_S)

    def strike(self, world: "World") -> End | None:
        peers = self.on(world)
        back = Back(world, list(peers))
        for peer in peers:
            world.keep_down(peer)
            world.kill(peer)
            first = self.draw.random() * self.number(0.2)
            world.after(first, self._again, world, peer, back)
        return back.all

    def _again(self, world: "World", peer: PeerId, back: Back) -> None:
        """Up for a moment, then down until it is over."""
        if peer not in back.down:
            return
        world.let_up(peer)
        world.keep_down(peer)
        world.after(self.draw.random() * 0.2, self._down_again, world, peer, back)

    @staticmethod
    def _down_again(world: "World", peer: PeerId, back: Back) -> None:
        if peer in back.down:
            world.kill(peer)


class KillAt(Kind):
    """Dies at the fault point `amount`, if it comes there before this is over or another point takes its place, and is
    back within a second; counted when that happens.
    """

    tells_itself = True
    words = ALL_POINTS
    needs_amount = True
    by_power = False

    def strike(self, world: "World") -> End | None:
        machines = [world.machines[peer] for peer in self.on(world)]
        point = self.fault.amount
        assert isinstance(point, str), f"{self.fault.do} needs the name of a fault point, got {point!r}"
        for machine in machines:
            machine.armed, machine.back_s = point, self.draw.random()
            machine.dies_by_power = self.by_power

        def disarm() -> None:
            for machine in machines:
                if machine.armed == point:
                    machine.armed = None

        return disarm if machines else None


class PowerAt(KillAt):
    """As `kill_at`, and what was not flushed at that moment is there or not."""

    by_power = True


class Freeze(Kind):
    """SIGSTOP; SIGCONT when it is over, unless it was killed meanwhile."""

    def strike(self, world: "World") -> End | None:
        lives = [(peer, world.machines[peer].life) for peer in self.on(world) if world.running(peer) is not None]
        for peer, _ in lives:
            world.freeze(peer)

        def thaw() -> None:
            for peer, life in lives:
                if world.machines[peer].life == life:
                    world.thaw(peer)

        return thaw if lives else None


class Handover(Kind):
    """The leader is asked to hand on, to `to` if that is one peer."""

    def strike(self, world: "World") -> End | None:
        leader = world.leader()
        to = resolve(world, self.fault.to, []) if len(self.fault.to) == 1 else []
        if leader is None or not leader.raft.transfer(to[0] if to else None):
            return None
        world.touch(leader.id)
        return over_at_once


class Overload(Kind):
    """`amount` submissions (200) at once through each of `on`."""

    bounds = (1.0, MOST_AT_ONCE)

    def strike(self, world: "World") -> End | None:
        peers = [peer for peer in self.on(world) if world.running(peer) is not None]
        if world.clients is None:
            return None
        for peer in peers:
            world.clients.burst(peer, int(self.number(200.0)))
        return over_at_once if peers else None
