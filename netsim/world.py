"""One virtual world: machines, their peers, the links between them, and everything that goes wrong.

Laws:
- A run is a function of its seed: one thread, one heap of calls ordered by (time, number), every draw from a named
  stream of the seed.
- Peers are the real ones. The world only moves bytes, time and power.
"""

import hashlib
import heapq
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from quorate.consensus.commands import SessionInfo
from quorate.consensus.peer import Peer
from quorate.consensus.ports import PeerId, Ports
from quorate.consensus.settings import PeerSettings
from quorate.netsim.clock import SeededEntropy, Ticking, VirtualClock
from quorate.netsim.disk import SimDisk
from quorate.netsim.history import SimHistory
from quorate.netsim.network import Port, SimNetwork
from quorate.netsim.work import Ran, SimWork
from quorate.scheduling.task import Attempt

HANDLERS = ("sim.work", "builtin.noop")
PLACES = 8


class Machine:
    """One computer: its disk and clock stay when the process dies. `peer` is the running process, or None."""

    def __init__(self, world: "World", peer_id: PeerId) -> None:
        self.id = peer_id
        self.disk = SimDisk(world.after, world.stream(f"disk {peer_id}"))
        self.history = SimHistory(world.after)
        self.clock = VirtualClock(world)
        self.peer: Peer | None = None
        self.work: SimWork | None = None
        self.life = 0
        self.frozen = False
        self.step_planned_at = float("inf")
        self.held_inputs: list[Callable[[], None]] = []
        self.failure: str | None = None


class World(Ticking):
    """`peers` voters, all machines off at first."""

    def __init__(self, seed: int, peers: int = 3) -> None:
        self.now = 0.0
        self.seed = seed
        self.ids: tuple[PeerId, ...] = tuple("abcdefghi"[:peers])
        self._calls: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0
        self._digest = hashlib.blake2b(digest_size=16)
        self.ran: list[Ran] = []
        self.run_s = (0.001, 0.2)
        """How long handlers run."""
        self.settings_of: Callable[[PeerId], PeerSettings] = lambda peer: PeerSettings(
            me=peer, voters=self.ids, cluster="sim"
        )
        self.watchers: list[Callable[[Machine], None]] = []
        self.machines = {peer: Machine(self, peer) for peer in self.ids}
        self.network = SimNetwork(
            self, self.stream("network"), self.running, lambda peer: self.machines[peer].frozen, self.touch
        )
        for source in self.ids:
            for target in self.ids:
                if source != target:
                    self._keep_dialling(source, target)

    def stream(self, name: str) -> SeededEntropy:
        return SeededEntropy(f"{self.seed} {name}")

    # --- time

    def after(self, delay_s: float, call: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._calls, (self.now + max(0.0, delay_s), self._number, call))

    def run(self, seconds: float) -> None:
        self.run_until(lambda: False, seconds)

    def run_until(self, condition: Callable[[], bool], within_s: float) -> bool:
        """Let the world go on until `condition()`; False if it did not come true within `within_s` virtual seconds."""
        end = self.now + within_s
        while not condition():
            if not self._calls or self._calls[0][0] > end:
                self.now = end
                return condition()
            at, _, call = heapq.heappop(self._calls)
            self.now = at
            call()
        return True

    def trace(self, fact: str) -> None:
        """Part of the run's identity: same seed, same digest."""
        self._digest.update(f"{self.now:.9f} {fact}\n".encode())

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()

    # --- peers

    def running(self, peer: PeerId) -> Peer | None:
        machine = self.machines[peer]
        return machine.peer

    def live(self) -> list[Machine]:
        return [machine for machine in self.machines.values() if machine.peer is not None and not machine.frozen]

    def start(self, peer_id: PeerId, *, found: bool = False) -> Peer:
        machine = self.machines[peer_id]
        assert machine.peer is None, f"{peer_id} runs already"
        machine.life += 1
        machine.failure = None
        machine.disk.attach(
            lambda ticket: self._flushed(machine, ticket), lambda error: self._disk_failed(machine, error)
        )
        machine.history.restart()
        work = SimWork(
            peer_id,
            self.after,
            self.stream(f"work {peer_id} {machine.life}"),
            lambda task, fence, ending: self._input(machine, lambda p: p.on_work_done(task, fence, ending)),
            lambda attempt, how: self._record(machine, attempt, how),
        )
        work.run_s = self.run_s
        ports = Ports(
            clock=machine.clock,
            entropy=self.stream(f"peer {peer_id} {machine.life}"),
            network=Port(self.network, peer_id),
            disk=machine.disk,
            work=self._of_life(machine, work),
            history=machine.history,
        )
        peer = Peer(self.settings_of(peer_id), ports, found=found)
        recovery = peer.open()
        machine.peer, machine.work = peer, work
        peer.describe(SessionInfo(http="", slots=PLACES, handlers=HANDLERS))
        peer.hold(PLACES)
        self.trace(f"start {peer_id} {recovery.kind}")
        self.touch(peer_id)
        return peer

    def _of_life(self, machine: Machine, work: SimWork) -> SimWork:
        machine.work = work
        return work

    def _record(self, machine: Machine, attempt: Attempt, how: str) -> None:
        self.ran.append(Ran(self.now, machine.id, attempt.task, attempt.attempt, attempt.fence, how))

    def _input(self, machine: Machine, call: Callable[[Peer], None]) -> None:
        peer = machine.peer
        if peer is None:
            return
        if machine.frozen:
            machine.held_inputs.append(lambda: self._input_to(machine, peer, call))
            return
        call(peer)
        self.touch(machine.id)

    def _input_to(self, machine: Machine, peer: Peer, call: Callable[[Peer], None]) -> None:
        if machine.peer is peer:
            call(peer)

    def _flushed(self, machine: Machine, ticket: int) -> None:
        self._input(machine, lambda peer: peer.on_flushed(ticket))

    def _disk_failed(self, machine: Machine, error: OSError) -> None:
        machine.failure = str(error)
        self.kill(machine.id)

    def touch(self, peer_id: PeerId) -> None:
        """Something was given to this peer: step it at this very moment, once."""
        self._plan_step(self.machines[peer_id], self.now)

    def _plan_step(self, machine: Machine, at: float) -> None:
        if machine.peer is None or machine.frozen or machine.step_planned_at <= at:
            return
        machine.step_planned_at = at
        life = machine.life
        self.after(at - self.now, lambda: self._step(machine, life, at))

    def _step(self, machine: Machine, life: int, planned_at: float) -> None:
        peer = machine.peer
        if peer is None or machine.life != life or machine.frozen or machine.step_planned_at != planned_at:
            return
        machine.step_planned_at = float("inf")
        peer.step()
        self.trace(
            f"{machine.id} {peer.raft.role} {peer.raft.term} {peer.raft.commit_index} {peer.machine.state_hash.hex()}"
        )
        for watch in self.watchers:
            watch(machine)
        wake = peer.wake_at()
        if wake != float("inf"):
            self._plan_step(machine, max(machine.clock.world_time(wake), self.now + 1e-6))

    def _keep_dialling(self, source: PeerId, target: PeerId) -> None:
        machines = self.machines
        if not (machines[source].frozen or machines[target].frozen):
            self.network.dial(source, target)
        self.after(0.05, lambda: self._keep_dialling(source, target))

    # --- faults

    def kill(self, peer_id: PeerId) -> None:
        """kill -9."""
        machine = self.machines[peer_id]
        if machine.peer is None:
            return
        self.trace(f"kill {peer_id}")
        machine.peer = machine.work = None
        machine.life += 1
        machine.step_planned_at = float("inf")
        machine.held_inputs.clear()
        machine.frozen = False
        machine.disk.kill()
        self.network.forget(peer_id)

    def lose_power(self, peer_id: PeerId) -> None:
        self.kill(peer_id)
        self.machines[peer_id].disk.lose_power()

    def wipe(self, peer_id: PeerId) -> None:
        """The disk is replaced by an empty one."""
        self.kill(peer_id)
        self.machines[peer_id].disk.wipe()
        self.machines[peer_id].history.wipe()

    def freeze(self, peer_id: PeerId) -> None:
        """SIGSTOP: connections stay, nothing is read."""
        self.trace(f"freeze {peer_id}")
        self.machines[peer_id].frozen = True
        self.machines[peer_id].step_planned_at = float("inf")

    def thaw(self, peer_id: PeerId) -> None:
        machine = self.machines[peer_id]
        if not machine.frozen:
            return
        self.trace(f"thaw {peer_id}")
        machine.frozen = False
        held, machine.held_inputs = machine.held_inputs, []
        for call in held:
            call()
        self.network.thawed(peer_id)
        self.touch(peer_id)

    @contextmanager
    def partition(self, *side: PeerId) -> Iterator[None]:
        """Cut the peers of `side` from all others, both ways, for the length of the `with` block."""
        links = [(a, b) for a in side for b in self.ids if b not in side]
        self.cut(links)
        yield
        self.heal(links)

    def cut(self, links: Sequence[tuple[PeerId, PeerId]]) -> None:
        for a, b in links:
            self.network.block(a, b)
            self.network.block(b, a)

    def heal(self, links: Sequence[tuple[PeerId, PeerId]]) -> None:
        for a, b in links:
            self.network.unblock(a, b)
            self.network.unblock(b, a)

    def heal_everything(self) -> None:
        """No fault is left, every machine runs."""
        for peer_id in self.ids:
            self.thaw(peer_id)
        for source, target in sorted(self.network.blocked):
            self.network.unblock(source, target)
        for peer_id in self.ids:
            if self.machines[peer_id].peer is None:
                self.start(peer_id)

    # --- looking

    def leader(self) -> Peer | None:
        """The peer that leads in the highest term, if any."""
        leaders = [m.peer for m in self.live() if m.peer is not None and m.peer.raft.role == "leader"]
        return max(leaders, key=lambda peer: peer.raft.term, default=None)
