"""Divergence is noticed: peers whose states differ at the same log index cannot all be right.

Law: a peer that differs from a majority quarantines itself (a leader steps down first); without a majority of equals
all refuse writes.
"""

from collections import Counter
from collections.abc import Callable, Mapping

from quorate.consensus.frames import HashVerdict, Message
from quorate.consensus.machine import Machine
from quorate.consensus.points import Points
from quorate.consensus.ports import PeerId
from quorate.consensus.raft import Raft
from quorate.consensus.settings import PeerSettings

EVERY = 1_000
"""Log entries between two comparisons."""


class Divergence:
    def __init__(
        self, settings: PeerSettings, raft: Raft, send: Callable[[PeerId, Message], bool], points: Points
    ) -> None:
        self._points = points
        self._settings = settings
        self._raft = raft
        self._send = send
        self.latest: tuple[int, bytes] = (0, b"")
        """(multiple of EVERY, state hash after the first entry at or beyond it)"""
        self.quarantined = ""
        self._compared = 0

    def applied(self, before: int, index: int, machine: Machine) -> None:
        """`before`: the entry applied last before this one. Only who crossed a mark entry by entry knows the state."""
        mark = index - index % EVERY
        if before < mark:
            self.latest = (mark, machine.state_hash)

    def compare(self, index: int, hashes: Mapping[PeerId, bytes]) -> None:
        """At the leader, when a majority reported for the same index; `hashes` contains its own."""
        if index <= self._compared:
            return
        winner, votes = Counter(hashes.values()).most_common(1)[0]
        majority = len(self._settings.voters) // 2 + 1
        if votes >= majority:
            self._compared = index
            self._announce(HashVerdict(index, winner))
        elif len(hashes) == len(self._settings.voters):
            self._compared = index
            self._announce(HashVerdict(index, b""))

    def _announce(self, verdict: HashVerdict) -> None:
        self._points.reach("divergence.verdict")
        for peer in self._settings.voters:
            if peer != self._settings.me:
                self._send(peer, verdict)
        self.verdict(verdict)

    def verdict(self, verdict: HashVerdict) -> None:
        if not verdict.state_hash:
            self._quarantine(f"the states of all peers differ at log index {verdict.index}; nobody may write")
            return
        index, own = self.latest
        if index == verdict.index and own != verdict.state_hash:
            self._quarantine(f"the state of this peer differs from the majority's at log index {verdict.index}")

    def _quarantine(self, why: str) -> None:
        self.quarantined = why
        self._raft.stand_down()
