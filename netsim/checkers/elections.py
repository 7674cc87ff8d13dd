"""Leaders: one in a term, and none without what is committed.

Laws (Raft, figure 3): Election Safety and Leader Completeness. A leader of an old term that has not heard of a newer
one is legal and need not have what was committed in later terms.
"""

from quorate.netsim.checkers.checker import Looks
from quorate.netsim.checkers.commits import Commits
from quorate.netsim.checkers.durable import DurableLogs
from quorate.netsim.checkers.progress import Progress
from quorate.netsim.machine import Machine
from quorate.netsim.violation import Violation


class OneLeader:
    name = "one_leader"
    looks = Looks.CHANGES

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._leaders: dict[int, str] = {}

    def step(self, machine: Machine) -> None:
        now = self._progress.now
        if now.role != "leader":
            return
        first = self._leaders.setdefault(now.term, machine.id)
        if first != machine.id:
            raise Violation(self.name, f"{first} and {machine.id} both lead in term {now.term}")

    def end(self) -> None:
        """Every step has been judged."""


class LeaderCompleteness:
    name = "leader_completeness"
    looks = Looks.CHANGES

    def __init__(self, progress: Progress, logs: DurableLogs, commits: Commits) -> None:
        self._progress = progress
        self._logs = logs
        self._commits = commits
        self._looked_at: set[tuple[int, str]] = set()

    def step(self, machine: Machine) -> None:
        now = self._progress.now
        if now.role != "leader" or (now.term, machine.id) in self._looked_at:
            return
        self._looked_at.add((now.term, machine.id))
        assert now.peer is not None
        log, reaches = self._logs.of[machine.id], now.peer.raft.last_index
        for index, committed in self._commits.committed.items():
            if committed.in_term <= now.term and not (index <= reaches and log.holds(index, committed.term)):
                raise Violation(
                    self.name,
                    f"{machine.id} leads in term {now.term} without entry {index} of term {committed.term}, which was "
                    f"committed in term {committed.in_term}",
                )

    def end(self) -> None:
        """Every new leader has been judged."""
