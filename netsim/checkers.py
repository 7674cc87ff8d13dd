"""What must hold at every step of every run, and at its end.

Law: a checker knows nothing of how the peers work; it looks at what they did and said. `Violation` names the promise
that was broken.
"""

from quorate.consensus.machine import Machine as State
from quorate.consensus.peer import Peer
from quorate.netsim.work import result_of
from quorate.netsim.world import Machine, World
from quorate.scheduling.task import State as TaskState
from quorate.scheduling.task import TaskId


class Violation(AssertionError):
    """A promise was broken."""


class SafetyChecker:
    """Watches every step: one leader per term, equal states at equal indexes, fences that rise, one result per task."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._leaders: dict[int, str] = {}
        self._states: dict[int, tuple[str, str]] = {}
        self._index: dict[tuple[str, int], int] = {}
        self.results: dict[TaskId, tuple[int, str]] = {}
        self._fences: dict[TaskId, tuple[int, int]] = {}
        world.watchers.append(self.check)

    def check(self, machine: Machine) -> None:
        peer = machine.peer
        if peer is None:
            return
        self._one_leader_per_term(peer)
        self._equal_states(machine, peer)
        self._never_backwards(machine, peer)

    def _one_leader_per_term(self, peer: Peer) -> None:
        if peer.raft.role != "leader":
            return
        first = self._leaders.setdefault(peer.raft.term, peer.id)
        if first != peer.id:
            raise Violation(f"two leaders in term {peer.raft.term}: {first} and {peer.id}")

    def _equal_states(self, machine: Machine, peer: Peer) -> None:
        state: State = peer.machine
        digest = state.state_hash.hex()
        first = self._states.setdefault(state.index, (digest, machine.id))
        if first[0] != digest:
            raise Violation(
                f"states differ at index {state.index}: {first[1]} has {first[0]}, {machine.id} has {digest}"
            )

    def _never_backwards(self, machine: Machine, peer: Peer) -> None:
        key = (machine.id, machine.life)
        if peer.machine.index < self._index.get(key, 0):
            raise Violation(f"{machine.id} went back from index {self._index[key]} to {peer.machine.index}")
        self._index[key] = peer.machine.index

    def follow_results(self, peer: Peer) -> None:
        """At the end: what each task came to, on this peer, is what every other peer says."""
        for task_id, stub in peer.machine.ended.items():
            record = stub.record
            if record is None:
                continue
            told = (record.fence, str(record.state))
            first = self.results.setdefault(task_id, told)
            if first != told:
                raise Violation(f"task {task_id} ended as {first} here and as {told} there")


def check_fences(world: World) -> None:
    """Attempts of a task carry strictly rising fences, in order of attempt."""
    seen: dict[TaskId, dict[int, int]] = {}
    for ran in world.ran:
        fences = seen.setdefault(ran.task, {})
        other = fences.setdefault(ran.attempt, ran.fence)
        if other != ran.fence:
            raise Violation(f"attempt {ran.attempt} of task {ran.task} ran under fences {other} and {ran.fence}")
    for task, fences in seen.items():
        ordered = [fence for _, fence in sorted(fences.items())]
        if ordered != sorted(set(ordered)):
            raise Violation(f"fences of task {task} do not rise: {ordered}")


def check_one_result(world: World, peer: Peer, accepted: list[TaskId]) -> None:
    """Every accepted task exists and ended once; a success carries the fence of an attempt that really ran."""
    ran = {(r.task, r.fence) for r in world.ran}
    for task_id in accepted:
        task = peer.find(task_id)
        if task is None:
            raise Violation(f"task {task_id} was acknowledged and is gone")
        if task.state is TaskState.SUCCEEDED and (task.id, task.fence) not in ran:
            raise Violation(f"task {task_id} succeeded under fence {task.fence}, under which nothing ran")
        if task.state is TaskState.SUCCEEDED and task.result != result_of(task.fence):
            raise Violation(
                f"task {task_id} succeeded under fence {task.fence} with the result {task.result!r} of another"
            )
