"""One attempt in the pool: what the loop thread and the worker thread both know of it.

Law: fields above the line are written by the loop thread, those below it by the worker, each before it hands the run
over.
"""

import time
from collections.abc import Callable

from quorate.node.context import Context
from quorate.node.staging import StagingRules
from quorate.scheduling.handler import Handler
from quorate.scheduling.task import Attempt, Ending, TaskId

Kill = Callable[[], None]


class Run:
    __slots__ = (
        "attempt",
        "began_at",
        "context",
        "ended_at",
        "ending",
        "handler",
        "is_doomed",
        "kill",
        "put_at",
        "reported",
    )

    def __init__(self, attempt: Attempt, handler: Handler, rules: StagingRules) -> None:
        self.attempt = attempt
        self.handler = handler
        self.context = Context(attempt, rules)
        self.put_at = time.monotonic()
        self.reported = False
        """Its ending was told without waiting for it (out of time, pool stopped); whatever comes later is discarded."""
        self.is_doomed = False
        """Its child process is to be killed, whether or not it has begun."""

        self.began_at: float | None = None
        self.ended_at = 0.0
        self.ending: Ending | None = None
        self.kill: Kill | None = None
        """Ends the child process, as long as it runs this attempt."""

    @property
    def key(self) -> tuple[TaskId, int]:
        return self.attempt.task, self.attempt.fence

    @property
    def timeout_s(self) -> float:
        return self.attempt.timeout_ms / 1000 if self.attempt.timeout_ms else float("inf")

    def begin(self) -> None:
        self.began_at = self.context.began_at = time.monotonic()

    def end(self, ending: Ending) -> None:
        self.ended_at = time.monotonic()
        self.ending = ending

    def due_at(self, now: float) -> float:
        """When it is out of time; what has not begun cannot be before a whole timeout from now."""
        return (now if self.began_at is None else self.began_at) + self.timeout_s
