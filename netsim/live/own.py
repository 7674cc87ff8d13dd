"""A cluster of this run's own: its folder, its files, its processes.

Law: each peer is given a cluster file of its own, which differs from the others' in one thing at most: at the Raft
addresses of the others stands where this peer finds them. Clients speak to the peers directly.
"""

import asyncio
import os
from pathlib import Path

import yaml

from quorate.netsim.live.asking import Asking
from quorate.netsim.live.net import Net
from quorate.netsim.live.processes import Processes

CLUSTER = "live-chaos"
EFFECTS_VARIABLE = "QUORATE_LIVE_EFFECTS"
PEER_VARIABLE = "QUORATE_LIVE_PEER"
LOOK_EVERY_S = 0.1
LAST_LINES = 3


class PeerWillNotStart(Exception):
    """A peer that should run has ended; with the end of its log."""


class OwnCluster:
    """folder: an empty one. application: the module whose handlers the peers serve."""

    def __init__(self, folder: Path, peers: tuple[str, ...], application: str, processes: Processes, net: Net) -> None:
        self.folder = folder
        self.peers = peers
        self.processes = processes
        self.net = net
        self._application = application
        self.effects = folder / "effects"

    @property
    def urls(self) -> dict[str, str]:
        return {peer: f"http://{self.net.http(peer)}" for peer in self.peers}

    def data(self, peer: str) -> Path:
        return self.folder / "data" / peer

    async def open(self) -> None:
        """The net and the files; no peer runs yet."""
        await self.net.open()
        self.effects.mkdir(parents=True)
        for peer in self.peers:
            self._file(peer).write_text(yaml.safe_dump(self._content(peer), sort_keys=False), encoding="utf-8")

    async def close(self) -> None:
        await self.net.close()

    def start(self, peer: str) -> None:
        environment = {EFFECTS_VARIABLE: str(self.effects), PEER_VARIABLE: peer}
        self.processes.start(peer, self._file(peer), environment, self.net.command(peer))

    async def ready(self, asking: Asking, peers: tuple[str, ...], within_s: float) -> list[str]:
        """Waits until these say so; gives those that did not in time. Raises PeerWillNotStart."""
        deadline = asyncio.get_running_loop().time() + within_s
        waiting = list(peers)
        while waiting and asyncio.get_running_loop().time() < deadline:
            for peer in list(waiting):
                if (code := self.processes.exit_code(peer)) is not None:
                    raise PeerWillNotStart(f"peer {peer} ended with exit code {code}: {self.last_words(peer)}")
                if (await asking.ask(peer, "GET", "/readyz", within_s=1.0)).status == 200:
                    waiting.remove(peer)
            await asyncio.sleep(LOOK_EVERY_S)
        return waiting

    def last_words(self, peer: str) -> str:
        """The end of its log."""
        return "\n".join(self.processes.log(peer).splitlines()[-LAST_LINES:])

    def _file(self, peer: str) -> Path:
        return self.folder / f"{peer}.yaml"

    def _content(self, me: str) -> dict[str, object]:
        return {
            "cluster": CLUSTER,
            "peers": [
                {
                    "id": peer,
                    "raft": self.net.raft(me, peer),
                    "http": self.net.http(peer),
                    "data": os.fspath(self.data(peer)),
                }
                for peer in self.peers
            ],
            "modules": [self._application],
            "workers": {"min": 2, "max": 8},
            "insecure": not self.net.is_loopback,
        }
