"""How long nobody can write after `kill -9` of the leader."""

import http.client
import time
from collections.abc import Iterator

from bench.cases import Run
from bench.cluster import IDS, Cluster
from bench.figure import Figure
from bench.probes import meanwhile

NOOP = {"handler": "builtin.noop"}
PATIENCE = {"Quorate-Timeout": "10"}


def failover(run: Run) -> Iterator[Figure]:
    took = []
    with Cluster(run.folder) as cluster, meanwhile(run.folder) as watching:
        for _ in range(run.of(10, 3)):
            leader = cluster.leader()
            survivor = next(name for name in IDS if name != leader)
            _write(cluster, survivor)
            cluster.kill(leader)
            killed = time.perf_counter()
            while not _write(cluster, survivor):
                pass
            took.append(time.perf_counter() - killed)
            cluster.start(leader)
            cluster.until_ready()
    took.sort()
    yield Figure("failover", "kill -9 of the leader to the next 201, p50", took[len(took) // 2], "s", watching.machine)
    yield Figure("failover", f"  longest of {len(took)}", took[-1], "s", watching.machine, 2.0)


def _write(cluster: Cluster, name: str) -> bool:
    """The request waits inside the peer until there is a leader, so its answer is the first possible one."""
    try:
        return cluster.ask(name, "POST", "/v1/tasks", NOOP, PATIENCE)[0] == 201
    except (OSError, http.client.HTTPException):
        return False
