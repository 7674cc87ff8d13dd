"""The story of the cluster: every event once, in the order of the log, and the same on every peer.

Law: an event stands in the story when the first peer tells it. It is told again by the others: then it must be the
same. What came to a peer inside a snapshot it does not tell.
"""

from collections.abc import Callable, Sequence
from itertools import groupby

from quorate.consensus.events import Event, TaskEvent
from quorate.consensus.reactor import Stamped
from quorate.netsim.checkers.checker import Looks
from quorate.netsim.checkers.progress import Progress
from quorate.netsim.machine import Machine
from quorate.netsim.violation import Violation
from quorate.scheduling.task import TaskId

Told = tuple[str, str, int, str]
"""(kind, task or peer, fence or incarnation, peer)."""
KEPT = 50_000
"""Entries whose events are compared when they are told again."""


def gist(event: Event) -> Told:
    if isinstance(event, TaskEvent):
        return event.kind, event.task, event.fence, event.peer
    return event.kind, event.peer, event.incarnation, ""


def _index(stamped: Stamped) -> int:
    return stamped.at


class Story:
    name = "equal_events"
    looks = Looks.CHANGES

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.untold: list[tuple[str, Sequence[Stamped]]] = []
        """What peers have told since the last look."""
        self._told: dict[int, list[Told]] = {}
        self.upto = 0
        """The last entry that was told."""
        self.new: list[Stamped] = []
        """What this step has added, in the order of the log."""
        self.accepted: dict[TaskId, int] = {}
        """The entry that accepted each task."""

    def step(self, machine: Machine) -> None:
        now = self._progress.now
        if now.new_life and now.peer is not None:
            # From its start on: a new life may have applied what is in its log within its first step.
            now.peer.subscribe((0, 0), self._sink_of(machine.id))
        if self.new:
            self.new = []
        if self.untold:
            told, self.untold = self.untold, []
            for peer, events in told:
                for _, entry in groupby(events, key=_index):
                    self._take(peer, list(entry))

    def _sink_of(self, peer: str) -> Callable[[Sequence[Stamped]], None]:
        """What a peer tells is judged after its step: nothing is raised through its own code."""
        return lambda events: self.untold.append((peer, events))

    def _take(self, peer: str, events: Sequence[Stamped]) -> None:
        index = events[0].at
        if index > self.upto:
            self.upto = index
            self._told[index] = [gist(stamped.event) for stamped in events]
            if len(self._told) > KEPT:
                del self._told[next(iter(self._told))]
            self.new.extend(events)
            for stamped in events:
                if stamped.event.kind == "submitted" and isinstance(stamped.event, TaskEvent):
                    self.accepted.setdefault(stamped.event.task, index)
            return
        first = self._told.get(index)
        if first is not None and first != [gist(stamped.event) for stamped in events]:
            raise Violation(self.name, f"{peer} tells other events of entry {index} than the first peer that told them")

    def end(self) -> None:
        """Every event has been judged."""
