"""What must hold at every step of every run, and at its end.

Law: a checker knows nothing of how the peers work; it looks at what they did and said. `Violation` names the promise
that was broken.
"""

from collections.abc import Sequence

from quorate.consensus.events import SessionEvent
from quorate.consensus.machine import Machine as State
from quorate.consensus.peer import Peer
from quorate.consensus.reactor import Stamped
from quorate.netsim.machine import Machine
from quorate.netsim.work import result_of
from quorate.netsim.world import World
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
        self._listening: set[tuple[str, int]] = set()
        self._ends_seen: set[tuple[int, int]] = set()
        world.watchers.append(self.check)

    def check(self, machine: Machine) -> None:
        peer = machine.peer
        if peer is None:
            return
        self._one_leader_per_term(peer)
        self._equal_states(machine, peer)
        self._never_backwards(machine, peer)
        if (machine.id, machine.life) not in self._listening:
            self._listening.add((machine.id, machine.life))
            peer.subscribe(None, self._no_trust_beyond_the_end)

    def _no_trust_beyond_the_end(self, events: Sequence[Stamped]) -> None:
        """When the first peer applies the end of a session, its holder has stopped trusting it (promise 4)."""
        for at, n, event in events:
            if not isinstance(event, SessionEvent) or event.kind != "expired" or (at, n) in self._ends_seen:
                continue
            self._ends_seen.add((at, n))
            holder = self._world.running(event.peer)
            if holder is None or holder.proposer.incarnation != event.incarnation:
                continue
            if holder.machine.index < at and holder.proctor.trusted(holder.now()):
                raise Violation(f"the session of {event.peer} ended at index {at} while its holder trusted it")

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


def check_histories(world: World) -> None:
    """Every peer tells the same of what has ended, and no key belongs to two tasks."""
    told: dict[int, tuple[TaskId, str, int]] = {}
    keys: dict[tuple[str, str], TaskId] = {}
    for machine in world.live():
        assert machine.peer is not None
        rows = {row.end_seq: row for row in machine.history.rows_between(0, machine.peer.machine.end_seq, 1 << 40)}
        for end in range(1, machine.peer.machine.end_seq + 1):
            row = rows.get(end)
            if row is None:
                raise Violation(f"{machine.id} has no row of end {end} in its history")
            said = (row.id, str(row.state), row.fence)
            if told.setdefault(end, said) != said:
                raise Violation(f"end {end} is {said} on {machine.id} and {told[end]} elsewhere")
            if row.key and keys.setdefault((row.namespace, row.key), row.id) != row.id:
                raise Violation(f"key {row.key} belongs to {keys[row.namespace, row.key]} and to {row.id}")


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
