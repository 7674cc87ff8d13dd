"""Clusters of real processes, ended with the test whatever happens.

`cluster` is a test's own. `shared` is one for all tests of a file that leave it as they found it: attacks that must do
no harm; each begins and ends with three ready peers.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.processes import LiveCluster


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[LiveCluster]:
    """Three peers, running and ready."""
    cluster = LiveCluster(tmp_path)
    cluster.start()
    try:
        cluster.wait_until_ready()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="module")
def lasting_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveCluster]:
    cluster = LiveCluster(tmp_path_factory.mktemp("shared"))
    cluster.start()
    try:
        cluster.wait_until_ready()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def shared(lasting_cluster: LiveCluster) -> Iterator[LiveCluster]:
    processes = dict(lasting_cluster.processes)
    yield lasting_cluster
    lasting_cluster.wait_until_ready()
    assert lasting_cluster.processes == processes
