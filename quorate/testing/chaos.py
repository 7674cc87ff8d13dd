"""A random mix of faults for some virtual seconds.

Law: a function of the stream it draws from. Each seed takes its own few kinds, so that what one kind hides another seed
shows (swarm testing: Groce et al., "Swarm Testing", ISSTA 2012). Every fault ends by itself.
"""

from collections.abc import Sequence

from quorate.netsim.faults.rules import KINDS, Rule
from quorate.netsim.scenario import Fault
from quorate.netsim.swarm import SMALL
from quorate.netsim.world import World
from quorate.testing.outside import Effect, Outside

CHAOS = ("kill", "freeze", "partition", "one_way", "drop", "power", "slow_link", "disk_slow", "handover", "clock_jump")
"""Kinds that harm nothing for good: no disk is lost."""
COMMON = frozenset({"kill", "freeze", "partition"})
"""What hurts handlers; the rest hurts the cluster below them."""
OFTEN, SELDOM = 0.6, 0.25
"""Shares of seeds whose mix has a kind."""
PAUSE_S = (0.1, 1.5)
"""Between two faults."""
SHORT_S, LONG_S = (0.2, 3.0), (6.0, 15.0)
"""How long they last: nobody is given up, or its work goes to others (a session lasts 5 s)."""
SHORT = 0.4
ON_THE_LEADER = 0.3
"""Share of faults that look for the leader: chance alone would rarely hit what matters."""
AT_AN_EFFECT = 0.6
"""Share of faults that wait for the next effect and strike whoever did it, before it hears the answer: that is where
handlers are hurt."""


ON_TOP = 0.1
"""Share of faults that strike although as many peers are in trouble as the cluster can bear: mostly the others go on,
because only then anything happens that could be wrong."""


class Chaos:
    """The faults of one call, from the moment it is made until its time is over or `stop()`."""

    def __init__(self, world: World, outside: Outside, seconds: float, kinds: Sequence[str]) -> None:
        self._world = world
        self._outside = outside
        self._until = world.now + seconds
        self._draw = world.stream(f"chaos {world.now!r}")
        often = [kind for kind in kinds if self._draw.share(OFTEN if kind in COMMON else SELDOM)]
        self._mix = often or [kinds[self._draw.below(len(kinds))]]
        self._rules: list[Rule] = []
        self._waits_for_an_effect = False
        self._next()

    def stop(self) -> None:
        self._until = -1.0

    def _next(self) -> None:
        self._world.after(self._draw.between(*PAUSE_S), self._due)

    def _due(self) -> None:
        if self._world.now > self._until:
            return
        self._next()
        if self._draw.share(AT_AN_EFFECT):
            if not self._waits_for_an_effect:
                self._waits_for_an_effect = True
                self._outside.when(None, self._strike_whoever_did)
            return
        leader = self._world.leader()
        if leader is not None and self._draw.share(ON_THE_LEADER):
            self._strike(leader.id)
        else:
            self._strike(self._world.ids[self._draw.below(len(self._world.ids))])

    def _strike_whoever_did(self, effect: Effect) -> None:
        self._waits_for_an_effect = False
        if self._world.now <= self._until and effect.peer:
            self._strike(effect.peer)

    def _strike(self, peer: str) -> None:
        self._rules = [rule for rule in self._rules if rule.in_force]
        bearable = (len(self._world.ids) - 1) // 2
        if len(self._rules) >= bearable and not self._draw.share(ON_TOP):
            return
        kind = self._mix[self._draw.below(len(self._mix))]
        lasts_s = self._draw.between(*(SHORT_S if self._draw.share(SHORT) else LONG_S))
        amount = SMALL[kind].amount(self._draw) if KINDS[kind].needs_amount else None
        rule = self._world.strike(Fault(at=self._world.now, do=kind, on=(peer,), for_s=lasts_s, amount=amount))
        if rule is not None:
            self._rules.append(rule)
