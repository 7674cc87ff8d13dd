"""A certificate authority for one cluster, and a certificate for each peer and one client: TLS by one command.

Law: nothing is ever overwritten by `create`; `rotate` replaces the certificates and keys of the same CA, each file
atomically. Private keys are readable by their owner only, from the moment they exist. The CA's key is needed to make
certificates and by no running peer: keep it off the peers.
"""

import os
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from quorate.node.certificate import Identity, now_utc, uri
from quorate.node.config import ClusterConfig, ConfigError, PeerConfig, TlsConfig

CA_DAYS = 3_650
LEAF_DAYS = 365
BACKDATED = timedelta(hours=1)
"""Certificates begin this much in the past, since the clock of who checks one may be behind."""

ADMIN = "admin"
"""Name of the client certificate that `create` makes."""


class CertsError(Exception):
    """Nothing was written. The message says what was found, what was expected and what to do."""


def folder_of(config: ClusterConfig) -> Path:
    """Where the cluster file expects its certificates: the folder of `tls.ca`, or `certs` beside the file.

    Raises ConfigError if the `tls` section names files in another layout than `create` makes.
    """
    if config.tls is None:
        return Path(config.source.file).absolute().parent / "certs"
    folder = config.tls.ca.parent
    if config.tls != places_in(folder):
        message = f"got ca {config.tls.ca}, cert {config.tls.cert}, key {config.tls.key}"
        fix = (
            "write ca: DIR/ca.pem, cert: DIR/{id}.pem, key: DIR/{id}.key, or make the certificates with your own tools"
        )
        raise ConfigError([config.source.problem("tls", message, fix)])
    return folder


def places_in(folder: Path) -> TlsConfig:
    """The `tls` section that fits what `create` writes into a folder."""
    return TlsConfig(folder / "ca.pem", folder / "{id}.pem", folder / "{id}.key")


def create(config: ClusterConfig, folder: Path) -> list[Path]:
    """A new CA (`ca.pem`, `ca.key`), `<id>.pem` and `<id>.key` for every peer, and the same for the client `admin`.

    Returns the files written. Raises CertsError, with nothing written, if one of them is there already.
    """
    _check_names(config)
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca = _authority(config.cluster, ca_key)
    files = {folder / "ca.pem": _pem(ca), folder / "ca.key": _key_pem(ca_key)}
    files |= _leaves(config, folder, ca, ca_key)
    there = [path.name for path in files if path.exists()]
    if there:
        raise CertsError(
            f"{folder} already holds {', '.join(there)}, and certificates are never overwritten;"
            " use `quorate certs rotate` for new ones of the same CA, or another folder"
        )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path, content in files.items():
        _write_new(path, content)
    return list(files)


def rotate(config: ClusterConfig, folder: Path) -> list[Path]:
    """New certificates and keys of the CA in `folder`, for all peers and the client. Running peers notice.

    Returns the files written. Raises CertsError, with nothing written, if the CA is not there or not of this cluster.
    """
    _check_names(config)
    ca, ca_key = _read_authority(folder)
    if ca.subject != _authority_name(config.cluster):
        raise CertsError(
            f"the CA in {folder} is {ca.subject.rfc4514_string()!r}, not that of the cluster {config.cluster!r};"
            " name the folder with this cluster's certificates"
        )
    files = _leaves(config, folder, ca, ca_key)
    for path, content in files.items():
        fresh = path.with_name(path.name + ".new")
        fresh.unlink(missing_ok=True)
        _write_new(fresh, content)
        fresh.replace(path)
    return list(files)


def _check_names(config: ClusterConfig) -> None:
    for peer in config.peers:
        if peer.id in ("ca", ADMIN):
            raise CertsError(
                f"a peer is called {peer.id!r}, and so is a file that is made here; give the peer another id,"
                " or make the certificates with your own tools"
            )


def _leaves(
    config: ClusterConfig, folder: Path, ca: x509.Certificate, ca_key: ec.EllipticCurvePrivateKey
) -> dict[Path, bytes]:
    wanted = [(Identity("peer", peer.id), _hosts(peer)) for peer in config.peers]
    wanted.append((Identity("client", ADMIN), []))
    files: dict[Path, bytes] = {}
    for identity, hosts in wanted:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _leaf(config.cluster, identity, hosts, key, ca, ca_key)
        files[folder / f"{identity.id}.key"] = _key_pem(key)
        files[folder / f"{identity.id}.pem"] = _pem(certificate)
    return files


def _hosts(peer: PeerConfig) -> list[x509.GeneralName]:
    """The names clients check when they dial the peer; loopback addresses are interchangeable."""
    hosts = {peer.raft.host: None, peer.http.host: None}
    if peer.raft.is_loopback or peer.http.is_loopback:
        hosts |= {"localhost": None, "127.0.0.1": None, "::1": None}
    return [_host(host) for host in hosts]


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _authority_name(cluster: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"quorate cluster {cluster} CA")])


def _authority(cluster: str, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = _authority_name(cluster)
    now = now_utc()
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + timedelta(days=CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _leaf(
    cluster: str,
    identity: Identity,
    hosts: list[x509.GeneralName],
    key: ec.EllipticCurvePrivateKey,
    ca: x509.Certificate,
    ca_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    now = now_utc()
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri(cluster, identity)), *hosts]
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
    if identity.role == "peer":
        usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
    common_name = f"{identity.role} {identity.id}"
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
        .issuer_name(ca.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(min(now + timedelta(days=LEAF_DAYS), ca.not_valid_after_utc))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )


def _read_authority(folder: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    try:
        ca = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
        key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), password=None)
    except OSError as failure:
        raise CertsError(
            f"{failure.filename} cannot be read: {failure.strerror}; name the folder that `certs create` wrote"
        ) from failure
    except (ValueError, TypeError) as bad:
        raise CertsError(f"ca.pem or ca.key in {folder} is damaged; restore them from a copy") from bad
    if not isinstance(key, ec.EllipticCurvePrivateKey) or ca.public_key() != key.public_key():
        raise CertsError(f"ca.key in {folder} does not belong to ca.pem; restore the two that were made together")
    return ca, key


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write_new(path: Path, content: bytes) -> None:
    mode = 0o600 if path.name.removesuffix(".new").endswith(".key") else 0o644
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(descriptor)
