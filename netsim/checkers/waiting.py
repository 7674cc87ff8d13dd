"""No waiter sleeps on (promise 7 for who waits).

Law: whoever waits on a peer for a task is called once, in the very step in which that peer's own state has the task
ended: by an entry, or inside an installed snapshot.
"""

from collections.abc import Callable

from quorate.consensus.events import TaskEvent
from quorate.netsim.checkers.checker import Looks
from quorate.netsim.checkers.progress import Progress
from quorate.netsim.checkers.story import Story
from quorate.netsim.machine import Machine
from quorate.netsim.violation import Violation
from quorate.scheduling.task import ENDED, Task, TaskId

EVERY = 4
"""One in so many accepted tasks is waited for, on every peer."""


class WaitersWoken:
    name = "waiters_woken"
    looks = Looks.CHANGES

    def __init__(self, progress: Progress, story: Story) -> None:
        self._progress = progress
        self._story = story
        self._number = 0
        self._waits: dict[str, dict[TaskId, int]] = {}
        """How often each waiter was called, by machine."""
        self._wanted: list[tuple[int, TaskId]] = []
        """With the entry that accepted it."""
        self._asked: dict[str, int] = {}
        """How many of those have been looked at, by machine."""

    def step(self, machine: Machine) -> None:
        now = self._progress.now
        if now.new_life or machine.id not in self._waits:
            self._waits[machine.id] = {}
            self._asked[machine.id] = len(self._wanted)
        waits = self._waits[machine.id]
        if waits and now.applied != now.applied_before:
            self._judge(machine, waits)
        for at, _, event in self._story.new:
            if event.kind == "submitted" and isinstance(event, TaskEvent):
                self._number += 1
                if self._number % EVERY == 0:
                    self._wanted.append((at, event.task))
        self._wait(machine, waits)

    def _wait(self, machine: Machine, waits: dict[TaskId, int]) -> None:
        """For what this peer has come to know."""
        now, asked = self._progress.now, self._asked[machine.id]
        assert now.peer is not None
        while asked < len(self._wanted) and self._wanted[asked][0] <= now.applied:
            task = self._wanted[asked][1]
            asked += 1
            if task in now.peer.machine.tasks:
                waits[task] = 0
                now.peer.wait(task, self._woken(waits, task))
        self._asked[machine.id] = asked

    @staticmethod
    def _woken(waits: dict[TaskId, int], task: TaskId) -> Callable[[Task], None]:
        def woken(_record: Task) -> None:
            waits[task] += 1

        return woken

    def _judge(self, machine: Machine, waits: dict[TaskId, int]) -> None:
        peer = self._progress.now.peer
        assert peer is not None
        live = peer.machine.tasks
        for task in [task for task in waits if task not in live]:
            calls = waits.pop(task)
            if calls != 1:
                raise Violation(
                    self.name, f"task {task} has ended on {machine.id}; who waited there was called {calls} times"
                )
        early = [task for task, calls in waits.items() if calls and live[task].state not in ENDED]
        if early:
            raise Violation(self.name, f"who waited on {machine.id} for task {early[0]} was called before its end")

    def end(self) -> None:
        """Every end has been judged."""
