"""One virtual world: machines, their peers, the links between them, and everything that goes wrong.

Laws:
- A run is a function of its seed: one thread, one heap of calls ordered by (time, number), every draw from a named
  stream of the seed.
- Peers are the real ones. The world only moves bytes, time and power.
- A process that dies at a fault point dies alone: the world goes on.
"""

import heapq
from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol

from quorate.consensus import codec
from quorate.consensus.commands import SessionInfo
from quorate.consensus.journal_recovery import DamagedJournal, ForeignJournal
from quorate.consensus.peer import Peer
from quorate.consensus.ports import PeerId, Work
from quorate.consensus.raft.identity import ForeignFolder
from quorate.consensus.raft.recovery import MissingSnapshot
from quorate.consensus.settings import PeerSettings
from quorate.consensus.snapshot import BadSnapshot
from quorate.netsim.clock import SeededEntropy, Ticking
from quorate.netsim.faults.scoped import Scoped
from quorate.netsim.machine import NEVER, Machine, Process
from quorate.netsim.network import SimNetwork
from quorate.netsim.points import Killed
from quorate.netsim.scenario import Conditions, peer_names
from quorate.netsim.trace import Event, Trace
from quorate.netsim.violation import Violation
from quorate.netsim.work import HANDLER, Began, Ran, SimWork, Watching
from quorate.scheduling.task import Ending, TaskId

HANDLERS = (HANDLER, "builtin.noop")
PLACES = 8
OPERATOR_LOOKS_S = 0.5
REFUSALS = (DamagedJournal, ForeignJournal, MissingSnapshot, BadSnapshot, ForeignFolder)
"""How a peer says that its folder cannot be trusted."""


Done = Callable[[TaskId, int, Ending], None]
MakeWork = Callable[[Machine, Done, Watching], Work]


class Asking(Protocol):
    """The clients of a world, as a fault sees them."""

    def burst(self, peer: PeerId, operations: int) -> None: ...


class World(Ticking, Scoped):
    """All machines are off at first. Without `conditions`: `peers` peers whose logs are not compacted. `trace`: who is
    told what happens.
    """

    def __init__(
        self, seed: int, peers: int = 3, conditions: Conditions | None = None, trace: Trace | None = None
    ) -> None:
        self.now = 0.0
        self.seed = seed
        self.conditions = conditions or Conditions(peers=peers, snapshot_entries=50_000, keep_entries=10_000)
        self.trace = trace or Trace()
        self.ids: tuple[PeerId, ...] = peer_names(self.conditions.peers)
        self._calls: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._number = 0
        self.steps = 0
        self.began: list[Began] = []
        self.ran: list[Ran] = []
        self.reached: Counter[str] = Counter()
        """Fault points, by name."""
        self.struck: Counter[str] = Counter()
        """Faults, by kind."""
        self.clients: Asking | None = None
        self.run_s = self.conditions.run_s
        """How long handlers run whose task does not say it."""
        self.settings_of: Callable[[PeerId], PeerSettings] = self._settings
        self.info = SessionInfo(http="", slots=PLACES, handlers=HANDLERS)
        """What every peer says of itself."""
        self.make_work: MakeWork = self._simulated_work
        """The workers of one life of a machine."""
        self.watchers: list[Callable[[Machine], None]] = []
        self.machines = {peer: Machine(self, peer) for peer in self.ids}
        self.network = SimNetwork(self)
        self._apply_conditions()
        Scoped.__init__(self)

    def stream(self, name: str) -> SeededEntropy:
        return SeededEntropy(f"{self.seed} {name}")

    def _settings(self, peer: PeerId) -> PeerSettings:
        given = self.conditions
        return PeerSettings(
            me=peer,
            voters=self.ids,
            cluster="sim",
            snapshot_entries=given.snapshot_entries,
            keep_entries=given.keep_entries,
            pending_ops=given.pending_ops,
            segment_bytes=given.segment_bytes,
        )

    def _simulated_work(self, machine: Machine, done: Done, watching: Watching) -> Work:
        work = SimWork(self.after, self.stream(f"work {machine.id} {machine.life}"), done, watching)
        work.run_s = self.run_s
        return work

    def _apply_conditions(self) -> None:
        given = self.conditions
        self._turn_s = given.turn_s
        self.network.delay_s = given.delay_s
        self.network.datagrams = given.datagrams
        region = {peer: name for name, peers in sorted(given.regions.items()) for peer in peers}
        for (source, target), link in self.network.links.items():
            between = "-".join(sorted((region.get(source, ""), region.get(target, ""))))
            link.distance_s = given.region_delay_s.get(between, 0.0)
        for machine in self.machines.values():
            machine.disk.flush_s = given.flush_s
            machine.history.flush_s = given.history_flush_s
            if given.drift:
                machine.rates.append(1.0 + given.drift * (2.0 * self.stream(f"drift {machine.id}").random() - 1.0))
                machine.reckon_rate()

    # --- time

    def after(self, delay_s: float, call: Callable[..., None], *args: Any) -> None:
        self._number += 1
        heapq.heappush(self._calls, (self.now + delay_s if delay_s > 0.0 else self.now, self._number, call, args))

    def run(self, seconds: float) -> None:
        self.run_until(_never, seconds)

    def run_until(self, condition: Callable[[], bool], within_s: float) -> bool:
        """Let the world go on until `condition()`; False if it did not come true within `within_s` virtual seconds."""
        end = self.now + within_s
        calls = self._calls
        while not condition():
            if not calls or calls[0][0] > end:
                self.now = end
                return condition()
            self.now, _, call, args = heapq.heappop(calls)
            try:
                call(*args)
            except Killed as killed:
                self._died(killed)
        return True

    def surviving(self, call: Callable[..., None], *args: Any) -> None:
        """From outside the loop: a process that dies at a fault point meanwhile only dies."""
        try:
            call(*args)
        except Killed as killed:
            self._died(killed)

    @property
    def digest(self) -> str:
        """Same seed, same digest."""
        return self.trace.digest

    # --- peers

    def running(self, peer: PeerId) -> Peer | None:
        return self.machines[peer].peer

    endpoint = running

    def is_frozen(self, peer: PeerId) -> bool:
        return self.machines[peer].freezes > 0

    def live(self) -> list[Machine]:
        return [machine for machine in self.machines.values() if machine.peer is not None and not machine.freezes]

    def start(self, peer_id: PeerId, *, found: bool = False) -> Peer:
        """Raises `Violation` if it does not run then: for tests, where nothing stands in the way."""
        self.try_start(peer_id, found=found)
        peer = self.machines[peer_id].peer
        if peer is None:
            raise Violation(
                "no_exception", f"{peer_id} did not start: {self.machines[peer_id].refused_folder}", self.now
            )
        return peer

    def try_start(self, peer_id: PeerId, *, found: bool = False) -> None:
        """It may die while it starts, or refuse its folder: then an operator gives it an empty disk, as soon as the
        others can spare what it knew.
        """
        machine = self.machines[peer_id]
        assert machine.peer is None, f"{peer_id} runs already"
        machine.life += 1
        machine.failure = machine.refused_folder = None
        try:
            self._open(machine, found)
        except Killed as killed:
            self._died(killed)
        except REFUSALS as refusal:
            if not machine.disk.rotten:
                raise
            machine.refused_folder = str(refusal)
            machine.life += 1
            self.trace.note(self.now, "refused", peer_id)
            self.after(OPERATOR_LOOKS_S, self._replace_disk, machine, machine.life)

    def _open(self, machine: Machine, found: bool) -> None:
        process = Process(self, machine)
        machine.work = process.work
        peer = Peer(self.settings_of(machine.id), process.ports, found=found)
        recovery = peer.open()
        machine.peer = peer
        machine.seen, machine.seen_commit, machine.seen_index = ("", -1), 0, -1
        peer.describe(self.info)
        peer.hold(self.info.slots)
        self.trace.note(self.now, "start", machine.id, recovery=recovery.kind)
        self.network.dial_around(machine.id)
        self.touch(machine.id)

    def _replace_disk(self, machine: Machine, life: int) -> None:
        if machine.life != life or machine.peer is not None:
            return
        if machine.kept_down or not self.may_lose_disk(machine.id):
            self.after(OPERATOR_LOOKS_S, self._replace_disk, machine, life)
            return
        self.wipe(machine.id)
        self.try_start(machine.id)

    def may_lose_disk(self, peer_id: PeerId) -> bool:
        """What a disk held survives its loss only if all others run and vote: the promise speaks of a surviving
        majority.
        """
        others = [machine.peer for machine in self.machines.values() if machine.id != peer_id]
        return len(others) >= 2 and all(
            peer is not None and peer.raft.is_voter(peer.id) and peer.raft.applied_index > 1 for peer in others
        )

    def give(self, machine: Machine, call: Callable[[Peer], None]) -> None:
        """An input for the process that runs now; a frozen one gets it when it thaws."""
        if machine.peer is None:
            return
        if machine.freezes:
            machine.held_inputs.append((call, machine.life))
            return
        self.touch(machine.id)
        call(machine.peer)

    def touch(self, peer_id: PeerId) -> None:
        """Something is given to this peer: it takes its turn, once for all that is given until then."""
        machine = self.machines[peer_id]
        at = self.now + self._turn_s
        if machine.step_planned_at > at and machine.peer is not None and not machine.freezes:
            machine.step_planned_at = at
            self.after(self._turn_s, self._step, machine, machine.life, at)

    def _step(self, machine: Machine, life: int, planned_at: float) -> None:
        peer = machine.peer
        if peer is None or machine.life != life or machine.freezes or machine.step_planned_at != planned_at:
            return
        machine.step_planned_at = NEVER
        self.steps += 1
        peer.step()
        self._tell(machine, peer)
        for watch in self.watchers:
            watch(machine)
        wake = peer.wake_at()
        if wake != NEVER:
            at = max(machine.clock.world_time(wake), self.now + 1e-6)
            if at < machine.step_planned_at:
                machine.step_planned_at = at
                self.after(at - self.now, self._step, machine, machine.life, at)

    def _tell(self, machine: Machine, peer: Peer) -> None:
        """What has changed goes into the trace."""
        raft = peer.raft
        seen = (raft.role, raft.term)
        if seen != machine.seen:
            machine.seen = seen
            self.trace.note(self.now, "role", machine.id, role=seen[0], term=seen[1])
        if raft.commit_index != machine.seen_commit:
            machine.seen_commit = raft.commit_index
            self.trace.note(self.now, "commit", machine.id, index=machine.seen_commit)
        if peer.machine.index != machine.seen_index:
            machine.seen_index = peer.machine.index
            self.trace.mark(f"{machine.id} {machine.seen_index} {peer.machine.state_hash.hex()}")

    def sent(self, source: PeerId, target: PeerId, frame: bytes) -> None:
        """A frame leaves; told only where messages are kept, and never part of the digest."""
        if self.trace.messages:
            message = codec.decode_message(frame)
            facts: dict[str, str | int | float] = {"to": target, "what": type(message).__name__, "bytes": len(frame)}
            self.trace.events.append(Event(self.now, "message", source, facts))

    # --- power and processes

    def _died(self, killed: Killed) -> None:
        machine = self.machines[killed.peer]
        self.trace.note(self.now, "killed_at", killed.peer, point=killed.point)
        self.struck["power_at" if machine.dies_by_power else "kill_at"] += 1
        (self.lose_power if machine.dies_by_power else self.kill)(killed.peer)
        self.keep_down(killed.peer)
        self.after(machine.back_s, self.let_up, killed.peer)

    def kill(self, peer_id: PeerId) -> None:
        """kill -9."""
        machine = self.machines[peer_id]
        self._end_process(machine, "kill")
        machine.disk.kill()

    def lose_power(self, peer_id: PeerId) -> None:
        self._end_process(self.machines[peer_id], "power")
        self.machines[peer_id].disk.lose_power()

    def tear(self, peer_id: PeerId) -> None:
        """Power fails in the middle of a write."""
        self._end_process(self.machines[peer_id], "power")
        self.machines[peer_id].disk.tear()

    def wipe(self, peer_id: PeerId) -> None:
        """The disk is replaced by an empty one."""
        self._end_process(self.machines[peer_id], "wipe")
        self.machines[peer_id].disk.wipe()
        self.machines[peer_id].history.wipe()

    def _end_process(self, machine: Machine, how: str) -> None:
        if machine.peer is None:
            return
        self.trace.note(self.now, how, machine.id)
        machine.peer = machine.work = None
        machine.life += 1
        machine.step_planned_at = NEVER
        machine.held_inputs.clear()
        machine.freezes = 0
        self.network.forget(machine.id)

    def freeze(self, peer_id: PeerId) -> None:
        """SIGSTOP: connections stay, nothing is read."""
        machine = self.machines[peer_id]
        self.trace.note(self.now, "freeze", peer_id)
        machine.freezes += 1
        machine.step_planned_at = NEVER

    def thaw(self, peer_id: PeerId) -> None:
        machine = self.machines[peer_id]
        if not machine.freezes:
            return
        machine.freezes -= 1
        if machine.freezes:
            return
        self.trace.note(self.now, "thaw", peer_id)
        held, machine.held_inputs = machine.held_inputs, []
        for call, life in held:
            if machine.peer is not None and machine.life == life:
                self.surviving(call, machine.peer)
        if machine.peer is not None:
            self.network.thawed(peer_id)
            self.touch(peer_id)

    def keep_down(self, peer_id: PeerId) -> None:
        """It does not come back before everything that keeps it down is over."""
        self.machines[peer_id].kept_down += 1

    def let_up(self, peer_id: PeerId) -> None:
        machine = self.machines[peer_id]
        machine.kept_down = max(0, machine.kept_down - 1)
        if not machine.kept_down and machine.peer is None and machine.refused_folder is None:
            self.try_start(peer_id)

    def heal_everything(self) -> None:
        """No fault is left, every machine runs, or is given a new disk when the others run."""
        self.trace.note(self.now, "heal")
        self.end_faults()
        for peer_id in self.ids:
            machine = self.machines[peer_id]
            machine.armed, machine.kept_down, machine.disk.fail_next = None, 0, None
            machine.freezes = min(machine.freezes, 1)
            self.thaw(peer_id)
            machine.clock.wall_offset_ms = 0
        for source, target in self.network.links:
            link = self.network.links[source, target]
            link.blocked = min(link.blocked, 1)
            self.network.unblock(source, target)
        for peer_id in self.ids:
            machine = self.machines[peer_id]
            if machine.peer is None and machine.refused_folder is None:
                self.try_start(peer_id)

    # --- looking

    def leader(self) -> Peer | None:
        """The peer that leads in the highest term, if any."""
        leaders = [m.peer for m in self.live() if m.peer is not None and m.peer.raft.role == "leader"]
        return max(leaders, key=lambda peer: peer.raft.term, default=None)


def _never() -> bool:
    return False
