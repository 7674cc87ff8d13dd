"""A watched world for one directed scenario.

Laws:
- Every checker that watches random runs watches a directed one too, but the one that asks every task to end: many a
  task here is held, so that nothing but its submission happens.
- A scenario that ends in order ends with `finish`: everything heals, all replicas are equal, all that was acknowledged
  is there.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager

from quorate.consensus.commands import Done, Outcome, Refused
from quorate.consensus.peer import Peer
from quorate.consensus.ports import PeerId
from quorate.consensus.settings import PeerSettings
from quorate.netsim.checkers import HEAL_WITHIN_S, Record, Watch, of_unfinished
from quorate.netsim.machine import Machine
from quorate.netsim.violation import Violation
from quorate.netsim.work import HANDLER, SimWork
from quorate.netsim.world import World
from quorate.scheduling.task import ENDED, NewTask, Task, TaskId

UP_WITHIN_S = 15.0
SETUP = "directed"
"""The check of a scenario that could not bring about its moment: it says nothing about any promise."""
RESTLESS_STEPS = 5_000
"""More steps of all peers in a tenth of a virtual second: somebody wakes himself without end."""


def demand(condition: object, check: str, text: str) -> None:
    """Raises Violation unless it holds. `check`: the promise, in a few words."""
    if not condition:
        raise Violation(check, text)


def watch_for_rest(world: World) -> None:
    """Raises Violation when a peer steps on and on while time hardly passes."""
    slot, steps = 0, 0

    def count(_machine: Machine) -> None:
        nonlocal slot, steps
        now = int(world.now * 10.0)
        slot, steps = now, steps + 1 if slot == now else 0
        demand(steps < RESTLESS_STEPS, "progress", f"{RESTLESS_STEPS} steps within a tenth of a second")

    world.watchers.append(count)


class Asked:
    """A request and what was answered."""

    def __init__(self) -> None:
        self.outcome: Outcome | None = None
        self.answers = 0

    def __call__(self, outcome: Outcome, _index: int) -> None:
        self.outcome = outcome
        self.answers += 1

    def answered(self) -> bool:
        return self.outcome is not None

    @property
    def done(self) -> bool:
        return isinstance(self.outcome, Done)

    @property
    def refused(self) -> bool:
        return isinstance(self.outcome, Refused)

    @property
    def task(self) -> TaskId:
        demand(isinstance(self.outcome, Done), "progress", f"the request was not done: {self.outcome}")
        assert isinstance(self.outcome, Done)
        return TaskId(self.outcome.value[0])


class Stage:
    """`peers` peers, started, founded and each with a session. Settings are those of `PeerSettings`."""

    def __init__(self, seed: int, peers: int = 3, **settings: int) -> None:
        world = self.world = World(seed, peers)
        world.settings_of = lambda peer: PeerSettings(me=peer, voters=world.ids, cluster="sim", **settings)  # type: ignore[arg-type]  # whole numbers only are set here
        self.asked: list[Asked] = []
        self._watch = Watch(world, of_unfinished(world, Record()))
        world.watchers.append(self._watch.step)
        watch_for_rest(world)
        for peer in world.ids:
            world.start(peer)
        self.until(lambda: all(self.has_session(peer) for peer in world.ids), UP_WITHIN_S, "every peer has a session")

    # --- looking

    @property
    def ids(self) -> tuple[PeerId, ...]:
        return self.world.ids

    def peer(self, peer_id: PeerId) -> Peer:
        peer = self.world.running(peer_id)
        assert peer is not None, f"{peer_id} does not run"
        return peer

    def machine(self, peer_id: PeerId) -> Machine:
        return self.world.machines[peer_id]

    def work(self, peer_id: PeerId) -> SimWork:
        work = self.machine(peer_id).work
        assert isinstance(work, SimWork), f"{peer_id} does not run"
        return work

    def has_session(self, peer_id: PeerId) -> bool:
        peer = self.world.running(peer_id)
        return peer is not None and peer.proctor.trusted(peer.now())

    def leader(self) -> PeerId:
        """Waits for one."""
        self.until(lambda: self.world.leader() is not None, UP_WITHIN_S, "there is a leader")
        leader = self.world.leader()
        assert leader is not None
        return leader.id

    def others(self, *peers: PeerId) -> list[PeerId]:
        return [peer for peer in self.ids if peer not in peers]

    def find(self, peer_id: PeerId, task: TaskId) -> Task | None:
        return self.peer(peer_id).find(task)

    # --- time

    def run(self, seconds: float) -> None:
        self.world.run(seconds)

    def until(self, condition: Callable[[], bool], within_s: float, what: str) -> None:
        demand(self.world.run_until(condition, within_s), "progress", f"not within {within_s} s: {what}")

    # --- asking

    def new(self, peer_id: PeerId, *, key: str = "", held: bool = False, after: Sequence[TaskId] = ()) -> NewTask:
        digest = key.encode().ljust(16, b".") if key else b""
        return NewTask(
            id=self.peer(peer_id).new_id(),
            handler=HANDLER,
            args=b"{}",
            key=key,
            digest=digest,
            held=held,
            after=tuple(after),
        )

    def submit(self, peer_id: PeerId, tasks: Iterable[NewTask] = (), deadline_s: float = 10.0) -> Asked:
        """Without tasks: one that is held, so that nothing but the submission happens."""
        asked = Asked()
        peer = self.peer(peer_id)
        peer.submit(tuple(tasks) or (self.new(peer_id, held=True),), peer.now() + deadline_s, asked)
        self.world.touch(peer_id)
        self.asked.append(asked)
        return asked

    def write(self, peer_id: PeerId, count: int = 1) -> list[TaskId]:
        """So many held tasks, one entry after the other, each acknowledged."""
        tasks = []
        for _ in range(count):
            asked = self.submit(peer_id)
            self.until(asked.answered, 10.0, "a request is answered")
            tasks.append(asked.task)
        return tasks

    def pour(self, peer_id: PeerId, count: int, deadline_s: float = 10.0) -> list[Asked]:
        """So many held tasks in entries of their own, without waiting for answers."""
        asked = []
        for _ in range(count):
            asked.append(self.submit(peer_id, deadline_s=deadline_s))
            self.run(0.003)
        return asked

    def read(self, peer_id: PeerId, deadline_s: float = 5.0) -> list[int | None]:
        """Gets its one element when the read is answered."""
        seen: list[int | None] = []
        peer = self.peer(peer_id)
        peer.read(peer.now() + deadline_s, seen.append)
        self.world.touch(peer_id)
        return seen

    def ended_everywhere(self, task: TaskId) -> bool:
        found = [machine.peer.find(task) for machine in self.world.live() if machine.peer is not None]
        return all(one is not None and one.state in ENDED for one in found)

    # --- trouble

    def partition(self, *side: PeerId) -> AbstractContextManager[None]:
        return self.world.partition(*side)

    def isolate(self, *peers: PeerId) -> list[tuple[PeerId, PeerId]]:
        """Nobody of them reaches anybody. The links cut, for `World.heal`."""
        links = [(a, b) for a in self.ids for b in self.ids if a < b and (a in peers or b in peers)]
        self.world.cut(links)
        return links

    def give_up(self, asked: Iterable[Asked]) -> None:
        """Whatever becomes of these requests is not looked at in the end: their peer dies with them."""
        for one in asked:
            self.asked.remove(one)

    # --- the end

    def finish(self) -> None:
        """Raises Violation when the cluster does not recover, or recovers without something it had acknowledged."""
        world = self.world
        world.heal_everything()
        self._settle()
        self.write(self.leader())
        self._settle()
        self._watch.end()
        for asked in self.asked:
            demand(asked.answers <= 1, "every request answered once", f"a request was answered {asked.answers} times")
            for peer in self.ids:
                kept = not asked.done or self.find(peer, asked.task) is not None
                demand(kept, "acknowledged never lost", f"{peer} has no task {asked.task if asked.done else ''}")

    def _settle(self) -> None:
        self.until(self._has_settled, HEAL_WITHIN_S, "all peers are equal after everything healed")

    def _has_settled(self) -> bool:
        serves = any(machine.peer is not None and machine.peer.raft.ready_to_serve for machine in self.world.live())
        return serves and not self._watch.missing()
