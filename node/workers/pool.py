"""The workers of one peer: implements the port `Work`.

Laws:
- Every started attempt is reported exactly once, on the loop thread, never from inside `start`.
- Out of time means reported at once. A handler that goes on regardless is written off: what it returns later is
  discarded, its thread is replaced; with too many such threads the pool takes nothing more until some of them end.
- The loop thread decides, the worker threads only work.
"""

import asyncio
import time
from collections.abc import Callable, Iterable

import structlog

from quorate.node.registry import Registry
from quorate.node.staging import BY_CONTRACT, StagingRules
from quorate.node.workers.lane import Lane
from quorate.node.workers.perform import perform
from quorate.node.workers.processes import ProcessRunner
from quorate.node.workers.run import Run
from quorate.node.workers.sizing import AHEAD_MAX, ISOLATED_STUCK_AFTER_S, STUCK_AFTER_S, MovingMean
from quorate.node.workers.switch import share_the_interpreter
from quorate.scheduling.task import Attempt, Ending, Failed, Returned, TaskError, TaskId

RESULT_MAX_BYTES = 256 * 1024
STRAYS_MAX = 8
"""Threads stuck in handlers that ignore their timeout: so many are replaced, one more closes the pool."""
KILL_AFTER_S = 1.0
"""A child process told to stop has this long to clean up."""
STOP_NOTICE_S = 1.0
"""Of the time a stopping peer has, this last part (or a fifth) is for handlers to end after they were told."""
HANDLER_MEAN_WEIGHT = 1 / 8

OnDone = Callable[[TaskId, int, Ending], None]

log = structlog.get_logger("quorate.workers")


class ThreadRunner:
    """Runs attempts right here, on the worker's own thread."""

    def __init__(self, result_max_bytes: int) -> None:
        self._result_max_bytes = result_max_bytes

    def run(self, run: Run) -> Ending:
        return perform(run.handler, run.attempt, run.context, self._result_max_bytes)

    def close(self) -> None:
        """Nothing is held."""


class WorkerPool:
    def __init__(
        self,
        registry: Registry,
        min_threads: int,
        max_threads: int,
        on_done: OnDone,
        loop: asyncio.AbstractEventLoop,
        *,
        max_processes: int,
        result_max_bytes: int = RESULT_MAX_BYTES,
        staging: StagingRules = BY_CONTRACT,
    ) -> None:
        """To be made and used on the loop's thread. on_done: called there for each ended attempt, many in one turn of
        the loop under load."""
        share_the_interpreter()
        self.held_max = max_threads + max_processes + 2 * AHEAD_MAX
        """Whoever starts more than this ignores `places`; they are returned."""
        self._registry = registry
        self._rules = staging
        self._on_done = on_done
        self._loop = loop
        self._runs: dict[tuple[TaskId, int], Run] = {}
        """Started and not yet reported."""
        self._means: dict[str, MovingMean] = {}
        self._stopping = False
        self._saturated = False
        self._idle = asyncio.Event()
        self._watch: asyncio.TimerHandle | None = None
        self._watch_at = float("inf")
        self._threads = Lane(
            "worker",
            min_threads,
            max_threads,
            lambda: ThreadRunner(result_max_bytes),
            self._ended,
            self._stuck,
            STUCK_AFTER_S,
            loop,
        )
        self._processes = Lane(
            "isolated",
            0,
            max_processes,
            lambda: ProcessRunner(self._isolated_modules, result_max_bytes, staging),
            self._ended,
            self._stuck,
            ISOLATED_STUCK_AFTER_S,
            loop,
        )
        self._threads.open()

    # --- the port ---------------------------------------------------------------------------------------------------

    def start(self, attempt: Attempt) -> None:
        handler = self._registry.get(attempt.handler)
        if handler is None:
            error = TaskError(
                "UnknownHandler", f"this peer has no handler {attempt.handler!r}; see `modules` in its cluster file"
            )
            self._report_soon(attempt, Failed(error))
            return
        why_not = self._why_not()
        if why_not:
            self._report_soon(attempt, Returned(why_not))
            return
        run = Run(attempt, handler, self._rules)
        self._runs[run.key] = run
        self._lane_of(run).put(run)
        if attempt.timeout_ms:
            self._watch_from(run.put_at + run.timeout_s)

    def cancel(self, task: TaskId, fence: int) -> None:
        run = self._runs.get((task, fence))
        if run is not None:
            run.context.cancelled.tell("cancelled")
            self._kill_later(run)

    def lose(self) -> None:
        for run in self._runs.values():
            run.context.lost.tell("lost")

    # --- for the planner --------------------------------------------------------------------------------------------

    @property
    def threads_max(self) -> int:
        return self._threads.threads_max

    @property
    def threads(self) -> int:
        """Alive, those of written-off handlers included."""
        return self._threads.threads + self._processes.threads

    @property
    def busy(self) -> int:
        return self._threads.busy + self._processes.busy

    @property
    def queued(self) -> int:
        """Started, but no thread has taken them yet."""
        return self._threads.queued + self._processes.queued

    @property
    def saturated(self) -> bool:
        """Too many threads are stuck in handlers that ignore their time is over."""
        return self._saturated

    @property
    def written_off(self) -> int:
        return self._threads.strays

    @property
    def capacity_ahead(self) -> int:
        """How many attempts are worth holding beyond one per thread; follows the run times."""
        return 0 if self._why_not() else self._threads.ahead

    @property
    def places(self) -> int:
        """How many attempts to hold in all, running ones included."""
        return 0 if self._why_not() else self.threads_max + self._threads.ahead

    @property
    def capacity(self) -> int:
        """How many more attempts to take now."""
        return max(0, self.places - len(self._runs))

    def room(self, handler: str) -> int:
        """How many more attempts of this handler would find a free worker now, or soon: what waits for child processes
        fills no threads."""
        known = self._registry.get(handler)
        if known is None:
            return 0
        if known.isolation == "process" and not self._why_not():
            return max(0, self._processes.threads_max - self._processes.outstanding)
        return self.capacity

    def mean_run_ms(self, handler: str) -> float | None:
        """Moving mean of its run times here; None before its first end."""
        mean = self._means.get(handler)
        return None if mean is None else mean.value

    # --- the end ----------------------------------------------------------------------------------------------------

    def hand_back_queued(self) -> list[tuple[TaskId, int]]:
        """Attempts no thread has taken yet: they are the caller's again and will not be reported."""
        return [key for lane in (self._threads, self._processes) for key in self._taken_back(lane)]

    def _taken_back(self, lane: Lane) -> list[tuple[TaskId, int]]:
        keys = [run.key for run in lane.take_back()]
        for key in keys:
            del self._runs[key]
        self._note_idle()
        return keys

    def _return_queued(self, lanes: Iterable[Lane], why: str) -> None:
        for lane in lanes:
            for task, fence in self._taken_back(lane):
                self._on_done(task, fence, Returned(why))

    def _stuck(self, lane: Lane) -> None:
        self._return_queued((lane,), "no_free_thread")

    async def stop(self, grace_s: float) -> None:
        """Take nothing more; what is queued is returned, what runs may finish, and is told to stop shortly before
        `grace_s` are over. After that it is returned as it is and child processes are killed. Within `grace_s`
        everything started has been reported."""
        self._stopping = True
        self._return_queued((self._threads, self._processes), "draining")
        notice_s = min(STOP_NOTICE_S, grace_s / 5)
        if not await self._idle_within(grace_s - notice_s):
            for run in list(self._runs.values()):
                run.context.cancelled.tell("draining")
            await self._idle_within(notice_s)
        for run in list(self._runs.values()):
            self._kill(run)
            self._report(run, Returned("draining"))
        if self._watch is not None:
            self._watch.cancel()
        self._threads.close()
        self._processes.close()

    async def _idle_within(self, seconds: float) -> bool:
        self._idle.clear()
        self._note_idle()
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    def _note_idle(self) -> None:
        if not self._runs:
            self._idle.set()

    # --- inside -----------------------------------------------------------------------------------------------------

    def _why_not(self) -> str:
        if self._stopping:
            return "draining"
        if len(self._runs) >= self.held_max:
            return "full"
        return "saturated" if self._saturated else ""

    def _lane_of(self, run: Run) -> Lane:
        return self._processes if run.handler.isolation == "process" else self._threads

    def _isolated_modules(self) -> list[str]:
        return sorted({handler.function.__module__ for handler in self._registry if handler.isolation == "process"})

    def _report_soon(self, attempt: Attempt, ending: Ending) -> None:
        self._loop.call_soon(self._on_done, attempt.task, attempt.fence, ending)

    def _report(self, run: Run, ending: Ending) -> None:
        """Without waiting for the run to end."""
        run.reported = True
        del self._runs[run.key]
        if run.handler.isolation == "thread":
            self._threads.stray()
            self._judge_saturation()
        self._on_done(run.attempt.task, run.attempt.fence, ending)
        self._note_idle()

    def _ended(self, run: Run) -> None:
        if run.reported:
            if run.handler.isolation == "thread":
                self._threads.unstray()
                self._judge_saturation()
            return
        del self._runs[run.key]
        if run.began_at is not None:
            mean = self._means.get(run.handler.name)
            if mean is None:
                mean = self._means[run.handler.name] = MovingMean(HANDLER_MEAN_WEIGHT)
            mean.add((run.ended_at - run.began_at) * 1000)
        if run.ending is not None:
            self._on_done(run.attempt.task, run.attempt.fence, run.ending)
        if not self._runs:
            self._idle.set()

    def _judge_saturation(self) -> None:
        saturated = self._threads.strays > STRAYS_MAX
        if saturated == self._saturated or self._stopping:
            return
        self._saturated = saturated
        if not saturated:
            log.info("workers_recovered", written_off=self._threads.strays)
            return
        log.error(
            "workers_saturated",
            written_off=self._threads.strays,
            limit=STRAYS_MAX,
            advice="handlers ignore their timeout: watch quorate.current().cancelled, or declare isolation='process'",
        )
        self._return_queued((self._threads, self._processes), "saturated")

    # --- time -------------------------------------------------------------------------------------------------------

    def _watch_from(self, at: float) -> None:
        """One timer for all: with equal timeouts a start never sets it anew."""
        if at >= self._watch_at:
            return
        if self._watch is not None:
            self._watch.cancel()
        self._watch_at = at
        self._watch = self._loop.call_later(max(0.0, at - time.monotonic()), self._look_at_times)

    def _look_at_times(self) -> None:
        self._watch, self._watch_at = None, float("inf")
        now = time.monotonic()
        for run in list(self._runs.values()):
            if run.began_at is not None and run.due_at(now) <= now:
                self._out_of_time(run)
        next_at = min((run.due_at(now) for run in self._runs.values()), default=float("inf"))
        if next_at < float("inf"):
            self._watch_from(next_at)

    def _out_of_time(self, run: Run) -> None:
        run.context.cancelled.tell("timeout")
        self._kill_later(run)
        error = TaskError("TimeoutError", f"{run.handler.name} did not end within its {run.timeout_s:g} s")
        self._report(run, Failed(error, round(run.timeout_s * 1000)))

    def _kill_later(self, run: Run) -> None:
        if run.handler.isolation == "process":
            self._loop.call_later(KILL_AFTER_S, self._kill, run)

    def _kill(self, run: Run) -> None:
        # Invariant: set before looking at `kill`, which the worker sets before it looks at this: one sees the other.
        run.is_doomed = True
        kill = run.kill
        if kill is not None:
            kill()
