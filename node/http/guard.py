"""Who asks, and from where: checked on every request before anything of it is read.

Law: a request without identity has no identity, never a default one; `anonymous` is who may ask where no login is
configured. A browser may
only ask for pages it got from this very peer.
"""

import hashlib
from ipaddress import ip_address
from typing import Any, Final, Protocol

from multidict import CIMultiDictProxy

from quorate.node.http.ports import CertificatePrincipal
from quorate.node.http.problems import Problem
from quorate.node.http.settings import HttpSettings

ANONYMOUS: Final = "anonymous"
_KEPT_HOSTS: Final = 256


class Certified(Protocol):
    def certificate(self) -> dict[str, Any] | None: ...


class Guard:
    def __init__(self, settings: HttpSettings, certificate_principal: CertificatePrincipal) -> None:
        self._settings = settings
        self._certificate_principal = certificate_principal
        self._good_hosts: set[str] = set()

    def check_origin(self, headers: CIMultiDictProxy[str]) -> None:
        """Raises Problem for a host name that is not ours (DNS rebinding) and for pages of other sites."""
        host = headers.get("Host", "")
        if host not in self._good_hosts:
            self._check_host(host)
        origin = headers.get("Origin")
        if origin is not None and origin.partition("://")[2].lower() != host.lower():
            raise Problem(
                403,
                "cross-origin",
                "pages of other sites may not ask here; use a program, or a page of this peer",
                field="Origin",
            )
        if headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            raise Problem(
                403,
                "cross-origin",
                "pages of other sites may not ask here; use a program, or a page of this peer",
                field="Sec-Fetch-Site",
            )

    def _check_host(self, host: str) -> None:
        name = host_name(host)
        if name is None:
            raise Problem(
                400,
                "bad-request",
                f"got {host[:100]!r} as host, expected a name or address with or without port",
                field="Host",
            )
        if not (_is_address(name) or name == "localhost" or name in self._settings.names):
            detail = (
                f"{name[:100]!r} is no name of this cluster; use an address, or a name that stands in the cluster file"
            )
            raise Problem(421, "wrong-host", detail, field="Host")
        if len(self._good_hosts) < _KEPT_HOSTS:
            self._good_hosts.add(host)

    def principal(self, headers: CIMultiDictProxy[str], connection: Certified) -> str:
        """Who asks. Raises Problem (401) if login is wanted and this is nobody."""
        authorization = headers.get("Authorization")
        if authorization is not None:
            return self._bearer(authorization)
        certificate = connection.certificate()
        if certificate:
            who = self._certificate_principal(certificate)
            if who is not None:
                return who
            if self._settings.wants_login:
                raise _login("this certificate is of a role or cluster that may not ask here")
        if self._settings.wants_login:
            raise _login(
                "who are you? come with a client certificate of this cluster, or `Authorization: Bearer <token>`"
            )
        return ANONYMOUS

    def _bearer(self, authorization: str) -> str:
        scheme, _, token = authorization.partition(" ")
        # Looked up by its hash: the time this takes tells nothing about the tokens there are.
        digest = hashlib.sha256(token.strip().encode("utf-8", "surrogateescape")).hexdigest()
        name = self._settings.tokens.get(digest) if scheme.lower() == "bearer" else None
        if name is None:
            raise _login("this is no token of this cluster; expected `Authorization: Bearer <token>`")
        return name


def host_name(host: str) -> str | None:
    """The name in a Host header, lower case, without port and brackets; None if it is none."""
    if host.startswith("["):
        name, bracket, port = host[1:].partition("]")
        port = port.removeprefix(":") if port.startswith(":") or not port else "x"
        ok = bool(bracket)
    else:
        name, _, port = host.partition(":")
        ok = all(letter.isalnum() or letter in ".-_" for letter in name) and name.isascii()
    if not ok or not name or (port and not (port.isascii() and port.isdigit())):
        return None
    return name.lower().rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _login(detail: str) -> Problem:
    return Problem(401, "login", detail, field="Authorization", headers={"WWW-Authenticate": 'Bearer realm="quorate"'})
