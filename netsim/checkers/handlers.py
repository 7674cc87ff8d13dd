"""What a process does with what it was granted: handlers begin rightly, and are told when they have to stop.

Laws:
- A handler begins once for each grant, for the peer and the life it was granted to, while that peer trusts its session,
  beside no other attempt of the same task there, and with the result of every dependency that had succeeded by then.
- Who runs a task that the peer's own state does not show as running there, under that fence, has been told to stop in
  the step that changed it; when a peer ceases to trust its session, its handlers are told.
"""

from typing import NamedTuple

from quorate.consensus.events import TaskEvent
from quorate.netsim.checkers.checker import Looks
from quorate.netsim.checkers.progress import Progress
from quorate.netsim.checkers.story import Story
from quorate.netsim.machine import Machine
from quorate.netsim.violation import Violation
from quorate.netsim.work import Began, SimWork
from quorate.netsim.world import World
from quorate.scheduling.task import State, TaskId


class Grant(NamedTuple):
    """`at`: the entry that says so."""

    at: int
    task: TaskId
    peer: str
    incarnation: int
    after: tuple[TaskId, ...]


class BegunRightly:
    name = "begun_rightly"
    looks = Looks.CHANGES

    def __init__(self, world: World, progress: Progress, story: Story) -> None:
        self._world = world
        self._progress = progress
        self._story = story
        self._grants: dict[int, Grant] = {}
        """By fence, those under which nothing has begun."""
        self._highest = 0
        self._results: dict[TaskId, tuple[int, bytes]] = {}
        """Of what has succeeded, with the entry that says so."""
        self._running: dict[tuple[str, int], dict[TaskId, int]] = {}
        """Fences of attempts that have begun and not ended, by peer and life."""
        self._began_read = self._ran_read = 0
        self._untold: list[Began] = []
        """By processes that died in the step in which they began: another peer has to tell of the grant."""

    def step(self, machine: Machine) -> None:
        for at, _, event in self._story.new:
            if not isinstance(event, TaskEvent):
                continue
            if event.kind == "running":
                grant = Grant(at, event.task, event.peer, event.incarnation, event.record.after)
                self._grants[event.fence] = grant
                self._highest = max(self._highest, event.fence)
            elif event.state is State.SUCCEEDED:
                self._results[event.task] = (at, event.record.result or b"")
        for ran in self._world.ran[self._ran_read :]:
            running = self._running.get((ran.peer, ran.life), {})
            if running.get(ran.task) == ran.fence:
                del running[ran.task]
        self._ran_read = len(self._world.ran)
        began_now = [*self._untold, *self._world.began[self._began_read :]]
        self._began_read, self._untold = len(self._world.began), []
        for began in began_now:
            if began.attempt.fence > self._highest and (machine.id, machine.life) != (began.peer, began.life):
                self._untold.append(began)
            else:
                self._begun(machine, began)

    def _begun(self, machine: Machine, began: Began) -> None:
        attempt = began.attempt
        what = f"{began.peer} began {attempt.task} under fence {attempt.fence}"
        grant = self._grants.pop(attempt.fence, None)
        if grant is None or (grant.task, grant.peer) != (attempt.task, began.peer):
            raise Violation(self.name, f"{what}, which was not granted to it, or for the second time")
        running = self._running.setdefault((began.peer, began.life), {})
        if attempt.task in running:
            raise Violation(
                self.name, f"{what} beside that under fence {running[attempt.task]}, which still runs there"
            )
        running[attempt.task] = attempt.fence
        for dependency in grant.after:
            ended = self._results.get(dependency)
            if ended is not None and ended[0] <= grant.at and attempt.results.get(dependency) != ended[1]:
                raise Violation(self.name, f"{what} without the result of {dependency}, on which it depends")
        peer = self._progress.now.peer
        if peer is None or (machine.id, machine.life) != (began.peer, began.life):
            return  # its process died in that very step
        if grant.incarnation != peer.proposer.incarnation:
            raise Violation(self.name, f"{what}, which was granted to another life of it")
        if not peer.proctor.trusted(peer.now()):
            raise Violation(self.name, f"{what} without a session it may trust")

    def end(self) -> None:
        for began in self._untold:
            raise Violation(self.name, f"{began.peer} began {began.attempt.task}, of whose grant nobody tells")


class HandlersStopped:
    name = "handlers_stopped"
    looks = Looks.CHANGES

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def step(self, machine: Machine) -> None:
        peer, work = self._progress.now.peer, machine.work
        if peer is None or not isinstance(work, SimWork):
            return
        for task, fence in work.running:
            record = peer.machine.tasks.get(task)
            if record is None or record.state is not State.RUNNING or record.fence != fence:
                raise Violation(
                    self.name, f"{machine.id} has seen {task} taken from its fence {fence}; its handler was not told"
                )

    def end(self) -> None:
        """Each change has been judged."""


class HandlersWarned:
    name = "handlers_warned"
    looks = Looks.NOW_AND_THEN

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._trusted: dict[str, tuple[int, int]] = {}
        """By machine that trusted its session when last looked at: its life, and how often it had warned until then."""

    def step(self, machine: Machine) -> None:
        peer, work = self._progress.now.peer, machine.work
        if peer is None or not isinstance(work, SimWork):
            return
        if peer.proctor.trusted(peer.now()):
            self._trusted[machine.id] = (machine.life, work.lost_told)
            return
        before = self._trusted.pop(machine.id, None)
        if before == (machine.life, work.lost_told):
            raise Violation(self.name, f"{machine.id} trusts its session no more; its handlers were not told")

    def end(self) -> None:
        """Each loss has been judged."""
