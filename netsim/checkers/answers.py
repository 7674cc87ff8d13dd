"""Every request is answered once, within its deadline, by a peer that lives to do so (promise 7).

Law: the deadline counts in the asked peer's own clock; a peer that was frozen meanwhile has as long again from when it
came back.
"""

import heapq

from quorate.netsim.checkers.checker import Looks
from quorate.netsim.checkers.progress import Progress
from quorate.netsim.checkers.record import Asked, Record
from quorate.netsim.machine import Machine
from quorate.netsim.violation import Violation
from quorate.netsim.world import World

GRACE_S = 1.0
PAUSE_S = 2.0
"""A peer that has not stepped for so long was frozen."""


class AnsweredOnce:
    name = "answered_once"
    looks = Looks.NOW_AND_THEN

    def __init__(self, world: World, progress: Progress, record: Record) -> None:
        self._world = world
        self._progress = progress
        self._record = record
        self._asked_read = self._told_read = 0
        self._open: dict[str, list[tuple[float, int, Asked]]] = {machine: [] for machine in world.machines}
        self._stepped_at: dict[str, float] = {}
        self._back_at: dict[str, float] = {}

    def step(self, machine: Machine) -> None:
        record = self._record
        while self._asked_read < len(record.asked):
            asked = record.asked[self._asked_read]
            heapq.heappush(self._open[asked.peer], (asked.deadline, self._asked_read, asked))
            self._asked_read += 1
        while self._told_read < len(record.told):
            asked = record.told[self._told_read]
            self._told_read += 1
            if asked.answers > 1:
                raise Violation(self.name, f"{asked.peer} answered {asked} {asked.answers} times")
        peer = self._progress.now.peer
        if peer is not None:
            self._overdue(machine, peer.now())

    def _overdue(self, machine: Machine, now: float) -> None:
        if now - self._stepped_at.get(machine.id, now) > PAUSE_S:
            self._back_at[machine.id] = now
        self._stepped_at[machine.id] = now
        waiting = self._open[machine.id]
        while waiting and max(waiting[0][0], self._back_at.get(machine.id, 0.0)) + GRACE_S < now:
            _, _, asked = heapq.heappop(waiting)
            if not asked.answers and asked.life == machine.life:
                raise Violation(self.name, f"{machine.id} has not answered {asked} by its deadline, nor soon after")

    def end(self) -> None:
        """Each answer has been judged, and each deadline that has passed."""
