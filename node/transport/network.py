"""Frames between the peers of one cluster.

Law: one connection per direction and pair. What is sent on one arrives in order, each frame once, or the connection
drops and both shells are told; what a peer sent on an older connection is never delivered after something from a
newer one.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping

import msgspec

from quorate.consensus.ports import PeerId
from quorate.node.transport.listener import Listener
from quorate.node.transport.outgoing import Outgoing
from quorate.node.transport.refusals import Refusals
from quorate.node.transport.settings import Address, Callbacks, PeerTls, TransportSettings

LAST_WORDS_S = 0.5


class LinkState(msgspec.Struct, frozen=True):
    """How it stands with one other peer."""

    peer: PeerId
    sends: bool
    hears: bool
    waiting_bytes: int
    sent_frames: int
    sent_bytes: int
    dropped_frames: int
    received_frames: int
    received_bytes: int


class Transport:
    """`ports.Network` over TCP. To be made and used on one running loop.

    addresses: of the peers of the cluster, by id; this peer's own entry is ignored. random: in [0, 1), for the jitter
    of reconnects.
    """

    def __init__(
        self,
        settings: TransportSettings,
        addresses: Mapping[PeerId, Address],
        callbacks: Callbacks,
        tls: PeerTls | None,
        random: Callable[[], float],
    ) -> None:
        others = {peer: address for peer, address in addresses.items() if peer != settings.me}
        self._refusals = Refusals()
        self._outgoing = {
            peer: Outgoing(settings, callbacks, peer, address, tls, random) for peer, address in others.items()
        }
        self._listener = Listener(
            settings, callbacks, frozenset(others), tls, self._refusals, self._is_peer_address, self._heard
        )
        self._running: list[asyncio.Task[None]] = []
        self.port = settings.listen[1]

    async def start(self) -> None:
        """Listen and begin to dial. Raises OSError, in words for the user, when the port cannot be had."""
        self.port = await self._listener.open()
        self._running = [asyncio.create_task(out.run(), name=f"dial {peer}") for peer, out in self._outgoing.items()]

    async def close(self) -> None:
        """Send what waits, briefly, and close everything. No callback comes afterwards."""
        self._listener.close()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await asyncio.gather(*(outgoing.stop(LAST_WORDS_S) for outgoing in self._outgoing.values()))

    def send(self, to: PeerId, frame: bytes) -> bool:
        """As `ports.Network.send`; False also for an unknown peer."""
        outgoing = self._outgoing.get(to)
        return outgoing is not None and outgoing.send(frame)

    @property
    def refused(self) -> Counter[str]:
        """Connections turned away so far, by reason."""
        return self._refusals.counts

    def links(self) -> list[LinkState]:
        hears = self._listener.connected()
        return [
            LinkState(
                peer=peer,
                sends=out.is_up,
                hears=peer in hears,
                waiting_bytes=out.waiting_bytes,
                sent_frames=out.sent_frames,
                sent_bytes=out.sent_bytes,
                dropped_frames=out.dropped_frames,
                received_frames=self._listener.received_frames[peer],
                received_bytes=self._listener.received_bytes[peer],
            )
            for peer, out in self._outgoing.items()
        ]

    def _is_peer_address(self, address: str) -> bool:
        return any(out.remote_ip == address for out in self._outgoing.values())

    def _heard(self, peer: PeerId) -> None:
        self._outgoing[peer].hurry()
