"""What the tests of the client share: three fake peers, and a client of them."""

from collections.abc import Iterator

import pytest

from quorate.client import Client
from tests.quorate.fake_cluster import FakeCluster, fake_cluster


@pytest.fixture
def cluster() -> Iterator[FakeCluster]:
    with fake_cluster() as running:
        yield running


@pytest.fixture
def client(cluster: FakeCluster) -> Iterator[Client]:
    with Client(cluster.endpoints, timeout=5.0, connect_timeout=2.0) as connected:
        yield connected
