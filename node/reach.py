"""Looking at another peer from outside: is it there, is it the one, what time does it have?

Law: used by the doctor only; each look is one connection with a deadline, and what answers is a stranger until its
certificate says otherwise. A size limit stands on every answer.
"""

import http.client
import json
import socket
import ssl
import time
from email.utils import parsedate_to_datetime

import msgspec

from quorate.node.certificate import Identity, Untrusted
from quorate.node.config import Address, ClusterConfig, PeerConfig
from quorate.node.tls import LiveTls, verify_peer

DEADLINE_S = 2.0
MAX_ANSWER_BYTES = 1024 * 1024


class UnreachableError(Exception):
    """With what to do about it."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.fix = fix


class Trust(msgspec.Struct, frozen=True):
    """What this machine can show and check with. Both None: the cluster has no TLS, or `flaw` says why not."""

    raft: ssl.SSLContext | None = None
    http: ssl.SSLContext | None = None
    flaw: str = ""


class Clock(msgspec.Struct, frozen=True):
    ahead_ms: float
    """By how much the other's wall clock is ahead of ours."""
    uncertain_ms: float


def trust_of(config: ClusterConfig, peer_id: str | None) -> Trust:
    """With the certificate of `peer_id`, or of the first peer whose files are on this machine."""
    if config.tls is None:
        return Trust()
    flaw = "no certificate of a peer on this machine"
    for me in [peer_id] if peer_id is not None else [peer.id for peer in config.peers]:
        try:
            tls = LiveTls(config, me)
        except (OSError, Untrusted) as failure:
            flaw = f"the certificate of peer {me} cannot be used ({failure})"
            continue
        return Trust(tls.raft_client(), tls.http_client())
    return Trust(flaw=flaw)


def raft(config: ClusterConfig, peer: PeerConfig, trust: Trust) -> str:
    """What was found at the Raft port, in words. Raises UnreachableError."""
    with _connected(peer.raft) as connection:
        if config.tls is None:
            return "reachable"
        if trust.raft is None:
            raise UnreachableError(f"reachable, but not checked: {trust.flaw}", "run `quorate certs create FILE`")
        try:
            with trust.raft.wrap_socket(connection) as secured:
                found = verify_peer(secured, config.cluster)
        except (OSError, Untrusted) as failure:
            raise UnreachableError(
                f"the TLS handshake failed: {failure}", "give both peers certificates of one CA"
            ) from failure
    if found != Identity("peer", peer.id):
        message = f"answers as {found.role} {found.id!r}, expected peer {peer.id!r}"
        raise UnreachableError(message, "check the addresses in the cluster file, and which certificate that peer has")
    return "reachable, with its own certificate"


def clock(config: ClusterConfig, peer: PeerConfig, trust: Trust) -> Clock | None:
    """Its wall clock against ours, from `wall_ms` of /v1/cluster or the Date header; None if it tells neither.

    Raises UnreachableError.
    """
    if config.tls is not None and trust.http is None:
        raise UnreachableError(f"not asked: {trust.flaw}", "run `quorate certs create FILE`")
    asked_at_ms = time.time() * 1000
    try:
        answer, body = _get(peer.http, trust.http)
    except (OSError, http.client.HTTPException) as failure:
        raise UnreachableError(
            f"does not answer: {failure}", "start it, or check its address and firewall"
        ) from failure
    half_ms = (time.time() * 1000 - asked_at_ms) / 2
    return _told_time(answer, body, asked_at_ms + half_ms, half_ms)


def _get(address: Address, context: ssl.SSLContext | None) -> tuple[http.client.HTTPResponse, bytes]:
    connection = (
        http.client.HTTPConnection(address.host, address.port, timeout=DEADLINE_S)
        if context is None
        else http.client.HTTPSConnection(address.host, address.port, timeout=DEADLINE_S, context=context)
    )
    try:
        connection.request("GET", "/v1/cluster?consistency=stale")
        answer = connection.getresponse()
        return answer, answer.read(MAX_ANSWER_BYTES)
    finally:
        connection.close()


def _told_time(answer: http.client.HTTPResponse, body: bytes, ours_ms: float, half_ms: float) -> Clock | None:
    try:
        told = json.loads(body)
        theirs_ms = float(told["wall_ms"])
    except (ValueError, TypeError, KeyError):
        pass
    else:
        return Clock(theirs_ms - ours_ms, half_ms)
    try:
        theirs = parsedate_to_datetime(answer.headers["Date"] or "")
    except (ValueError, TypeError):
        return None
    # The header has whole seconds, cut off: on average the clock is half a second further.
    return Clock(theirs.timestamp() * 1000 + 500 - ours_ms, half_ms + 500)


def _connected(address: Address) -> socket.socket:
    try:
        return socket.create_connection((address.host, address.port), timeout=DEADLINE_S)
    except OSError as failure:
        message = f"no connection: {failure.strerror or failure}"
        raise UnreachableError(message, "start it, or check its address and firewall") from failure
