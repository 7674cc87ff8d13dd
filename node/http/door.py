"""Who may stay connected: the places of an HTTP server and who gives way when they run out.

Law: whoever has not yet made a complete request is a stranger, with one deadline and few places per address; a
newcomer takes the place of the
oldest stranger, never of somebody at work. So connections that are only held open cost the healthy ones nothing.
"""

from collections.abc import Callable, Iterable
from ipaddress import IPv6Address, ip_address
from itertools import islice
from typing import Final

from quorate.node.http.problems import Problem
from quorate.node.http.settings import HttpLimits

Close = Callable[[Problem], None]


class Visitor:
    """One connection. `close` ends it with words; who holds the transport sets it."""

    __slots__ = ("address", "close", "since")

    def __init__(self, address: str, since: float, close: Close) -> None:
        self.address = address
        self.since = since
        self.close = close


class Door:
    """Invariant: every visitor inside stands in exactly one of: strangers, reading, idle, busy."""

    def __init__(self, limits: HttpLimits) -> None:
        self._limits = limits
        # Dicts as ordered sets: the first of each has been in it longest.
        self._strangers: dict[Visitor, None] = {}
        self._by_address: dict[str, dict[Visitor, None]] = {}
        self._reading: dict[Visitor, float] = {}
        self._idle: dict[Visitor, None] = {}
        self._busy: set[Visitor] = set()
        self.evicted = 0
        self.turned_away = 0
        self.late = 0

    def __len__(self) -> int:
        return len(self._strangers) + len(self._reading) + len(self._idle) + len(self._busy)

    @property
    def strangers(self) -> int:
        return len(self._strangers)

    def arrive(self, address: str, now: float) -> Visitor:
        """A new connection, as a stranger. Raises Problem when every place is taken by somebody at work."""
        group = group_of(address)
        neighbours = self._by_address.get(group, {})
        if len(neighbours) >= self._limits.strangers_per_address:
            self._evict(next(iter(neighbours)), CROWDED)
        if len(self) >= self._limits.connections:
            longest = next(iter(self._strangers), None) or next(iter(self._idle), None)
            if longest is None:
                self.turned_away += 1
                raise FULL
            self._evict(longest, FULL)
        visitor = Visitor(group, now, _nobody_there)
        self._strangers[visitor] = None
        self._by_address.setdefault(group, {})[visitor] = None
        return visitor

    def leave(self, visitor: Visitor) -> None:
        self._take(visitor)

    def known(self, visitor: Visitor) -> None:
        """It has made a complete request, and is being served."""
        if visitor in self._strangers:
            self._take(visitor)
            self._busy.add(visitor)

    def reading(self, visitor: Visitor, now: float) -> None:
        """The first bytes of a further request have come."""
        if visitor in self._idle:
            del self._idle[visitor]
            self._reading[visitor] = now

    def busy(self, visitor: Visitor) -> None:
        """A head is complete. A stranger stays one until the whole request is."""
        if visitor not in self._strangers:
            self._idle.pop(visitor, None)
            self._reading.pop(visitor, None)
            self._busy.add(visitor)

    def idle(self, visitor: Visitor) -> None:
        """An answer has been given."""
        if visitor in self._busy:
            self._busy.discard(visitor)
            self._idle[visitor] = None

    def sweep(self, now: float) -> None:
        """End what has had its time. Called every fraction of the deadlines."""
        strangers = _due(((v, v.since) for v in self._strangers), now - self._limits.pre_auth_s)
        readers = _due(self._reading.items(), now - self._limits.head_s)
        for visitor in (*strangers, *readers):
            self.late += 1
            self._take(visitor)
            visitor.close(LATE)

    def _evict(self, visitor: Visitor, why: Problem) -> None:
        self.evicted += 1
        self._take(visitor)
        visitor.close(why)

    def _take(self, visitor: Visitor) -> None:
        if self._strangers.pop(visitor, _ABSENT) is None:
            neighbours = self._by_address[visitor.address]
            del neighbours[visitor]
            if not neighbours:
                del self._by_address[visitor.address]
        self._reading.pop(visitor, None)
        self._idle.pop(visitor, None)
        self._busy.discard(visitor)


_ABSENT: Final = object()


def _due(visitors: Iterable[tuple[Visitor, float]], before: float) -> list[Visitor]:
    """Those that began before, of visitors in order of beginning; at most 256, so that a crowd stalls nobody."""
    due = []
    for visitor, since in islice(visitors, 256):
        if since > before:
            break
        due.append(visitor)
    return due


def _nobody_there(_why: Problem) -> None:
    """Until the connection is made there is nobody to tell."""


def group_of(address: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 network an IPv6 host can move in freely."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        if not parsed.is_loopback:
            return parsed.packed[:8].hex()
    return str(parsed)


CROWDED: Final = Problem(
    429,
    "too-many",
    "too many connections of this address have not made a request; the oldest give way to new ones",
    retry_after_s=1,
)
FULL: Final = Problem(
    503, "too-many", "every place for connections is taken; ask another peer, or again shortly", retry_after_s=1
)
LATE: Final = Problem(408, "late", "the request did not arrive completely in time; send it in one go")
