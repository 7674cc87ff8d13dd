"""`certs create` makes a CA and a certificate for each peer and one client; `certs rotate` renews them."""

from pathlib import Path

import pytest
from cryptography import x509
from msgspec import structs

from quorate.node import certificate, certs
from quorate.node.certificate import Identity, Untrusted, identity_in, uri
from quorate.node.config import Address, ConfigError
from tests.node.certificates import cluster, files_of, with_certificates


def names(path: Path) -> x509.SubjectAlternativeName:
    leaf = x509.load_pem_x509_certificate(path.read_bytes())
    return leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_every_peer_and_one_client_get_files_that_can_be_used(tmp_path: Path) -> None:
    folder = tmp_path / "certs"
    config = cluster(folder)
    made = certs.create(config, folder)
    expected = {f"{name}.{kind}" for name in ("ca", "a", "b", "c", "admin") for kind in ("pem", "key")}
    assert {path.name for path in made} == expected == set(contents(folder))
    now = certificate.now_utc()
    for role, name in (("peer", "a"), ("peer", "b"), ("peer", "c"), ("client", "admin")):
        files = files_of(config, name)
        bundle = certificate.read(files.ca, files.cert, files.key)
        assert isinstance(bundle, certificate.Bundle)
        assert certificate.flaws_of(bundle, "shop", Identity(role, name), now) == []
        assert certificate.days_left(bundle.chain[0], now) in (certs.LEAF_DAYS - 1, certs.LEAF_DAYS)


def test_role_id_and_cluster_stand_in_the_name_and_so_do_the_hosts(tmp_path: Path) -> None:
    config = cluster(tmp_path)
    first = structs.replace(config.peers[0], raft=Address("node-a", 7101), http=Address("10.0.0.1", 8101))
    config = structs.replace(config, peers=(first, *config.peers[1:]))
    certs.create(config, tmp_path)
    shown = names(tmp_path / "a.pem")
    assert shown.get_values_for_type(x509.UniformResourceIdentifier) == ["quorate://shop/peer/a"]
    assert shown.get_values_for_type(x509.DNSName) == ["node-a"]
    assert [str(each) for each in shown.get_values_for_type(x509.IPAddress)] == ["10.0.0.1"]
    assert "127.0.0.1" in [str(each) for each in names(tmp_path / "b.pem").get_values_for_type(x509.IPAddress)]
    admin = names(tmp_path / "admin.pem")
    assert admin.get_values_for_type(x509.UniformResourceIdentifier) == ["quorate://shop/client/admin"]


def test_private_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "certs"
    certs.create(cluster(folder), folder)
    certs.rotate(cluster(folder), folder)
    assert {path.stat().st_mode & 0o777 for path in folder.glob("*.key")} == {0o600}
    assert folder.stat().st_mode & 0o077 == 0


def test_nothing_is_ever_overwritten(tmp_path: Path) -> None:
    (tmp_path / "b.key").write_text("precious")
    with pytest.raises(certs.CertsError, match=r"already holds b\.key.*certs rotate"):
        certs.create(cluster(tmp_path), tmp_path)
    assert contents(tmp_path) == {"b.key": b"precious"}


def test_rotation_keeps_the_ca_and_renews_the_rest(tmp_path: Path) -> None:
    config = with_certificates(tmp_path)
    before = contents(tmp_path)
    certs.rotate(config, tmp_path)
    after = contents(tmp_path)
    assert set(after) == set(before)
    assert {name for name in after if after[name] == before[name]} == {"ca.pem", "ca.key"}


def test_rotation_with_the_ca_of_another_cluster_is_refused(tmp_path: Path) -> None:
    with_certificates(tmp_path, name="mall")
    before = contents(tmp_path)
    with pytest.raises(certs.CertsError, match="not that of the cluster 'shop'"):
        certs.rotate(cluster(tmp_path), tmp_path)
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("ca.key", None, r"ca\.key cannot be read: No such file"),
        ("ca.key", b"nonsense", "damaged"),
        ("ca.pem", b"nonsense", "damaged"),
    ],
)
def test_rotation_without_a_usable_ca_is_refused(tmp_path: Path, name: str, content: bytes | None, told: str) -> None:
    config = with_certificates(tmp_path)
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    before = contents(tmp_path)
    with pytest.raises(certs.CertsError, match=told):
        certs.rotate(config, tmp_path)
    assert contents(tmp_path) == before


def test_rotation_with_a_key_of_another_ca_is_refused(tmp_path: Path) -> None:
    config = with_certificates(tmp_path / "one")
    with_certificates(tmp_path / "two")
    (tmp_path / "two" / "ca.key").replace(tmp_path / "one" / "ca.key")
    with pytest.raises(certs.CertsError, match="does not belong to"):
        certs.rotate(config, tmp_path / "one")


@pytest.mark.parametrize("taken", ["ca", "admin"])
def test_a_peer_called_like_another_file_is_refused(tmp_path: Path, taken: str) -> None:
    with pytest.raises(certs.CertsError, match=f"called '{taken}'"):
        certs.create(cluster(tmp_path, ids=(taken,)), tmp_path)
    assert contents(tmp_path) == {}


def test_the_folder_is_the_one_the_cluster_file_names(tmp_path: Path) -> None:
    config = cluster(tmp_path / "secrets")
    assert certs.folder_of(config) == tmp_path / "secrets"
    beside = structs.replace(config, tls=None, source=structs.replace(config.source, file=str(tmp_path / "c.yaml")))
    assert certs.folder_of(beside) == tmp_path / "certs"
    assert config.tls is not None
    other = structs.replace(config, tls=structs.replace(config.tls, key=tmp_path / "else" / "{id}.key"))
    with pytest.raises(ConfigError, match=r"tls: got ca .*Fix: write ca: DIR/ca\.pem"):
        certs.folder_of(other)


@pytest.mark.parametrize(
    "uris",
    [
        [],
        ["https://example.com/"],
        ["quorate://shop/peer/a", "quorate://shop/peer/b"],
        ["quorate://shop/leader/a"],
        ["quorate://shop/peer/a/b"],
        ["quorate://shop/peer/"],
        ["quorate://shop/peer/a\n"],
        ["quorate://mall/peer/a"],
        ["quorate://shop.mall/peer/a"],
        ["QUORATE://shop/peer/a"],
    ],
)
def test_only_one_name_of_the_exact_form_is_an_identity(uris: list[str]) -> None:
    with pytest.raises(Untrusted, match="expected"):
        identity_in(uris, "shop")


def test_other_names_beside_the_identity_do_no_harm() -> None:
    peer = Identity("peer", "a")
    assert identity_in(["spiffe://x/y", uri("shop", peer)], "shop") == peer
