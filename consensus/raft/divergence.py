"""The state hashes that acknowledgements carry, put side by side at the leader.

Law: hashes of one log index only are compared, and nothing is said before a majority has reported.
"""

from collections.abc import Callable, Mapping

from quorate.consensus.ports import PeerId

KEPT = 8
"""Indexes remembered: followers may be a few behind each other."""

StateHash = Callable[[], tuple[int, bytes]]


class Hashes:
    def __init__(
        self, me: PeerId, majority: int, own: StateHash, told: Callable[[int, Mapping[PeerId, bytes]], None]
    ) -> None:
        self._me = me
        self._majority = majority
        self._own = own
        self._told = told
        self._seen: dict[int, dict[PeerId, bytes]] = {}

    def reported(self, peer: PeerId, index: int, state_hash: bytes) -> None:
        if not index:
            return
        own_index, own_hash = self._own()
        if own_index:
            self._seen.setdefault(own_index, {})[self._me] = own_hash
        hashes = self._seen.setdefault(index, {})
        if hashes.get(peer) == state_hash:
            return
        hashes[peer] = state_hash
        while len(self._seen) > KEPT:
            del self._seen[min(self._seen)]
        if len(hashes) >= self._majority and self._me in hashes:
            self._told(index, dict(hashes))

    def forget(self) -> None:
        """A new term: what the last leader was told is his."""
        self._seen.clear()
