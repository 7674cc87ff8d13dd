"""Which ready tasks should this peer claim now?

Law: every peer computes the same deal from the same replica, so peers rarely collide; the compare-and-set claim makes
it safe when they do. A ready task that its favourite does not take is open to the peer ranked k-th after k x
`claim_patience`, so a frozen favourite delays nobody for long.
"""

from quorate.consensus.machine import Machine
from quorate.consensus.ports import PeerId
from quorate.scheduling.placement import affinity
from quorate.scheduling.task import Task, TaskId

LOOK_AHEAD = 64
"""Ready tasks looked at beyond the free places of all peers, so that tasks waiting for patience do not hide others."""


class Planner:
    def __init__(self, me: PeerId, patience_s: float) -> None:
        self._me = me
        self._patience_s = patience_s
        self._seen: dict[TaskId, float] = {}
        """When this replica first saw a ready task at the head that is another peer's to take."""
        self._claiming: set[TaskId] = set()
        self._wake_at = float("inf")

    def choose(self, machine: Machine, free: int, now: float) -> list[Task]:
        """Up to `free` tasks to claim now, in order. The caller reports each by `claimed` and `settled`."""
        self._wake_at = float("inf")
        mine = machine.sessions.get(self._me)
        if free <= 0 or mine is None or not machine.ready_count:
            self._seen.clear()
            return []
        places = self._places(machine, free)
        total = sum(places.values()) + len(self._claiming) + LOOK_AHEAD
        chosen: list[Task] = []
        seen: dict[TaskId, float] = {}
        for task in machine.ready_head(mine.info.handlers, total):
            if task.id in self._claiming:
                continue
            since = self._seen.get(task.id, now)
            if self._is_mine(machine, task, places, now - since):
                chosen.append(task)
                places[self._me] -= 1
                if len(chosen) == free:
                    break
            else:
                seen[task.id] = since
        self._seen = seen
        if seen:
            self._wake_at = now + self._patience_s
        return chosen

    def _places(self, machine: Machine, free: int) -> dict[PeerId, int]:
        places = {peer: session.slots - session.running for peer, session in sorted(machine.sessions.items())}
        places[self._me] = free
        return places

    def _is_mine(self, machine: Machine, task: Task, places: dict[PeerId, int], waited_s: float) -> bool:
        able = [peer for peer, session in machine.sessions.items() if task.handler in session.handlers]
        free = sorted((peer for peer in able if places[peer] > 0), key=lambda peer: (-affinity(task.id, peer), peer))
        if self._me not in free:
            return False
        if free[0] == self._me:
            return True
        if waited_s >= self._patience_s * free.index(self._me):
            return True
        places[free[0]] -= 1
        return False

    def claimed(self, task: TaskId) -> None:
        self._claiming.add(task)

    def settled(self, task: TaskId) -> None:
        self._claiming.discard(task)

    @property
    def claiming(self) -> int:
        return len(self._claiming)

    def wake_at(self) -> float:
        return self._wake_at
