"""All links of a cluster on loopback, one proxy per ordered pair of peers.

Law: what is done to the way from one peer to another is undone by the same call's end, and by nothing else; so faults
of one link may overlap.
"""

import itertools
from collections.abc import Iterable, Mapping

import msgspec

from quorate.netsim.live.proxy import Hold, Link, Rule, Way

Pair = tuple[str, str]
"""(from, to)."""


class Laid(msgspec.Struct, frozen=True):
    """A rule on the link that `pair[0]` dials."""

    pair: Pair
    rule: Rule


class Links:
    """raft: the port of each peer."""

    def __init__(self, raft: Mapping[str, int]) -> None:
        self._links = {(one, other): Link(raft[other]) for one, other in itertools.permutations(raft, 2)}

    async def open(self) -> None:
        for link in self._links.values():
            await link.open()

    async def close(self) -> None:
        for link in self._links.values():
            await link.close()

    def port(self, dials: str, to: str) -> int:
        """At which `dials` finds `to`."""
        return self._links[dials, to].port

    async def lay(self, pairs: Iterable[Pair], rule: Rule) -> list[Laid]:
        """The rule on each of the links."""
        laid = [Laid(pair, rule) for pair in pairs]
        for one in laid:
            await self._links[one.pair].add(one.rule)
        return laid

    async def hold_one_way(self, pairs: Iterable[Pair]) -> list[Laid]:
        """Every byte that the first of a pair sends the second, whichever of them dialled."""
        laid = [
            one
            for source, target in pairs
            for one in (Laid((source, target), Hold(Way.THERE)), Laid((target, source), Hold(Way.BACK)))
        ]
        for one in laid:
            await self._links[one.pair].add(one.rule)
        return laid

    async def lift(self, laid: Iterable[Laid]) -> None:
        for one in laid:
            await self._links[one.pair].remove(one.rule)

    def drop(self, pairs: Iterable[Pair]) -> None:
        for pair in pairs:
            self._links[pair].drop()


def both_ways(ones: Iterable[str], others: Iterable[str]) -> list[Pair]:
    """Every link between the two sides, in either direction."""
    there = [(one, other) for one in ones for other in others if one != other]
    return sorted({*there, *((other, one) for one, other in there)})
