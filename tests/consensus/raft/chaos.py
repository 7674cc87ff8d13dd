"""Random trouble for a lab world, from its seed."""

from quorate.consensus.ports import PeerId
from tests.consensus.raft.lab import World


class Chaos:
    """Clients, and faults at random moments, until `quiet`."""

    def __init__(self, world: World, *, faults: tuple[str, ...], every_s: float, client_s: float) -> None:
        self.world = world
        self.faults = faults
        self.every_s = every_s
        self.client_s = client_s
        self.quiet = False
        self.done: dict[str, int] = {}
        self._number = 0
        world.after(1.0, self._client)
        world.after(1.5, self._fault)

    def _client(self) -> None:
        if self.quiet:
            return
        world = self.world
        for _ in range(world.rng.choice((1, 1, 2, 5, 20))):
            self._number += 1
            leaders = [node for node in world.up() if node.r.role == "leader"]
            if leaders:
                size = world.rng.choice((0, 10, 100, 700))
                world.propose_at(world.rng.choice(leaders), b"%d" % self._number + b"." * size)
        world.after(world.rng.expovariate(1 / self.client_s), self._client)

    def _fault(self) -> None:
        if self.quiet:
            return
        world, rng = self.world, self.world.rng
        fault = rng.choice(self.faults)
        self.done[fault] = self.done.get(fault, 0) + 1
        peer = rng.choice(world.voters)
        leader = world.leader()
        if leader is not None and rng.random() < 0.5:
            peer = leader.peer
        getattr(self, f"_{fault}")(peer)
        world.after(rng.expovariate(1 / self.every_s), self._fault)

    def _down_for_a_while(self, peer: PeerId, *, power: bool) -> None:
        world = self.world
        if not world.nodes[peer].up:
            return
        world.kill(peer, power=power)
        world.after(world.rng.uniform(0.05, 3.0), lambda: self._up(peer))

    def _up(self, peer: PeerId) -> None:
        if not self.world.nodes[peer].up:
            self.world.restart(peer)

    def _kill(self, peer: PeerId) -> None:
        self._down_for_a_while(peer, power=False)

    def _power(self, peer: PeerId) -> None:
        self._down_for_a_while(peer, power=True)

    def _blackout(self, peer: PeerId) -> None:
        for each in self.world.voters:
            self._down_for_a_while(each, power=True)

    def _drop(self, peer: PeerId) -> None:
        self.world.drop(peer, self.world.rng.choice([other for other in self.world.voters if other != peer]))

    def _isolate(self, peer: PeerId) -> None:
        self.world.part((peer,), [other for other in self.world.voters if other != peer])
        self.world.after(self.world.rng.uniform(0.3, 4.0), self.world.heal)

    def _one_way(self, peer: PeerId) -> None:
        """It sends into the void, or hears nothing, while its connections look fine."""
        deaf = self.world.rng.random() < 0.5
        for other in self.world.voters:
            if other != peer:
                self.world.cut.add((other, peer) if deaf else (peer, other))
        self.world.after(self.world.rng.uniform(0.3, 3.0), self.world.heal)

    def _slow_disk(self, peer: PeerId) -> None:
        node = self.world.nodes[peer]
        node.flush_s = (0.05, 0.3)

        def mend() -> None:
            node.flush_s = (0.0002, 0.002)

        self.world.after(self.world.rng.uniform(0.5, 3.0), mend)

    def _slow_net(self, peer: PeerId) -> None:
        self.world.delay_s = (0.05, 0.3)

        def mend() -> None:
            self.world.delay_s = (0.0005, 0.005)

        self.world.after(self.world.rng.uniform(0.5, 3.0), mend)

    def _compact(self, peer: PeerId) -> None:
        node = self.world.nodes[peer]
        if node.up:
            node.r.snapshot_now()
            node.touch()

    def _transfer(self, peer: PeerId) -> None:
        node = self.world.nodes[peer]
        if node.up:
            node.r.transfer(None)
            node.touch()

    def _wipe(self, peer: PeerId) -> None:
        """A lost disk, but never while another one is not counted yet: a majority of the disks survives."""
        world = self.world
        settled = all(node.up and node.r.is_voter(node.peer) for node in world.nodes.values())
        leader = world.leader()
        if not settled or leader is None or leader.r.config.index > leader.r.commit_index:
            return
        world.wipe(peer)
        world.after(world.rng.uniform(0.05, 2.0), lambda: self._up(peer))

    def heal(self) -> None:
        """No more faults; everybody is back, everything is fast."""
        self.quiet = True
        world = self.world
        world.heal()
        world.delay_s = (0.0005, 0.005)
        for node in world.nodes.values():
            node.flush_s = (0.0002, 0.002)
            if not node.up:
                world.restart(node.peer)
        world.run(4.0)

    def converge(self) -> None:
        """Within a minute a fresh entry is applied by everybody, and all hold the same."""
        world = self.world
        self.heal()
        world.settle(60.0)
        self._number += 1
        last = b"last %d" % self._number
        world.until(lambda: world.propose(last), 30.0, "a leader that takes an entry")
        world.until(
            lambda: all(node.toy.items and node.toy.items[-1][2] == last for node in world.up()),
            60.0,
            f"all have applied it: {[(node.peer, node.r.role, node.r.applied_index) for node in world.up()]}",
        )
        world.check_all()
