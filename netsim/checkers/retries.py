"""Retries are kept: a task fails for good only when its rule says so.

Law: counted in the log, an attempt that failed is tried again until the retries of the task are used up, and not once
more.
"""

from collections import Counter

from quorate.consensus.events import TaskEvent
from quorate.netsim.checkers.checker import Looks
from quorate.netsim.checkers.story import Story
from quorate.netsim.machine import Machine
from quorate.netsim.violation import Violation
from quorate.scheduling.retry import is_retried
from quorate.scheduling.task import State, TaskId


class RetriesKept:
    name = "retries_kept"
    looks = Looks.STORY

    def __init__(self, story: Story) -> None:
        self._story = story
        self._retried: Counter[TaskId] = Counter()

    def step(self, machine: Machine) -> None:  # noqa: ARG002 - the story is of all
        for at, _, event in self._story.new:
            if not isinstance(event, TaskEvent):
                continue
            if event.kind == "again":
                self._retried[event.task] = 0
            elif event.kind == "retrying":
                self._retried[event.task] += 1
                self._judge(at, event)
            elif event.state is State.FAILED:
                self._judge(at, event)

    def _judge(self, at: int, event: TaskEvent) -> None:
        retry, retried = event.record.retry, self._retried[event.task]
        most = 0 if retry is None else retry.max
        if retried > most:
            raise Violation(self.name, f"entry {at} tries {event.task} again, its retry {retried} of {most}")
        error = event.record.error
        if event.state is not State.FAILED or event.record.reason or retry is None or error is None:
            return  # that a dependency or its deadline makes it fail has nothing to do with retries
        if retried < most and is_retried(retry, error.type):
            raise Violation(self.name, f"entry {at} ends {event.task} as failed after {retried} retries of {most}")

    def end(self) -> None:
        """Each failure has been judged."""
