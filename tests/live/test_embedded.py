"""A peer inside somebody's own program, on its loop or on a thread of its own."""

import ast
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import quorate
from quorate.node.config import ConfigError
from tests.live.processes import ROOT, LiveCluster
from tests.polling import eventually


class Sites:
    """Programs of `examples/embedded`, one for each peer of a cluster file."""

    def __init__(self, cluster: LiveCluster) -> None:
        self.cluster = cluster

    def start(self, peer: str, program: str = "site") -> None:
        with (self.cluster.folder / f"{peer}.log").open("ab") as log:
            command = [sys.executable, "-m", f"examples.embedded.{program}", str(self.cluster.file), peer]
            self.cluster.processes[peer] = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=ROOT, env={**os.environ}
            )

    def evaluated(self, peer: str) -> int:
        return self.cluster.log(peer).count("'alarm'")

    def goes_on(self, peer: str) -> None:
        before = self.evaluated(peer)
        eventually(lambda: self.evaluated(peer) >= before + 2, 60.0, f"{peer} goes on; its log: {peer}.log")


@pytest.fixture
def sites(tmp_path: Path) -> Iterator[Sites]:
    cluster = LiveCluster(tmp_path)
    yield Sites(cluster)
    cluster.stop()


def test_three_programs_with_a_peer_inside_are_a_cluster(sites: Sites) -> None:
    """As README.md of the example says: kill -9 of one leaves two that go on, it joins again when started again, and
    Ctrl-C lets one leave in peace."""
    for peer in "abc":
        sites.start(peer)
    for peer in "abc":
        sites.goes_on(peer)
    sites.cluster.kill("b")
    sites.goes_on("a")
    sites.start("b")
    sites.goes_on("b")
    sites.cluster.signal("c", signal.SIGINT)
    assert sites.cluster.ended("c") == 0, sites.cluster.log("c")
    assert "c: stopped" in sites.cluster.log("c")
    sites.goes_on("a")
    sites.cluster.kill("b")
    eventually(lambda: "not evaluated" in sites.cluster.log("a"), 60.0, "a alone says that nothing is accepted")
    assert sites.cluster.processes["a"].poll() is None
    assert "Traceback" not in "".join(map(sites.cluster.log, "abc"))


def test_a_program_without_asyncio_has_its_peer_on_a_thread(sites: Sites) -> None:
    """It ends when the block ends, with everything done."""
    sites.cluster.ids = ("a",)
    sites.cluster.write_file("")
    sites.start("a", "threaded")
    assert sites.cluster.ended("a", within_s=60.0) == 0, sites.cluster.log("a")
    last = sites.cluster.log("a").splitlines()
    assert [0, 2, 4, 6, 8, 10, 12, 14, 16, 18] in [ast.literal_eval(line) for line in last if line.startswith("[")]


@pytest.fixture
def alone(tmp_path: Path) -> LiveCluster:
    return LiveCluster(tmp_path, "a")


def test_a_peer_on_a_thread_leaves_the_program_as_it_was(alone: LiveCluster) -> None:
    """No thread, port or lock stays behind; it can be started again; signals are the program's own."""
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    for _ in range(2):
        with quorate.Peer(alone.file, "a") as peer, quorate.Client([peer.url]) as client:
            assert client.submit("builtin.echo", x=1).result(timeout=30) == {"x": 1}
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    eventually(lambda: not ours(), 10.0, f"no thread of ours: {ours()}")
    with socket.create_server(("127.0.0.1", alone.http_port["a"])):
        assert True, "the port is free"


def ours() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("quorate-")]


def test_what_keeps_an_embedded_peer_from_starting_is_raised_to_who_starts_it(alone: LiveCluster) -> None:
    """On the thread that waits, as it is; nothing stays behind."""
    with socket.create_server(("127.0.0.1", alone.http_port["a"])), pytest.raises(OSError, match="in use"):
        quorate.Peer(alone.file, "a").__enter__()
    eventually(lambda: not ours(), 10.0, "no thread of ours")
    with pytest.raises(ConfigError, match="not in the list"):
        quorate.Peer(alone.file, "z")


async def test_two_clusters_in_one_program_do_not_know_of_each_other(tmp_path: Path) -> None:
    """Everything a peer has is its own, on one loop too."""
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    one, two = (LiveCluster(folder, "a", name=folder.name) for folder in folders)
    async with (
        quorate.Peer(one.file, "a") as first,
        quorate.Peer(two.file, "a") as second,
        quorate.AsyncClient([first.url]) as client,
        quorate.AsyncClient([second.url]) as other,
    ):
        handle = await client.submit("builtin.echo", x=1)
        assert await handle.result(timeout=30) == {"x": 1}
        with pytest.raises(quorate.NotFound):
            await other.task(handle.id)
        assert (await other.cluster())["cluster"] == "two"
