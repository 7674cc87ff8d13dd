"""The workers of a simulated peer: the user's own handlers, run for real, one at a time, in virtual time.

Laws:
- As the port `Work` asks: each started attempt is reported exactly once, later.
- As in the pool of a real peer: what is told to stop before it began is returned; what is out of time is reported at
  once, and what it returns later is discarded.
- A frozen peer's handlers stand still; a killed peer's are unwound.
"""

from quorate.consensus.ports import Entropy
from quorate.netsim.machine import Machine
from quorate.netsim.work import Watching
from quorate.netsim.world import Done, World
from quorate.node.registry import Registry
from quorate.node.workers.perform import perform
from quorate.scheduling.task import Attempt, Ending, Failed, Returned, TaskError, TaskId
from quorate.testing.attempt import Running

RESULT_MAX_BYTES = 256 * 1024
START_S = (0.0001, 0.003)
"""From the grant of an attempt to the first line of its handler."""
STEP_S = (0.00001, 0.0002)
"""What a touch takes."""


class HandlerWork:
    """`ports.Work` of one life of one machine."""

    def __init__(
        self, world: World, machine: Machine, registry: Registry, done: Done, watching: Watching, entropy: Entropy
    ) -> None:
        self.runs: dict[tuple[TaskId, int], Running] = {}
        """Whose thread may still run, reported or not."""
        self._world = world
        self._machine = machine
        self._life = machine.life
        self._registry = registry
        self._done = done
        self._watching = watching
        self._entropy = entropy

    @property
    def is_over(self) -> bool:
        """The process it belongs to has died."""
        return self._machine.life != self._life

    # --- the port

    def start(self, attempt: Attempt) -> None:
        handler = self._registry.get(attempt.handler)
        if handler is None:
            error = TaskError("UnknownHandler", f"the cluster fixture has no handler {attempt.handler!r}; register it")
            self._world.after(0.0, self._tell, attempt, Failed(error))
            return
        run = Running(attempt, self._machine.id, self._machine.clock, self._body, self._wake_after, self._step_s)
        self.runs[(attempt.task, attempt.fence)] = run
        self._watching.started(attempt)
        self._wake_after(run, self._between(START_S))
        if attempt.timeout_ms:
            self._world.after(self._world_s(attempt.timeout_ms / 1000), self._out_of_time, run)

    def cancel(self, task: TaskId, fence: int) -> None:
        run = self.runs.get((task, fence))
        if run is not None:
            run.context.cancelled.tell("cancelled")

    def lose(self) -> None:
        for run in list(self.runs.values()):
            run.context.lost.tell("lost")

    # --- lives and deaths

    def bury(self) -> None:
        """Unwind every handler: the process is gone. Raises HandlerStuck."""
        while self.runs:
            _, run = self.runs.popitem()
            run.strand.kill()

    def _wake_after(self, run: Running, delay_s: float) -> None:
        self._world.after(self._world_s(delay_s), self._resume, run, run.waits)

    def _world_s(self, own_s: float) -> float:
        """What so much time on this machine's clock is in the world."""
        clock = self._machine.clock
        return clock.world_time(clock.monotonic() + own_s) - self._world.now

    def _resume(self, run: Running, number: int) -> None:
        if run.waits != number or run.strand.ended:
            return
        if self.is_over:
            self.bury()
        elif self._machine.frozen:
            self._machine.held_inputs.append((lambda _peer: self._resume(run, number), self._life))
        else:
            self._let_run(run)

    def _let_run(self, run: Running) -> None:
        if not run.has_begun:
            run.has_begun = True
            stop = run.context.told_to_stop
            if stop:
                self._ended(run, Returned(stop))
                return
        run.strand.resume()
        if run.strand.ended and run.ending is not None:
            self._ended(run, run.ending)

    def _body(self, run: Running) -> None:
        handler = self._registry.get(run.attempt.handler)
        assert handler is not None  # it was there at the start, and nothing is ever taken out
        run.context.began_at = run.clock.monotonic()
        run.ending = perform(handler, run.attempt, run.context, RESULT_MAX_BYTES)

    def _ended(self, run: Running, ending: Ending) -> None:
        self.runs.pop((run.attempt.task, run.attempt.fence), None)
        self._report(run, ending)

    def _out_of_time(self, run: Running) -> None:
        if self.is_over or run.is_reported:
            return
        if self._machine.frozen:
            self._machine.held_inputs.append((lambda _peer: self._out_of_time(run), self._life))
            return
        timeout_s = run.attempt.timeout_ms / 1000
        run.context.cancelled.tell("timeout")
        error = TaskError("TimeoutError", f"{run.attempt.handler} did not end within its {timeout_s:g} s")
        self._report(run, Failed(error, run.attempt.timeout_ms))

    def _report(self, run: Running, ending: Ending) -> None:
        if run.is_reported:
            return
        run.is_reported = True
        self._tell(run.attempt, ending)

    def _tell(self, attempt: Attempt, ending: Ending) -> None:
        if self.is_over:
            return
        self._watching.over(attempt, _how(ending))
        self._done(attempt.task, attempt.fence, ending)

    # --- chance

    def _step_s(self) -> float:
        return self._between(STEP_S)

    def _between(self, bounds: tuple[float, float]) -> float:
        low, high = bounds
        return low + (high - low) * self._entropy.random()


def _how(ending: Ending) -> str:
    """In a word or two, for the story of a test."""
    if isinstance(ending, Failed):
        return f"failed: {ending.error.type}: {ending.error.message}"
    return f"returned: {ending.why}" if isinstance(ending, Returned) else "succeeded"
