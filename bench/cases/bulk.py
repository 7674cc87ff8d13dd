"""No-op tasks submitted in bulk through the Python client and awaited, one client."""

import time
from collections.abc import Iterator

import quorate
from bench.cases import Run
from bench.cluster import Cluster
from bench.figure import Figure
from bench.probes import meanwhile

NOOP = {"handler": "builtin.noop"}
WARM_UP = 2_000


def bulk(run: Run) -> Iterator[Figure]:
    count = run.of(40_000, 10_000)
    with Cluster(run.folder) as cluster, quorate.Client(cluster.urls) as client:
        _submit_and_await(client, WARM_UP)
        with meanwhile(run.folder) as watching:
            submitted, ended = _submit_and_await(client, count)
        machine = watching.machine
        yield Figure("bulk", f"{count:,} no-ops, submitted and awaited", count / ended, "/s", machine, 4_000, "rate")
        yield Figure("bulk", "  of these accepted", count / submitted, "/s", machine)
        yield Figure(
            "bulk", "  CPU of client and three peers", watching.own_cores * ended / count * 1e3, "ms/task", machine
        )


def _submit_and_await(client: quorate.Client, count: int) -> tuple[float, float]:
    began = time.perf_counter()
    handles = client.submit_stream(NOOP for _ in range(count))
    submitted = time.perf_counter() - began
    for handle in handles:
        handle.result()
    return submitted, time.perf_counter() - began
