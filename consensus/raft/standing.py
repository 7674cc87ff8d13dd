"""Whose disk speaks for whom.

Laws:
- A peer counts (in commits, votes, check-quorum) only with the disk that the newest configuration in our log binds to
  its id.
- We vote and campaign only if a *committed* configuration binds our own disk; that is remembered in the identity
  file, because a disk that was wiped may have voted before, and only entries committed without it prove that those
  votes elected nobody.
"""

from collections.abc import Callable

import msgspec

from quorate.consensus.frames import Hello
from quorate.consensus.journal_format import Position, segment_of
from quorate.consensus.ports import DiskOp, PeerId
from quorate.consensus.raft.identity import Identity, write_identity
from quorate.consensus.raft.log import Log


class Standing:
    def __init__(self, identity: Identity, log: Log, save: Callable[[Identity], None]) -> None:
        self.identity = identity
        self._log = log
        self._save = save
        self._heard: dict[PeerId, tuple[str, int]] = {identity.peer: (identity.disk, identity.incarnation)}

    @property
    def me(self) -> PeerId:
        return self.identity.peer

    @property
    def voter(self) -> bool:
        identity = self.identity
        return identity.voter and self._log.config.disks.get(identity.peer) == identity.disk

    def disk_of(self, peer: PeerId) -> str | None:
        """As its last hello said."""
        heard = self._heard.get(peer)
        return heard[0] if heard else None

    def counts(self, peer: PeerId) -> bool:
        disk = self.disk_of(peer)
        return disk is not None and self._log.config.disks.get(peer) == disk

    def greeted(self, hello: Hello) -> str | None:
        """Remember whom we talk to. A reason if this is an older life of the same disk."""
        known = self._heard.get(hello.peer)
        if known is not None and known[0] == hello.disk and hello.incarnation < known[1]:
            return f"{hello.peer} greets as incarnation {hello.incarnation}, but {known[1]} was here already"
        self._heard[hello.peer] = (hello.disk, hello.incarnation)
        return None

    def life_of(self, peer: PeerId) -> tuple[str, int] | None:
        return self._heard.get(peer)

    def update(self, **changes: object) -> None:
        self.identity = msgspec.structs.replace(self.identity, **changes)
        self._save(self.identity)

    def remember_flush(self, mark: Position) -> list[DiskOp]:
        """With the first flush of each file of the journal, after it and before anybody is told."""
        if segment_of(mark) <= segment_of(self.identity.flushed):
            return []
        self.identity = msgspec.structs.replace(self.identity, flushed=mark)
        return write_identity(self.identity)

    def notice_commit(self, commit_index: int) -> None:
        """A newer committed configuration decides whether our disk votes, and is remembered."""
        identity = self.identity
        if self._log.config.index <= identity.config_index:
            return
        committed = self._log.config_at(max(commit_index, self._log.base_index))
        if committed.index > identity.config_index:
            bound = committed.disks.get(identity.peer) == identity.disk
            self.update(voter=bound, config_index=committed.index)
