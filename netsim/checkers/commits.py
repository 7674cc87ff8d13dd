"""What is committed: flushed on a majority of disks, and never another entry at that index.

Laws:
- State Machine Safety and Leader Completeness (Raft, figure 3) as far as disks can show them.
- Whether an entry is flushed is read from the disk, not asked of the peer.
"""

from typing import NamedTuple

from quorate.netsim.checkers.checker import Looks
from quorate.netsim.checkers.durable import FIRST, DurableLog, DurableLogs
from quorate.netsim.checkers.progress import Progress
from quorate.netsim.machine import Machine
from quorate.netsim.violation import Violation


class Committed(NamedTuple):
    """`in_term`: of the peer that first said so."""

    term: int
    fingerprint: int
    in_term: int


class Commits:
    """Keeps what each index was committed as; says nothing about disks of others."""

    name = "committed_for_good"
    looks = Looks.CHANGES

    def __init__(self, progress: Progress, logs: DurableLogs) -> None:
        self._progress = progress
        self._logs = logs
        self.committed: dict[int, Committed] = {}
        self.highest = FIRST
        self._checked_to: dict[str, int] = {}
        self._wipes: dict[str, int] = {}

    def step(self, machine: Machine) -> None:
        now = self._progress.now
        log = self._logs.of[machine.id]
        if log.changed_from < 1 << 62:
            self._written_again(machine, log)
        if now.commit == now.commit_before:
            return
        if self._wipes.get(machine.id) != machine.disk.wipes:
            self._wipes[machine.id] = machine.disk.wipes
            self._checked_to[machine.id] = FIRST
        entries, committed, covered = log.entries, self.committed, log.covered
        for index in range(self._checked_to[machine.id] + 1, now.commit + 1):
            entry = entries.get(index)
            if entry is None or index <= covered:
                continue  # whether a snapshot covers what is not there is asked by `FlushedMajority`
            first = committed.get(index)
            if first is None:
                committed[index] = Committed(entry[0], entry[1], now.term)
            elif first[0] != entry[0] or first[1] != entry[1]:
                raise Violation(
                    self.name,
                    f"{machine.id} has committed another entry {index}, of term {entry[0]}, than was committed before, "
                    f"of term {first.term}",
                )
        self._checked_to[machine.id] = max(self._checked_to[machine.id], now.commit)
        self.highest = max(self.highest, now.commit)

    def _written_again(self, machine: Machine, log: DurableLog) -> None:
        """What this peer knew to be committed is still what it was."""
        lowest, log.changed_from = log.changed_from, 1 << 62
        log.renew()
        if self._wipes.get(machine.id) != machine.disk.wipes:
            return
        for index in range(max(lowest, FIRST + 1), self._checked_to.get(machine.id, FIRST) + 1):
            first = self.committed.get(index)
            if first is not None and not log.holds(index, first.term):
                raise Violation(self.name, f"{machine.id} has cut entry {index}, which it knew to be committed")

    def end(self) -> None:
        """Every commit has been judged."""


class FlushedMajority:
    name = "flushed_majority"
    looks = Looks.CHANGES

    def __init__(self, progress: Progress, logs: DurableLogs) -> None:
        self._progress = progress
        self._logs = list(logs.of.values())
        self._of = logs.of
        self._majority = len(self._logs) // 2 + 1
        self._highest = FIRST

    def step(self, machine: Machine) -> None:
        index = self._progress.now.commit
        if index <= self._highest:
            return
        self._highest = index
        own = self._of[machine.id]
        term = own.term_at(index)
        if term is None:
            raise Violation(self.name, f"{machine.id} says entry {index} is committed and has not flushed it itself")
        holders = [log.machine.id for log in self._logs if log.holds(index, term) or log.held(index, term)]
        if len(holders) < self._majority:
            raise Violation(
                self.name,
                f"{machine.id} says entry {index} of term {term} is committed; it is flushed on "
                f"{', '.join(holders) or 'no disk'}, {self._majority} of {len(self._logs)} are a majority",
            )

    def end(self) -> None:
        """Every commit has been judged."""
