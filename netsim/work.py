"""Simulated workers: a handler is a rule for how long it runs and how it ends, drawn from the seed.

Law: every started attempt ends exactly once, later, never from within `start`. What really happened (effects) is
recorded with its fence.
"""

from collections.abc import Callable
from typing import NamedTuple

from quorate.consensus.ports import Entropy
from quorate.scheduling.task import Attempt, Ending, Failed, Returned, Succeeded, TaskError, TaskId


class Ran(NamedTuple):
    """One attempt that ran to its end somewhere."""

    at: float
    peer: str
    task: TaskId
    attempt: int
    fence: int
    how: str


def result_of(fence: int) -> bytes:
    """What an attempt that succeeds returns: it names itself, so that a checker sees whose result was committed."""
    return b'{"fence":%d}' % fence


class SimWork:
    """`ports.Work` of one running peer. `done(task, fence, ending)` goes to the peer in virtual time."""

    def __init__(
        self,
        peer: str,
        schedule: Callable[[float, Callable[[], None]], None],
        entropy: Entropy,
        done: Callable[[TaskId, int, Ending], None],
        record: Callable[[Attempt, str], None],
    ) -> None:
        self._peer = peer
        self._schedule = schedule
        self._entropy = entropy
        self._done = done
        self._record = record
        self._running: dict[tuple[TaskId, int], Attempt] = {}
        self.lost_told = 0
        self.run_s = (0.001, 0.2)
        self.failing = 0.1

    def start(self, attempt: Attempt) -> None:
        self._running[(attempt.task, attempt.fence)] = attempt
        low, high = self.run_s
        self._schedule(low + (high - low) * self._entropy.random(), lambda: self._end(attempt))

    def _end(self, attempt: Attempt) -> None:
        if self._running.pop((attempt.task, attempt.fence), None) is None:
            return
        if self._entropy.random() < self.failing:
            self._report(attempt, "failed", Failed(TaskError("SimulatedError", "drawn from the seed")))
        else:
            self._report(attempt, "succeeded", Succeeded(result_of(attempt.fence)))

    def _report(self, attempt: Attempt, how: str, ending: Ending) -> None:
        self._record(attempt, how)
        self._done(attempt.task, attempt.fence, ending)

    def cancel(self, task: TaskId, fence: int) -> None:
        attempt = self._running.pop((task, fence), None)
        if attempt is not None:
            self._schedule(0.0, lambda: self._report(attempt, "cancelled", Returned("cancelled")))

    def lose(self) -> None:
        """Handlers may ignore this; the simulated ones do, so that fences are what protects."""
        self.lost_told += 1
