"""Faults with a scope: in force for the length of a `with` block, or for as long as a scenario says."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from quorate.consensus.ports import PeerId
from quorate.netsim.faults.rules import Rule, strike
from quorate.netsim.scenario import Fault

if TYPE_CHECKING:
    from quorate.netsim.network import SimNetwork
    from quorate.netsim.world import World


class Scoped:
    """The part of a world that faults are given to."""

    now: float
    network: "SimNetwork"

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._rules_number = 0

    def strike(self, fault: Fault) -> Rule | None:
        """Now, for `for_s` seconds or until `end()`. None: there was nothing to strike."""
        world = cast("World", self)  # the one class this is a part of
        self._rules_number += 1
        rule = strike(world, fault, self._rules_number)
        if rule is not None:
            self._rules = [one for one in self._rules if one.in_force]
            self._rules.append(rule)
            if fault.for_s is not None:
                world.after(fault.for_s, rule.end)
        return rule

    def plan(self, fault: Fault) -> None:
        """It strikes at `fault.at`."""

        def now() -> None:
            self.strike(fault)

        cast("World", self).after(fault.at - self.now, now)

    def end_faults(self) -> None:
        """All that are in force."""
        rules, self._rules = self._rules, []
        for rule in rules:
            rule.end()

    @contextmanager
    def under(self, fault: Fault) -> Iterator[None]:
        """In force until the block is left."""
        rule = self.strike(fault)
        assert rule is not None, f"there was nothing to strike: {fault}"
        try:
            yield
        finally:
            rule.end()

    @contextmanager
    def partition(self, *side: PeerId) -> Iterator[None]:
        """Cut the peers of `side` from all others, both ways."""
        with self.under(Fault(at=self.now, do="partition", on=side)):
            yield

    @contextmanager
    def one_way(self, source: PeerId, target: PeerId) -> Iterator[None]:
        """What `source` sends does not arrive at `target`."""
        with self.under(Fault(at=self.now, do="one_way", on=(source,), to=(target,))):
            yield

    @contextmanager
    def partial(self, one: PeerId, other: PeerId) -> Iterator[None]:
        """These two do not hear each other; everybody else hears both."""
        with self.under(Fault(at=self.now, do="partial", on=(one,), to=(other,))):
            yield

    @contextmanager
    def stalled(self, source: PeerId, target: PeerId) -> Iterator[None]:
        """What `source` sends is held back and arrives when the block is left."""
        with self.under(Fault(at=self.now, do="stall", on=(source,), to=(target,))):
            yield

    @contextmanager
    def slow_link(self, one: PeerId, other: PeerId, added_s: float) -> Iterator[None]:
        """`added_s` more, each way, between these two."""
        with self.under(Fault(at=self.now, do="slow_link", on=(one,), to=(other,), amount=added_s)):
            yield

    @contextmanager
    def slow_disk(self, peer: PeerId, added_s: float) -> Iterator[None]:
        """`added_s` more for every flush."""
        with self.under(Fault(at=self.now, do="disk_slow", on=(peer,), amount=added_s)):
            yield

    @contextmanager
    def frozen(self, *peers: PeerId) -> Iterator[None]:
        """SIGSTOP, and SIGCONT when the block is left."""
        with self.under(Fault(at=self.now, do="freeze", on=peers)):
            yield

    @contextmanager
    def down(self, *peers: PeerId) -> Iterator[None]:
        """Killed, and started when the block is left."""
        with self.under(Fault(at=self.now, do="kill", on=peers)):
            yield

    def cut(self, links: Sequence[tuple[PeerId, PeerId]]) -> None:
        """Both ways, until `heal`."""
        for a, b in links:
            self.network.block(a, b)
            self.network.block(b, a)

    def heal(self, links: Sequence[tuple[PeerId, PeerId]]) -> None:
        for a, b in links:
            self.network.unblock(a, b)
            self.network.unblock(b, a)
