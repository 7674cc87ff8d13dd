"""The demo's cluster file: three peers on this machine, on ports that are free now."""

import socket
from contextlib import ExitStack
from pathlib import Path

import msgspec
import yaml

PEERS = ("a", "b", "c")
# Enough threads that a kill cuts many steps short, few enough that two cores also have time for the cluster.
WORKERS = {"min": 8, "max": 10}


class PeerPlace(msgspec.Struct, frozen=True):
    """Where one peer is found."""

    id: str
    raft: str
    http: str
    data: Path


def choose_places(folder: Path) -> tuple[PeerPlace, ...]:
    """A place per peer, on free loopback ports, with its data below `folder`."""
    ports = free_ports(2 * len(PEERS))
    return tuple(
        PeerPlace(id=peer, raft=f"127.0.0.1:{raft}", http=f"127.0.0.1:{http}", data=folder / "data" / peer)
        for peer, raft, http in zip(PEERS, ports[: len(PEERS)], ports[len(PEERS) :], strict=True)
    )


def write_cluster_file(path: Path, places: tuple[PeerPlace, ...]) -> None:
    content = {
        "cluster": "orders-demo",
        "peers": [
            {"id": place.id, "raft": place.raft, "http": place.http, "data": str(place.data)} for place in places
        ],
        "modules": ["examples.orders.handlers"],
        "workers": WORKERS,
    }
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on at this moment; all are held until the last is found, so they differ."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
