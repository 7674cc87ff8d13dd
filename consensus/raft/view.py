"""What one Raft tells about itself: read-only, at any time after it was opened."""

from typing import NoReturn

from quorate.consensus.ports import Clock, PeerId
from quorate.consensus.raft.core import Core
from quorate.consensus.raft.log import Config
from quorate.consensus.raft.parts import Parts


class View:
    me: PeerId
    clock: Clock

    def __init__(self) -> None:
        self._p: Parts
        self._core: Core
        """Set by `open()`."""
        self._led_until = float("-inf")
        """When a majority was heard last by this peer as leader, once it no longer leads."""

    def __getattr__(self, name: str) -> NoReturn:
        """Only what is not there comes here."""
        if name in ("_p", "_core"):
            raise RuntimeError("Raft.open() comes first")
        raise AttributeError(name)

    @property
    def role(self) -> str:
        """`leader`, `candidate`, `follower`, or `learner` while this disk has no vote."""
        return self._core.engine.role if self._core.standing.voter else "learner"

    @property
    def leading(self) -> bool:
        return self._core.engine.leading

    @property
    def leader(self) -> PeerId | None:
        return self._core.engine.leader

    @property
    def term(self) -> int:
        return self._core.engine.term

    @property
    def commit_index(self) -> int:
        """Committed by the cluster, and flushed here."""
        return self._core.commit_index

    @property
    def applied_index(self) -> int:
        return self._core.engine.applied_index

    @property
    def unapplied(self) -> int:
        core = self._core
        return max(0, core.commit_index - core.engine.applied_index)

    @property
    def last_index(self) -> int:
        return self._core.log.last_index

    @property
    def first_index(self) -> int:
        """Of the entries that are kept."""
        return self._core.log.base_index + 1

    @property
    def flushed_index(self) -> int:
        return self._core.log.flushed_index

    @property
    def flushing(self) -> bool:
        """A batch is on its way to the disk."""
        return self._core.gate.flushing

    @property
    def log_bytes(self) -> int:
        """Journal since the last snapshot."""
        return self._p.compaction.log_bytes

    @property
    def ready_to_serve(self) -> bool:
        """It leads, and an entry of its own term is committed."""
        engine = self._core.engine
        return engine.leading and self._core.commit_index >= engine.first_of_term

    @property
    def leader_contact(self) -> float:
        """Monotonic second at which a leader was heard last or, leading, a majority."""
        parts = self._p
        if parts.core.engine.leading:
            return parts.replication.majority_heard_at(self.clock.monotonic())
        return max(parts.elections.heard_leader_at, self._led_until)

    @property
    def config(self) -> Config:
        """Which disk speaks for which peer, by the newest entry of the log that says so."""
        return self._core.log.config

    @property
    def disk_id(self) -> str:
        return self._core.standing.identity.disk

    @property
    def founded(self) -> bool:
        return self._p.founding.done

    def is_voter(self, peer: PeerId) -> bool:
        """Its disk, as far as heard, is the one that counts."""
        return self._core.standing.voter if peer == self.me else self._core.standing.counts(peer)

    @property
    def counters(self) -> dict[str, int]:
        return self._core.counters.as_dict()
