"""Dependencies are never early.

Law: when an attempt is granted, everything its task waits for had ended at that point of the log; had succeeded,
unless the task runs after failures too. What gets another round has not ended any more, but for those that had no more
to wait for.
"""

from quorate.consensus.events import TaskEvent
from quorate.netsim.checkers.checker import Looks
from quorate.netsim.checkers.story import Story
from quorate.netsim.machine import Machine
from quorate.netsim.violation import Violation
from quorate.scheduling.task import ENDED, State, Task, TaskId


class Dependencies:
    name = "dependencies"
    looks = Looks.STORY

    def __init__(self, story: Story) -> None:
        self._story = story
        self._ended: set[TaskId] = set()
        self._succeeded: set[TaskId] = set()
        self._waiting: dict[TaskId, list[Task]] = {}
        """Who names a task in `after`."""
        self._released: set[TaskId] = set()
        """Had nothing more to wait for when one of theirs got another round."""

    def step(self, machine: Machine) -> None:  # noqa: ARG002 - the story is of all
        for at, _, event in self._story.new:
            if not isinstance(event, TaskEvent):
                continue
            if event.kind == "submitted":
                for task in event.record.after:
                    self._waiting.setdefault(task, []).append(event.record)
            elif event.kind == "again":
                self._another_round(event.task)
            if event.state in ENDED:
                self._ended.add(event.task)
                if event.state is State.SUCCEEDED:
                    self._succeeded.add(event.task)
            elif event.kind == "running" and event.record.after and event.task not in self._released:
                done = self._ended if event.record.run_after_failure else self._succeeded
                early = [task for task in event.record.after if task not in done]
                if early:
                    raise Violation(self.name, f"entry {at} grants {event.task}, which waits for {early[0]}")

    def _another_round(self, task: TaskId) -> None:
        waiting = self._waiting.get(task, ())
        self._released.update(other.id for other in waiting if self._ended.issuperset(other.after))
        self._released.discard(task)
        self._ended.discard(task)

    def end(self) -> None:
        """Every grant has been judged."""
