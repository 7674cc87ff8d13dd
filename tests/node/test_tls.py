"""Who may shake hands with a peer, tried with real handshakes on loopback; and new files are taken while running."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec import structs

from quorate.node import certs
from quorate.node.certificate import Identity, Untrusted
from quorate.node.config import ClusterConfig, TlsConfig, TokensConfig
from quorate.node.tls import LiveTls, principal_of, verify_peer
from tests.node.certificates import HandClock, files_of, rotated_at, with_certificates

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


class Door:
    """A listening socket that shakes hands, notes who came, and echoes what it is sent."""

    def __init__(self, context: ssl.SSLContext, cluster: str) -> None:
        self._context = context
        self._cluster = cluster
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.came: list[Identity] = []
        self.refused: list[str] = []
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._greet, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _greet(self, connection: socket.socket) -> None:
        connection.settimeout(5)
        try:
            with connection, self._context.wrap_socket(connection, server_side=True) as secured:
                identity = verify_peer(secured, self._cluster)
                if identity.role != "peer":
                    raise Untrusted(f"got a {identity.role}, expected a peer")
                self.came.append(identity)
                while data := secured.recv(100):
                    secured.sendall(data)
        except (OSError, Untrusted) as failure:
            self.refused.append(str(failure))


@contextmanager
def door(config: ClusterConfig, tls: LiveTls) -> Iterator[Door]:
    opened = Door(tls.raft_server, config.cluster)
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def dialled(port: int, context: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as plain, context.wrap_socket(plain) as secured:
        yield secured


def echoed(secured: ssl.SSLSocket) -> bool:
    """Under TLS 1.3 the dialler learns only with the first answer that it was refused."""
    secured.sendall(b"hello")
    return secured.recv(100) == b"hello"


def refused(port: int, context: ssl.SSLContext) -> bool:
    try:
        with dialled(port, context) as secured:
            return not echoed(secured)
    except OSError:
        return True


def stranger(ca: Path, files: TlsConfig | None) -> ssl.SSLContext:
    """What somebody would dial with who does not check himself."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(ca)
    if files is not None:
        context.load_cert_chain(files.cert, files.key)
    return context


def test_two_peers_of_one_cluster_know_each_other_by_id(tmp_path: Path) -> None:
    config = with_certificates(tmp_path)
    with door(config, LiveTls(config, "a")) as at_a:
        with dialled(at_a.port, LiveTls(config, "b").raft_client()) as secured:
            assert verify_peer(secured, "shop") == Identity("peer", "a")
            assert secured.version() == "TLSv1.3"
            assert echoed(secured)
        assert at_a.came == [Identity("peer", "b")]


def test_a_certificate_of_another_ca_is_refused(tmp_path: Path) -> None:
    config = with_certificates(tmp_path / "ours")
    other = with_certificates(tmp_path / "theirs")
    with door(config, LiveTls(config, "a")) as at_a:
        # It trusts our CA, so that what is refused is the certificate it shows.
        assert refused(at_a.port, stranger(tmp_path / "ours" / "ca.pem", files_of(other, "b")))
    assert at_a.came == []
    assert at_a.refused


def test_a_dialler_refuses_a_server_of_another_ca(tmp_path: Path) -> None:
    config = with_certificates(tmp_path / "ours")
    other = with_certificates(tmp_path / "theirs")
    dialler = LiveTls(config, "b")
    with (
        door(other, LiveTls(other, "a")) as impostor,
        pytest.raises(ssl.SSLCertVerificationError),
        dialled(impostor.port, dialler.raft_client()),
    ):
        pytest.fail("the handshake should not have succeeded")
    assert impostor.came == []


def test_an_expired_certificate_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = with_certificates(tmp_path)
    tls = LiveTls(config, "a")
    rotated_at(config, tmp_path, LONG_AGO, monkeypatch)
    with door(config, tls) as at_a:
        assert refused(at_a.port, stranger(tmp_path / "ca.pem", files_of(config, "b")))
    assert at_a.came == []
    assert "expired" in at_a.refused[0]


def test_no_certificate_at_all_is_refused(tmp_path: Path) -> None:
    config = with_certificates(tmp_path)
    with door(config, LiveTls(config, "a")) as at_a:
        assert refused(at_a.port, stranger(tmp_path / "ca.pem", None))
    assert at_a.came == []


def test_a_client_certificate_does_not_open_the_raft_port(tmp_path: Path) -> None:
    config = with_certificates(tmp_path)
    with door(config, LiveTls(config, "a")) as at_a:
        assert refused(at_a.port, stranger(tmp_path / "ca.pem", files_of(config, certs.ADMIN)))
    assert at_a.came == []
    assert "expected a peer" in at_a.refused[0]


def test_a_client_certificate_cannot_pose_as_a_peer_that_is_dialled(tmp_path: Path) -> None:
    config = with_certificates(tmp_path)
    admin = files_of(config, certs.ADMIN)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(admin.cert, admin.key)
    impostor = Door(context, "shop")
    try:
        dialler = LiveTls(config, "b")
        with pytest.raises(ssl.SSLCertVerificationError), dialled(impostor.port, dialler.raft_client()):
            pytest.fail("the handshake should not have succeeded")
    finally:
        impostor.close()


def test_a_certificate_of_another_cluster_is_refused_even_from_the_same_ca(tmp_path: Path) -> None:
    config = with_certificates(tmp_path)
    mall = tmp_path / "mall"
    mall.mkdir()
    for name in ("ca.pem", "ca.key"):
        (mall / name).write_bytes((tmp_path / name).read_bytes())
    other = structs.replace(config, cluster="mall", tls=certs.places_in(mall))
    ca, ca_key = certs._read_authority(mall)
    for path, content in certs._leaves(other, mall, ca, ca_key).items():
        path.write_bytes(content)
    with door(config, LiveTls(config, "a")) as at_a:
        assert refused(at_a.port, stranger(tmp_path / "ca.pem", files_of(other, "b")))
    assert at_a.came == []
    assert "cluster 'mall', expected 'shop'" in at_a.refused[0]
    with (
        door(other, LiveTls(other, "a")) as at_other,
        dialled(at_other.port, LiveTls(config, "b").raft_client()) as secured,
        pytest.raises(Untrusted, match="cluster 'mall', expected 'shop'"),
    ):
        verify_peer(secured, "shop")


def test_the_dialler_sees_when_another_peer_answers_than_the_one_meant(tmp_path: Path) -> None:
    config = with_certificates(tmp_path)
    with door(config, LiveTls(config, "c")) as at_c, dialled(at_c.port, LiveTls(config, "b").raft_client()) as secured:
        assert verify_peer(secured, "shop") != Identity("peer", "a")


def test_older_protocols_are_refused(tmp_path: Path) -> None:
    config = with_certificates(tmp_path)
    old = stranger(tmp_path / "ca.pem", files_of(config, "b"))
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with door(config, LiveTls(config, "a")) as at_a:
        assert refused(at_a.port, old)
    assert at_a.came == []


def test_no_session_is_resumed(tmp_path: Path) -> None:
    """It would let somebody in whose certificate has been withdrawn since."""
    config = with_certificates(tmp_path)
    context = LiveTls(config, "b").raft_client()
    with door(config, LiveTls(config, "a")) as at_a:
        with dialled(at_a.port, context) as first:
            assert echoed(first)
            session = first.session
        assert session is None or not session.has_ticket


def test_a_peer_does_not_start_with_the_certificate_of_another(tmp_path: Path) -> None:
    config = with_certificates(tmp_path)
    swapped = structs.replace(config, tls=files_of(config, "b"))
    with pytest.raises(Untrusted, match="certificate of peer 'b', expected peer 'a'"):
        LiveTls(swapped, "a")


def test_without_a_tls_section_there_are_no_contexts(tmp_path: Path) -> None:
    config = structs.replace(with_certificates(tmp_path), tls=None)
    with pytest.raises(ValueError, match="no tls section"):
        LiveTls(config, "a")


def test_http_asks_for_a_client_certificate_unless_there_are_tokens(tmp_path: Path) -> None:
    config = with_certificates(tmp_path)
    with_tokens = structs.replace(config, tokens=TokensConfig(tmp_path / "tokens.yaml"))
    assert LiveTls(config, "a").http_server.verify_mode == ssl.CERT_REQUIRED
    assert LiveTls(with_tokens, "a").http_server.verify_mode == ssl.CERT_OPTIONAL
    for each in (config, with_tokens):
        assert LiveTls(each, "a").raft_server.verify_mode == ssl.CERT_REQUIRED


def serial(secured: ssl.SSLSocket) -> object:
    shown = secured.getpeercert()
    assert shown is not None
    return shown["serialNumber"]


def test_new_certificates_are_taken_while_running_and_open_connections_go_on(tmp_path: Path) -> None:
    config = with_certificates(tmp_path)
    clock = HandClock()
    at_server, at_client = LiveTls(config, "a", clock), LiveTls(config, "b", clock)
    with door(config, at_server) as at_a, dialled(at_a.port, at_client.raft_client()) as old:
        assert echoed(old)
        certs.rotate(config, tmp_path)
        with dialled(at_a.port, at_client.raft_client()) as too_soon:
            assert echoed(too_soon)
            assert serial(too_soon) == serial(old), "files are looked at once a second at most"
        clock.now += 1
        with dialled(at_a.port, at_client.raft_client()) as new:
            assert echoed(new)
            assert serial(new) != serial(old)
        assert echoed(old)
    assert at_a.refused == []


def test_a_ca_that_was_taken_away_is_trusted_no_longer(tmp_path: Path) -> None:
    config = with_certificates(tmp_path / "old")
    old_client = LiveTls(config, "b")
    clock = HandClock()
    tls = LiveTls(config, "a", clock)
    with door(config, tls) as at_a:
        assert not refused(at_a.port, old_client.raft_client())
        with_certificates(tmp_path / "new")
        for path in (tmp_path / "new").iterdir():
            if path.name in ("ca.pem", "a.pem", "a.key"):
                path.replace(tmp_path / "old" / path.name)
        clock.now += 1
        # It trusts the new CA, so that what is refused is the certificate of the old one.
        assert refused(at_a.port, stranger(tmp_path / "old" / "ca.pem", files_of(config, "b")))
    assert at_a.came == [Identity("peer", "b")]


async def test_an_asyncio_listener_takes_new_certificates_too(tmp_path: Path) -> None:
    """The listeners of a peer are asyncio's, whose TLS is another object than a socket's."""
    config = with_certificates(tmp_path)
    clock = HandClock()
    at_server, at_client = LiveTls(config, "a", clock), LiveTls(config, "b", clock)
    came: list[str | None] = []

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(at_server.peer_of(writer.get_extra_info("ssl_object")))
        writer.write(await reader.readexactly(5))
        writer.close()
        await writer.wait_closed()

    async def dial() -> object:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=at_client.raft_client())
        connection = writer.get_extra_info("ssl_object")
        assert verify_peer(connection, "shop") == Identity("peer", "a")
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        writer.close()
        await writer.wait_closed()
        return connection.getpeercert()["serialNumber"]

    async with await asyncio.start_server(greet, "127.0.0.1", 0, ssl=at_server.raft_server) as server:
        port = server.sockets[0].getsockname()[1]
        before = await dial()
        certs.rotate(config, tmp_path)
        clock.now += 1
        assert await dial() != before
    assert came == ["b", "b"]


@pytest.mark.parametrize(("name", "peer", "principal"), [("b", "b", "peer/b"), (certs.ADMIN, None, "client/admin")])
async def test_a_client_is_somebody_over_http_and_nobody_on_the_raft_port(
    tmp_path: Path, name: str, peer: str | None, principal: str
) -> None:
    config = with_certificates(tmp_path)
    tls = LiveTls(config, "a")
    told: list[tuple[str | None, str | None, str | None]] = []

    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = writer.get_extra_info("ssl_object")
        shown = connection.getpeercert()
        told.append((tls.peer_of(connection), principal_of(shown, "shop"), principal_of(shown, "mall")))
        writer.write(b"x")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(greet, "127.0.0.1", 0, ssl=tls.http_server) as server:
        port = server.sockets[0].getsockname()[1]
        context = stranger(tmp_path / "ca.pem", files_of(config, name))
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        assert await reader.read() == b"x"
        writer.close()
        await writer.wait_closed()
    assert told == [(peer, principal, None)]


def test_without_a_certificate_there_is_no_principal() -> None:
    assert principal_of({}, "shop") is None
    assert principal_of({"subjectAltName": (("DNS", "quorate://shop/peer/a"),)}, "shop") is None


@pytest.mark.parametrize("damage", ["half", "gone", "swapped", "other"])
def test_files_that_do_not_fit_together_are_not_taken(tmp_path: Path, damage: str) -> None:
    """Somebody copies them one by one, or the wrong ones: the last good ones stay in force."""
    config = with_certificates(tmp_path)
    clock = HandClock()
    tls = LiveTls(config, "a", clock)
    client = LiveTls(config, "b", lambda: 0.0)
    mine = files_of(config, "a")
    if damage == "half":
        mine.cert.write_bytes(mine.cert.read_bytes()[:100])
    elif damage == "gone":
        mine.key.unlink()
    elif damage == "swapped":
        mine.key.write_bytes(files_of(config, "b").key.read_bytes())
    else:
        mine.cert.write_bytes(files_of(config, "b").cert.read_bytes())
        mine.key.write_bytes(files_of(config, "b").key.read_bytes())
    clock.now += 1
    with door(config, tls) as at_a, dialled(at_a.port, client.raft_client()) as secured:
        assert verify_peer(secured, "shop") == Identity("peer", "a")
        assert echoed(secured)
    certs.rotate(config, tmp_path)
    clock.now += 1
    with door(config, tls) as at_a:
        assert not refused(at_a.port, client.raft_client()), "whole again, they are taken"
