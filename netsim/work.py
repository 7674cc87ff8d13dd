"""Simulated workers: how long a handler runs and how it ends stands in the arguments of its task, or is drawn.

Law: every started attempt ends exactly once, later, never from within `start`. What really happened (effects) is
recorded with its fence.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import msgspec

from quorate.consensus.ports import Entropy
from quorate.netsim.disk import Schedule
from quorate.scheduling.task import Attempt, Ending, Failed, Returned, Succeeded, TaskError, TaskId

HANDLER = "sim.work"
"""What simulated workers run; its result names its fence (`result_of`)."""


class Began(NamedTuple):
    """One attempt that was handed to a worker. `life`: of the machine then."""

    peer: str
    life: int
    attempt: Attempt


class Ran(NamedTuple):
    """One attempt that ran to its end somewhere, in a process that lived to see it. `life`: of the machine then."""

    at: float
    peer: str
    life: int
    task: TaskId
    attempt: int
    fence: int
    how: str


class Rule(msgspec.Struct, frozen=True):
    """How the handler of one task behaves: the first `failures` attempts fail."""

    run_s: float
    failures: int


def result_of(fence: int) -> bytes:
    """What an attempt that succeeds returns: it names itself, so that a checker sees whose result was committed."""
    return b'{"fence":%d}' % fence


class Watching(Protocol):
    """Who is told what handlers do."""

    def started(self, attempt: Attempt) -> None: ...

    def over(self, attempt: Attempt, how: str) -> None: ...


class SimWork:
    """`ports.Work` of one running peer. `done(task, fence, ending)` goes to the peer in virtual time."""

    def __init__(
        self,
        schedule: Schedule,
        entropy: Entropy,
        done: Callable[[TaskId, int, Ending], None],
        watching: Watching,
    ) -> None:
        self._schedule = schedule
        self._entropy = entropy
        self._done = done
        self._watching = watching
        self.running: dict[tuple[TaskId, int], Attempt] = {}
        """Those that were not told to stop, by task and fence."""
        self.lost_told = 0
        self.run_s = (0.001, 0.2)
        self.failing = 0.1

    def start(self, attempt: Attempt) -> None:
        self.running[(attempt.task, attempt.fence)] = attempt
        self._watching.started(attempt)
        if attempt.args.startswith(b'{"run_s"'):
            rule = _RULE.decode(attempt.args)
            self._schedule(rule.run_s, self._end, attempt, attempt.attempt <= rule.failures)
            return
        low, high = self.run_s
        run_s = low + (high - low) * self._entropy.random()
        self._schedule(run_s, self._end, attempt, self._entropy.random() < self.failing)

    def _end(self, attempt: Attempt, failed: bool) -> None:
        if self.running.pop((attempt.task, attempt.fence), None) is None:
            return
        if failed:
            self._report(attempt, "failed", Failed(TaskError("SimulatedError", "as the scenario says")))
        else:
            self._report(attempt, "succeeded", Succeeded(result_of(attempt.fence)))

    def _report(self, attempt: Attempt, how: str, ending: Ending) -> None:
        self._watching.over(attempt, how)
        self._done(attempt.task, attempt.fence, ending)

    def cancel(self, task: TaskId, fence: int) -> None:
        attempt = self.running.pop((task, fence), None)
        if attempt is not None:
            self._schedule(0.0, self._report, attempt, "cancelled", Returned("cancelled"))

    def lose(self) -> None:
        """Handlers may ignore this; the simulated ones do, so that fences are what protects."""
        self.lost_told += 1


_RULE = msgspec.json.Decoder(Rule)
