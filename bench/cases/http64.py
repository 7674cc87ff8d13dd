"""One task per HTTP request, over 64 connections spread over the three peers; the tasks are run meanwhile."""

import subprocess
import sys
from collections.abc import Iterator

import msgspec

from bench.cases import Run
from bench.cluster import IDS, Cluster
from bench.figure import Figure
from bench.probes import meanwhile

CONNECTIONS = 64


def http64(run: Run) -> Iterator[Figure]:
    seconds = run.of(15, 5)
    with Cluster(run.folder) as cluster:
        ports = [str(cluster.ports[name]) for name in IDS]
        with meanwhile(run.folder) as watching:
            command = [sys.executable, "-m", "bench.http_load", str(seconds), str(CONNECTIONS), *ports]
            told = msgspec.json.decode(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        accepted = told["statuses"].pop("201", 0)
        if told["statuses"]:
            raise RuntimeError(f"answers other than 201: {told['statuses']}")
        machine = watching.machine
        yield Figure(
            "http64",
            f"tasks accepted, one a request, {CONNECTIONS} connections",
            accepted / seconds,
            "/s",
            machine,
            3_000,
            "rate",
        )
        yield Figure("http64", "  answered within, p50", told["p50_ms"], "ms", machine)
        yield Figure("http64", "  answered within, p99", told["p99_ms"], "ms", machine)
