"""A network shaped like TCP.

Laws:
- Frames of one connection arrive in order, each once; loss happens only as a dropped connection, which loses a
  suffix of what was on its way.
- A blocked direction holds frames back until it heals or the connection is dropped by its timeout; a stalled one holds
  them without a timeout.
- Every direction draws from a stream of its own: what one link does changes no other. Faults on a link add up.
"""

from typing import Any, Protocol

from quorate.consensus.frames import Hello
from quorate.consensus.ports import MAX_FRAME_BYTES, PeerId
from quorate.netsim.clock import SeededEntropy

QUEUE_BYTES = 64 * 1024 * 1024
DROP_AFTER_S = 2.0
"""A connection whose direction is blocked for this long is dropped, as TCP_USER_TIMEOUT does."""
RECONNECT_S = 0.05
LOST, DOUBLED = 0.02, 0.02
"""Shares of frames, where frames travel as datagrams."""


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
    """One life of a link: `source` dialled, only `source` sends. `forgotten`: its far end knows nothing of it.
    `outlives`: what was on its way when it was dropped arrives all the same.
    """

    __slots__ = ("arrives_at", "forgotten", "held", "held_bytes", "open", "outlives")

    def __init__(self) -> None:
        self.open = True
        self.arrives_at = 0.0
        self.held: list[bytes] = []
        self.held_bytes = 0
        self.forgotten = False
        self.outlives = False


class Link:
    """One direction between two peers, and what faults do to it now: how many block or stall it, what they add to
    its delay.
    """

    __slots__ = (
        "added_s",
        "blocked",
        "blocked_since",
        "connection",
        "dialling",
        "distance_s",
        "entropy",
        "leftovers",
        "source",
        "stalled",
        "target",
    )

    def __init__(self, source: PeerId, target: PeerId, entropy: SeededEntropy) -> None:
        self.source = source
        self.target = target
        self.entropy = entropy
        self.connection: Connection | None = None
        self.dialling = False
        self.blocked = 0
        self.stalled = 0
        self.blocked_since: float | None = None
        self.added_s: list[float] = []
        self.distance_s = 0.0
        self.leftovers: list[Connection] = []


class Place(Protocol):
    """The world around the links."""

    now: float
    ids: tuple[PeerId, ...]

    def after(self, delay_s: float, call: Any, *args: Any) -> None: ...
    def stream(self, name: str) -> SeededEntropy: ...
    def endpoint(self, peer: PeerId) -> Endpoint | None: ...
    def is_frozen(self, peer: PeerId) -> bool: ...
    def touch(self, peer_id: PeerId) -> None: ...
    def sent(self, source: PeerId, target: PeerId, frame: bytes) -> None: ...


class SimNetwork:
    """All links of a world."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self.delay_s = (0.0001, 0.001)
        self.datagrams = False
        self.links = {(a, b): Link(a, b, place.stream(f"link {a} {b}")) for a in place.ids for b in place.ids if a != b}
        self.dropped_connections = 0

    # --- sending

    def send(self, source: PeerId, target: PeerId, frame: bytes) -> bool:
        if len(frame) > MAX_FRAME_BYTES:
            raise ValueError(f"a frame has {len(frame)} bytes, at most {MAX_FRAME_BYTES} are allowed")
        link = self.links[source, target]
        connection = link.connection
        if connection is None:
            return False
        self._place.sent(source, target, frame)
        if connection.forgotten:
            return True  # swallowed: nobody there resets the connection
        if link.blocked or link.stalled:
            if connection.held_bytes > QUEUE_BYTES:
                return False
            self._hold(link, connection, frame)
            return True
        self._deliver_later(link, connection, frame)
        return True

    def _hold(self, link: Link, connection: Connection, frame: bytes) -> None:
        connection.held.append(frame)
        connection.held_bytes += len(frame)
        if link.blocked:
            self._watch_block(link)

    def _deliver_later(self, link: Link, connection: Connection, frame: bytes) -> None:
        low, high = self.delay_s
        at = self._place.now + low + (high - low) * link.entropy.random() + link.distance_s
        if link.added_s:
            at += sum(link.added_s)
        if self.datagrams:
            self._throw(link, connection, frame, at)
            return
        at = connection.arrives_at = max(at, connection.arrives_at)
        self._place.after(at - self._place.now, self._deliver, link, connection, frame)

    def _throw(self, link: Link, connection: Connection, frame: bytes, at: float) -> None:
        """As a datagram: lost, doubled, overtaken."""
        if link.entropy.share(LOST):
            return
        self._place.after(at - self._place.now, self._deliver, link, connection, frame)
        if link.entropy.share(DOUBLED):
            self._place.after(
                at - self._place.now + link.entropy.random() * 0.1, self._deliver, link, connection, frame
            )

    def _deliver(self, link: Link, connection: Connection, frame: bytes) -> None:
        if not (connection.open or connection.outlives) or connection.forgotten:
            return
        if link.blocked or link.stalled or self._place.is_frozen(link.target):
            self._hold(link, connection, frame)  # its kernel takes what comes, as long as its buffers last
            return
        endpoint = self._place.endpoint(link.target)
        if endpoint is None:
            return
        self._place.touch(link.target)
        endpoint.on_frame(link.source, frame)

    # --- what faults do to a link

    def block(self, source: PeerId, target: PeerId) -> None:
        link = self.links[source, target]
        link.blocked += 1
        if link.connection is not None:
            self._watch_block(link)

    def unblock(self, source: PeerId, target: PeerId) -> None:
        link = self.links[source, target]
        link.blocked = max(0, link.blocked - 1)
        if not link.blocked:
            link.blocked_since = None
            self.release(link)
            self.dial_soon(source, target)
            self.dial_soon(target, source)

    def stall(self, source: PeerId, target: PeerId) -> None:
        self.links[source, target].stalled += 1

    def unstall(self, source: PeerId, target: PeerId) -> None:
        link = self.links[source, target]
        link.stalled = max(0, link.stalled - 1)
        self.release(link)

    def thawed(self, peer: PeerId) -> None:
        """What its kernel took while it was frozen is read now."""
        for source in self._place.ids:
            if source != peer:
                self.release(self.links[source, peer])
        self.dial_around(peer)

    def release(self, link: Link) -> None:
        """What was held back goes on, unless something else still holds it."""
        connection = link.connection
        if connection is None or link.blocked or link.stalled:
            return
        held, connection.held, connection.held_bytes = connection.held, [], 0
        for frame in held:
            self._deliver_later(link, connection, frame)

    def _watch_block(self, link: Link) -> None:
        if link.blocked_since is None:
            link.blocked_since = self._place.now
            self._place.after(DROP_AFTER_S, self._time_out, link, link.connection, link.blocked_since)

    def _time_out(self, link: Link, connection: Connection | None, since: float) -> None:
        if link.blocked and link.blocked_since == since:
            link.blocked_since = None
            if link.connection is connection:
                self.drop(link.source, link.target)

    # --- connecting

    def dial_around(self, peer: PeerId) -> None:
        """`peer` has come up or is to be reached again."""
        for other in self._place.ids:
            if other != peer:
                self.dial_soon(peer, other)
                self.dial_soon(other, peer)

    def dial_soon(self, source: PeerId, target: PeerId) -> None:
        link = self.links[source, target]
        if link.connection is None and not link.dialling:
            link.dialling = True
            self._place.after(RECONNECT_S, self._dial_again, link)

    def _dial_again(self, link: Link) -> None:
        link.dialling = False
        if self._may_dial(link):
            self.dial(link.source, link.target)
            self.dial_soon(link.source, link.target)

    def _may_dial(self, link: Link) -> bool:
        """If not, what stands in the way dials again when it goes away."""
        place, back = self._place, self.links[link.target, link.source]
        if link.blocked or back.blocked or place.is_frozen(link.source) or place.is_frozen(link.target):
            return False
        return place.endpoint(link.source) is not None and place.endpoint(link.target) is not None

    def dial(self, source: PeerId, target: PeerId) -> None:
        """Try now."""
        link = self.links[source, target]
        if link.connection is not None:
            return
        dialler, acceptor = self._place.endpoint(source), self._place.endpoint(target)
        if dialler is None or acceptor is None or not (dialler.can_greet and acceptor.can_greet):
            return
        if acceptor.on_hello(dialler.hello()) is not None or dialler.on_hello(acceptor.hello()) is not None:
            return
        link.connection = Connection()
        link.blocked_since = None
        self._place.touch(source)
        self._place.touch(target)
        dialler.on_connected(target)

    def drop(self, source: PeerId, target: PeerId, *, leaving_frames: float = 0.0) -> None:
        """`leaving_frames`: so many seconds later what was on its way arrives all the same, as from a socket that the
        other side still reads while a new connection is up.
        """
        link = self.links[source, target]
        connection, link.connection = link.connection, None
        if connection is None:
            return
        connection.open = False
        self.dropped_connections += 1
        if leaving_frames:
            connection.outlives = True
            link.leftovers.append(connection)
            for frame in connection.held:
                self._place.after(leaving_frames, self._deliver, link, connection, frame)
            connection.held = []
        self.dial_soon(source, target)
        dialler = self._place.endpoint(source)
        if dialler is not None:
            self._place.touch(source)
            dialler.on_disconnected(target)

    def forget(self, peer: PeerId) -> None:
        """The process of `peer` died: all its connections drop."""
        for other in self._place.ids:
            if other != peer:
                for source, target in ((peer, other), (other, peer)):
                    self.drop(source, target)
                    leftovers, self.links[source, target].leftovers = self.links[source, target].leftovers, []
                    for connection in leftovers:
                        connection.outlives = False


class Port:
    """`ports.Network` of one peer."""

    def __init__(self, network: SimNetwork, me: PeerId) -> None:
        self._network = network
        self._me = me

    def send(self, to: PeerId, frame: bytes) -> bool:
        return self._network.send(self._me, to, frame)
