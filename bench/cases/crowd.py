"""100,000 live tasks: memory, loop stalls while a snapshot is taken and while a crowd falls due, restart."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import quorate
from bench.cases import Run
from bench.cluster import IDS, WATCHED, Cluster, until
from bench.figure import Figure
from bench.probes import Meanwhile, meanwhile, resident_mb

LIVE = 100_000
HELD = {"handler": "builtin.noop", "held": True}
DUE_IN_S = 30.0
SETTLE_S = 2.0
WITHIN_S = 120.0


def crowd(run: Run) -> Iterator[Figure]:
    due = run.of(20_000, 10_000)
    with Cluster(run.folder, WATCHED) as cluster, quorate.Client(cluster.urls) as client:
        with meanwhile(run.folder) as watching:
            client.submit_stream(HELD for _ in range(LIVE))
            yield from _stall(cluster, watching, f"loop stall while {LIVE:,} tasks are submitted")
        time.sleep(SETTLE_S)
        memory = max(resident_mb(process.pid) for process in cluster.processes.values())
        yield Figure("crowd", f"{LIVE:,} live tasks, largest peer (RSS)", memory, "MB", watching.machine, 200)
        with meanwhile(run.folder) as watching:
            _snapshot_everywhere(cluster)
            yield from _stall(cluster, watching, "loop stall while snapshots are taken")
        with meanwhile(run.folder) as watching:
            _due_at_once(client, due)
            yield from _stall(cluster, watching, f"loop stall while {due:,} timers fall due in the same second")
        with meanwhile(run.folder) as watching:
            follower = cluster.follower()
            cluster.kill(follower)
            began = time.perf_counter()
            cluster.start(follower)
            until(lambda: cluster.is_ready(follower), WITHIN_S, f"peer {follower} serving")
            took = time.perf_counter() - began
            watching.close()
            yield Figure("crowd", "restart after kill -9 to serving", took, "s", watching.machine, 10, "time")


def _stall(cluster: Cluster, watching: Meanwhile, name: str) -> Iterator[Figure]:
    told = [cluster.wish(peer, "lag") for peer in IDS]
    watching.close()
    yield Figure("crowd", f"{name}, longest", max(lag["max"] for lag in told), "ms", watching.machine, 100, "time")
    yield Figure("crowd", "  of it computing, longest", max(lag["busy_max"] for lag in told), "ms", watching.machine)
    yield Figure("crowd", "  longest garbage collection", max(lag["gc_max"] for lag in told), "ms", watching.machine)


def _snapshot_everywhere(cluster: Cluster) -> None:
    for peer in IDS:
        cluster.wish(peer, "lag")
    before = {peer: cluster.wish(peer, "state")["snapshots"] for peer in IDS}
    for peer in IDS:
        cluster.wish(peer, "snapshot")
    for peer in IDS:
        until(lambda peer=peer: cluster.wish(peer, "state")["snapshots"] > before[peer], WITHIN_S, "a snapshot")  # type: ignore[misc]  # mypy: default of a lambda


def _due_at_once(client: quorate.Client, count: int) -> None:
    moment = (datetime.now(UTC) + timedelta(seconds=DUE_IN_S)).isoformat()
    task = {"handler": "builtin.noop", "not_before": moment}
    for handle in client.submit_stream(task for _ in range(count)):
        handle.result()
