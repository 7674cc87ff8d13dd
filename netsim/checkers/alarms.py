"""No false alarm: where all states are equal, nobody says that they differ.

Law: a peer that quarantines itself, or has seen what the safety of Raft forbids (another leader of its term, a leader
that contradicts what is committed), is wrong itself as long as no other checker has said so.
"""

from quorate.netsim.checkers.checker import Looks
from quorate.netsim.checkers.progress import Progress
from quorate.netsim.machine import Machine
from quorate.netsim.violation import Violation

FORBIDDEN = ("two_leaders", "contradictions")
"""Counters of what cannot be."""


class NoFalseAlarm:
    name = "no_false_alarm"
    looks = Looks.NOW_AND_THEN

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def step(self, machine: Machine) -> None:
        peer = self._progress.now.peer
        if peer is None:
            return
        if peer.divergence.quarantined:
            raise Violation(self.name, f"{machine.id} has quarantined itself: {peer.divergence.quarantined}")
        for name in FORBIDDEN:
            if peer.raft.counters[name]:
                raise Violation(self.name, f"{machine.id} has counted {name}, which cannot be")

    def end(self) -> None:
        """Each alarm has been judged."""
