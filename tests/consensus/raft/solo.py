"""One `Raft`, peer `a`, driven by hand: messages in, messages out, flushes when we say so."""

import random
from typing import TypeVar

import msgspec

from quorate.consensus.frames import (
    Append,
    AppendReply,
    Heard,
    Hello,
    PreVote,
    PreVoteReply,
    RaftMessage,
    RequestVote,
    Vote,
)
from quorate.consensus.raft import Raft, RaftSettings, Recovery
from quorate.consensus.raft.log import REGULAR
from quorate.consensus.snapshot import SnapshotHeader, SnapshotWriter
from tests.consensus.raft.lab import SMALL
from tests.consensus.raft.lab_disk import LabDisk
from tests.consensus.raft.toy import Toy, ToyWalk

M = TypeVar("M", bound=RaftMessage)


class Solo:
    def __init__(self, peers: int = 3, disk: LabDisk | None = None, settings: RaftSettings = SMALL) -> None:
        self.voters = tuple("abcde"[:peers])
        self.now = 100.0
        self.disk = disk or LabDisk(random.Random(1))
        self.sent: list[tuple[str, RaftMessage]] = []
        self.toy = Toy()
        self.incoming = Toy()
        self.installs = 0
        self.poison = b""
        self.raft = Raft(
            me="a",
            voters=self.voters,
            cluster="lab",
            settings=settings,
            clock=self,
            entropy=random.Random(f"entropy {len(self.disk.files)}"),
            disk=self.disk,
            send=lambda to, message: self.sent.append((to, message)),
            apply=self._apply,
            can_apply=lambda: True,
            begin_walk=lambda: ToyWalk(self.toy.items),
            install_begin=self._begin,
            install_feed=self._feed,
            install_finish=self._finish,
            state_hash=lambda: (0, b""),
            on_hashes=lambda _index, _hashes: None,
            found=False,
        )
        self.recovery: Recovery = self.raft.open()
        for chunk in self.recovery.snapshot_chunks:
            self.toy.load(chunk)
        self.settle()

    def monotonic(self) -> float:
        self.now += 1e-6
        return self.now

    def wall_ms(self) -> int:
        return 0

    # --- what Raft calls

    def _apply(self, index: int, term: int, entry: bytes) -> None:
        self.toy.items.append((index, term, entry))
        if entry == self.poison and entry:
            raise ValueError("poison")

    def _begin(self) -> None:
        self.incoming = Toy()

    def _feed(self, chunk: bytes) -> None:
        self.incoming.load(chunk)

    def _finish(self, index: int, term: int) -> None:
        self.toy = self.incoming
        self.installs += 1

    # --- driving

    def founded(self) -> "Solo":
        """With b, c ... on disks named after them, all connected."""
        disks = {peer: f"disk of {peer}" for peer in self.voters} | {"a": self.raft.disk_id}
        for peer in self.voters[1:]:
            hello = Hello(1, "lab", "", peer, disks[peer], 1, disks, 0)
            assert self.raft.on_hello(hello) is None
            self.raft.connected(peer)
            self.raft.receive(peer, Heard("", disks[peer], disks))
        self.settle()
        assert self.raft.founded
        return self

    def greeted(self) -> "Solo":
        """After a restart: the others are there again."""
        founding, disks = self.raft.hello().founding, self.raft.hello().map
        for peer in self.voters[1:]:
            assert self.raft.on_hello(Hello(1, "lab", founding, peer, disks[peer], 1, disks, 0)) is None
            self.raft.connected(peer)
        return self

    def step(self) -> None:
        """One step; what it writes stays on its way."""
        self.raft.step()

    def flush(self) -> None:
        """What is on its way becomes durable."""
        while self.disk.batches:
            self.raft.flushed(self.disk.finish_batch())

    def settle(self) -> None:
        """Steps and flushes until nothing is left to write."""
        for _ in range(60):
            self.raft.step()
            self.flush()

    def deliver(self, frm: str, message: RaftMessage) -> None:
        self.raft.receive(frm, message)

    def append(
        self, frm: str, term: int, previous: tuple[int, int], items: list[bytes], commit: int = 1, *, probe: int = 0
    ) -> None:
        entries = [(REGULAR + item, previous[0] + 1 + place, term) for place, item in enumerate(items)]
        self.deliver(frm, Append(term, *previous, commit, 0, probe, entries))

    def become_leader(self) -> None:
        self.now += 5.0
        self.raft.step()
        asked = self.take(PreVote)[-1].term
        for peer in self.voters[1:]:
            self.deliver(peer, PreVoteReply(asked, granted=True, term=self.raft.term))
        self.settle()
        assert self.take(RequestVote)[-1].term == asked
        for peer in self.voters[1 : len(self.voters) // 2 + 1]:
            self.deliver(peer, Vote(asked, granted=True))
        self.settle()
        assert self.raft.role == "leader"

    def acknowledge(self, frm: str, match: int, *, term: int | None = None, epoch: int | None = None) -> None:
        """As that follower would: `epoch` None echoes the newest one sent to it."""
        if epoch is None:
            epoch = max(message.epoch for to, message in self.sent if to == frm and isinstance(message, Append))
        term = self.raft.term if term is None else term
        probe = max((message.probe for _, message in self.sent if isinstance(message, Append)), default=0)
        self.deliver(frm, AppendReply(term, True, match, True, epoch, probe, 0, 0, b""))

    def reject(self, frm: str, go_on_after: int, *, epoch: int) -> None:
        self.deliver(frm, AppendReply(self.raft.term, False, go_on_after, True, epoch, 0, 0, 0, b""))

    # --- looking

    def all(self, kind: type[M], to: str = "") -> list[M]:
        return [message for peer, message in self.sent if isinstance(message, kind) and to in ("", peer)]

    def take(self, kind: type[M], to: str = "") -> list[M]:
        """And forget them."""
        found = self.all(kind, to)
        self.sent = [(peer, message) for peer, message in self.sent if message not in found]
        return found

    @property
    def applied(self) -> list[bytes]:
        return [entry for _, _, entry in self.toy.items]


def snapshot_file(index: int, term: int, items: list[tuple[int, int, bytes]], disks: dict[str, str]) -> bytes:
    """A snapshot as a leader would send it."""
    writer = SnapshotWriter()
    parts = [writer.begin(SnapshotHeader("lab", index, term, 0, disks))]
    parts += [writer.chunk(msgspec.msgpack.encode(items[at : at + 5])) for at in range(0, len(items), 5)]
    return b"".join([*parts, writer.end()])
