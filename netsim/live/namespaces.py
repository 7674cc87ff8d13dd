"""A network namespace for each peer, joined by a bridge: packets are really lost, and the kernel's TCP has to cope.

Laws
- Needs root and `ip`. What it makes bears the name of the run and is removed with it, also after Ctrl-C.
- A way is cut by a wrong link-layer address: what is sent that way is lost in silence, before and after a connection,
  and the other way goes on. Ways cut twice are open when both cuts are over.
- Nothing but silent cuts can be done here: no delay, no width, no refusal.
"""

import asyncio
import os
import secrets
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable

from quorate.netsim.live.links import Laid, Pair
from quorate.netsim.live.proxy import Hold, Rule

NOWHERE = "02:00:00:00:00:01"
"""A locally administered address that nobody has."""
RAFT_PORT, HTTP_PORT = 7101, 8101
IP_WITHIN_S = 10.0


class NoNamespaces(Exception):
    """This machine or user cannot have them; says why."""


class NamespaceNet:
    means = "signals; a network namespace for each peer, where packets are lost; RLIMIT_FSIZE and the peers' own files"
    families: tuple[str, ...] = ("kill", "freeze", "partition", "disk")
    refuses = False
    is_loopback = False

    def __init__(self, peers: tuple[str, ...]) -> None:
        """Raises NoNamespaces."""
        if os.geteuid() != 0:
            raise NoNamespaces("network namespaces need root")
        if shutil.which("ip") is None:
            raise NoNamespaces("network namespaces need the command `ip`")
        self._name = f"qrt{secrets.token_hex(3)}"
        self._subnet = f"10.213.{secrets.randbelow(256)}"
        self._host = {peer: f"{self._subnet}.{number}" for number, peer in enumerate(peers, 1)}
        self.ways = NeighbourWays({peer: self._namespace(peer) for peer in peers}, self._host)

    async def open(self) -> None:
        """Raises NoNamespaces where the kernel refuses."""
        await asyncio.to_thread(self._make)

    async def close(self) -> None:
        await asyncio.to_thread(self.remove)

    def remove(self) -> None:
        """Everything of this run, as far as it is there."""
        for number, peer in enumerate(self._host, 1):
            _ip("link", "del", self._end(number), may_fail=True)  # at once: a namespace lives on with its last process
            _ip("netns", "del", self._namespace(peer), may_fail=True)
        _ip("link", "del", self._name, may_fail=True)

    def raft(self, me: str, peer: str) -> str:  # noqa: ARG002  # one address for all
        return f"{self._host[peer]}:{RAFT_PORT}"

    def http(self, peer: str) -> str:
        return f"{self._host[peer]}:{HTTP_PORT}"

    def command(self, peer: str) -> list[str]:
        return ["ip", "netns", "exec", self._namespace(peer)]

    def _namespace(self, peer: str) -> str:
        return f"{self._name}-{peer}"

    def _end(self, number: int) -> str:
        """Of the cable to a namespace, on this side."""
        return f"{self._name}.{number}"

    def _make(self) -> None:
        _ip("link", "add", self._name, "type", "bridge")
        _ip("addr", "add", f"{self._subnet}.254/24", "dev", self._name)
        _ip("link", "set", self._name, "up")
        for number, (peer, host) in enumerate(self._host.items(), 1):
            namespace, end = self._namespace(peer), self._end(number)
            _ip("netns", "add", namespace)
            _ip("link", "add", end, "type", "veth", "peer", "name", "eth0", "netns", namespace)
            _ip("link", "set", end, "master", self._name, "up")
            _ip("-n", namespace, "link", "set", "lo", "up")
            _ip("-n", namespace, "addr", "add", f"{host}/24", "dev", "eth0")
            _ip("-n", namespace, "link", "set", "eth0", "up")


class NeighbourWays:
    """`net.Ways`, by what each namespace believes of its neighbours."""

    def __init__(self, namespaces: dict[str, str], hosts: dict[str, str]) -> None:
        self._namespaces = namespaces
        self._hosts = hosts
        self._cuts: Counter[Pair] = Counter()

    async def lay(self, pairs: Iterable[Pair], rule: Rule) -> list[Laid]:
        """`pairs` has both directions of a way that is to be cut both ways. Raises ValueError for anything but Hold."""
        if not isinstance(rule, Hold):
            raise ValueError(f"got {rule}, expected Hold: namespaces know silent cuts only")
        return await self.hold_one_way(pairs)

    async def hold_one_way(self, pairs: Iterable[Pair]) -> list[Laid]:
        laid = [Laid(pair, Hold()) for pair in pairs]
        for one in laid:
            self._cuts[one.pair] += 1
            await self._neighbour(one.pair, "replace", "lladdr", NOWHERE, "nud", "permanent")
        return laid

    async def lift(self, laid: Iterable[Laid]) -> None:
        for one in laid:
            self._cuts[one.pair] -= 1
            if not self._cuts[one.pair]:
                await self._neighbour(one.pair, "del")

    def drop(self, pairs: Iterable[Pair]) -> None:
        raise ValueError(f"got {list(pairs)}: namespaces cannot break a connection")

    async def _neighbour(self, pair: Pair, verb: str, *more: str) -> None:
        source, target = pair
        place = ("-n", self._namespaces[source], "neigh", verb, self._hosts[target])
        await asyncio.to_thread(_ip, *place, *more[:2], "dev", "eth0", *more[2:])


def _ip(*words: str, may_fail: bool = False) -> None:
    ran = subprocess.run(
        ["ip", *words], capture_output=True, text=True, timeout=IP_WITHIN_S, check=False, stdin=subprocess.DEVNULL
    )
    if ran.returncode != 0 and not may_fail:
        raise NoNamespaces(f"`ip {' '.join(words)}` said: {ran.stderr.strip()}")
