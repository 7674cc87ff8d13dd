"""What every command that asks a cluster has in common: where, as whom, for how long, and how it is told.

Law: what is said behind the command wins over what is said before it, that over the environment, that over the cluster
file.
"""

from __future__ import annotations  # `Client` is imported when a command connects, so that `--help` costs nothing

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from quorate.cli.output import JSON, TABLE, Output

if TYPE_CHECKING:
    from quorate.client import Client

F = TypeVar("F", bound=Callable[..., Any])

TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 2.0

_OPTIONS = (
    click.option(
        "--endpoints", envvar="QUORATE_ENDPOINTS", metavar="HOST:PORT,...", help="Peers to ask, in this order."
    ),
    click.option(
        "--cluster",
        envvar="QUORATE_CLUSTER",
        metavar="FILE",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Cluster file to take peers and certificates from.",
    ),
    click.option(
        "--token", envvar="QUORATE_TOKEN", help="Bearer token (better in QUORATE_TOKEN than on a command line)."
    ),
    click.option("--ca", envvar="QUORATE_CA", metavar="PEM", help="Certificate authority of the cluster."),
    click.option("--cert", envvar="QUORATE_CERT", metavar="PEM", help="Client certificate."),
    click.option("--tls-key", envvar="QUORATE_KEY", metavar="PEM", help="Key of the client certificate."),
    click.option(
        "--timeout",
        envvar="QUORATE_TIMEOUT",
        type=click.FloatRange(min=0.1),
        metavar="S",
        help=f"Seconds for each request, over all peers it is tried on (default {TIMEOUT_S:g}).",
    ),
    click.option(
        "-o",
        "--output",
        envvar="QUORATE_OUTPUT",
        type=click.Choice([TABLE, JSON]),
        help="How to print (default table).",
    ),
    click.option("--debug", is_flag=True, default=None, help="Show where an error comes from."),
)

_NAMES = ("endpoints", "cluster", "token", "ca", "cert", "tls_key", "timeout", "output", "debug")


def common_options(command: F) -> F:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def with_connection(command: Callable[..., Any]) -> Callable[..., Any]:
    """The common options, and the connection they make as the first argument."""

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        given = {name: kwargs.pop(name) for name in _NAMES}
        return command(Connection(given, click.get_current_context().find_root().params), *args, **kwargs)

    wrapped.__name__ = command.__name__
    wrapped.__doc__ = command.__doc__
    wrapped.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]  # as click keeps them
    return common_options(wrapped)


class Connection:
    def __init__(self, given: dict[str, Any], before: dict[str, Any]) -> None:
        self._given = {name: before.get(name) if given[name] is None else given[name] for name in _NAMES}
        self.output = Output(self._given["output"] or TABLE)

    def client(self) -> Client:
        """Raises ValueError for options that cannot be used, ConfigError for a cluster file that cannot."""
        from quorate.client import Client

        given = self._given
        access = {name: given[name] for name in ("endpoints", "token", "ca", "cert")} | {"key": given["tls_key"]}
        if given["cluster"] is not None:
            access = {name: value for name, value in access.items() if value is not None}
            access = _from_file(given["cluster"]) | access
        timeout_s = given["timeout"] or TIMEOUT_S
        return Client(**access, timeout=timeout_s, connect_timeout=min(timeout_s, CONNECT_TIMEOUT_S))


def _from_file(file: Path) -> dict[str, Any]:
    """The peers of a cluster file, and the client certificate beside theirs, if it is there."""
    from quorate.node import certs
    from quorate.node.config import load

    config = load(file)
    access: dict[str, Any] = {"endpoints": [f"{config.http_scheme}://{peer.http}" for peer in config.peers]}
    if config.tls is not None:
        access["ca"] = str(config.tls.ca)
        client = config.tls.of(certs.ADMIN)
        if client.cert.is_file() and client.key.is_file():
            access |= {"cert": str(client.cert), "key": str(client.key)}
    return access
