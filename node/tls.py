"""TLS contexts of one peer, exchanged under way when the certificate files change.

Law: TLS 1.3 at least; on the Raft port both sides show a certificate of this cluster's CA, and after the handshake
`verify_peer` decides by role, id and cluster, never by host name. New files take effect for new connections within a
second, a CA taken away included; open connections go on. Files that do not fit together are not taken: the last good
ones stay in force, and it is logged.
"""

import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import structlog

from quorate.node import certificate
from quorate.node.certificate import Identity, Untrusted, identity_in
from quorate.node.config import ClusterConfig, TlsConfig

LOOK_EVERY_S = 1.0
"""How often the files are looked at, at most, and only when a connection is made."""

log = structlog.get_logger(__name__)

Seen = tuple[tuple[int, int, int], ...]


def verify_peer(connection: ssl.SSLObject | ssl.SSLSocket, cluster: str) -> Identity:
    """Who is at the other end, after the handshake. Raises Untrusted at no certificate, or another cluster's."""
    return _identity_shown(connection.getpeercert() or {}, cluster)


def principal_of(certificate: Mapping[str, Any], cluster: str) -> str | None:
    """Who asks over HTTP, as `client/admin` or `peer/a`, by what `getpeercert()` gave; None if it is a stranger's."""
    try:
        identity = _identity_shown(certificate, cluster)
    except Untrusted:
        return None
    return f"{identity.role}/{identity.id}"


def _identity_shown(certificate: Mapping[str, Any], cluster: str) -> Identity:
    if not certificate:
        raise Untrusted("got no certificate, expected one of this cluster")
    names = certificate.get("subjectAltName", ())
    return identity_in([value for kind, value in names if kind == "URI"], cluster)


class _Contexts(NamedTuple):
    raft_server: ssl.SSLContext
    raft_client: ssl.SSLContext
    http_server: ssl.SSLContext
    http_client: ssl.SSLContext


class LiveTls:
    """The contexts of one peer. Used from one thread.

    `raft_server` and `http_server` may be given to a listener once and for all: each handshake is moved to the newest
    contexts. `raft_client()` and `http_client()` are asked anew for each connection.
    """

    def __init__(self, config: ClusterConfig, me: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Raises ValueError if the cluster has no TLS, Untrusted or OSError if the files cannot be used."""
        if config.tls is None:
            raise ValueError(f"the cluster {config.cluster!r} has no tls section")
        self._files = config.tls.of(me)
        self._cluster = config.cluster
        self._me = Identity("peer", me)
        self._client_certificate = ssl.CERT_OPTIONAL if _may_come_without(config) else ssl.CERT_REQUIRED
        self._monotonic = monotonic
        self._looked_at = monotonic()
        self._seen = _seen(self._files)
        self._refuse_flawed()
        self._now = self._load()
        doors = self._load()
        doors.raft_server.sni_callback = self._to_newest_raft
        doors.http_server.sni_callback = self._to_newest_http
        self.raft_server = doors.raft_server
        self.http_server = doors.http_server

    def raft_client(self) -> ssl.SSLContext:
        """For dialling a peer; the dialler then asks `verify_peer` whether it is the one that was meant."""
        self._look()
        return self._now.raft_client

    def peer_of(self, connection: ssl.SSLObject) -> str | None:
        """After a handshake on the Raft port: the id of the peer at the other end; None for anybody else."""
        try:
            identity = verify_peer(connection, self._cluster)
        except Untrusted:
            return None
        return identity.id if identity.role == "peer" else None

    def http_client(self) -> ssl.SSLContext:
        """For dialling a peer's HTTP; HTTP libraries leave no room for `verify_peer`, so the host name counts."""
        self._look()
        return self._now.http_client

    def _to_newest_raft(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        self._look()
        connection.context = self._now.raft_server

    def _to_newest_http(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        self._look()
        connection.context = self._now.http_server

    def _look(self) -> None:
        now = self._monotonic()
        if now - self._looked_at < LOOK_EVERY_S:
            return
        self._looked_at = now
        seen = _seen(self._files)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._refuse_flawed()
            self._now = self._load()
        except (OSError, Untrusted) as failure:  # ssl.SSLError is an OSError
            log.warning("tls.new_files_refused", cert=str(self._files.cert), why=str(failure))
        else:
            log.info("tls.new_files_taken", cert=str(self._files.cert))

    def _refuse_flawed(self) -> None:
        bundle = certificate.read(self._files.ca, self._files.cert, self._files.key)
        if isinstance(bundle, certificate.Bundle):
            flaws = certificate.flaws_of(bundle, self._cluster, self._me, certificate.now_utc())
        else:
            flaws = bundle
        if flaws:
            raise Untrusted("; ".join(f"{flaw.field}: {flaw.message}" for flaw in flaws))

    def _load(self) -> _Contexts:
        raft_client = self._context(ssl.PROTOCOL_TLS_CLIENT)
        raft_client.check_hostname = False
        http_server = self._context(ssl.PROTOCOL_TLS_SERVER)
        http_server.verify_mode = self._client_certificate
        return _Contexts(
            raft_server=self._context(ssl.PROTOCOL_TLS_SERVER),
            raft_client=raft_client,
            http_server=http_server,
            http_client=self._context(ssl.PROTOCOL_TLS_CLIENT),
        )

    def _context(self, protocol: int) -> ssl.SSLContext:
        context = ssl.SSLContext(protocol)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cafile=self._files.ca)
        context.load_cert_chain(self._files.cert, self._files.key)
        if protocol == ssl.PROTOCOL_TLS_SERVER:
            context.num_tickets = 0  # a resumed session would skip the certificate, also one withdrawn since
        return context


def _may_come_without(config: ClusterConfig) -> bool:
    """Where a token, or nothing, is asked of HTTP clients, the handshake lets them through without a certificate."""
    return config.tokens is not None or config.insecure


def _seen(files: TlsConfig) -> Seen:
    """What changes when a file is written or replaced; a missing one counts as such."""
    marks = []
    for path in (files.ca, files.cert, files.key):
        try:
            state = path.stat()
        except OSError:
            marks.append((0, 0, 0))
        else:
            marks.append((state.st_ino, state.st_mtime_ns, state.st_size))
    return tuple(marks)
