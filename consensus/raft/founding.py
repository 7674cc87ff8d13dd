"""How a cluster begins, once.

Laws:
- An unfounded peer founds only when every listed peer has said that it is unfounded *and* that it has heard the very
  same map of disks. A peer that has founded never says another map again, so no two maps can both be founded.
- It joins a founding whose map names its own disk; if the map names another disk for it (it was wiped), or none, it
  joins as a learner.
- `found=True` is the operator's word: after a while, those that answered are enough if they are a majority.
"""

import hashlib

from quorate.consensus.frames import Heard, Hello
from quorate.consensus.ports import PeerId
from quorate.consensus.raft.core import Core
from quorate.consensus.raft.log import Config


class Founding:
    def __init__(self, core: Core, *, found: bool) -> None:
        self._settings = core.settings
        self._log = core.log
        self._standing = core.standing
        self._gate = core.gate
        self._wire = core.wire
        self._points = core.points
        self._found = found
        self._opened_at = core.clock.monotonic()
        self._say_at = float("-inf")
        identity = core.standing.identity
        self._disks: dict[PeerId, str] = {identity.peer: identity.disk}
        self._claims: dict[PeerId, dict[PeerId, str]] = {}

    @property
    def done(self) -> bool:
        return bool(self._standing.identity.founding)

    def map(self) -> dict[PeerId, str]:
        """The founding map, or what has been heard so far."""
        return self._standing.identity.disks if self.done else dict(self._disks)

    def on_hello(self, hello: Hello) -> str | None:
        """A reason if the two were founded apart."""
        return self._hear(hello.peer, hello.founding, hello.disk, hello.map)

    def on_heard(self, frm: PeerId, message: Heard) -> None:
        if message.disk == self._standing.disk_of(frm):
            self._hear(frm, message.founding, message.disk, message.map)

    def _hear(self, peer: PeerId, founding: str, disk: str, claimed: dict[PeerId, str]) -> str | None:
        own = self._standing.identity.founding
        if own:
            if founding and founding != own:
                return f"{peer} belongs to founding {founding}, we to {own}: two clusters of one name"
            if not founding:
                self._tell(peer)
            return None
        if founding:
            self._join(founding, claimed)
            return None
        self._claims[peer] = claimed
        if self._disks.get(peer) != disk:
            self._disks[peer] = disk
            self._say_at = float("-inf")
        return None

    def _tell(self, peer: PeerId) -> None:
        identity = self._standing.identity
        self._gate.send(peer, Heard(identity.founding, identity.disk, self.map()))

    def connected(self, peer: PeerId) -> None:
        if not self.done:
            self._tell(peer)

    def disconnected(self, peer: PeerId) -> None:
        """What it said may not hold any more."""
        if not self.done and peer in self._disks:
            del self._disks[peer]
            self._claims.pop(peer, None)
            self._say_at = float("-inf")

    def step(self, now: float) -> None:
        if self.done:
            return
        if now >= self._say_at:
            self._say_at = now + 5 * self._settings.heartbeat_s
            for peer in self._wire.others:
                self._tell(peer)
        everybody = {self._standing.me, *self._wire.others}
        agreed = all(self._claims.get(peer) == self._disks for peer in self._wire.others)
        if self._disks.keys() == everybody and agreed:
            self._found_with(dict(self._disks))
            return
        waited = now - self._opened_at >= self._settings.found_wait_s
        if self._found and waited and len(self._disks) >= self._wire.majority:
            self._found_with(dict(self._disks))

    def _found_with(self, disks: dict[PeerId, str]) -> None:
        self._points.reach("founding.claim")
        text = repr((self._standing.identity.cluster, sorted(disks.items())))
        founding = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
        self._join(founding, disks)

    def _join(self, founding: str, disks: dict[PeerId, str]) -> None:
        identity = self._standing.identity
        named = disks.get(identity.peer) == identity.disk
        self._points.reach("founding.join")
        self._log.found(Config(0, disks))
        voters = tuple(sorted({self._standing.me, *self._wire.others}))
        self._standing.update(founding=founding, disks=disks, voters=voters, voter=named)
        for peer in self._wire.others:
            self._tell(peer)

    def wake_at(self) -> float:
        return float("inf") if self.done else self._say_at
