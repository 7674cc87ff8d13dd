"""Clusters with certificates for tests, the wrong kinds among them.

Law: everything is made by the product's own code, or differs from it in the one thing its name says.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from quorate.node import certs
from quorate.node.config import Address, ClusterConfig, PeerConfig, TlsConfig

NOWHERE = Address("127.0.0.1", 1)


def cluster(folder: Path, name: str = "shop", ids: tuple[str, ...] = ("a", "b", "c")) -> ClusterConfig:
    """A cluster on loopback whose certificates are (to be) in `folder`."""
    peers = tuple(PeerConfig(id=each, raft=NOWHERE, http=NOWHERE, data=folder / "data" / each) for each in ids)
    return ClusterConfig(cluster=name, peers=peers, tls=certs.places_in(folder))


def with_certificates(folder: Path, name: str = "shop", ids: tuple[str, ...] = ("a", "b", "c")) -> ClusterConfig:
    config = cluster(folder, name, ids)
    certs.create(config, folder)
    return config


def rotated_at(config: ClusterConfig, folder: Path, moment: datetime, patch: pytest.MonkeyPatch) -> None:
    """New certificates as if made at `moment`."""
    with patch.context() as then:
        then.setattr(certs, "now_utc", lambda: moment)
        certs.rotate(config, folder)


def files_of(config: ClusterConfig, name: str) -> TlsConfig:
    assert config.tls is not None
    return config.tls.of(name)


Clock = Callable[[], float]


class HandClock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now
