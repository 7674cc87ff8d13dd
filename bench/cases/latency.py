"""One task at a time, and a chain of tasks: how long the way there and back is."""

import http.client
import time
from collections.abc import Iterator

import msgspec

from bench.cases import Run
from bench.cluster import Cluster
from bench.figure import Figure
from bench.probes import meanwhile

NOOP = b'{"handler":"builtin.noop"}'
HEADERS = {"Content-Type": "application/json", "Prefer": "wait=30"}
WARM_UP = 100
LINKS = 100


def latency(run: Run) -> Iterator[Figure]:
    count = run.of(2_000, 500)
    with Cluster(run.folder) as cluster:
        for where, name in (("the leader", cluster.leader()), ("a follower", cluster.follower())):
            connection = http.client.HTTPConnection("127.0.0.1", cluster.ports[name])
            for _ in range(WARM_UP):
                _one(connection)
            with meanwhile(run.folder) as watching:
                took = sorted(_one(connection) for _ in range(count))
            connection.close()
            yield Figure(
                "latency", f"submit to result through {where}, p50", took[count // 2], "ms", watching.machine, 4, "time"
            )
            yield Figure(
                "latency", f"submit to result through {where}, p99", took[count * 99 // 100], "ms", watching.machine
            )


def chain(run: Run) -> Iterator[Figure]:
    tasks = [{"handler": "builtin.noop", "ref": "t0"}]
    tasks += [{"handler": "builtin.noop", "ref": f"t{n}", "after": [f"t{n - 1}"]} for n in range(1, LINKS)]  # type: ignore[dict-item]  # JSON
    body = msgspec.json.encode({"tasks": tasks})
    with Cluster(run.folder) as cluster:
        connection = http.client.HTTPConnection("127.0.0.1", cluster.ports["a"])
        _chain(connection, body)
        with meanwhile(run.folder) as watching:
            took = [_chain(connection, body) for _ in range(run.of(10, 3))]
        yield Figure(
            "chain", f"{LINKS} tasks, each after the last, median", _median(took), "s", watching.machine, 0.5, "time"
        )
        yield Figure("chain", "  slowest", max(took), "s", watching.machine)


def _one(connection: http.client.HTTPConnection) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    connection.request("POST", "/v1/tasks", NOOP, HEADERS)
    told = connection.getresponse().read()
    took = (time.perf_counter() - began) * 1000
    if b'"succeeded"' not in told:
        raise RuntimeError(f"a no-op did not succeed: {told[:300]!r}")
    return took


def _chain(connection: http.client.HTTPConnection, body: bytes) -> float:
    began = time.perf_counter()
    connection.request("POST", "/v1/tasks", body, HEADERS)
    told = connection.getresponse().read()
    took = time.perf_counter() - began
    if told.count(b'"succeeded"') != LINKS:
        raise RuntimeError(f"a chain did not succeed: {told[:300]!r}")
    return took


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
