"""One computer of a world: its disk, clock and history stay when the process dies.

Law: a machine holds what faults have done to it as counts, so that two that overlap end when both are over.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from quorate.consensus.peer import Peer
from quorate.consensus.ports import PeerId, Ports, Work
from quorate.netsim.clock import VirtualClock
from quorate.netsim.disk import SimDisk
from quorate.netsim.history import SimHistory
from quorate.netsim.network import Port
from quorate.netsim.points import Killed, WorldPoints
from quorate.netsim.work import Began, Ran
from quorate.scheduling.task import Attempt, Ending, TaskId

if TYPE_CHECKING:
    from quorate.netsim.world import World

NEVER = float("inf")
TOLD_POINTS = {"snapshot.taken": "snapshot", "install.done": "installed"}
"""Fault points that are also events worth telling, by the kind of event."""


class Machine:
    """`peer` is the running process, or None. `life` counts its processes and their ends."""

    def __init__(self, world: "World", peer_id: PeerId) -> None:
        self.id = peer_id
        self.disk = SimDisk(world.after, world.stream(f"disk {peer_id}"))
        self.history = SimHistory(world.after)
        self.clock = VirtualClock(world)
        self.rates: list[float] = []
        """What makes its clock run at another rate, multiplied."""
        self.peer: Peer | None = None
        self.work: Work | None = None
        self.life = 0
        self.freezes = 0
        self.kept_down = 0
        self.armed: str | None = None
        """The fault point at which its process dies, once."""
        self.back_s = 0.0
        """How long it stays down after that."""
        self.dies_by_power = False
        """Whether what was not flushed then is lost as well."""
        self.step_planned_at = NEVER
        self.held_inputs: list[tuple[Callable[[Peer], None], int]] = []
        self.failure: str | None = None
        self.refused_folder: str | None = None
        """Why the last start did not trust the folder."""
        self.seen: tuple[str, int] = ("", -1)
        """Role and term as last told."""
        self.seen_commit = 0
        self.seen_index = -1

    @property
    def frozen(self) -> bool:
        return self.freezes > 0

    def reckon_rate(self) -> None:
        rate = 1.0
        for factor in self.rates:
            rate *= factor
        self.clock.set_rate(rate)


class Process:
    """What surrounds one life of a peer on its machine: everything that comes back to it passes here, and does not
    reach a later life.
    """

    def __init__(self, world: "World", machine: Machine) -> None:
        self._world = world
        self._machine = machine
        self.work: Work = world.make_work(machine, self._work_done, self)
        points = ToldPoints(world, machine)
        machine.disk.executing = points.executing
        machine.disk.attach(self._flushed, self._disk_failed)
        machine.history.restart()
        self.ports = Ports(
            clock=machine.clock,
            entropy=world.stream(f"peer {machine.id} {machine.life}"),
            network=Port(world.network, machine.id),
            disk=machine.disk,
            work=self.work,
            history=machine.history,
            points=points,
        )

    def _flushed(self, ticket: int) -> None:
        self._world.give(self._machine, lambda peer: peer.on_flushed(ticket))

    def _disk_failed(self, error: OSError) -> None:
        self._machine.failure = str(error)
        self._world.kill(self._machine.id)

    def _work_done(self, task: TaskId, fence: int, ending: Ending) -> None:
        if self._machine.work is self.work:
            self._world.give(self._machine, lambda peer: peer.on_work_done(task, fence, ending))

    # --- work.Watching

    def started(self, attempt: Attempt) -> None:
        world = self._world
        world.began.append(Began(self._machine.id, self._machine.life, attempt))
        world.trace.note(
            world.now, "attempt", self._machine.id, task=attempt.task, fence=attempt.fence, handler=attempt.handler
        )

    def over(self, attempt: Attempt, how: str) -> None:
        world, me = self._world, self._machine.id
        if self._machine.work is not self.work:
            return  # its thread died with the process
        world.ran.append(Ran(world.now, me, self._machine.life, attempt.task, attempt.attempt, attempt.fence, how))
        world.trace.note(world.now, "attempt_over", me, task=attempt.task, fence=attempt.fence, how=how)


class ToldPoints(WorldPoints):
    """Counts, and tells the few points that are events of their own."""

    def __init__(self, world: "World", machine: Machine) -> None:
        super().__init__(world, machine)
        self._world = world

    def reach(self, point: str) -> None:
        # Reached thousands of times a second: the straight path is written out.
        self._reached[point] += 1
        machine = self._machine
        if machine.armed == point:
            machine.armed = None
            raise Killed(machine.id, point)
        if point in TOLD_POINTS:
            self._world.trace.note(self._world.now, TOLD_POINTS[point], machine.id)
