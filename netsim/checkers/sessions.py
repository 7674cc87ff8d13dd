"""A session is not trusted longer than the cluster honours it (promise 4).

Law: when the first peer applies the end of a session by time, its holder has stopped trusting it, by its own clock.
"""

from quorate.consensus.events import SessionEvent
from quorate.netsim.checkers.checker import Looks
from quorate.netsim.checkers.story import Story
from quorate.netsim.machine import Machine
from quorate.netsim.violation import Violation
from quorate.netsim.world import World


class TrustEndsFirst:
    name = "trust_ends_first"
    looks = Looks.STORY

    def __init__(self, world: World, story: Story) -> None:
        self._world = world
        self._story = story

    def step(self, machine: Machine) -> None:  # noqa: ARG002 - the story is of all
        for at, _, event in self._story.new:
            if not isinstance(event, SessionEvent) or event.kind != "expired":
                continue
            holder = self._world.running(event.peer)
            if holder is None or holder.proposer.incarnation != event.incarnation:
                continue
            if holder.machine.index < at and holder.proctor.trusted(holder.now()):
                raise Violation(self.name, f"entry {at} ended the session of {event.peer} while it trusted it")

    def end(self) -> None:
        """Every end of a session has been judged."""
