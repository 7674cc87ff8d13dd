"""Progress, when everything is healed: every accepted task ends, all peers become the same and tell the same.

Law: `missing` says what is not yet so (`""`: nothing); whoever plays a run lets the world go on until nothing is
missing, `HEAL_WITHIN_S` at most, and then asks for the end.
"""

from quorate.netsim.checkers.checker import Looks
from quorate.netsim.machine import Machine
from quorate.netsim.violation import Violation
from quorate.netsim.world import World
from quorate.scheduling.task import ENDED, Task, TaskId

HEAL_WITHIN_S = 60.0
"""Virtual seconds from the end of the last fault."""
BEHIND_MS = 3_000
"""Of cluster life: the states of two peers are never further apart in an idle cluster."""


class Settling:
    """Nothing is asked of a step."""

    name: str
    looks = Looks.END

    def __init__(self, world: World) -> None:
        self._world = world

    def missing(self) -> str:
        """What is not yet as it must become."""
        return ""

    def step(self, machine: Machine) -> None:
        """Under faults nothing need go on."""

    def end(self) -> None:
        missing = self.missing()
        if missing:
            raise Violation(self.name, missing)


class ReplicasConverge(Settling):
    name = "replicas_converge"

    def missing(self) -> str:
        peers = [machine.peer for machine in self._world.live() if machine.peer is not None]
        if len(peers) != len(self._world.ids):
            down = sorted(set(self._world.ids) - {peer.id for peer in peers})
            return f"{', '.join(down)} of {len(self._world.ids)} do not run"
        if len({(peer.machine.index, peer.machine.state_hash) for peer in peers}) != 1:
            stand = [f"{peer.id}: {peer.raft.role}, term {peer.raft.term}, at {peer.machine.index}" for peer in peers]
            return f"replicas differ; {'; '.join(stand)}"
        return ""

    def end(self) -> None:
        """An idle cluster goes on renewing its sessions: at any one moment a follower may be a little behind."""
        peers = [machine.peer for machine in self._world.live() if machine.peer is not None]
        lived_ms = [peer.machine.elapsed for peer in peers]
        if len(peers) != len(self._world.ids) or max(lived_ms) - min(lived_ms) > BEHIND_MS:
            super().end()


class TasksEnd(Settling):
    name = "tasks_end"

    def missing(self) -> str:
        for machine in self._world.live():
            assert machine.peer is not None
            for task in machine.peer.machine.tasks.values():
                if task.state not in ENDED:
                    return f"task {task.id} has not ended on {machine.id}: {task.state} {task.reason}".rstrip()
        return ""


class HistoriesEqual(Settling):
    name = "histories_equal"

    def missing(self) -> str:
        for machine in self._world.live():
            if machine.peer is not None and not machine.peer.history_complete:
                return f"{machine.id} has gaps in its history"
        return ""

    def end(self) -> None:
        """Every peer tells the same of what has ended, row by row, and no key belongs to two tasks."""
        super().end()
        told: dict[int, Task] = {}
        keys: dict[tuple[str, str], TaskId] = {}
        for machine in self._world.live():
            assert machine.peer is not None
            ends = machine.peer.machine.end_seq
            rows = {row.end_seq: row for row in machine.history.rows_between(0, ends, 1 << 40)}
            for end in range(1, ends + 1):
                row = rows.get(end)
                if row is None:
                    raise Violation(self.name, f"{machine.id} has no row of end {end} in its history")
                first = told.setdefault(end, row)
                if first != row:
                    raise Violation(self.name, f"{machine.id} tells another end {end}: {_difference(first, row)}")
                if row.key and keys.setdefault((row.namespace, row.key), row.id) != row.id:
                    raise Violation(
                        self.name, f"key {row.key} belongs to {keys[row.namespace, row.key]} and to {row.id}"
                    )


def _difference(first: Task, row: Task) -> str:
    """The first field in which they differ."""
    for field in row.__struct_fields__:
        one, other = getattr(first, field), getattr(row, field)
        if one != other:
            return f"{field} of {row.id} is {other!r}, on others {one!r}"
    return ""
