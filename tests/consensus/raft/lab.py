"""A small deterministic world for `Raft`: virtual time, FIFO connections that drop and part, disks with a page cache.

Law: a run is a function of its seed. Whatever Raft promises is checked while it runs: one leader per term, leader
completeness, equal entries at equal indexes, nothing acknowledged lost, and progress once the world is healed.
"""

import heapq
import random
from collections.abc import Callable, Sequence

from quorate.consensus.codec import decode_message, encode_message
from quorate.consensus.frames import RaftMessage
from quorate.consensus.ports import PeerId
from quorate.consensus.raft import Raft, RaftSettings
from tests.consensus.raft.lab_disk import LabDisk
from tests.consensus.raft.toy import Toy, ToyWalk

SMALL = RaftSettings(
    snapshot_entries=60,
    snapshot_bytes=20_000,
    keep_entries=10,
    walk_bytes=200,
    segment_bytes=4_096,
    append_bytes=400,
    inflight_bytes=4_000,
    inflight_messages=8,
    chunk_bytes=300,
    inflight_chunks=2,
)
"""Limits so low that every one of them is met within seconds."""


class Violation(AssertionError):
    """A promise of Raft was seen broken."""


class Node:
    """One peer: its disk outlives its process."""

    def __init__(self, world: "World", peer: PeerId) -> None:
        self.world = world
        self.peer = peer
        self.disk = LabDisk(random.Random(f"{world.seed} disk {peer}"))
        self.raft: Raft | None = None
        self.toy = Toy()
        self.life = 0
        self.incoming: Toy | None = None
        self.hold_applying = False
        self.flush_s = (0.0002, 0.002)
        self.failed: BaseException | None = None
        self._step_due = False
        self._wake = float("inf")
        self._life_voters: tuple[PeerId, ...] = ()
        self.hashes: list[tuple[int, dict[PeerId, bytes]]] = []
        self.found = False

    @property
    def up(self) -> bool:
        return self.raft is not None

    @property
    def r(self) -> Raft:
        assert self.raft is not None, f"{self.peer} is down"
        return self.raft

    def start(self) -> None:
        world = self.world
        self.life += 1
        self.toy = Toy()
        self.disk.batches.clear()
        rng = random.Random(f"{world.seed} raft {self.peer} {self.life}")
        raft = Raft(
            me=self.peer,
            voters=world.voters,
            cluster="lab",
            settings=world.settings,
            clock=world,
            entropy=rng,
            disk=self.disk,
            send=self._send,
            apply=self._apply,
            can_apply=lambda: not self.hold_applying,
            begin_walk=lambda: ToyWalk(self.toy.items),
            install_begin=self._install_begin,
            install_feed=self._install_feed,
            install_finish=self._install_finish,
            state_hash=lambda: (len(self.toy.items) // 10 * 10, self.digest_at_ten()),
            on_hashes=lambda index, hashes: self.hashes.append((index, dict(hashes))),
            found=self.found,
        )
        recovery = raft.open()
        if recovery.snapshot_index:
            self._install_begin()
            for chunk in recovery.snapshot_chunks:
                self._install_feed(chunk)
            self._install_finish(recovery.snapshot_index, 0)
        self.raft = raft
        self.recovery = recovery
        self._kick_disk()
        self.touch()

    def digest_at_ten(self) -> bytes:
        part = Toy()
        part.items = self.toy.items[: len(self.toy.items) // 10 * 10]
        return part.digest()

    # --- what Raft calls

    def _send(self, to: PeerId, message: RaftMessage) -> None:
        self.world.send(self.peer, to, message)

    def _apply(self, index: int, term: int, entry: bytes) -> None:
        self.world.check_applied(self, index, term, entry)
        self.toy.items.append((index, term, entry))

    def _install_begin(self) -> None:
        self.incoming = Toy()

    def _install_feed(self, chunk: bytes) -> None:
        assert self.incoming is not None
        self.incoming.load(chunk)

    def _install_finish(self, index: int, term: int) -> None:
        assert self.incoming is not None
        if index < (self.toy.items[-1][0] if self.toy.items else 0):
            raise Violation(f"{self.peer} goes back to {index}")
        self.toy, self.incoming = self.incoming, None

    # --- the shell

    def touch(self) -> None:
        if not self._step_due and self.raft is not None:
            self._step_due = True
            life = self.life
            self.world.after(0.0, lambda: self._step(life))

    def _step(self, life: int) -> None:
        if life != self.life or self.raft is None:
            return
        self._step_due = False
        self.raft.step()
        self._kick_disk()
        self.world.check_leader(self)
        wake = max(self.raft.wake_at(), self.world.now + 0.0005)
        if wake < self._wake or self._wake <= self.world.now:
            self._wake = wake
            if wake < float("inf"):
                self.world.at(wake, lambda: self._woken(life))

    def _woken(self, life: int) -> None:
        if life == self.life:
            self._wake = float("inf")
            self.touch()

    _disk_busy = False

    def _kick_disk(self) -> None:
        if self._disk_busy or not self.disk.batches:
            return
        self._disk_busy = True
        life = self.life
        self.world.after(self.world.rng.uniform(*self.flush_s), lambda: self._flushed(life))

    def _flushed(self, life: int) -> None:
        if life != self.life or self.raft is None:
            return
        self._disk_busy = False
        ticket = self.disk.finish_batch()
        self.raft.flushed(ticket)
        self._kick_disk()
        self.touch()

    def down(self, *, power: bool) -> None:
        if self.raft is None:
            return
        self.raft = None
        self.life += 1
        self._disk_busy = self._step_due = False
        self._wake = float("inf")
        if power:
            self.disk.lose_power()
        else:
            self.disk.kill()
        for other in self.world.voters:
            if other != self.peer:
                self.world.drop(self.peer, other)


class World:
    """Is itself the clock of its peers."""

    def __init__(self, seed: int, peers: int = 3, settings: RaftSettings = SMALL) -> None:
        self.seed = seed
        self.rng = random.Random(f"{seed} world")
        self.settings = settings
        self.now = 1000.0
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self.voters: tuple[PeerId, ...] = tuple("abcde"[:peers])
        self.nodes = {peer: Node(self, peer) for peer in self.voters}
        self.delay_s = (0.0005, 0.005)
        self.reconnect_s = (0.02, 0.3)
        self.cut: set[tuple[PeerId, PeerId]] = set()
        self._open: set[frozenset[PeerId]] = set()
        self._epoch: dict[frozenset[PeerId], int] = {}
        self._last: dict[tuple[PeerId, PeerId], float] = {}
        self.leaders: dict[int, PeerId] = {}
        self.committed: dict[int, tuple[int, bytes]] = {}
        self.refused: list[str] = []
        self.filter: Callable[[PeerId, PeerId, RaftMessage], bool] = lambda _frm, _to, _message: True
        self.acked: dict[bytes, int] = {}
        self.asked: dict[PeerId, list[tuple[int, int, bytes]]] = {peer: [] for peer in self.voters}
        self.connect_retry = True

    # --- clock

    def monotonic(self) -> float:
        return self.now

    def wall_ms(self) -> int:
        return int(self.now * 1000)

    def at(self, when: float, call: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._heap, (when, self._count, call))

    def after(self, delay: float, call: Callable[[], None]) -> None:
        self.at(self.now + delay, call)

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self._heap and self._heap[0][0] <= end:
            self.now, _, call = heapq.heappop(self._heap)
            call()
        self.now = end

    def until(self, predicate: Callable[[], object], within_s: float = 30.0, what: str = "") -> None:
        end = self.now + within_s
        while not predicate():
            if self.now >= end or not self._heap:
                raise AssertionError(f"not within {within_s} virtual seconds: {what or predicate}")
            self.now, _, call = heapq.heappop(self._heap)
            call()

    # --- peers

    def start(self, *peers: PeerId) -> "World":
        for peer in peers or self.voters:
            self.nodes[peer].start()
        for one in self.voters:
            for other in self.voters:
                if one < other:
                    self._reconnect(one, other)
        return self

    def up(self) -> list[Node]:
        return [node for node in self.nodes.values() if node.up]

    def leader(self) -> Node | None:
        """The one that is ready to serve, if there is exactly one such."""
        found = [node for node in self.up() if node.r.ready_to_serve]
        return max(found, key=lambda node: node.r.term) if found else None

    def settle(self, within_s: float = 30.0) -> Node:
        self.until(lambda: self.leader() is not None, within_s, "a leader")
        leader = self.leader()
        assert leader is not None
        return leader

    def kill(self, peer: PeerId, *, power: bool = False) -> None:
        self.nodes[peer].down(power=power)

    def restart(self, peer: PeerId) -> None:
        self.nodes[peer].start()
        for other in self.voters:
            if other != peer:
                self._reconnect(peer, other)

    def wipe(self, peer: PeerId) -> None:
        self.kill(peer)
        self.nodes[peer].disk = LabDisk(random.Random(f"{self.seed} new disk {peer} {self.now}"))

    # --- network

    def send(self, frm: PeerId, to: PeerId, message: RaftMessage) -> None:
        pair = frozenset((frm, to))
        if pair not in self._open or not self.filter(frm, to, message):
            return
        decoded = decode_message(encode_message(message))
        epoch = self._epoch.get(pair, 0)
        when = max(self.now + self.rng.uniform(*self.delay_s), self._last.get((frm, to), 0.0) + 1e-6)
        self._last[frm, to] = when
        self.at(when, lambda: self._arrive(frm, to, decoded, pair, epoch))

    def _arrive(self, frm: PeerId, to: PeerId, message: object, pair: frozenset[PeerId], epoch: int) -> None:
        node = self.nodes[to]
        if self._epoch.get(pair, 0) != epoch or (frm, to) in self.cut or node.raft is None:
            return
        node.raft.receive(frm, message)  # type: ignore[arg-type]  # only Raft messages travel here
        node.touch()

    def drop(self, one: PeerId, other: PeerId) -> None:
        """The connection breaks; what is on its way is lost. It comes back by itself."""
        pair = frozenset((one, other))
        self._epoch[pair] = self._epoch.get(pair, 0) + 1
        if pair in self._open:
            self._open.discard(pair)
            for peer, gone in ((one, other), (other, one)):
                node = self.nodes[peer]
                if node.raft is not None:
                    node.raft.disconnected(gone)
                    node.touch()
        if self.connect_retry:
            self.after(self.rng.uniform(*self.reconnect_s), lambda: self._reconnect(one, other))

    def _reconnect(self, one: PeerId, other: PeerId) -> None:
        pair = frozenset((one, other))
        first, second = self.nodes[one], self.nodes[other]
        if pair in self._open or first.raft is None or second.raft is None:
            return
        blocked = (one, other) in self.cut or (other, one) in self.cut
        if blocked or not (first.raft.can_greet and second.raft.can_greet):
            self.after(0.05, lambda: self._reconnect(one, other))
            return
        reasons = (first.raft.on_hello(second.raft.hello()), second.raft.on_hello(first.raft.hello()))
        if any(reasons):
            self.refused += [reason for reason in reasons if reason]
            return
        self._epoch[pair] = self._epoch.get(pair, 0) + 1
        self._open.add(pair)
        for node, peer in ((first, other), (second, one)):
            node.r.connected(peer)
            node.touch()

    def part(self, *sides: Sequence[PeerId]) -> None:
        """Nothing passes between the sides; their connections break."""
        for one in self.voters:
            for other in self.voters:
                apart = not any(one in side and other in side for side in sides)
                if one != other and apart:
                    self.cut.add((one, other))
                    if one < other:
                        self.drop(one, other)

    def heal(self) -> None:
        self.cut.clear()

    # --- what must hold

    def check_leader(self, node: Node) -> None:
        raft = node.r
        if raft.role != "leader":
            return
        first = self.leaders.setdefault(raft.term, node.peer)
        if first != node.peer:
            raise Violation(f"two leaders in term {raft.term}: {first} and {node.peer}")

    def check_applied(self, node: Node, index: int, term: int, entry: bytes) -> None:
        seen = self.committed.setdefault(index, (term, entry))
        if seen != (term, entry):
            raise Violation(f"{node.peer} applies {term}, {entry!r} at {index}; another peer applied {seen}")
        last = node.toy.items[-1][0] if node.toy.items else 0
        if index <= last:
            raise Violation(f"{node.peer} applies {index} after {last}")
        for asked in self.asked[node.peer]:
            if asked == (index, term, entry):
                self.acked.setdefault(entry, index)

    def propose(self, entry: bytes) -> bool:
        """At whoever leads. It counts as acknowledged when that very peer has applied it."""
        leader = self.leader()
        return leader is not None and self.propose_at(leader, entry)

    def propose_at(self, node: Node, entry: bytes) -> bool:
        if not node.r.propose(entry):
            return False
        self.asked[node.peer].append((node.r.last_index, node.r.term, entry))
        node.touch()
        return True

    def check_all(self) -> None:
        """After healing: everybody holds the same, and all that was acknowledged."""
        items = {node.peer: node.toy.items for node in self.up()}
        longest = max(items.values(), key=len)
        for peer, own in items.items():
            if own != longest:
                raise Violation(f"{peer} differs: {len(own)} of {len(longest)} entries")
        held = [entry for _, _, entry in longest]
        lost = sorted(self.acked.keys() - set(held))
        if lost:
            raise Violation(f"{len(lost)} acknowledged entries lost: {lost[:3]}")
        if len(set(held)) != len(held):
            raise Violation("an entry was applied twice")
        for node in self.up():
            counters = node.r.counters
            if counters["contradictions"] or counters["two_leaders"]:
                raise Violation(f"{node.peer} saw what cannot be: {counters}")
