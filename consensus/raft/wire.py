"""Who the others are, and how a Raft message gets to them."""

from collections.abc import Callable

from quorate.consensus.frames import RaftMessage
from quorate.consensus.ports import PeerId


class Wire:
    """Messages to peers we are not connected to are dropped: every one of them is repeated by whoever needs it."""

    def __init__(self, me: PeerId, voters: tuple[PeerId, ...], send: Callable[[PeerId, RaftMessage], object]) -> None:
        self.others = tuple(peer for peer in sorted(voters) if peer != me)
        self.majority = len(voters) // 2 + 1
        self.connected: set[PeerId] = set()
        self._send = send

    def send(self, to: PeerId, message: RaftMessage) -> None:
        if to in self.connected:
            self._send(to, message)
