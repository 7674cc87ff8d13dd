"""One result per task, committed by the attempt whose fence it bears.

Laws:
- Between two ends of a task somebody has asked for a fresh round.
- A success bears the fence under which the task was running at that point of the log; of a simulated handler also:
  that attempt really ran to success, and this is what it returned.
- Every peer tells the same end.
"""

from typing import NamedTuple

from quorate.consensus.events import TaskEvent
from quorate.netsim.checkers.checker import Looks
from quorate.netsim.checkers.story import Story
from quorate.netsim.machine import Machine
from quorate.netsim.violation import Violation
from quorate.netsim.work import HANDLER, result_of
from quorate.netsim.world import World
from quorate.scheduling.task import ENDED, State, TaskId


class End(NamedTuple):
    state: str
    fence: int
    result: bytes | None
    end_seq: int


class OneResult:
    name = "one_result"
    looks = Looks.STORY

    def __init__(self, world: World, story: Story) -> None:
        self._world = world
        self._story = story
        self._running: dict[TaskId, int] = {}
        self._ended: dict[TaskId, End] = {}
        self._succeeded: set[tuple[TaskId, int]] = set()
        self._ran_read = 0

    def step(self, machine: Machine) -> None:  # noqa: ARG002 - the story is of all
        for at, _, event in self._story.new:
            if not isinstance(event, TaskEvent):
                continue
            if event.kind == "running":
                self._running[event.task] = event.fence
            elif event.kind == "again":
                self._ended.pop(event.task, None)
            elif event.state in ENDED:
                self._over(at, event)
            elif event.kind != "submitted":
                self._running.pop(event.task, None)

    def _over(self, at: int, event: TaskEvent) -> None:
        task, record = event.task, event.record
        before = self._ended.get(task)
        if before is not None:
            raise Violation(self.name, f"entry {at} ends {task} as {event.state}; it had ended as {before.state}")
        fence = self._running.pop(task, None)
        self._ended[task] = End(str(event.state), event.fence, record.result, record.end_seq)
        if event.state is not State.SUCCEEDED:
            return
        if fence != event.fence:
            raise Violation(self.name, f"entry {at}: {task} succeeded under fence {event.fence}; {fence} was running")
        if event.handler != HANDLER:
            return
        for ran in self._world.ran[self._ran_read :]:
            if ran.how == "succeeded":
                self._succeeded.add((ran.task, ran.fence))
        self._ran_read = len(self._world.ran)
        if (task, event.fence) not in self._succeeded:
            raise Violation(self.name, f"{task} succeeded under fence {event.fence}, under which nothing succeeded")
        if record.result != result_of(event.fence):
            raise Violation(
                self.name, f"{task} succeeded under fence {event.fence} with the result {record.result!r} of another"
            )

    def end(self) -> None:
        for machine in self._world.live():
            assert machine.peer is not None
            for task, said in self._ended.items():
                found = machine.peer.find(task)
                if found is None or found.end_seq != said.end_seq:
                    continue  # another end, or none yet: whether a peer lags is asked by `ReplicasConverge`
                told = End(str(found.state), found.fence, found.result, found.end_seq)
                if told != said:
                    raise Violation(self.name, f"{task} ended as {said}; {machine.id} says {told}")
