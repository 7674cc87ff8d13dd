"""Short runs of a cluster that bring everything into its files: rotation, snapshots, installs, cuts, votes, new disks.

Law: a recording is a function of its seed. Every crash in it follows the rules of `Folder`, and every start is
measured on the spot.
"""

from quorate.consensus.commands import Outcome
from quorate.consensus.ports import PeerId
from quorate.netsim.crashes.disk import CrashDisk, Moment
from quorate.netsim.crashes.opening import CHECK, REFUSALS, find, kept
from quorate.netsim.crashes.promises import Promise
from quorate.netsim.machine import Machine
from quorate.netsim.scenario import Conditions, Fault
from quorate.netsim.violation import Violation
from quorate.netsim.work import HANDLER
from quorate.netsim.world import World
from quorate.scheduling.task import NewTask

SEGMENTS = (4_096, 6_144, 16_384)
"""Bytes of a journal file: small, so that a short run fills many."""
LOAD_S = 0.03
DOWN_S = 1.5
"""Long enough for the others to drop the entries that a peer would need."""
CATCH_UP_S = 30.0


class Recording:
    """A cluster under load whose disks remember. `hashes`: state hash by log index."""

    def __init__(self, seed: int) -> None:
        conditions = Conditions(
            peers=3,
            snapshot_entries=25 + seed % 3 * 15,
            keep_entries=4 + seed % 2 * 30,
            segment_bytes=SEGMENTS[seed % len(SEGMENTS)],
            flush_s=(0.001, 0.006),
            run_s=(0.001, 0.05),
        )
        self.world = World(seed, conditions=conditions)
        self.hashes: dict[int, bytes] = {}
        self.starts = 0
        self.disks: dict[PeerId, CrashDisk] = {}
        self._leaders: dict[int, PeerId] = {}
        self._chance = self.world.stream("recording")
        for peer, machine in self.world.machines.items():
            entropy = self.world.stream(f"crash disk {peer}")
            self.disks[peer] = CrashDisk(self.world.after, entropy, self._examine)
            self.disks[peer].flush_s = conditions.flush_s
            machine.disk = self.disks[peer]
        self.world.watchers.append(self._watch)
        for peer in self.world.ids:
            self.world.start(peer)
        self.starts = 0
        """After a crash or a wipe: those measured."""
        self._ask()

    # --- what is watched

    def _examine(self, disk: CrashDisk) -> tuple[Promise, ...]:
        """What a start finds holds everything acknowledged."""
        self.starts += 1
        peer = next(peer for peer, known in self.disks.items() if known is disk)
        settings = self.world.settings_of(peer)
        try:
            found = find(disk.folder.visible(), settings)
        except REFUSALS:
            return disk.open_promises  # the peer's own start refuses it too, and whoever started it decides
        number = kept(found, disk.log, disk.open_promises, disk.folder.durable())
        if number is None:
            raise Violation(CHECK, f"{peer} does not find what it has flushed", self.world.now)
        return disk.open_promises[:number]

    def _watch(self, machine: Machine) -> None:
        peer = machine.peer
        if peer is None:
            return
        known = self.hashes.setdefault(peer.machine.index, peer.machine.state_hash)
        if known != peer.machine.state_hash:
            raise Violation(CHECK, f"{machine.id} differs at index {peer.machine.index}", self.world.now)
        if peer.raft.role == "leader" and self._leaders.setdefault(peer.raft.term, machine.id) != machine.id:
            raise Violation(CHECK, f"two leaders in term {peer.raft.term}", self.world.now)

    def _ask(self) -> None:
        live = [machine.peer for machine in self.world.live() if machine.peer is not None]
        if live:
            peer = live[self._chance.below(len(live))]
            size = (10, 10, 10, 10, 200, 200, 200, 2_000)[self._chance.below(8)]
            task = NewTask(id=peer.new_id(), handler=HANDLER, args=b'"' + bytes(size - 2) + b'"')
            peer.submit([task], peer.now() + 5.0, _whatever)
            self.world.touch(peer.id)
        self.world.after(LOAD_S, self._ask)

    # --- what happens

    def run(self, troubles: int) -> None:
        """So many troubles, one after the other; then every disk's moments are there to be drawn from."""
        self.settle(self.world.ids[0])
        for _ in range(troubles):
            self.trouble()

    def trouble(self) -> None:
        world, chance = self.world, self._chance
        peer = world.ids[chance.below(len(world.ids))]
        world.run(0.05 + chance.random())
        kind = chance.below(6)
        if kind == 0:
            leader = world.leader()
            peer = leader.id if leader is not None else peer
            with world.under(Fault(at=world.now, do="one_way", on=(peer,))):
                world.run(1.0 + chance.random())
        elif kind == 1 and world.may_lose_disk(peer):
            world.wipe(peer)
            world.start(peer)
        else:
            self._crash(peer, twice=kind == 2, down_s=DOWN_S if kind == 3 else 0.05)
        self.settle(peer)

    def _crash(self, peer: PeerId, *, twice: bool, down_s: float) -> None:
        for _ in range(2 if twice else 1):
            end = self.world.kill if self._chance.share(0.5) else self.world.lose_power
            end(peer)
            self.world.run(down_s)
            self.world.start(peer)
            if twice:
                self.world.run(0.02 * self._chance.random())

    def open_on(self, peer: PeerId, files: dict[str, bytes]) -> None:
        """The machine of `peer` stops, finds these files instead of its own, and starts; it gets its own back if it
        refuses them. Either way it catches up. Raises Violation.
        """
        disk, world = self.disks[peer], self.world
        world.run_until(lambda: not disk.busy, CATCH_UP_S)
        world.kill(peer)
        own = disk.folder.visible()
        disk.become(files)
        disk.examining = _believing
        try:
            world.try_start(peer)
        except REFUSALS:
            disk.become(own)
            world.start(peer)
        disk.examining = self._examine
        self.settle(peer)

    def own_files(self, peer: PeerId) -> dict[str, bytes]:
        """As they are when everything is flushed."""
        disk = self.disks[peer]
        self.world.run_until(lambda: not disk.busy, CATCH_UP_S)
        return disk.folder.visible()

    def settle(self, peer: PeerId) -> None:
        """It has caught up with what is committed now, everywhere. Raises Violation."""
        goal = max((m.peer.raft.commit_index for m in self.world.live() if m.peer is not None), default=0) + 1

        def there() -> bool:
            running = self.world.running(peer)
            return running is not None and running.machine.index >= goal and running.raft.is_voter(peer)

        if not self.world.run_until(there, CATCH_UP_S):
            raise Violation(CHECK, f"{peer} did not catch up within {CATCH_UP_S:g} s", self.world.now)

    def moments(self) -> list[tuple[PeerId, Moment]]:
        return [(peer, moment) for peer, disk in self.disks.items() for moment in disk.moments]


def _believing(disk: CrashDisk) -> tuple[Promise, ...]:
    """Damage may have taken something: only the cluster can tell whether it is made good."""
    return disk.open_promises


def _whatever(_outcome: Outcome, _index: int) -> None:
    """Load: nobody waits for its answers."""
