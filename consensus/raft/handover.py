"""Handing leadership to a chosen follower (Raft thesis, section 3.10).

Law: the chosen one is told to campaign only when it holds the whole log; until then, and for one election timeout at
most, nothing new is proposed, so that it can catch up.
"""

from quorate.consensus.frames import TimeoutNow
from quorate.consensus.ports import PeerId
from quorate.consensus.raft.core import Core
from quorate.consensus.raft.replication import Replication


class Handover:
    def __init__(self, core: Core, replication: Replication) -> None:
        self._settings = core.settings
        self._engine = core.engine
        self._log = core.log
        self._wire = core.wire
        self._points = core.points
        self._replication = replication
        self.under_way = False
        self._to: PeerId | None = None
        """Whom to tell, while it is under way."""
        self._deadline = 0.0

    def begin(self, to: PeerId | None, now: float) -> bool:
        """To that follower, or to the one that holds most (None). False: nobody can take over."""
        if not self._engine.leading or self._to is not None:
            return False
        able = [
            peer
            for peer, progress in self._replication.progress.items()
            if progress.connected and self._replication.counts(peer) and to in (None, peer)
        ]
        if not able:
            return False
        self._points.reach("handover.begin")
        self._to = max(able, key=lambda peer: self._replication.progress[peer].match)
        self.under_way = True
        self._deadline = now + self._settings.election_min_s
        return True

    def step(self, now: float) -> None:
        if self._to is None:
            return
        if not self._engine.leading or now > self._deadline:
            self.cancel()
        elif self._replication.progress[self._to].match == self._log.last_index:
            self._points.reach("handover.tell")
            self._wire.send(self._to, TimeoutNow(self._engine.term))

    def cancel(self) -> None:
        self.under_way = False
        self._to = None

    def wake_at(self) -> float:
        return float("inf") if self._to is None else self._deadline
