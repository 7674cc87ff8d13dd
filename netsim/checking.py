"""All checkers of a run together."""

from quorate.netsim.checkers import SafetyChecker, check_fences, check_histories, check_one_result
from quorate.netsim.clients import Clients
from quorate.netsim.world import World


class Checks:
    """Watches every step from now on."""

    def __init__(self, world: World, clients: Clients) -> None:
        self._world = world
        self._clients = clients
        self._safety = SafetyChecker(world)

    def settled(self) -> None:
        """Once all replicas are equal."""
        self._results()
        for machine in self._world.live():
            assert machine.peer is not None
            self._safety.follow_results(machine.peer)
        check_fences(self._world)

    def end(self) -> None:
        """Once the state has forgotten what has ended."""
        self._results()
        check_histories(self._world)

    def _results(self) -> None:
        for machine in self._world.live():
            assert machine.peer is not None
            check_one_result(self._world, machine.peer, self._clients.acknowledged)

    def made(self) -> dict[str, int]:
        return {"safety": self._world.steps, "reads": self._clients.answers}
