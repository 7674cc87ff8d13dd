"""A network shaped like TCP.

Laws: frames of one connection arrive in order, each once; loss happens only as a dropped connection, which loses a
suffix of what was on its way; a blocked direction holds frames back (a stall) until it heals or the connection is
dropped by its timeout.
"""

from collections.abc import Callable
from typing import Protocol

from quorate.consensus.frames import Hello
from quorate.consensus.ports import MAX_FRAME_BYTES, Entropy, PeerId

QUEUE_BYTES = 64 * 1024 * 1024
DROP_AFTER_S = 2.0
"""A connection whose direction is blocked for this long is dropped, as TCP_USER_TIMEOUT does."""
RECONNECT_S = 0.05


class Endpoint(Protocol):
    """A running peer as the network sees it."""

    @property
    def can_greet(self) -> bool: ...

    def hello(self) -> Hello: ...

    def on_hello(self, hello: Hello) -> str | None: ...

    def on_connected(self, peer: PeerId) -> None: ...

    def on_disconnected(self, peer: PeerId) -> None: ...

    def on_frame(self, peer: PeerId, frame: bytes) -> None: ...


class Connection:
    """One direction: `source` dialled, only `source` sends."""

    def __init__(self, source: PeerId, target: PeerId) -> None:
        self.source = source
        self.target = target
        self.open = True
        self.arrives_at = 0.0
        self.held: list[bytes] = []
        self.blocked_since: float | None = None


class Schedule(Protocol):
    now: float

    def after(self, delay_s: float, call: Callable[[], None]) -> None: ...


class SimNetwork:
    """All links of a world. `up(peer)` gives the running endpoint or None."""

    def __init__(
        self,
        world: Schedule,
        entropy: Entropy,
        up: Callable[[PeerId], Endpoint | None],
        frozen: Callable[[PeerId], bool],
        touched: Callable[[PeerId], None],
    ) -> None:
        self._world = world
        self._entropy = entropy
        self._up = up
        self._frozen = frozen
        self._touched = touched
        self.delay_s = (0.0001, 0.001)
        self.blocked: set[tuple[PeerId, PeerId]] = set()
        self._connections: dict[tuple[PeerId, PeerId], Connection] = {}
        self.sent = 0
        self.dropped_connections = 0

    # --- sending

    def send(self, source: PeerId, target: PeerId, frame: bytes) -> bool:
        if len(frame) > MAX_FRAME_BYTES:
            raise ValueError(f"a frame has {len(frame)} bytes, at most {MAX_FRAME_BYTES} are allowed")
        connection = self._connections.get((source, target))
        if connection is None:
            return False
        self.sent += 1
        if (source, target) in self.blocked:
            if sum(map(len, connection.held)) > QUEUE_BYTES:
                return False
            connection.held.append(frame)
            self._watch_block(connection)
            return True
        self._deliver_later(connection, frame)
        return True

    def _deliver_later(self, connection: Connection, frame: bytes) -> None:
        low, high = self.delay_s
        at = self._world.now + low + (high - low) * self._entropy.random()
        connection.arrives_at = max(connection.arrives_at, at)
        self._world.after(connection.arrives_at - self._world.now, lambda: self._deliver(connection, frame))

    def _deliver(self, connection: Connection, frame: bytes) -> None:
        if not connection.open:
            return
        if (connection.source, connection.target) in self.blocked:
            connection.held.append(frame)
            self._watch_block(connection)
            return
        if self._frozen(connection.target):
            connection.held.append(frame)  # its kernel takes what comes, as long as its buffers last
            return
        endpoint = self._up(connection.target)
        if endpoint is None:
            return
        endpoint.on_frame(connection.source, frame)
        self._touched(connection.target)

    # --- blocking

    def block(self, source: PeerId, target: PeerId) -> None:
        self.blocked.add((source, target))
        connection = self._connections.get((source, target))
        if connection is not None:
            self._watch_block(connection)

    def unblock(self, source: PeerId, target: PeerId) -> None:
        self.blocked.discard((source, target))
        connection = self._connections.get((source, target))
        if connection is not None:
            connection.blocked_since = None
            self._release(connection)

    def thawed(self, peer: PeerId) -> None:
        """What its kernel took while it was frozen is read now."""
        for (source, target), connection in sorted(self._connections.items()):
            if target == peer and (source, target) not in self.blocked:
                self._release(connection)

    def _release(self, connection: Connection) -> None:
        held, connection.held = connection.held, []
        for frame in held:
            self._deliver_later(connection, frame)

    def _watch_block(self, connection: Connection) -> None:
        if connection.blocked_since is not None:
            return
        since = connection.blocked_since = self._world.now

        def time_out() -> None:
            if connection.open and connection.blocked_since == since:
                self.drop(connection.source, connection.target)

        self._world.after(DROP_AFTER_S, time_out)

    # --- connecting

    def dial(self, source: PeerId, target: PeerId) -> None:
        """Try now; the world calls this again and again while both run."""
        if (source, target) in self._connections:
            return
        if (source, target) in self.blocked or (target, source) in self.blocked:
            return
        dialler, acceptor = self._up(source), self._up(target)
        if dialler is None or acceptor is None or not (dialler.can_greet and acceptor.can_greet):
            return
        if acceptor.on_hello(dialler.hello()) is not None or dialler.on_hello(acceptor.hello()) is not None:
            return
        self._connections[(source, target)] = Connection(source, target)
        dialler.on_connected(target)
        self._touched(source)
        self._touched(target)

    def drop(self, source: PeerId, target: PeerId) -> None:
        connection = self._connections.pop((source, target), None)
        if connection is None:
            return
        connection.open = False
        self.dropped_connections += 1
        dialler = self._up(source)
        if dialler is not None:
            dialler.on_disconnected(target)
            self._touched(source)

    def forget(self, peer: PeerId) -> None:
        """The process of `peer` died: all its connections drop."""
        for source, target in sorted(self._connections):
            if peer in (source, target):
                self.drop(source, target)


class Port:
    """`ports.Network` of one peer."""

    def __init__(self, network: SimNetwork, me: PeerId) -> None:
        self._network = network
        self._me = me

    def send(self, to: PeerId, frame: bytes) -> bool:
        return self._network.send(self._me, to, frame)
