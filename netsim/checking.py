"""The checkers of one played run.

Law: they are in place before anything starts, and asked for the end once all has settled and again once the state has
forgotten what has ended.
"""

from quorate.netsim.checkers import Watch, standard
from quorate.netsim.clients import Clients
from quorate.netsim.world import World


class Checks:
    """Watches every step from now on."""

    def __init__(self, world: World, clients: Clients) -> None:
        self._watch = Watch(world, standard(world, clients.record))
        world.watchers.append(self._watch.step)

    def settled(self) -> None:
        """Once all replicas are equal, or should be."""
        self._watch.end()

    def end(self) -> None:
        """Once the state has forgotten what has ended."""
        self._watch.end()

    def made(self) -> dict[str, int]:
        """How often each checker has looked, by name."""
        return self._watch.made()
