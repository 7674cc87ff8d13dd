"""Reads are linearizable (promise 5).

Law: a read shows everything that had been acknowledged to anybody when it began: neither the point it was given nor the
state that answers it is before the entry of any such acknowledgement.
"""

from quorate.consensus.commands import Done
from quorate.netsim.checkers.checker import Looks
from quorate.netsim.checkers.record import Read, Record
from quorate.netsim.checkers.story import Story
from quorate.netsim.machine import Machine
from quorate.netsim.violation import Violation
from quorate.scheduling.task import TaskId


class ReadsSeeAcknowledged:
    name = "reads_see_acknowledged"
    looks = Looks.CHANGES

    def __init__(self, story: Story, record: Record) -> None:
        self._story = story
        self._record = record
        self._read = 0
        self._acknowledged_to = [0]
        """After so many answers: the greatest entry that accepted anything acknowledged."""

    def step(self, machine: Machine) -> None:  # noqa: ARG002 - the record is of all
        self.end()

    def end(self) -> None:
        """Every read answered since the last look."""
        told, reached = self._record.told, self._acknowledged_to
        while len(reached) <= len(told):
            outcome = told[len(reached) - 1].outcome
            done = outcome.value if isinstance(outcome, Done) else ()
            reached.append(max([reached[-1], *(self._story.accepted.get(TaskId(task), 0) for task in done)]))
        reads = self._record.reads
        while self._read < len(reads):
            self._judge(reads[self._read])
            self._read += 1

    def _judge(self, read: Read) -> None:
        must_see = self._acknowledged_to[read.told_before]
        if read.index < must_see:
            raise Violation(
                self.name,
                f"a read on {read.peer} was given index {read.index}; entry {must_see} was acknowledged",
            )
        if read.applied < must_see:
            raise Violation(
                self.name,
                f"a read on {read.peer} was answered from a state at {read.applied}; entry {must_see} was acknowledged "
                f"before it began",
            )
