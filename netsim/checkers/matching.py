"""Log Matching (Raft, figure 3): same index and term, same entry and same entry before it.

Law: over everything that was ever flushed anywhere, also what was cut later.
"""

from quorate.netsim.checkers.checker import Looks
from quorate.netsim.checkers.durable import DurableLog, DurableLogs
from quorate.netsim.machine import Machine
from quorate.netsim.violation import Violation


class LogMatching:
    name = "log_matching"
    looks = Looks.END

    def __init__(self, logs: DurableLogs) -> None:
        self._seen: dict[tuple[int, int], tuple[int, int | None, str]] = {}
        """(fingerprint, term of the entry before, machine) by index and term."""
        logs.appended.append(self.appended)

    def appended(self, log: DurableLog, index: int, term: int, fingerprint: int) -> None:
        before = log.term_at(index - 1)
        first = self._seen.get((index, term))
        if first is None or first[1] is None:
            self._seen[index, term] = (fingerprint, before, log.machine.id)
        if first is None:
            return
        if first[0] != fingerprint:
            raise Violation(
                self.name, f"entry {index} of term {term} is one on {first[2]} and another on {log.machine.id}"
            )
        if before is not None and first[1] is not None and before != first[1]:
            raise Violation(
                self.name,
                f"entry {index} of term {term} follows one of term {first[1]} on {first[2]} and one of term {before} "
                f"on {log.machine.id}",
            )

    def step(self, machine: Machine) -> None:
        """Judged as it is flushed."""

    def end(self) -> None:
        """Every entry has been judged."""
