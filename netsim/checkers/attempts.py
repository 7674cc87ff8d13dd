"""Attempts: fences rise, and a task has one holder at a time.

Laws:
- Every grant in the order of the log bears a fence greater than all before; what really ran, ran under such fences.
- A task is granted to an open session, and only when no attempt of it is running. An attempt ends by the word of its
  holder, by its own time limit, by cancellation, or in the very entry in which its holder's session ends.
"""

from quorate.consensus.events import SessionEvent, TaskEvent
from quorate.netsim.checkers.checker import Looks
from quorate.netsim.checkers.story import Story
from quorate.netsim.machine import Machine
from quorate.netsim.violation import Violation
from quorate.netsim.world import World
from quorate.scheduling.task import TaskId

Session = tuple[str, int]
"""(peer, incarnation)."""
LOST = ("requeued", "quarantined")
"""How an attempt ends with its holder's session."""


class RisingFences:
    name = "rising_fences"
    looks = Looks.STORY

    def __init__(self, world: World, story: Story) -> None:
        self._world = world
        self._story = story
        self._highest = 0

    def step(self, machine: Machine) -> None:  # noqa: ARG002 - the story is of all
        for at, _, event in self._story.new:
            if not isinstance(event, TaskEvent) or event.kind != "running":
                continue
            if event.fence <= self._highest:
                raise Violation(
                    self.name,
                    f"entry {at} grants {event.task} under fence {event.fence}; {self._highest} was given out before",
                )
            self._highest = event.fence

    def end(self) -> None:
        """What really ran: attempts of a task, in order, under fences that rise."""
        fences: dict[TaskId, dict[int, int]] = {}
        for ran in self._world.ran:
            other = fences.setdefault(ran.task, {}).setdefault(ran.attempt, ran.fence)
            if other != ran.fence:
                raise Violation(
                    self.name, f"attempt {ran.attempt} of task {ran.task} ran under fences {other} and {ran.fence}"
                )
        for task, by_attempt in fences.items():
            ordered = [fence for _, fence in sorted(by_attempt.items())]
            if ordered != sorted(set(ordered)):
                raise Violation(self.name, f"fences of task {task} do not rise: {ordered}")


class OneHolder:
    name = "one_holder"
    looks = Looks.STORY

    def __init__(self, story: Story) -> None:
        self._story = story
        self._open: set[Session] = set()
        self._holder: dict[TaskId, Session] = {}

    def step(self, machine: Machine) -> None:  # noqa: ARG002 - the story is of all
        if not self._story.new:
            return
        lost: list[tuple[int, TaskId, Session]] = []
        ended: set[tuple[int, Session]] = set()
        for at, _, event in self._story.new:
            if isinstance(event, SessionEvent):
                self._session(at, event, ended)
            elif event.kind == "running":
                self._granted(at, event)
            elif event.task in self._holder:
                holder = self._holder.pop(event.task)
                if event.kind in LOST:
                    lost.append((at, event.task, holder))
        for at, task, holder in lost:
            if (at, holder) not in ended:
                raise Violation(
                    self.name, f"entry {at} takes {task} from {holder[0]} as lost, whose session goes on in that entry"
                )

    def _session(self, at: int, event: SessionEvent, ended: set[tuple[int, Session]]) -> None:
        session = (event.peer, event.incarnation)
        if event.kind == "opened":
            self._open.add(session)
        elif event.kind != "renewed":
            self._open.discard(session)
            ended.add((at, session))

    def _granted(self, at: int, event: TaskEvent) -> None:
        session = (event.peer, event.incarnation)
        holder = self._holder.get(event.task)
        if holder is not None:
            raise Violation(
                self.name,
                f"entry {at} grants {event.task} to {event.peer} while {holder[0]} holds it under a lease",
            )
        if session not in self._open:
            raise Violation(self.name, f"entry {at} grants {event.task} to {event.peer}, whose session is not open")
        self._holder[event.task] = session

    def end(self) -> None:
        """Every grant has been judged."""
