"""Where the peers are and who asks: endpoints, token, TLS files.

Law: what is not given comes from the environment (`QUORATE_ENDPOINTS`, `QUORATE_TOKEN`, `QUORATE_CA`, `QUORATE_CERT`,
`QUORATE_KEY`). A token is never shown, neither by `repr` nor in an error.
"""

import os
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

DEFAULT_ENDPOINTS = ("http://127.0.0.1:8101", "http://127.0.0.1:8102", "http://127.0.0.1:8103")
"""The peers of `cluster.example.yaml`."""


@dataclass(frozen=True, slots=True)
class Access:
    """endpoints: base URLs, the first is asked first. ca, cert, key: PEM files, "" for none."""

    endpoints: tuple[str, ...]
    token: str = field(default="", repr=False)
    ca: str = ""
    cert: str = ""
    key: str = ""

    def __post_init__(self) -> None:
        if not self.endpoints:
            raise ValueError("endpoints: got none, expected at least one such as http://127.0.0.1:8101")
        if not self.token.isascii() or not self.token.isprintable():
            raise ValueError("token: expected printable ASCII; look for a stray line feed or a cut-off copy")
        if bool(self.cert) != bool(self.key):
            raise ValueError("cert and key: got one of them, expected both or none")

    def ssl_context(self) -> ssl.SSLContext | None:
        """None if no endpoint is https. Raises ValueError naming the file that cannot be used."""
        if not any(endpoint.startswith("https:") for endpoint in self.endpoints):
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca or None)
        except (OSError, ssl.SSLError) as error:
            raise ValueError(f"ca: {self.ca} is not a readable PEM certificate: {error}") from error
        if self.cert:
            try:
                context.load_cert_chain(self.cert, self.key)
            except (OSError, ssl.SSLError) as error:
                raise ValueError(f"cert, key: {self.cert} and {self.key} are not a readable pair: {error}") from error
        return context


def access(
    endpoints: str | Iterable[str] | None = None,
    *,
    token: str | None = None,
    ca: str | None = None,
    cert: str | None = None,
    key: str | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Access:
    """Raises ValueError naming what is wrong."""
    ca = environment.get("QUORATE_CA", "") if ca is None else ca
    if endpoints is None:
        endpoints = environment.get("QUORATE_ENDPOINTS") or DEFAULT_ENDPOINTS
    named = endpoints.split(",") if isinstance(endpoints, str) else endpoints
    scheme = "https" if ca else "http"
    found = dict.fromkeys(_endpoint(name.strip(), scheme) for name in named if name.strip())
    return Access(
        tuple(found),
        environment.get("QUORATE_TOKEN", "") if token is None else token,
        ca,
        environment.get("QUORATE_CERT", "") if cert is None else cert,
        environment.get("QUORATE_KEY", "") if key is None else key,
    )


def _endpoint(name: str, scheme: str) -> str:
    """`host:port` or a base URL -> `scheme://host:port`."""
    url = name if "://" in name else f"{scheme}://{name}"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
    except ValueError:
        usable = False
        parts = urlsplit("")
    if not usable or parts.username or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"endpoints: got {name!r}, expected host:port or a URL such as http://127.0.0.1:8101")
    return f"{parts.scheme}://{parts.netloc}"
