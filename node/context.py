"""What a handler sees of the attempt it runs: `quorate.current()`.

Law: a context belongs to one attempt and is true for that attempt only. What is submitted through it is collected, not
sent: it comes about with the attempt's success or not at all. The same class serves threads, `async def` handlers and
child processes.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog

from quorate.consensus.ports import Clock
from quorate.node.clock import THREAD_CLOCK
from quorate.node.notices import Bell, Notice
from quorate.node.staging import Asking, Staging, StagingRules
from quorate.scheduling.handler import Arguments
from quorate.scheduling.task import Attempt, NewTask, TaskId

NO_LIMIT_S = float("inf")


class NoContext(RuntimeError):
    """There is no attempt here: the code does not run inside a handler."""


class StagedHandle:
    """A task that will exist when the attempt that submitted it has succeeded."""

    __slots__ = ("id",)

    def __init__(self, task: TaskId) -> None:
        self.id = task

    def result(self, timeout: float | None = None) -> Any:
        """Raises RuntimeError at once: the task does not exist before this attempt has ended, so waiting here could
        never end."""
        raise RuntimeError(
            f"task {self.id} is submitted with the success of the attempt that asked for it: its result cannot be"
            f" awaited inside (asked to wait {timeout} s); return first, or let a further task come `after` it"
        )

    def __repr__(self) -> str:
        return f"<staged task {self.id}>"


class Deadline:
    """When the attempt must have ended: the earlier of its own timeout and the deadline of its task."""

    __slots__ = ("_clock", "_ends_at", "_ends_wall_ms")

    def __init__(self, attempt: Attempt, began_at: float, clock: Clock) -> None:
        wall_ms, now = clock.wall_ms(), clock.monotonic()
        limits_ms = [attempt.timeout_ms] if attempt.timeout_ms else []
        if attempt.deadline_ms:
            limits_ms.append(attempt.deadline_ms - wall_ms + round((now - began_at) * 1000))
        self._ends_at = began_at + min(limits_ms) / 1000 if limits_ms else NO_LIMIT_S
        self._ends_wall_ms = wall_ms + (self._ends_at - now) * 1000
        self._clock = clock

    @property
    def remaining_s(self) -> float:
        """Seconds left by the monotonic clock, never below 0; `inf` without a limit."""
        return max(0.0, self._ends_at - self._clock.monotonic())

    @property
    def at(self) -> datetime | None:
        """The same by this machine's wall clock as it stood at the start; None without a limit."""
        return None if self._ends_at == NO_LIMIT_S else datetime.fromtimestamp(self._ends_wall_ms / 1000, UTC)


class Context:
    """One attempt, from inside. Made by the workers; handlers get theirs from `quorate.current()`.

    cancelled: told when the task was cancelled, the attempt ran out of time or the peer stops (`.reason`); lost: told
    when the peer can no longer vouch that the attempt is still its own, so that outside effects need the fence. Both:
    `if ctx.lost:`, `ctx.lost.wait(1.0)`.
    """

    __slots__ = (
        "_attempt",
        "_clock",
        "_deadline",
        "_log",
        "_results",
        "_rules",
        "_staging",
        "args",
        "began_at",
        "bell",
        "cancelled",
        "lost",
    )

    new_loop: Callable[[], asyncio.AbstractEventLoop] | None = None
    """Makes the event loop of an `async def` handler; None: asyncio's own."""

    def __init__(self, attempt: Attempt, rules: StagingRules, clock: Clock = THREAD_CLOCK) -> None:
        self._attempt = attempt
        self._clock = clock
        self._rules = rules
        self._deadline: Deadline | None = None
        self._log: structlog.stdlib.BoundLogger | None = None
        self._results: dict[TaskId, Any] | None = None
        self._staging: Staging | None = None
        self.bell = Bell()
        self.cancelled = Notice(self.bell)
        self.lost = Notice(self.bell)
        self.began_at = clock.monotonic()
        self.args: Arguments = {}
        """The arguments as called, results of dependencies filled in."""

    @property
    def task(self) -> TaskId:
        return self._attempt.task

    @property
    def handler(self) -> str:
        return self._attempt.handler

    @property
    def attempt(self) -> int:
        """1 for the first."""
        return self._attempt.attempt

    @property
    def fence(self) -> int:
        """Strictly rising per task: whoever is shown a lower one than before may refuse it as stale."""
        return self._attempt.fence

    @property
    def namespace(self) -> str:
        return self._attempt.namespace

    @property
    def queue(self) -> str:
        return self._attempt.queue

    @property
    def principal(self) -> str:
        return self._attempt.principal

    @property
    def labels(self) -> Mapping[str, str]:
        return self._attempt.labels

    @property
    def trace(self) -> str:
        """W3C traceparent of the submitter, "" if there was none."""
        return self._attempt.trace

    @property
    def deadline(self) -> Deadline:
        if self._deadline is None:
            self._deadline = Deadline(self._attempt, self.began_at, self._clock)
        return self._deadline

    @property
    def results(self) -> Mapping[TaskId, Any]:
        """Results of the tasks named in `after`, by id."""
        if self._results is None:
            self._results = {task: msgspec.json.decode(result) for task, result in self._attempt.results.items()}
        return self._results

    @property
    def log(self) -> "structlog.stdlib.BoundLogger":
        """A structured logger that already says which task, attempt and handler speaks."""
        if self._log is None:
            self._log = structlog.get_logger("quorate.handler").bind(
                task=self.task, attempt=self.attempt, fence=self.fence, handler=self.handler, namespace=self.namespace
            )
        return self._log

    @property
    def ran_ms(self) -> int:
        return round((self._clock.monotonic() - self.began_at) * 1000)

    @property
    def told_to_stop(self) -> str:
        """The reason, "" as long as the attempt may go on."""
        return self.cancelled.reason or self.lost.reason

    def sleep(self, seconds: float) -> bool:
        """Whether the whole time passed: False, early, when the attempt was cancelled or lost."""
        return not self.bell.wait_until(lambda: self.told_to_stop != "", seconds)

    def submit(self, handler: str | Asking, /, *args: Any, **kwargs: Any) -> StagedHandle:
        """Submit a task together with this attempt's success: all or nothing.

        handler: a name, or what `@quorate.task` made of a function (`charge`, or `charge.options(priority=5)`). Raises
        `StagingRefused` (a ValueError) naming the field when form or size is wrong.
        """
        if self._staging is None:
            self._staging = Staging(self._attempt, self._rules)
        return StagedHandle(self._staging.add(handler, args, kwargs))

    @property
    def staged(self) -> tuple[NewTask, ...]:
        return () if self._staging is None else tuple(self._staging.tasks)


_CURRENT: ContextVar[Context] = ContextVar("quorate_context")

enter = _CURRENT.set
leave = _CURRENT.reset


def current() -> Context:
    """The context of the attempt this code runs in.

    Threads that a handler starts by itself do not inherit it: run them with `contextvars.copy_context().run`. Raises
    NoContext.
    """
    context = _CURRENT.get(None)
    if context is None:
        raise NoContext(
            "quorate.current() was called outside a handler (or in a thread the handler started: pass the context on)"
        )
    return context
