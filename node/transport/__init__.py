"""Asyncio TCP between peers: `Transport` is `ports.Network`."""

from quorate.node.transport.network import LinkState, Transport
from quorate.node.transport.settings import Address, Callbacks, PeerTls, TransportSettings

__all__ = ["Address", "Callbacks", "LinkState", "PeerTls", "Transport", "TransportSettings"]
