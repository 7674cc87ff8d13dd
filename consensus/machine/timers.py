"""What becomes due by time.

Law: derived, never stored; an entry is removed when its reason is gone, so nothing stale is ever kept. Elapsed time and
wall time are never compared.
"""

from quorate.consensus.machine.order import SEQ_BITS, SortedInts, seq_in, sorted_ints, with_seq
from quorate.scheduling.task import State, Task

SCHEDULED = State.SCHEDULED
RUNNING = State.RUNNING


class Timers:
    """Tasks by what they wait for in time, each as one number: due time, then `seq`."""

    def __init__(self) -> None:
        self.attempts: SortedInts = sorted_ints()
        """Running: elapsed ms at which the attempt is taken away."""
        self.retries: SortedInts = sorted_ints()
        """Scheduled by elapsed time: the next attempt."""
        self.starts: SortedInts = sorted_ints()
        """Scheduled by wall time: the earliest time asked for."""

    def add(self, task: Task) -> None:
        """For a task that is scheduled, or running with a limit."""
        self._kind(task).add(with_seq(task.due_ms, task.seq))

    def remove(self, task: Task) -> None:
        self._kind(task).remove(with_seq(task.due_ms, task.seq))

    def _kind(self, task: Task) -> SortedInts:
        if task.state is RUNNING:
            return self.attempts
        return self.retries if task.due_by_elapsed else self.starts


def first_due(timers: SortedInts) -> int | None:
    """The earliest time, if any."""
    return timers[0] >> SEQ_BITS if timers else None


def due_seq(timers: SortedInts, now: int) -> int | None:
    """The `seq` of the first task due at `now`, if any."""
    if not timers:
        return None
    first = timers[0]
    return seq_in(first) if first >> SEQ_BITS <= now else None
