"""What the cluster file points at is looked at before a peer starts: certificate, key, tokens, data folder."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from quorate.consensus.ports import Write
from quorate.consensus.raft.identity import NAME, Identity, write_identity
from quorate.node import certs
from quorate.node.certificate import now_utc
from quorate.node.config import ClusterConfig, ConfigError, Problem, load
from quorate.node.tokens import create
from tests.node.certificates import rotated_at

FILE = """\
cluster: shop
peers:
  - {id: a, raft: '127.0.0.1:7101', http: '127.0.0.1:8101', data: data/a}
  - {id: b, raft: '127.0.0.1:7102', http: '127.0.0.1:8102', data: data/b}
  - {id: c, raft: '127.0.0.1:7103', http: '127.0.0.1:8103', data: data/c}
tls:
  ca: certs/ca.pem
  cert: certs/{id}.pem
  key: certs/{id}.key
tokens:
  file: tokens.yaml
"""
CA_LINE, CERT_LINE, KEY_LINE, TOKENS_LINE = 7, 8, 9, 11


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A cluster file with everything it points at, as the commands make it."""
    path = tmp_path / "cluster.yaml"
    path.write_text(FILE)
    certs.create(load(path), tmp_path / "certs")
    create(tmp_path / "tokens.yaml", "ci")
    return path


def config_of(file: Path) -> ClusterConfig:
    return load(file)


def problem_of(file: Path, peer_id: str = "a") -> Problem:
    with pytest.raises(ConfigError) as refused:
        load(file, peer_id)
    (problem,) = refused.value.problems
    assert problem.file == str(file)
    assert problem.fix
    return problem


def test_what_the_commands_make_is_accepted_without_a_warning(file: Path) -> None:
    for peer_id in ("a", "b", "c"):
        assert load(file, peer_id).warnings == ()


def test_without_a_peer_nothing_but_the_file_is_looked_at(tmp_path: Path) -> None:
    """So that `certs create` can read a file whose certificates are not there yet."""
    path = tmp_path / "cluster.yaml"
    path.write_text(FILE)
    assert load(path).tls is not None


def test_missing_files_are_all_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text(FILE)
    with pytest.raises(ConfigError) as refused:
        load(path, "a")
    told = [(problem.line, problem.key) for problem in refused.value.problems]
    assert told == [
        (CA_LINE, "tls.ca"),
        (CERT_LINE, "tls.cert"),
        (KEY_LINE, "tls.key"),
        (TOKENS_LINE, "tokens.file"),
    ]
    for problem in refused.value.problems[:3]:
        assert "does not exist" in problem.message
        assert "quorate certs create FILE" in problem.fix
    assert "quorate tokens create FILE NAME" in refused.value.problems[3].fix


@pytest.mark.parametrize(
    ("name", "line", "key", "got"),
    [
        ("ca.pem", CA_LINE, "tls.ca", "holds no PEM certificate"),
        ("a.pem", CERT_LINE, "tls.cert", "holds no PEM certificate"),
        ("a.key", KEY_LINE, "tls.key", "holds no PEM private key"),
    ],
)
@pytest.mark.parametrize(
    "content", [b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_a_damaged_file_is_told(file: Path, name: str, line: int, key: str, got: str, content: bytes) -> None:
    (file.parent / "certs" / name).write_bytes(content)
    problem = problem_of(file)
    assert (problem.line, problem.key) == (line, key)
    assert got in problem.message


@pytest.mark.parametrize(
    ("name", "line", "key"),
    [("ca.pem", CA_LINE, "tls.ca"), ("a.pem", CERT_LINE, "tls.cert"), ("a.key", KEY_LINE, "tls.key")],
)
def test_an_unreadable_file_is_told(file: Path, name: str, line: int, key: str) -> None:
    """A folder in its place cannot be read by anybody, the superuser included."""
    path = file.parent / "certs" / name
    path.unlink()
    path.mkdir(mode=0o700)
    problem = problem_of(file)
    assert (problem.line, problem.key) == (line, key)
    assert "cannot be read: Is a directory" in problem.message
    assert "readable for the user" in problem.fix


def put(file: Path, *pairs: tuple[str, str]) -> None:
    folder = file.parent / "certs"
    for source, target in pairs:
        (folder / target).write_bytes((folder / source).read_bytes())


def test_the_certificate_of_another_peer_is_told(file: Path) -> None:
    put(file, ("b.pem", "a.pem"), ("b.key", "a.key"))
    problem = problem_of(file)
    assert (problem.line, problem.key) == (CERT_LINE, "tls.cert")
    assert "certificate of peer 'b', expected peer 'a'" in problem.message
    assert "its own certificate" in problem.fix


def test_the_certificate_of_a_client_is_told(file: Path) -> None:
    put(file, ("admin.pem", "a.pem"), ("admin.key", "a.key"))
    with pytest.raises(
        ConfigError, match=r"certificate of client 'admin', expected peer 'a'.*\n.*lacks server or client"
    ):
        load(file, "a")


def test_the_certificate_of_another_cluster_is_told(file: Path) -> None:
    file.write_text(FILE.replace("cluster: shop", "cluster: mall"))
    problem = problem_of(file)
    assert (problem.line, problem.key) == (CERT_LINE, "tls.cert")
    assert "certificate of the cluster 'shop', expected 'mall'" in problem.message


def test_the_certificate_of_another_ca_is_told(file: Path, tmp_path: Path) -> None:
    certs.create(config_of(file), tmp_path / "others")
    (tmp_path / "others" / "ca.pem").replace(file.parent / "certs" / "ca.pem")
    problem = problem_of(file)
    assert (problem.line, problem.key) == (CERT_LINE, "tls.cert")
    assert "not issued by `ca`" in problem.message
    assert "certs create" in problem.fix


def test_a_key_that_does_not_belong_is_told(file: Path) -> None:
    put(file, ("b.key", "a.key"))
    problem = problem_of(file)
    assert (problem.line, problem.key) == (KEY_LINE, "tls.key")
    assert "does not belong to `cert`" in problem.message


@pytest.mark.parametrize(
    ("moment", "got", "fix"),
    [
        (datetime(2020, 1, 1, tzinfo=UTC), "expired on 2020-12-31", "certs rotate"),
        (now_utc() + timedelta(days=2), "valid only from", "clock"),
    ],
)
def test_a_certificate_of_another_time_is_told(
    file: Path, moment: datetime, got: str, fix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rotated_at(config_of(file), file.parent / "certs", moment, monkeypatch)
    problem = problem_of(file)
    assert (problem.line, problem.key) == (CERT_LINE, "tls.cert")
    assert got in problem.message
    assert fix in problem.fix


def test_a_certificate_that_soon_expires_is_a_warning(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moment = now_utc() - timedelta(days=certs.LEAF_DAYS - 10, minutes=-5)
    rotated_at(config_of(file), file.parent / "certs", moment, monkeypatch)
    (warning,) = load(file, "a").warnings
    assert (warning.line, warning.key) == (CERT_LINE, "tls.cert")
    assert "expires in 10 days" in warning.message
    assert "certs rotate" in warning.fix


def test_secrets_that_others_may_read_are_a_warning(file: Path) -> None:
    (file.parent / "certs" / "a.key").chmod(0o640)
    (file.parent / "tokens.yaml").chmod(0o604)
    warnings = load(file, "a").warnings
    assert [(warning.line, warning.key) for warning in warnings] == [
        (KEY_LINE, "tls.key"),
        (TOKENS_LINE, "tokens.file"),
    ]
    for warning in warnings:
        assert "expected 0600" in warning.message
        assert "chmod 600" in warning.fix


def test_a_damaged_tokens_file_is_told(file: Path) -> None:
    (file.parent / "tokens.yaml").write_text("ci: not-a-hash\n")
    problem = problem_of(file)
    assert (problem.line, problem.key) == (TOKENS_LINE, "tokens.file")
    assert "something else than the sha256" in problem.message


def test_a_data_folder_that_is_a_file_is_told(file: Path) -> None:
    (file.parent / "data").mkdir()
    (file.parent / "data" / "a").touch()
    problem = problem_of(file)
    assert (problem.line, problem.key) == (3, "peers[0].data")
    assert "which is a file, expected a folder" in problem.message


def test_a_data_folder_that_cannot_be_made_is_told(file: Path) -> None:
    (file.parent / "data").touch()
    problem = problem_of(file, "b")
    assert (problem.line, problem.key) == (4, "peers[1].data")
    assert "cannot be made" in problem.message


def owned_by(folder: Path, cluster: str, peer: str, voters: tuple[str, ...] = ("a", "b", "c")) -> Path:
    """A data folder as a running peer leaves it."""
    folder.mkdir(parents=True)
    mine = Identity(
        cluster, peer, "d1", 1, "f1", voters, dict.fromkeys(voters, "d1"), voter=True, config_index=0, flushed=0
    )
    (_, write, *_) = write_identity(mine)
    assert isinstance(write, Write)
    (folder / NAME).write_bytes(write.data)
    (folder / "lock").touch()
    (folder / "history.sqlite").touch()
    return folder


def test_the_folder_of_this_very_peer_is_accepted(file: Path) -> None:
    owned_by(file.parent / "data" / "a", "shop", "a")
    assert load(file, "a").warnings == ()


@pytest.mark.parametrize(
    ("cluster", "peer", "voters", "got"),
    [
        ("mall", "a", ("a", "b", "c"), "belongs to cluster 'mall'"),
        ("shop", "b", ("a", "b", "c"), "belongs to peer 'b', this peer is 'a'"),
        ("shop", "a", ("a", "b", "z"), "founded by a, b, z"),
    ],
)
def test_the_folder_of_somebody_else_is_told(
    file: Path, cluster: str, peer: str, voters: tuple[str, ...], got: str
) -> None:
    owned_by(file.parent / "data" / "a", cluster, peer, voters)
    problem = problem_of(file)
    assert (problem.line, problem.key) == (3, "peers[0].data")
    assert got in problem.message


@pytest.mark.parametrize("content", [b"", b"nonsense", b"QRTIDNT1\x00\x00\x00\x00"])
def test_a_damaged_identity_is_told(file: Path, content: bytes) -> None:
    folder = owned_by(file.parent / "data" / "a", "shop", "a")
    (folder / NAME).write_bytes(content)
    problem = problem_of(file)
    assert problem.key == "peers[0].data"
    assert "identity" in problem.message


def test_a_log_without_an_identity_is_told(file: Path) -> None:
    folder = owned_by(file.parent / "data" / "a", "shop", "a")
    (folder / NAME).unlink()
    (folder / "journal-1").write_bytes(b"entries")
    problem = problem_of(file)
    assert problem.key == "peers[0].data"
    assert "journal-1" in problem.message


@pytest.mark.parametrize("data", ["x" * 300, "loop/x"])
def test_a_path_that_leads_nowhere_does_no_harm(file: Path, data: str) -> None:
    """Too long a name, or links in a circle: told here or at the start, in words."""
    (file.parent / "loop").symlink_to("loop")
    file.write_text(FILE.replace("data: data/a", f"data: {data}"))
    try:
        load(file, "a")
    except ConfigError as refused:
        told = [problem.key for problem in refused.problems]
    else:
        told = []
    assert told in ([], ["peers[0].data"])


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_data_folder_without_permission_is_told(file: Path) -> None:
    folder = file.parent / "data" / "a"
    folder.mkdir(parents=True, mode=0o500)
    problem = problem_of(file)
    assert problem.key == "peers[0].data"
    assert "may not read and write" in problem.message
