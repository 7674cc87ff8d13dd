"""CPU-bound Python in every worker thread of every peer: does the cluster keep its leader?"""

import time
from collections.abc import Iterator

import quorate
from bench.cases import Run
from bench.cluster import IDS, WATCHED, Cluster, until
from bench.figure import Figure
from bench.probes import meanwhile

THREADS = 16
RUNNING_WITHIN_S = 60.0


def hogs(run: Run) -> Iterator[Figure]:
    seconds = run.of(60, 20)
    with (
        Cluster(run.folder, WATCHED, ["bench.handlers"]) as cluster,
        quorate.Client(cluster.urls, timeout=60) as client,
    ):
        term = cluster.wish("a", "state")["term"]
        task = {"handler": "bench.hog", "args": {"seconds": seconds + RUNNING_WITHIN_S}}
        count = THREADS * len(IDS)
        handles = client.submit_many([task] * count)
        until(lambda: _running(cluster) == count, RUNNING_WITHIN_S, f"{count} handlers running")
        for peer in IDS:
            cluster.wish(peer, "lag")
        with meanwhile(run.folder) as watching:
            time.sleep(seconds)
            told = [cluster.wish(peer, "lag") for peer in IDS]
        changes = max(cluster.wish(peer, "state")["term"] for peer in IDS) - term
        for handle in handles:
            handle.cancel()
    machine = watching.machine
    yield Figure("hogs", f"{THREADS} CPU-bound threads a peer, {seconds} s: leader changes", changes, "", machine, 0)
    yield Figure("hogs", "  loop lag, p99 of the worst peer", max(lag["p99"] for lag in told), "ms", machine)
    yield Figure("hogs", "  loop lag, longest", max(lag["max"] for lag in told), "ms", machine)


def _running(cluster: Cluster) -> int:
    return sum(int(member["running"]) for member in cluster.seen_by("a").get("peers", []))
