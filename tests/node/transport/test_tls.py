"""Laws of mutual TLS between peers."""

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from quorate.node.certificate import Untrusted
from quorate.node.config import ClusterConfig
from quorate.node.tls import LiveTls, verify_peer
from quorate.node.transport import PeerTls
from tests.node.certificates import with_certificates
from tests.node.transport.members import Member, free_port, running, within


def peer_tls(config: ClusterConfig, me: str) -> PeerTls:
    live = LiveTls(config, me)
    return PeerTls(live.raft_server, live.raft_client, verifier(config.cluster))


def verifier(cluster: str) -> Callable[[ssl.SSLObject], str | None]:
    def verify(connection: ssl.SSLObject) -> str | None:
        try:
            shown = verify_peer(connection, cluster)
        except Untrusted:
            return None
        return shown.id if shown.role == "peer" else None

    return verify


@pytest.fixture
def ports() -> dict[str, int]:
    return {"a": free_port(), "b": free_port()}


async def test_peers_of_one_cluster_talk(tmp_path: Path, ports: dict[str, int]) -> None:
    config = with_certificates(tmp_path)
    a, b = Member("a", ports, peer_tls(config, "a")), Member("b", ports, peer_tls(config, "b"))
    async with running(a, b):
        await within(lambda: a.sends_to("b") and b.sends_to("a"))
        sent = [b"%d" % n * 100 for n in range(500)] + [bytes(3_000_000)]
        assert all(a.transport.send("b", frame) for frame in sent)
        await within(lambda: len(b.frames) == len(sent))
        assert b.frames == [("a", frame) for frame in sent]


async def test_a_peer_with_the_certificate_of_another_is_refused(tmp_path: Path, ports: dict[str, int]) -> None:
    config = with_certificates(tmp_path)
    a, b = Member("a", ports, peer_tls(config, "c")), Member("b", ports, peer_tls(config, "b"))
    async with running(a, b):
        await within(lambda: b.transport.refused["wrong_certificate"] >= 1)
        assert a.events == b.events == []


async def test_a_certificate_of_another_cluster_is_refused(tmp_path: Path, ports: dict[str, int]) -> None:
    ours, theirs = with_certificates(tmp_path / "ours"), with_certificates(tmp_path / "theirs")
    a, b = Member("a", ports, peer_tls(theirs, "a")), Member("b", ports, peer_tls(ours, "b"))
    async with running(a, b):
        await within(lambda: b.transport.refused["tls_failed"] >= 1)
        assert a.events == b.events == []


async def test_plain_text_and_silence_on_a_tls_port_are_closed_and_cost_the_peers_nothing(
    tmp_path: Path, ports: dict[str, int]
) -> None:
    config = with_certificates(tmp_path)
    a, b = Member("a", ports, peer_tls(config, "a")), Member("b", ports, peer_tls(config, "b"))
    async with running(b):
        reader, plain = await asyncio.open_connection("127.0.0.1", ports["b"])
        plain.write(b"GET / HTTP/1.1\r\n\r\n")
        await within(lambda: b.transport.refused["tls_failed"] == 1)
        silent = [await asyncio.open_connection("127.0.0.1", ports["b"]) for _ in range(300)]
        async with running(a):
            await within(lambda: a.sends_to("b") and b.sends_to("a"))
            await within(lambda: b.transport.refused["crowded_out"] + b.transport.refused["silent"] == 300)
        for _, writer in [(reader, plain), *silent]:
            writer.close()
