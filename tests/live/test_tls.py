"""A cluster with TLS, made by `quorate certs create`: who may talk to it, and new certificates while it runs."""

import http.client
import json
import re
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quorate.consensus.frames import Hello
from quorate.node.transport.greeting import greeting
from tests.live.processes import ROOT, UP_WITHIN_S, LiveCluster
from tests.polling import eventually

CLOSED = "(?i)reset|closed|alert|eof|broken pipe"
"""In whatever words the connection's end is told, which depend on the moment."""
TLS = "tls: {ca: certs/ca.pem, cert: 'certs/{id}.pem', key: 'certs/{id}.key'}\n"


def quorate(cluster: LiveCluster, *args: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "quorate.cli", *args]
    env = cluster.environment({})
    return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd="/", env=env, check=False)


class TlsCluster(LiveCluster):
    """Asked with a certificate: the client's, unless another is named."""

    def url(self, peer: str) -> str:
        return f"https://127.0.0.1:{self.http_port[peer]}"

    def context(self, holder: str | None) -> ssl.SSLContext:
        return context(self.folder / "certs", holder, self.folder / "certs" / "ca.pem")

    def ask(self, peer: str, method: str, path: str, body: object = None, timeout_s: float = 15.0) -> tuple[int, Any]:
        return self.ask_as("admin", peer, method, path, body, timeout_s)

    def ask_as(
        self, holder: str | None, peer: str, method: str, path: str, body: object = None, timeout_s: float = 15.0
    ) -> tuple[int, Any]:
        """As `LiveCluster.ask`. holder: whose certificate is shown, None: nobody's."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url(peer) + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout_s, context=self.context(holder)) as answer:
                return answer.status, decoded(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, decoded(error.read())
        except OSError:
            return 0, None


def decoded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body


def context(folder: Path, holder: str | None, trusted: Path) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=trusted)
    if holder is not None:
        made.load_cert_chain(folder / f"{holder}.pem", folder / f"{holder}.key")
    return made


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsCluster]:
    cluster = TlsCluster(tmp_path_factory.mktemp("tls"), more=TLS)
    made = quorate(cluster, "certs", "create", str(cluster.file))
    assert made.returncode == 0, made.stderr
    cluster.start()
    try:
        cluster.wait_until_ready()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory, secured: TlsCluster) -> Path:
    """Certificates of another cluster's authority, for the same names."""
    folder = tmp_path_factory.mktemp("foreign")
    file = folder / "cluster.yaml"
    file.write_text(secured.file.read_text())
    assert quorate(secured, "certs", "create", str(file)).returncode == 0
    return folder / "certs"


def test_a_client_with_a_certificate_is_served_under_its_name(secured: TlsCluster) -> None:
    told = secured.end_of("b", secured.submitted("a", "builtin.echo", args={"x": 1}))
    assert (told["state"], told["principal"]) == ("succeeded", "client/admin")


def test_the_command_finds_addresses_and_certificates_in_the_cluster_file(secured: TlsCluster) -> None:
    done = quorate(secured, "--cluster", str(secured.file), "submit", "builtin.echo", "x=1", "--wait", "-o", "json")
    assert done.returncode == 0, done.stderr
    assert '"succeeded"' in done.stdout


def test_without_a_certificate_nothing_is_served(secured: TlsCluster) -> None:
    assert secured.ask_as(None, "a", "POST", "/v1/tasks", {"handler": "builtin.noop"})[0] in (0, 401)
    assert secured.ask_as(None, "a", "GET", "/v1/tasks")[0] in (0, 401)


def test_without_tls_nothing_is_served(secured: TlsCluster) -> None:
    plain = LiveCluster.url(secured, "a")
    with pytest.raises((http.client.HTTPException, OSError), match=CLOSED):
        urllib.request.urlopen(f"{plain}/livez", timeout=10)


def test_a_certificate_of_another_authority_is_refused_though_the_names_are_right(
    secured: TlsCluster, foreign: Path
) -> None:
    """On both ports."""
    stranger = context(foreign, "admin", secured.folder / "certs" / "ca.pem")
    with pytest.raises(OSError, match=CLOSED):
        urllib.request.urlopen(f"{secured.url('a')}/v1/tasks", timeout=10, context=stranger)
    assert not is_greeted(secured, context(foreign, "b", secured.folder / "certs" / "ca.pem"))


def is_greeted(cluster: TlsCluster, tls: ssl.SSLContext, peer: str = "b") -> bool:
    """Whether a hello as `peer` on the Raft port of a is answered."""
    tls.check_hostname = False
    sent = greeting(Hello(1, "live", "", peer, "0" * 32, 1, {}, 0))
    try:
        with (
            socket.create_connection(("127.0.0.1", cluster.raft_port["a"]), timeout=10) as plain,
            tls.wrap_socket(plain) as connection,
        ):
            connection.sendall(sent)
            return connection.recv(100) != b""
    except OSError:
        return False


def test_a_client_certificate_does_not_make_a_peer(secured: TlsCluster) -> None:
    """A role is part of a certificate, and so is the id: neither admin nor c may speak as b on the Raft port; and
    nobody comes in without one."""
    ca = secured.folder / "certs" / "ca.pem"
    assert not is_greeted(secured, secured.context("admin"))
    assert not is_greeted(secured, secured.context("c"), peer="b")
    assert not is_greeted(secured, context(secured.folder, None, ca))
    eventually(lambda: "wrong_certificate" in secured.log("a"), 5.0, "it is told in the log")
    assert secured.view("a")["partitions"] == []


def test_new_certificates_are_taken_while_running(secured: TlsCluster) -> None:
    """`quorate certs rotate`: no peer is restarted, new connections show the new ones, the cluster keeps its leader,
    and a peer that is started afterwards is let in."""
    before, view = serial(secured, "a"), secured.view("a")
    rotated = quorate(secured, "certs", "rotate", str(secured.file))
    assert rotated.returncode == 0, rotated.stderr
    eventually(lambda: serial(secured, "a") != before, 20.0, "a shows its new certificate")
    assert secured.end_of("c", secured.submitted("a", "builtin.noop"))["state"] == "succeeded"
    after = secured.view("a")
    assert (after["leader"], after["term"]) == (view["leader"], view["term"])

    follower = next(peer for peer in secured.ids if peer != view["leader"])
    secured.kill(follower)
    secured.start(follower)
    eventually(lambda: secured.is_ready(follower), UP_WITHIN_S, secured.log(follower))
    assert not re.search("Traceback|new_files_refused", "".join(map(secured.log, secured.ids)))


def serial(cluster: TlsCluster, peer: str) -> object:
    with (
        socket.create_connection(("127.0.0.1", cluster.http_port[peer]), timeout=10) as plain,
        cluster.context("admin").wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        shown = connection.getpeercert()
        assert shown is not None
        return shown["serialNumber"]


def test_a_damaged_certificate_keeps_a_peer_from_starting_in_words(secured: TlsCluster, foreign: Path) -> None:
    """And a running one goes on with its last good one."""
    pem = secured.folder / "certs" / "c.pem"
    good = pem.read_bytes()
    pem.write_bytes((foreign / "c.pem").read_bytes())
    try:
        refused = secured.run("c")
        assert refused.returncode == 1
        assert "tls" in refused.stderr
        assert "Traceback" not in refused.stderr
        eventually(lambda: secured.is_ready("c") and "new_files_refused" in secured.log("c"), 20.0, "it is told")
    finally:
        pem.write_bytes(good)


def test_beyond_loopback_nothing_listens_without_tls(tmp_path: Path) -> None:
    cluster = LiveCluster(tmp_path, "a")
    cluster.file.write_text(cluster.file.read_text().replace("127.0.0.1", "192.0.2.1"))
    refused = cluster.run("a")
    assert refused.returncode == 1
    assert "without `tls`" in refused.stderr
    assert not (tmp_path / "data").exists()
    assert str(ROOT) not in refused.stderr
