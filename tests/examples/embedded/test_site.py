"""A peer inside somebody's own program: three such programs are a cluster, with nothing else beside them."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.processes import LiveCluster
from tests.polling import eventually


class Sites(LiveCluster):
    """The example program instead of `quorate peer`."""

    def command(self, peer: str) -> list[str]:
        return [sys.executable, "-m", "examples.embedded.site", str(self.file), peer]

    def evaluated(self, peer: str) -> int:
        """Measurements of this site that some site has worked out."""
        return self.log(peer).count("'evaluated_by_attempt'")


@pytest.fixture
def sites(tmp_path: Path) -> Iterator[Sites]:
    sites = Sites(tmp_path)
    sites.start()
    try:
        yield sites
    finally:
        sites.stop()


def test_three_programs_with_a_peer_inside_work_on_when_one_is_killed_and_take_it_back(sites: Sites) -> None:
    """No broker, no database, no `quorate` process: each submits to the peer in itself, any of them works it out."""
    for site in sites.ids:
        eventually(lambda site=site: sites.evaluated(site) > 0, 40.0, f"{site} has a result: {sites.log(site)[-500:]}")
    sites.kill("a")
    before = {site: sites.evaluated(site) for site in sites.ids}
    for site in "bc":
        eventually(lambda site=site: sites.evaluated(site) > before[site] + 1, 40.0, f"{site} goes on without a")
    sites.start("a")
    eventually(lambda: sites.evaluated("a") > before["a"], 40.0, "a is one of them again")
    sites.signal("b", signal.SIGINT)
    assert sites.ended("b") == 0
    assert "Traceback" not in sites.log("b")
