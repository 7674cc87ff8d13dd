"""Whoever has not shown who he is costs the healthy ones nothing, on either port."""

import http.client
import resource
import selectors
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from quorate.consensus.frames import Hello
from quorate.node.transport.greeting import greeting
from tests.live.processes import LiveCluster
from tests.polling import eventually

HALF_OPEN = 2_000
ADDRESSES = 25
"""Strangers come from many places, each with fewer connections than one address may have."""

GARBAGE = {
    "an HTTP request": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a pickle": b"\x80\x04\x95" + bytes(64),
    "noise": b"\xff" * 4096,
    "a hello of 64 KiB": b"QUORATE\x01\xff\xff" + bytes(100),
    "a hello that is none": b"QUORATE\x01\x00\x04\xc1\xc1\xc1\xc1",
}


def hello(cluster: str = "live", peer: str = "b", version: int = 1) -> bytes:
    return greeting(Hello(version, cluster, "", peer, "0" * 32, 1, {}, 0))


STRANGERS = {
    "a peer of another cluster": hello(cluster="other"),
    "a peer the file does not name": hello(peer="z"),
    "somebody who calls himself as I do": hello(peer="a"),
    "another version": hello(version=99),
}


def closed_without_a_word(cluster: LiveCluster, sent: bytes) -> bool:
    """At once: well before the deadline of those who say nothing."""
    with socket.create_connection(("127.0.0.1", cluster.raft_port["a"]), timeout=4) as stranger:
        stranger.sendall(sent)
        try:
            return stranger.recv(4096) == b""
        except ConnectionResetError:
            return True


@pytest.mark.parametrize("what", [*GARBAGE, *STRANGERS])
def test_a_stranger_on_the_raft_port_is_shown_out_at_once(shared: LiveCluster, what: str) -> None:
    """And told nothing, not even who we are; the leader and the log are as they were."""
    before = shared.view("a")
    assert closed_without_a_word(shared, {**GARBAGE, **STRANGERS}[what])
    after = shared.view("a")
    assert (after["leader"], after["term"]) == (before["leader"], before["term"])
    assert after["partitions"] == []


def test_each_kind_of_stranger_is_logged_once(shared: LiveCluster) -> None:
    """However often it comes."""
    for _ in range(20):
        assert closed_without_a_word(shared, STRANGERS["a peer of another cluster"])
    eventually(lambda: shared.log("a").count("wrong_cluster") == 1, 5.0, "one line in the log")


def test_who_says_nothing_on_the_raft_port_is_closed_in_time(shared: LiveCluster) -> None:
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", shared.raft_port["a"]), timeout=15) as stranger:
        stranger.sendall(b"QUORATE")
        assert stranger.recv(100) == b""
    assert 2.0 < time.monotonic() - began < 10.0


@contextmanager
def many_open_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * HALF_OPEN + 500
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"{hard} open files at most are allowed here, this needs {wanted}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Crowd:
    """Connections that are opened and then only held; who is shown out comes back."""

    def __init__(self, *ports: int) -> None:
        self._open = selectors.DefaultSelector()
        self._wanted = [(port, number) for number in range(HALF_OPEN) for port in ports]
        self.came = 0

    def crowd_in(self, for_s: float) -> None:
        """Some hundred at a time, so that this process stays no bottleneck of its own."""
        until = time.monotonic() + for_s
        while time.monotonic() < until:
            for _ in range(min(20, len(self._wanted))):
                self._come(*self._wanted.pop())
            for key, _ in self._open.select(timeout=0.001):
                self._leave(key)

    def _come(self, port: int, number: int) -> None:
        client = socket.socket()
        client.setblocking(False)
        client.bind((f"127.0.1.{1 + number % ADDRESSES}", 0))
        client.connect_ex(("127.0.0.1", port))
        self.came += 1
        self._open.register(client, selectors.EVENT_READ, (port, number))

    def _leave(self, key: selectors.SelectorKey) -> None:
        client = key.fileobj
        assert isinstance(client, socket.socket)
        self._open.unregister(client)
        client.close()
        self._wanted.append(key.data)

    @property
    def inside(self) -> int:
        return len(self._open.get_map())

    def go(self) -> None:
        for key in list(self._open.get_map().values()):
            self._leave(key)
        self._open.close()


class Healthy:
    """A client that keeps its connection and asks for one task after the other."""

    def __init__(self, cluster: LiveCluster) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", cluster.http_port["a"], timeout=15)

    def ask(self) -> float:
        """How long one took (s)."""
        began = time.monotonic()
        body = b'{"handler": "builtin.noop"}'
        self._connection.request("POST", "/v1/tasks", body, {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        answer.read()
        assert answer.status == 201
        return time.monotonic() - began

    def close(self) -> None:
        self._connection.close()


@pytest.mark.timeout(180)
def test_two_thousand_half_open_connections_on_both_ports_cost_the_healthy_nothing(shared: LiveCluster) -> None:
    """They come, are shown out and come back for some seconds; a client at work, and a newcomer, see no refusal, no
    slow answer, and the cluster keeps its leader."""
    healthy = Healthy(shared)
    before = sorted(healthy.ask() for _ in range(100))
    term = shared.view("a")["term"]
    with many_open_files(), ExitStack() as stack:
        crowd = Crowd(shared.http_port["a"], shared.raft_port["a"])
        stack.callback(crowd.go)
        crowd.crowd_in(for_s=2.0)
        during = []
        for _ in range(100):
            crowd.crowd_in(for_s=0.03)
            during.append(healthy.ask())
        assert crowd.came > HALF_OPEN
        assert shared.ask("a", "GET", "/v1/tasks?limit=1")[0] == 200  # a newcomer
    healthy.close()
    during.sort()
    assert during[50] < 5 * before[50] + 0.05
    assert during[98] < 10 * before[98] + 0.25
    assert shared.view("a")["term"] == term
    assert shared.view("a")["partitions"] == []
