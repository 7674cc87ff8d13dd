"""What lies between the peers: where each finds the others, and what can be done to the ways.

Law: made for one run; nothing of it is left when the run is over.
"""

from collections.abc import Iterable
from typing import Protocol

from quorate.netsim.live.links import Laid, Links, Pair
from quorate.netsim.live.plan import FAMILIES
from quorate.netsim.live.ports import free_ports
from quorate.netsim.live.proxy import Rule


class Ways(Protocol):
    """The rules on the ways between peers; `links.Links` says what each does."""

    async def lay(self, pairs: Iterable[Pair], rule: Rule) -> list[Laid]: ...
    async def hold_one_way(self, pairs: Iterable[Pair]) -> list[Laid]: ...
    async def lift(self, laid: Iterable[Laid]) -> None: ...
    def drop(self, pairs: Iterable[Pair]) -> None: ...


class Net(Protocol):
    means: str
    """In words, for the verdict."""
    families: tuple[str, ...]
    """Of `plan.FAMILIES`: what can be done here."""
    refuses: bool
    """A cut may refuse connections at once; else it is always silent."""
    is_loopback: bool

    @property
    def ways(self) -> Ways: ...
    async def open(self) -> None: ...
    async def close(self) -> None: ...
    def raft(self, me: str, peer: str) -> str:
        """host:port at which `me` finds `peer`, or binds if it is the same."""
        ...

    def http(self, peer: str) -> str: ...
    def command(self, peer: str) -> list[str]:
        """What stands before the peer's own command."""
        ...


class LoopbackNet:
    """All on 127.0.0.1, with a TCP proxy for each ordered pair of peers."""

    means = "signals; TCP proxies between the peers; RLIMIT_FSIZE and the peers' own files"
    families = tuple(FAMILIES)
    refuses = True
    is_loopback = True

    def __init__(self, peers: tuple[str, ...]) -> None:
        ports = free_ports(2 * len(peers))
        self._raft = dict(zip(peers, ports[: len(peers)], strict=True))
        self._http = dict(zip(peers, ports[len(peers) :], strict=True))
        self.ways = Links(self._raft)

    async def open(self) -> None:
        await self.ways.open()

    async def close(self) -> None:
        await self.ways.close()

    def raft(self, me: str, peer: str) -> str:
        return f"127.0.0.1:{self._raft[peer] if me == peer else self.ways.port(me, peer)}"

    def http(self, peer: str) -> str:
        return f"127.0.0.1:{self._http[peer]}"

    def command(self, peer: str) -> list[str]:  # noqa: ARG002  # all alike
        return []
