"""Which ready tasks should this peer claim now?

Law: every peer computes the same deal from the same replica, so peers rarely collide; the compare-and-set claim makes
it safe when they do. A ready task that its favourite does not take is open to the peer ranked k-th after k x
`claim_patience`, so a frozen favourite delays nobody for long.
"""

from collections.abc import Collection
from typing import NamedTuple

from quorate.consensus.commands import SessionInfo
from quorate.consensus.machine import Machine
from quorate.consensus.ports import PeerId
from quorate.scheduling.placement import by_affinity
from quorate.scheduling.task import Task, TaskId

LOOK_AHEAD = 64
"""Ready tasks looked at beyond what should be enough, so that tasks waiting for patience do not hide others."""


class Sight(NamedTuple):
    """A ready task at the head that is another peer's to take."""

    since: float
    """When this replica first saw it so."""
    ranked: tuple[PeerId, ...]
    """All peers, its favourite first."""


class Planner:
    def __init__(self, me: PeerId, patience_s: float) -> None:
        self._me = me
        self._patience_s = patience_s
        self._seen: dict[TaskId, Sight] = {}
        self._ranked: frozenset[PeerId] = frozenset()
        """The peers ranked in what was seen."""
        self._claiming: set[TaskId] = set()
        self._offers: dict[PeerId, tuple[SessionInfo, frozenset[str]]] = {}
        self._wake_at = float("inf")

    def sees_nothing(self, machine: Machine) -> bool:
        """Nothing is ready beyond what is being claimed; the planner then has nothing to remember."""
        if machine.ready_count > len(self._claiming):
            return False
        self._wake_at = float("inf")
        self._seen.clear()
        return True

    def choose(self, machine: Machine, held: Collection[TaskId], free: int, now: float) -> list[Task]:
        """Up to `free` tasks to claim now, in order. The caller reports each by `claimed` and `settled`. `held`: an
        earlier attempt of these is still in a thread here; a new one is for others, or for later.
        """
        self._wake_at = float("inf")
        mine = machine.sessions.get(self._me)
        if mine is None:
            self._seen.clear()
            return []
        if free <= 0:
            return []  # what was seen stays seen: a frozen favourite's tasks grow older while we are busy
        places = self._places(machine, free)
        if places.keys() != self._ranked:
            self._ranked = frozenset(places)
            self._seen.clear()
        offered = {peer: self._offered(peer, session.info) for peer, session in machine.sessions.items()}
        look = free * len(places) + len(self._claiming) + LOOK_AHEAD
        chosen: list[Task] = []
        seen: dict[TaskId, Sight] = {}
        for task in machine.ready_head(mine.info.handlers, look):
            if task.id in self._claiming or task.id in held:
                continue
            sight = self._seen.get(task.id)
            if sight is None:
                sight = Sight(now, by_affinity(task.id, places))
            able = [peer for peer in sight.ranked if places[peer] > 0 and task.handler in offered[peer]]
            if now - sight.since >= self._patience_s * able.index(self._me):
                chosen.append(task)
                places[self._me] -= 1
                if len(chosen) == free:
                    break
            else:
                places[able[0]] -= 1
                seen[task.id] = sight
        self._seen = seen
        if seen:
            self._wake_at = now + self._patience_s
        return chosen

    def _places(self, machine: Machine, free: int) -> dict[PeerId, int]:
        """The deal so far: a task dealt to a peer takes one of its places."""
        places = {peer: session.slots - session.running for peer, session in machine.sessions.items()}
        places[self._me] = free
        return places

    def _offered(self, peer: PeerId, info: SessionInfo) -> frozenset[str]:
        known = self._offers.get(peer)
        if known is None or known[0] is not info:
            known = self._offers[peer] = (info, frozenset(info.handlers))
        return known[1]

    def claimed(self, task: TaskId) -> None:
        self._claiming.add(task)

    def settled(self, task: TaskId) -> None:
        self._claiming.discard(task)

    @property
    def claiming(self) -> int:
        return len(self._claiming)

    def wake_at(self) -> float:
        return self._wake_at
