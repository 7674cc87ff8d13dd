"""One seeded run: a cluster under load and faults, then everything heals and progress is demanded.

Law: safety is checked at every step; at the end every accepted task has ended, every request was answered, all
replicas are equal.
"""

import msgspec

from quorate.consensus.settings import PeerSettings
from quorate.netsim.checkers import SafetyChecker, Violation, check_fences, check_histories, check_one_result
from quorate.netsim.workload import Clients, Readers
from quorate.netsim.world import World
from quorate.scheduling.task import ENDED

HEAL_WITHIN_S = 60.0
STUBS_GONE_S = 17.0
"""By then the state has forgotten what has ended, and only history can answer for it."""


class Profile(msgspec.Struct, frozen=True):
    """Which faults a run may draw, as weights, and how hard it pushes."""

    name: str
    peers: int = 3
    rate: float = 20.0
    seconds: float = 15.0
    kill: float = 1.0
    power: float = 0.0
    freeze: float = 0.5
    cut: float = 1.0
    one_way: float = 0.5
    drop: float = 1.0
    everybody: float = 0.2
    wipe: float = 0.0
    clock: float = 0.0
    handover: float = 0.0
    twice: float = 0.0
    disk_error: float = 0.0
    drift: float = 0.0
    """By how much, at most, the rate of a clock is off: two differ by twice that."""
    snapshot_entries: int = 50_000
    keep_entries: int = 10_000
    pending_ops: int = 6_000
    deadline_s: float = 5.0
    run_s: tuple[float, float] = (0.001, 0.2)
    history_flush_s: float = 0.02
    pause_s: float = 1.0
    delay_s: tuple[float, float] = (0.0001, 0.002)
    flush_s: tuple[float, float] = (0.0002, 0.001)


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("plain"),
        Profile("compaction", snapshot_entries=40, rate=40.0),
        Profile("power", power=2.0, kill=0.2, everybody=0.5, snapshot_entries=200),
        Profile("slow-disks", power=2.0, kill=0.2, everybody=1.0, snapshot_entries=200, flush_s=(0.002, 0.06)),
        Profile("five", peers=5, cut=2.0),
        Profile("slow-links", delay_s=(0.01, 0.12), rate=40.0, pause_s=2.0),
        Profile("clocks", clock=2.0),
        Profile("wiped", wipe=1.0, kill=0.3, snapshot_entries=100, pause_s=3.0),
        Profile("installs", snapshot_entries=40, keep_entries=5, rate=40.0, kill=2.0, wipe=0.3, everybody=0.5),
        Profile("alone", peers=1, power=1.0, snapshot_entries=60, keep_entries=5),
        Profile("pair", peers=2, snapshot_entries=60, keep_entries=5),
        Profile("four", peers=4, cut=2.0, handover=1.0),
        Profile("handover", handover=4.0, freeze=1.0, pause_s=0.5),
        Profile("narrow", pending_ops=6, deadline_s=0.4, rate=30.0, seconds=8.0),
        Profile("sick-disks", disk_error=2.0, power=1.0, history_flush_s=3.0, snapshot_entries=60, keep_entries=5),
        Profile("long-work", run_s=(0.2, 4.0), freeze=3.0, twice=1.0, drift=0.02, rate=10.0),
    )
}


class Report(msgspec.Struct, frozen=True):
    seed: int
    profile: str
    virtual_s: float
    accepted: int
    attempts: int
    faults: int
    digest: str


class Nemesis:
    """Draws faults by the profile's weights; never more down or cut off than the profile's cluster is asked to
    survive at the end.
    """

    def __init__(self, world: World, profile: Profile) -> None:
        self._world = world
        self._profile = profile
        self._entropy = world.stream("nemesis")
        self._running = True
        self.faults = 0
        self._next()

    def stop(self) -> None:
        self._running = False

    def _next(self) -> None:
        self._world.after(self._entropy.random() * 2.0 * self._profile.pause_s, self._strike)

    def _strike(self) -> None:
        if not self._running:
            return
        p = self._profile
        kinds = {
            self._kill: p.kill,
            self._power: p.power,
            self._freeze: p.freeze,
            self._cut: p.cut,
            self._one_way: p.one_way,
            self._drop: p.drop,
            self._everybody: p.everybody,
            self._wipe: p.wipe,
            self._clock: p.clock,
            self._handover: p.handover,
            self._twice: p.twice,
            self._disk_error: p.disk_error,
        }
        point = self._entropy.random() * sum(kinds.values())
        for strike, weight in kinds.items():
            point -= weight
            if point < 0:
                strike()
                self.faults += 1
                break
        self._next()

    def _one(self) -> str:
        return self._world.ids[int(self._entropy.random() * len(self._world.ids))]

    def _soon(self, low: float, high: float) -> float:
        return low + (high - low) * self._entropy.random()

    def _restart_later(self, peer: str) -> None:
        life = self._world.machines[peer].life
        self._world.after(self._soon(0.0, 3.0), lambda: self._restart(peer, life))

    def _restart(self, peer: str, life: int) -> None:
        machine = self._world.machines[peer]
        if machine.peer is None and machine.life == life:
            self._world.start(peer)

    def _kill(self) -> None:
        peer = self._one()
        self._world.kill(peer)
        self._restart_later(peer)

    def _power(self) -> None:
        peer = self._one()
        self._world.lose_power(peer)
        self._restart_later(peer)

    def _everybody(self) -> None:
        for peer in self._world.ids:
            (self._world.lose_power if self._profile.power else self._world.kill)(peer)
            self._restart_later(peer)

    def _wipe(self) -> None:
        """Only while all others run: a wiped disk is a lost one, and the promise speaks of a surviving majority."""
        peer = self._one()
        others = [m for m in self._world.machines.values() if m.id != peer]
        if all(m.peer is not None and m.peer.raft.is_voter(m.id) and m.peer.raft.applied_index > 1 for m in others):
            self._world.wipe(peer)
            self._restart_later(peer)

    def _freeze(self) -> None:
        peer = self._one()
        if self._world.machines[peer].peer is None or self._world.machines[peer].frozen:
            return
        self._world.freeze(peer)
        life = self._world.machines[peer].life
        self._world.after(self._soon(0.2, 8.0), lambda: self._thaw(peer, life))

    def _thaw(self, peer: str, life: int) -> None:
        if self._world.machines[peer].life == life:
            self._world.thaw(peer)

    def _cut(self) -> None:
        side = [peer for peer in self._world.ids if self._entropy.random() < 0.4]
        links = [(a, b) for a in side for b in self._world.ids if b not in side]
        self._world.cut(links)
        self._world.after(self._soon(0.5, 5.0), lambda: self._world.heal(links))

    def _one_way(self) -> None:
        a, b = self._one(), self._one()
        if a != b:
            self._world.network.block(a, b)
            self._world.after(self._soon(0.5, 5.0), lambda: self._world.network.unblock(a, b))

    def _drop(self) -> None:
        a, b = self._one(), self._one()
        if a != b:
            self._world.network.drop(a, b)

    def _clock(self) -> None:
        clock = self._world.machines[self._one()].clock
        clock.wall_offset_ms += int((self._entropy.random() - 0.5) * 7_200_000)

    def _handover(self) -> None:
        leader = self._world.leader()
        if leader is not None and leader.raft.transfer(None):
            self._world.touch(leader.id)

    def _twice(self) -> None:
        """Killed again while it comes back."""
        peer = self._one()
        self._world.kill(peer)
        life = self._world.machines[peer].life
        back_s = self._soon(0.01, 0.3)
        self._world.after(back_s, lambda: self._restart(peer, life))
        self._world.after(back_s + self._soon(0.0, 0.2), lambda: self._kill_one(peer))

    def _kill_one(self, peer: str) -> None:
        if self._running and self._world.machines[peer].peer is not None:
            self._world.kill(peer)
            self._restart_later(peer)

    def _disk_error(self) -> None:
        """Fatal for the process; the next one finds a sound disk."""
        machine = self._world.machines[self._one()]
        if machine.peer is None or machine.frozen:
            return
        machine.disk.fail_next = "EIO"

        def back() -> None:
            machine.disk.fail_next = None
            if machine.peer is None:
                self._world.start(machine.id)

        self._world.after(self._soon(0.5, 3.0), back)


def run(seed: int, profile: Profile) -> Report:
    """Raises `Violation` (or an AssertionError of a client) naming what was broken."""
    world = World(seed, profile.peers)
    world.network.delay_s = profile.delay_s
    world.settings_of = lambda peer: PeerSettings(
        me=peer,
        voters=world.ids,
        cluster="sim",
        snapshot_entries=profile.snapshot_entries,
        keep_entries=profile.keep_entries,
        pending_ops=profile.pending_ops,
    )
    world.run_s = profile.run_s
    safety = SafetyChecker(world)
    for machine in world.machines.values():
        machine.disk.flush_s = profile.flush_s
        machine.history.flush_s = profile.history_flush_s
        if profile.drift:
            machine.clock.set_rate(1.0 + profile.drift * (2.0 * world.stream(f"drift {machine.id}").random() - 1.0))
    for peer in world.ids:
        world.start(peer)
    if not world.run_until(lambda: world.leader() is not None, 10.0):
        raise Violation("no leader within 10 s of a quiet start")
    clients = Clients(world, profile.rate, profile.deadline_s)
    readers = Readers(world, clients)
    nemesis = Nemesis(world, profile)
    world.run(profile.seconds)
    nemesis.stop()
    world.heal_everything()
    for machine in world.machines.values():
        machine.clock.wall_offset_ms = 0
    clients.stop()
    readers.stop()
    if not world.run_until(lambda: settled(world, clients), HEAL_WITHIN_S):
        raise Violation(f"not settled {HEAL_WITHIN_S} s after everything healed: {unsettled(world, clients)}")
    _final_checks(world, clients, safety)
    world.run(STUBS_GONE_S)
    for machine in world.live():
        assert machine.peer is not None
        check_one_result(world, machine.peer, list(clients.accepted.values()))
    check_histories(world)
    return Report(
        seed, profile.name, round(world.now, 3), len(clients.accepted), len(world.ran), nemesis.faults, world.digest
    )


def settled(world: World, clients: Clients) -> bool:
    return not unsettled(world, clients)


def unsettled(world: World, clients: Clients) -> str:
    """What is not yet as it must become; "" when everything is."""
    if clients.open:
        return f"{clients.open} requests unanswered"
    peers = [machine.peer for machine in world.live() if machine.peer is not None]
    if len(peers) != len(world.ids):
        return f"only {len(peers)} peers run"
    if len({(peer.machine.index, peer.machine.state_hash) for peer in peers}) != 1:
        return f"replicas differ: {[(p.id, p.raft.role, p.raft.term, p.machine.index) for p in peers]}"
    for peer in peers:
        if not peer.history_complete:
            return f"{peer.id} has gaps in its history"
    waiting = [t for t in peers[0].machine.tasks.values() if t.state not in ENDED]
    if waiting:
        return f"{len(waiting)} tasks have not ended, the first: {waiting[0].id} {waiting[0].state} {waiting[0].reason}"
    if len(clients.accepted) + len(clients.refused) < clients._number:
        return f"{clients._number - len(clients.accepted) - len(clients.refused)} submissions still without an answer"
    return ""


def _final_checks(world: World, clients: Clients, safety: SafetyChecker) -> None:
    for machine in world.live():
        assert machine.peer is not None
        safety.follow_results(machine.peer)
        check_one_result(world, machine.peer, list(clients.accepted.values()))
    check_fences(world)
