"""Dependencies are never early.

Law: when an attempt is granted, everything its task waits for had ended at that point of the log; had succeeded,
unless the task runs after failures too.
"""

from quorate.consensus.events import TaskEvent
from quorate.netsim.checkers.checker import Looks
from quorate.netsim.checkers.story import Story
from quorate.netsim.machine import Machine
from quorate.netsim.violation import Violation
from quorate.scheduling.task import ENDED, State, TaskId


class Dependencies:
    name = "dependencies"
    looks = Looks.STORY

    def __init__(self, story: Story) -> None:
        self._story = story
        self._ended: set[TaskId] = set()
        self._succeeded: set[TaskId] = set()

    def step(self, machine: Machine) -> None:  # noqa: ARG002 - the story is of all
        for at, _, event in self._story.new:
            if not isinstance(event, TaskEvent):
                continue
            if event.state in ENDED:
                self._ended.add(event.task)
                if event.state is State.SUCCEEDED:
                    self._succeeded.add(event.task)
            elif event.kind == "running" and event.record.after:
                done = self._ended if event.record.run_after_failure else self._succeeded
                early = [task for task in event.record.after if task not in done]
                if early:
                    raise Violation(self.name, f"entry {at} grants {event.task}, which waits for {early[0]}")

    def end(self) -> None:
        """Every grant has been judged."""
