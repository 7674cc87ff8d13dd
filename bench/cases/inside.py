"""Operations proposed inside a peer process: the log without HTTP, tasks or handlers."""

from collections.abc import Iterator

from bench.cases import Run
from bench.cluster import WATCHED, Cluster
from bench.figure import Figure
from bench.probes import meanwhile

IN_FLIGHT = 256
WARM_UP = 5_000


def inside(run: Run) -> Iterator[Figure]:
    count = run.of(100_000, 30_000)
    with Cluster(run.folder, WATCHED) as cluster:
        for where, name in (("the leader", cluster.leader()), ("a follower", cluster.follower())):
            cluster.wish(name, "propose", WARM_UP, IN_FLIGHT)
            with meanwhile(run.folder) as watching:
                told = cluster.wish(name, "propose", count, IN_FLIGHT)
            if told["odd"]:
                raise RuntimeError(f"{told['odd']} operations were not decided by the log")
            yield Figure(
                "inside",
                f"operations of 100 bytes inside {where}, {IN_FLIGHT} in flight",
                told["per_s"],
                "/s",
                watching.machine,
                15_000,
                "rate",
            )
