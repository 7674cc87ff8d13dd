"""Who a certificate says it is, and whether a peer's own files are fit for use.

Law: identity is role, id and cluster, written as one URI in the certificate (`quorate://<cluster>/peer/<id>` or
`quorate://<cluster>/client/<name>`). A certificate of the right CA with another role, id or cluster is a stranger's:
a worker's or client's certificate must never speak Raft.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID

MAX_PEM_BYTES = 256 * 1024


class Untrusted(Exception):
    """A certificate that is not one of ours, or not of the role asked for. The message may go into a log."""


class Identity(NamedTuple):
    role: str
    """`peer` or `client`."""
    id: str


def uri(cluster: str, identity: Identity) -> str:
    return f"quorate://{cluster}/{identity.role}/{identity.id}"


def identity_in(uris: Sequence[str], cluster: str) -> Identity:
    """The one identity among a certificate's URI names. Raises Untrusted at none, several, or another cluster's."""
    ours = [name for name in uris if name.startswith("quorate://")]
    if len(ours) != 1:
        raise Untrusted(f"got {len(ours)} names of the form quorate://cluster/role/id in the certificate, expected 1")
    match = re.fullmatch(r"quorate://([a-z0-9-]+)/(peer|client)/([a-z0-9-]+)", ours[0])
    if match is None:
        raise Untrusted(
            f"got the name {ours[0][:120]!r}, expected quorate://cluster/peer/id or quorate://cluster/client/name"
        )
    if match[1] != cluster:
        raise Untrusted(f"got a certificate of the cluster {match[1]!r}, expected {cluster!r}")
    return Identity(match[2], match[3])


class Flaw(msgspec.Struct, frozen=True):
    """Why a peer cannot use one of its files."""

    field: str
    """`ca`, `cert` or `key`."""
    message: str
    fix: str


class Bundle(msgspec.Struct, frozen=True):
    """The three files of a peer, read."""

    ca: list[x509.Certificate]
    chain: list[x509.Certificate]
    """The peer's own certificate first."""
    key: PrivateKeyTypes


AGAIN = "run `quorate certs create FILE` (or `certs rotate` where a CA exists) and copy the files to this peer"


def read(ca: Path, cert: Path, key: Path) -> Bundle | list[Flaw]:
    """The files of one peer, or what is wrong with each of them."""
    flaws: list[Flaw] = []
    authorities = _certificates(ca, "ca", flaws)
    chain = _certificates(cert, "cert", flaws)
    private = _key(key, flaws)
    if flaws or private is None:
        return flaws
    return Bundle(authorities, chain, private)


def flaws_of(bundle: Bundle, cluster: str, expected: Identity, now: datetime) -> list[Flaw]:
    """Every reason why others would refuse these files, or why they are not this peer's."""
    flaws: list[Flaw] = []
    leaf = bundle.chain[0]
    if _public_bytes(leaf.public_key()) != _public_bytes(bundle.key.public_key()):
        flaws.append(
            Flaw("key", "got a key that does not belong to `cert`", "give the two files that were made together")
        )
    if not any(_issued(issuer, leaf) for issuer in [*bundle.ca, *bundle.chain[1:]]):
        flaws.append(Flaw("cert", "got a certificate that was not issued by `ca`", AGAIN))
    if now < leaf.not_valid_before_utc:
        fix = "check this machine's clock; it may be behind"
        flaws.append(Flaw("cert", f"got a certificate that is valid only from {_day(leaf.not_valid_before_utc)}", fix))
    if now >= leaf.not_valid_after_utc:
        fix = "run `quorate certs rotate FILE` and copy the new files to this peer"
        flaws.append(Flaw("cert", f"got a certificate that expired on {_day(leaf.not_valid_after_utc)}", fix))
    flaws += _identity_flaws(leaf, cluster, expected)
    if expected.role == "peer" and not _serves_and_dials(leaf):
        message = "got a certificate whose extended key usage lacks server or client authentication; a peer is both"
        flaws.append(Flaw("cert", message, AGAIN))
    return flaws


def days_left(certificate: x509.Certificate, now: datetime) -> int:
    return (certificate.not_valid_after_utc - now).days


def now_utc() -> datetime:
    return datetime.now(UTC)


def _identity_flaws(leaf: x509.Certificate, cluster: str, expected: Identity) -> list[Flaw]:
    try:
        found = identity_in(_uris(leaf), cluster)
    except Untrusted as stranger:
        return [Flaw("cert", str(stranger), AGAIN)]
    if found != expected:
        message = f"got the certificate of {found.role} {found.id!r}, expected {expected.role} {expected.id!r}"
        return [
            Flaw("cert", message, "give this peer its own certificate; `{id}` in the path stands for the peer's id")
        ]
    return []


def _certificates(path: Path, field: str, flaws: list[Flaw]) -> list[x509.Certificate]:
    raw = _bytes(path, field, flaws)
    if raw is None:
        return []
    try:
        return x509.load_pem_x509_certificates(raw)
    except ValueError:
        flaws.append(Flaw(field, f"got {path}, which holds no PEM certificate", AGAIN))
        return []


def _key(path: Path, flaws: list[Flaw]) -> PrivateKeyTypes | None:
    raw = _bytes(path, "key", flaws)
    if raw is None:
        return None
    try:
        return serialization.load_pem_private_key(raw, password=None)
    except TypeError:
        message = f"got {path}, which is encrypted; nobody is there to type a passphrase"
        flaws.append(Flaw("key", message, "store the key unencrypted with mode 0600"))
    except ValueError:
        flaws.append(Flaw("key", f"got {path}, which holds no PEM private key", AGAIN))
    return None


def _bytes(path: Path, field: str, flaws: list[Flaw]) -> bytes | None:
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_PEM_BYTES)
    except FileNotFoundError:
        flaws.append(Flaw(field, f"got {path}, which does not exist", AGAIN))
    except OSError as failure:
        fix = "make it readable for the user the peer runs as"
        flaws.append(Flaw(field, f"got {path}, which cannot be read: {failure.strerror}", fix))
    return None


def _uris(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    return names.get_values_for_type(x509.UniformResourceIdentifier)


def _serves_and_dials(certificate: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True  # without the extension everything is allowed (RFC 5280, 4.2.1.12)
    return {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH} <= set(usage)


def _issued(issuer: x509.Certificate, leaf: x509.Certificate) -> bool:
    try:
        leaf.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _public_bytes(key: object) -> bytes:
    encoded: bytes = key.public_bytes(  # type: ignore[attr-defined]  # every public key of the library has it
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return encoded


def _day(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")
