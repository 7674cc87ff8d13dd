"""Transports on loopback for tests, and a record of what they told."""

import random
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from quorate.consensus.frames import Hello
from quorate.node.transport import Callbacks, PeerTls, Transport, TransportSettings
from tests.polling import eventually_async


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Member:
    """One peer as the transport sees it, and a record of all it was told."""

    def __init__(self, peer: str, ports: dict[str, int], tls: PeerTls | None = None) -> None:
        self.id = peer
        self.hello = Hello(1, "shop", "", peer, f"disk-{peer}", 1, {}, 0)
        self.refuse: str | None = None
        self.frames: list[tuple[str, bytes]] = []
        self.events: list[str] = []
        self.callbacks = Callbacks(
            hello=lambda: self.hello,
            on_hello=lambda _: self.refuse,
            on_frames=lambda peer, frames: self.frames.extend((peer, frame) for frame in frames),
            on_connected=lambda peer: self.events.append(f"+{peer}"),
            on_disconnected=lambda peer: self.events.append(f"-{peer}"),
        )
        addresses = {other: ("127.0.0.1", port) for other, port in ports.items()}
        settings = TransportSettings(me=peer, listen=addresses[peer], hello_s=0.5, dial_s=0.5, silent_s=1.0)
        self.transport = Transport(settings, addresses, self.callbacks, tls, random.Random(1).random)

    def sends_to(self, peer: str) -> bool:
        return any(link.peer == peer and link.sends for link in self.transport.links())

    def hears(self, peer: str) -> bool:
        return any(link.peer == peer and link.hears for link in self.transport.links())


@asynccontextmanager
async def running(*members: Member) -> AsyncIterator[None]:
    for member in members:
        await member.transport.start()
    try:
        yield
    finally:
        for member in members:
            await member.transport.close()


async def within(predicate: Callable[[], object], within_s: float = 5) -> None:
    async def look() -> object:
        return predicate()

    await eventually_async(look, within_s)
