"""What every cluster promises, watched while a test runs and checked at its end.

Law: the simulator's own checkers, all of them but the one that asks every task to end: a test may leave work undone.
"""

from quorate.netsim.checkers import Record, Watch, of_unfinished
from quorate.netsim.violation import Violation
from quorate.netsim.world import World


class Promises:
    def __init__(self, world: World) -> None:
        self._world = world
        self._watch = Watch(world, of_unfinished(world, Record()))
        world.watchers.append(self._watch.step)

    def all_serve(self) -> bool:
        """Every peer runs and holds a session it trusts."""
        peers = [machine.peer for machine in self._world.machines.values()]
        return all(peer is not None and peer.proctor.trusted(peer.now()) for peer in peers)

    def settle(self, within_s: float) -> None:
        """Let time pass until all replicas are equal. Raises Violation if they never are."""
        if not self._world.run_until(self._is_settled, within_s):
            missing = self._watch.missing() or "a peer has no session"
            raise Violation("progress", f"not settled {within_s:g} s after healing: {missing}", self._world.now)

    def _is_settled(self) -> bool:
        return self.all_serve() and not self._watch.missing()

    def check(self) -> None:
        """Of a settled cluster. Raises Violation."""
        self._watch.end()
