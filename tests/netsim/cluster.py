"""A whole cluster in a virtual world, for tests: start it, ask it, look at it."""

from collections.abc import Callable

from quorate.consensus.commands import Done, Outcome
from quorate.consensus.peer import Peer
from quorate.netsim.work import SimWork
from quorate.netsim.world import World
from quorate.scheduling.task import NewTask, State, TaskId


class Asked:
    """A request and what was answered."""

    def __init__(self) -> None:
        self.outcome: Outcome | None = None
        self.answers = 0
        self.index = 0
        """Of the log, which the answer reflects."""

    def __call__(self, outcome: Outcome, index: int) -> None:
        self.outcome, self.index = outcome, index
        self.answers += 1

    @property
    def answered(self) -> bool:
        return self.outcome is not None

    def is_answered(self) -> bool:
        """For waiting in a loop, where a lambda would look at the loop's last turn."""
        return self.answered

    @property
    def task(self) -> TaskId:
        assert isinstance(self.outcome, Done), self.outcome
        return TaskId(self.outcome.value[0])


def cluster(seed: int = 1, peers: int = 3) -> World:
    world = World(seed, peers)
    for peer in world.ids:
        world.start(peer)
    assert world.run_until(lambda: all(has_session(world, p) for p in world.ids), 15.0), "the cluster did not come up"
    return world


def has_session(world: World, peer_id: str) -> bool:
    peer = world.running(peer_id)
    return peer is not None and peer.proctor.trusted(peer.now())


def submit(
    world: World,
    peer_id: str,
    *,
    key: str = "",
    digest: bytes = b"",
    handler: str = "sim.work",
    deadline_s: float = 10.0,
    held: bool = False,
) -> Asked:
    peer = world.running(peer_id)
    assert peer is not None
    asked = Asked()
    task = NewTask(id=peer.new_id(), handler=handler, args=b"{}", key=key, digest=digest, held=held)
    peer.submit([task], peer.now() + deadline_s, asked)
    world.touch(peer_id)
    return asked


def answered(world: World, asked: Asked, within_s: float = 10.0) -> bool:
    """The request is answered within so many virtual seconds."""
    return world.run_until(lambda: asked.answered, within_s)


def leader_id(world: World) -> str:
    leader = world.leader()
    assert leader is not None
    return leader.id


def others(world: World, peer_id: str) -> list[str]:
    return [peer for peer in world.ids if peer != peer_id]


def ended_everywhere(world: World, task: TaskId) -> Callable[[], bool]:
    def condition() -> bool:
        for machine in world.live():
            assert machine.peer is not None
            found = machine.peer.find(task)
            if found is None or (found.state is not State.SUCCEEDED and found.state is not State.FAILED):
                return False
        return True

    return condition


def running(world: World, peer_id: str) -> Peer:
    """The peer, which must run."""
    peer = world.running(peer_id)
    assert peer is not None, f"{peer_id} does not run"
    return peer


def work_of(world: World, peer_id: str) -> SimWork:
    work = world.machines[peer_id].work
    assert isinstance(work, SimWork), f"{peer_id} does not run"
    return work
