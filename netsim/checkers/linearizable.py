"""What clients were told is linearizable: it could have come from one object for each key, asked one thing at a time.

Law: judged by the general checker (`quorate.netsim.linear`) over everything clients asked about each submission, in the
order in which they saw it, what was never answered included.
"""

from quorate.netsim.checkers.checker import Looks
from quorate.netsim.checkers.record import Record
from quorate.netsim.linear import SUBMISSIONS, Budget, History, check
from quorate.netsim.linear.operation import Json
from quorate.netsim.machine import Machine
from quorate.netsim.violation import Violation


class Linearizable:
    name = "linearizable"
    looks = Looks.END

    def __init__(self, record: Record) -> None:
        self._record = record
        self._judged = 0

    def step(self, machine: Machine) -> None:
        """A history is judged as a whole."""

    def end(self) -> None:
        entries = self._record.history
        if len(entries) == self._judged:
            return
        self._judged = len(entries)
        history = History(SUBMISSIONS)
        for entry in entries:
            if entry.f in SUBMISSIONS.forms:
                value: Json = [*entry.value] if isinstance(entry.value, tuple) else entry.value
                history.note(entry.process, entry.type, entry.f, value, entry.key)
        verdict = check(history.operations(), SUBMISSIONS, Budget())
        if verdict.result != "linearizable":
            part = "; ".join(str(operation) for operation in verdict.part.operations) if verdict.part else ""
            raise Violation(self.name, f"what clients were told of {verdict.key!r} is {verdict.result}: {part}")
