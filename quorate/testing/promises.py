"""What every cluster promises, watched while a test runs and checked at its end.

Law: a test that passes has also seen: one leader per term, equal states at equal indexes, no state that goes back, and,
when all is settled, replicas and histories that say the same.
"""

from quorate.netsim.checkers import SafetyChecker, check_fences, check_histories
from quorate.netsim.violation import Violation
from quorate.netsim.world import World


class Promises:
    def __init__(self, world: World) -> None:
        self._world = world
        self._safety = SafetyChecker(world)

    def all_serve(self) -> bool:
        """Every peer runs and holds a session it trusts."""
        peers = [machine.peer for machine in self._world.machines.values()]
        return all(peer is not None and peer.proctor.trusted(peer.now()) for peer in peers)

    def settle(self, within_s: float) -> None:
        """Let time pass until all replicas are equal. Raises Violation if they never are."""
        if not self._world.run_until(self._is_settled, within_s):
            raise Violation("progress", f"not settled within {within_s:g} s of healing", self._world.now)

    def _is_settled(self) -> bool:
        peers = [machine.peer for machine in self._world.machines.values() if machine.peer is not None]
        indexes = {peer.machine.index for peer in peers}
        return len(indexes) == 1 and self.all_serve() and all(peer.history_complete for peer in peers)

    def check(self) -> None:
        """Of a settled cluster. Raises Violation."""
        for machine in self._world.live():
            if machine.peer is not None:
                self._safety.follow_results(machine.peer)
        check_fences(self._world)
        check_histories(self._world)
