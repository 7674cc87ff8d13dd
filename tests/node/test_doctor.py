"""The doctor looks at file, machine, disk and neighbours, and says what to do about what it finds."""

import json
import resource
import shutil
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from msgspec import structs

from quorate.consensus.raft import engine
from quorate.node import certs, doctor, flush_probe
from quorate.node.config import Address, ClusterConfig
from quorate.node.doctor import Finding
from quorate.node.flush_probe import FlushLatency, flush_latency
from quorate.node.tls import LiveTls
from tests.node.certificates import cluster

EXAMPLE = Path(__file__).resolve().parents[2] / "cluster.example.yaml"


def plain(folder: Path) -> ClusterConfig:
    return structs.replace(cluster(folder), tls=None)


def found(findings: list[Finding], what: str) -> Finding:
    (finding,) = [each for each in findings if each.what.startswith(what)]
    assert finding.detail
    assert bool(finding.fix) == (finding.level != "ok"), "what is wrong has a fix, what is right needs none"
    return finding


def with_address(config: ClusterConfig, number: int, **addresses: Address) -> ClusterConfig:
    peers = list(config.peers)
    peers[number] = structs.replace(peers[number], **addresses)
    return structs.replace(config, peers=tuple(peers))


class Told(BaseHTTPRequestHandler):
    """A peer's HTTP as far as the doctor looks at it."""

    body = b""
    date = ""

    def do_GET(self) -> None:
        self.send_response_only(200)
        if self.date:
            self.send_header("Date", self.date)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        """Tests are silent."""


@contextmanager
def answering(body: bytes, date: str = "", context: ssl.SSLContext | None = None) -> Iterator[Address]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("ToldNow", (Told,), {"body": body, "date": date}))
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield Address("127.0.0.1", server.server_address[1])
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_sound_file_on_a_sound_machine_has_no_problem(tmp_path: Path) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text(EXAMPLE.read_text())
    findings = doctor.examine(path)
    assert [finding for finding in findings if finding.level == "problem"] == []
    for what in ("cluster file", "Python", "pysyncobj", "open-file limit", "files of peer b", "flush latency of"):
        assert any(finding.what.startswith(what) for finding in findings), what
    assert sorted(each.name for each in tmp_path.iterdir()) == ["cluster.yaml"], "the doctor leaves nothing behind"


def test_the_problems_of_a_file_are_findings_with_line_key_and_fix(tmp_path: Path) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text("cluster: shop\npeeers: []\n")
    findings = doctor.examine(path)
    assert [finding.level for finding in findings] == ["problem", "problem"]
    assert findings[1].what == f"{path}:2 peeers"
    assert "did you mean `peers`?" in findings[1].fix


def test_warnings_of_the_file_are_findings(tmp_path: Path) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text(EXAMPLE.read_text() + "insecure: true\n")
    assert found(doctor.examine(path), f"{path}:").level == "warning"


def test_a_peer_that_is_not_in_the_list_is_a_problem(tmp_path: Path) -> None:
    findings = doctor.check(plain(tmp_path), "z")
    assert "got the peer 'z'" in found(findings, "configuration").detail


def test_missing_certificates_are_a_problem_of_each_local_peer(tmp_path: Path) -> None:
    findings = doctor.check(cluster(tmp_path), "a")
    problems = [finding for finding in findings if finding.level == "problem"]
    assert [finding.what for finding in problems] == [
        "configuration tls.ca",
        "configuration tls.cert",
        "configuration tls.key",
    ]


def test_a_module_nobody_has_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "shop_handlers.py").write_text("raise SystemExit('the doctor runs no user code')\n")
    config = structs.replace(plain(tmp_path), modules=("no_such_module.x", "shop_handlers"))
    config = structs.replace(config, source=structs.replace(config.source, file=str(tmp_path / "cluster.yaml")))
    findings = doctor.check(config, "a")
    assert found(findings, "module no_such_module.x").level == "problem"
    assert found(findings, "module shop_handlers").level == "ok"


def test_another_engine_than_the_audited_one_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "AUDITED", "0" * 64)
    engine.audited_code.cache_clear()
    finding = found(doctor.check(plain(tmp_path), "a"), "pysyncobj")
    assert finding.level == "problem"
    assert "reinstall pysyncobj==0.3.17" in finding.fix


def test_an_open_file_limit_below_the_connections_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1_024, 4_096))
    finding = found(doctor.check(plain(tmp_path), "a"), "open-file limit")
    assert finding.level == "warning"
    assert "ulimit -n 4256 (up to 4,096 allowed here)" in finding.fix


@pytest.mark.parametrize(("free", "level"), [(1 << 40, "ok"), (100 << 20, "warning"), (1 << 20, "problem")])
def test_little_free_space_is_told(tmp_path: Path, free: int, level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1 << 41, 0, free))
    assert found(doctor.check(plain(tmp_path), "a"), "free space").level == level


def test_a_slow_disk_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "flush_latency", lambda _: FlushLatency(9.0, 40.0, 200))
    finding = found(doctor.check(plain(tmp_path), "a"), "flush latency")
    assert finding.level == "warning"
    assert "p50 9.00 ms, p99 40.00 ms over 200 flushes" in finding.detail


def test_the_flush_is_measured_and_leaves_nothing(tmp_path: Path) -> None:
    latency = flush_latency(tmp_path)
    assert 0 < latency.p50_ms <= latency.p99_ms
    assert flush_probe.LEAST_FLUSHES <= latency.flushes <= flush_probe.MOST_FLUSHES
    assert list(tmp_path.iterdir()) == []


def test_a_data_folder_others_may_write_in_is_a_warning(tmp_path: Path) -> None:
    config = plain(tmp_path)
    folder = config.peers[0].data
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    finding = found(doctor.check(config, "a"), "data folder")
    assert finding.level == "warning"
    assert finding.fix == f"chmod 700 {folder}"


def test_a_peer_that_does_not_answer_is_a_warning(tmp_path: Path) -> None:
    """Nothing listens there; the cluster may simply not be running yet."""
    findings = doctor.check(plain(tmp_path), "a")
    assert {each.what[:12] for each in findings if each.what.startswith("peer ")} == {
        "peer b, Raft",
        "peer b, HTTP",
        "peer c, Raft",
        "peer c, HTTP",
    }
    assert found(findings, "peer b, Raft").level == found(findings, "peer b, HTTP").level == "warning"
    assert "Connection refused" in found(findings, "peer b, Raft").detail


@pytest.mark.parametrize(("ahead_s", "level"), [(0, "ok"), (1.5, "warning"), (-1.5, "warning"), (60, "problem")])
def test_the_clock_of_a_peer_is_compared_with_ours(tmp_path: Path, ahead_s: float, level: str) -> None:
    body = json.dumps({"wall_ms": (time.time() + ahead_s) * 1000}).encode()
    with answering(body) as address:
        findings = doctor.check(with_address(plain(tmp_path), 1, http=address), "a")
    finding = found(findings, "peer b, HTTP")
    assert finding.level == level
    assert "its clock is" in finding.detail


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"wall_ms": "x"}', b'{"wall_ms": null}', b"\xff" * 100])
def test_the_date_header_serves_where_the_body_does_not_tell(tmp_path: Path, body: bytes) -> None:
    for ahead_s, level in ((0, "ok"), (3600, "problem")):
        with answering(body, formatdate(time.time() + ahead_s, usegmt=True)) as address:
            findings = doctor.check(with_address(plain(tmp_path), 1, http=address), "a")
        assert found(findings, "peer b, HTTP").level == level


def test_a_peer_that_tells_no_time_is_a_warning(tmp_path: Path) -> None:
    with answering(b"{}", "not a date") as address:
        findings = doctor.check(with_address(plain(tmp_path), 1, http=address), "a")
    assert found(findings, "peer b, HTTP").level == "warning"


@contextmanager
def raft_port(context: ssl.SSLContext) -> Iterator[Address]:
    """Shakes hands with one connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)

        def greet() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.settimeout(5)
                try:
                    with context.wrap_socket(connection, server_side=True) as secured:
                        secured.recv(1)
                except OSError:
                    return  # the doctor went away, as it should

        thread = threading.Thread(target=greet)
        thread.start()
        yield Address("127.0.0.1", listening.getsockname()[1])
        thread.join()


def test_with_tls_a_peer_is_recognised_by_its_certificate(tmp_path: Path) -> None:
    config = cluster(tmp_path)
    certs.create(config, tmp_path)
    body = json.dumps({"wall_ms": time.time() * 1000}).encode()
    tls = LiveTls(config, "b")
    with raft_port(tls.raft_server) as raft, answering(body, context=tls.http_server) as http:
        findings = doctor.check(with_address(config, 1, raft=raft, http=http), "a")
    assert found(findings, "peer b, Raft").detail == "reachable, with its own certificate"
    assert found(findings, "peer b, HTTP").level == "ok"


def test_with_tls_another_peer_at_the_address_is_told(tmp_path: Path) -> None:
    config = cluster(tmp_path)
    certs.create(config, tmp_path)
    with raft_port(LiveTls(config, "c").raft_server) as raft:
        findings = doctor.check(with_address(config, 1, raft=raft), "a")
    assert "answers as peer 'c', expected peer 'b'" in found(findings, "peer b, Raft").detail


def test_with_tls_a_stranger_at_the_address_is_told(tmp_path: Path) -> None:
    config, other = cluster(tmp_path / "ours"), cluster(tmp_path / "theirs")
    certs.create(config, tmp_path / "ours")
    certs.create(other, tmp_path / "theirs")
    with raft_port(LiveTls(other, "b").raft_server) as raft:
        findings = doctor.check(with_address(config, 1, raft=raft), "a")
    assert "the TLS handshake failed" in found(findings, "peer b, Raft").detail
