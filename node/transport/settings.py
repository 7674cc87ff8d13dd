"""What the transport is told at its start."""

import ssl
from collections.abc import Callable

import msgspec

from quorate.consensus.frames import Hello
from quorate.consensus.ports import PeerId

Address = tuple[str, int]
"""Host name or address, and port."""


class TransportSettings(msgspec.Struct, frozen=True):
    me: PeerId
    listen: Address
    """Port 0: any free one (`Transport.port` tells which)."""
    hello_s: float = 5.0
    """How long a connection may take to show who it is, TLS handshake included."""
    dial_s: float = 2.0
    """How long connecting may take before it is begun anew: after a cut, the kernel's own repeats come ever more
    seldom."""
    silent_s: float = 5.0
    """A connection whose other end acknowledges nothing for this long is given up."""
    buffer_bytes: int = 64 * 1024 * 1024
    """Waiting to be sent to one peer; beyond it frames are dropped."""
    compress_above_bytes: int = 4096
    """Larger frames are deflated if that helps; never on loopback, where bytes cost less than deflating."""


class PeerTls(msgspec.Struct, frozen=True):
    """Mutual TLS. `client()` is asked for each dialled connection, so that new certificate files are picked up."""

    server: ssl.SSLContext
    client: Callable[[], ssl.SSLContext]
    verify: Callable[[ssl.SSLObject], PeerId | None]
    """After the handshake: the id of the peer whose certificate it is; None if it is not that of a peer of this
    cluster."""


class Callbacks(msgspec.Struct, frozen=True):
    """Called on the loop, never from inside a call into the transport."""

    hello: Callable[[], Hello]
    """What this peer says of itself now."""
    on_hello: Callable[[Hello], str | None]
    """Another peer said hello: None to go on, or in words why not."""
    on_frames: Callable[[PeerId, list[bytes]], None]
    """Frames of one peer in the order it sent them, as many as came together."""
    on_connected: Callable[[PeerId], None]
    """From now on `send` reaches it."""
    on_disconnected: Callable[[PeerId], None]
    """From now on it does not; what was sent last may be lost."""
