"""Faults of links. Amounts are seconds."""

from abc import abstractmethod
from typing import TYPE_CHECKING

from quorate.consensus.ports import PeerId
from quorate.netsim.faults.kind import End, Kind, over_at_once

if TYPE_CHECKING:
    from quorate.netsim.network import Connection, Link
    from quorate.netsim.world import World

Pairs = list[tuple[PeerId, PeerId]]
LATEST_S = 600.0


class _Cut(Kind):
    @abstractmethod
    def pairs(self, world: "World") -> Pairs:
        """The directions that are cut."""

    def strike(self, world: "World") -> End | None:
        pairs = self.pairs(world)
        for source, target in pairs:
            world.network.block(source, target)

        def heal() -> None:
            for source, target in pairs:
                world.network.unblock(source, target)

        return heal if pairs else None


class Partition(_Cut):
    """`on` is cut from `to` (all others, if not named), both ways."""

    def pairs(self, world: "World") -> Pairs:
        return [pair for a in self.on(world) for b in self.to(world) for pair in ((a, b), (b, a))]


class Partial(_Cut):
    """Two peers (or sides) do not hear each other, while a third hears both."""

    def pairs(self, world: "World") -> Pairs:
        a, b = self.on(world)[:1], self.to(world)[:1]
        return [(x, y) for x, y in ((*a, *b), (*b, *a))] if a and b else []


class OneWay(_Cut):
    """What `on` sends to `to` does not arrive; what it hears does."""

    def pairs(self, world: "World") -> Pairs:
        return [(a, b) for a in self.on(world) for b in self.to(world)]


class _Links(Kind):
    def links(self, world: "World") -> "list[Link]":
        return [world.network.links[a, b] for a in self.on(world) for b in self.to(world)]


class Drop(_Links):
    """Connections from `on` to `to` are reset, with what was on its way."""

    def strike(self, world: "World") -> End | None:
        up = [link for link in self.links(world) if link.connection is not None]
        for link in up:
            world.network.drop(link.source, link.target)
        return over_at_once if up else None


class HalfOpen(_Links):
    """`to` has forgotten the connections of `on`, which believes in them until it is told."""

    def strike(self, world: "World") -> End | None:
        struck: list[tuple[Link, Connection]] = []
        for link in self.links(world):
            if link.connection is not None:
                link.connection.forgotten = True
                struck.append((link, link.connection))

        def told() -> None:
            for link, connection in struck:
                if link.connection is connection:
                    world.network.drop(link.source, link.target)

        return told if struck else None


class Stall(_Links):
    """Links hold what is sent and give it out when it is over; no connection drops."""

    def strike(self, world: "World") -> End | None:
        links = self.links(world)
        for link in links:
            world.network.stall(link.source, link.target)

        def go_on() -> None:
            for link in links:
                world.network.unstall(link.source, link.target)

        return go_on if links else None


class SlowLink(_Links):
    """`amount` seconds more (0.1) each way between `on` and `to`."""

    bounds = (0.0, LATEST_S)

    def strike(self, world: "World") -> End | None:
        added = self.number(0.1)
        links = self.links(world)
        links += [world.network.links[link.target, link.source] for link in links]
        for link in links:
            link.added_s.append(added)

        def quick() -> None:
            for link in links:
                link.added_s.remove(added)

        return quick if links else None


class Leftovers(_Links):
    """A connection stalls, is dropped and dialled again, and what the old one held arrives `amount` seconds (0.3) after
    that, beside the frames of the new one.
    """

    bounds = (0.0, LATEST_S)

    STALL_S = 0.3

    def strike(self, world: "World") -> End | None:
        links = [link for link in self.links(world) if link.connection is not None]
        after = self.number(0.3)
        for link in links:
            world.network.stall(link.source, link.target)
            world.after(self.draw.between(0.05, self.STALL_S), self._let_go, world, link, link.connection, after)
        return over_at_once if links else None

    @staticmethod
    def _let_go(world: "World", link: "Link", connection: "Connection", after_s: float) -> None:
        if link.connection is connection:
            world.network.drop(link.source, link.target, leaving_frames=after_s)
        world.network.unstall(link.source, link.target)
