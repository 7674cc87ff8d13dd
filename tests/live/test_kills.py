"""kill -9 on real processes with real disks: what was acknowledged is there (promise 1)."""

import itertools
import threading
import time

import pytest
from hypothesis import settings

from tests.live.processes import LiveCluster
from tests.polling import eventually


def times() -> int:
    """How often to kill: more in a soak."""
    return 10 if settings.get_current_profile_name() == "soak" else 2


class Load:
    """Submits through all peers in turn until stopped; remembers what was acknowledged with 201."""

    def __init__(self, cluster: LiveCluster) -> None:
        self._cluster = cluster
        self._stop = threading.Event()
        self.acknowledged: dict[str, str] = {}
        """Key -> id of the task."""
        self._threads = [threading.Thread(target=self._run, args=(n,), daemon=True) for n in range(3)]
        for thread in self._threads:
            thread.start()

    def _run(self, worker: int) -> None:
        for number in itertools.count():
            key = f"{worker}-{number}"
            for peer in itertools.islice(itertools.cycle(self._cluster.ids), number % 3, number % 3 + 60):
                if self._stop.is_set():
                    return
                task = {"handler": "builtin.echo", "args": {"key": key}, "key": key}
                status, told = self._cluster.ask(peer, "POST", "/v1/tasks", task, timeout_s=5.0)
                if status == 201:
                    self.acknowledged[key] = told["id"]
                    break

    def gets_on(self, by: int, within_s: float = 60.0) -> None:
        before = len(self.acknowledged)
        eventually(lambda: len(self.acknowledged) >= before + by, within_s, "the load gets on")

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30.0)


def everything_is_there(cluster: LiveCluster, load: Load) -> None:
    """Every acknowledged task has succeeded, with the answer to its own arguments, on every peer."""
    assert len(set(load.acknowledged.values())) == len(load.acknowledged)
    for peer in cluster.ids:
        told = cluster.ends_of(peer, load.acknowledged.values())
        for key, task in load.acknowledged.items():
            line = told[task]
            assert line.get("state") == "succeeded", f"{key} was acknowledged; {peer} tells {line}"
            assert line["result"] == {"key": key}


@pytest.mark.slow  # each killed peer has to start, catch up and be asked about everything
@pytest.mark.timeout(600)
def test_killing_the_leader_under_load_loses_nothing_acknowledged(cluster: LiveCluster) -> None:
    """Again and again; the killed peer comes back by itself and answers for everything."""
    load = Load(cluster)
    for _ in range(times()):
        load.gets_on(by=50)
        leader = cluster.leader()
        assert leader is not None
        cluster.kill(leader)
        load.gets_on(by=20)
        cluster.start(leader)
        cluster.wait_until_ready(leader)
    load.stop()
    everything_is_there(cluster, load)


@pytest.mark.slow  # each time all three have to start and elect
@pytest.mark.timeout(600)
def test_killing_all_three_in_the_same_instant_loses_nothing_acknowledged(cluster: LiveCluster) -> None:
    """Again and again. No peer is left to remember: what comes back comes from the disks."""
    load = Load(cluster)
    for _ in range(times()):
        load.gets_on(by=50)
        cluster.kill(*cluster.ids)
        cluster.start()
        cluster.wait_until_ready()
    load.stop()
    everything_is_there(cluster, load)


def test_a_peer_without_a_majority_answers_503_within_the_deadline_of_the_request(cluster: LiveCluster) -> None:
    """Never a hang, and it says that nothing was done."""
    cluster.kill("b", "c")
    task = {"handler": "builtin.noop"}

    def refused() -> bool:
        began = time.monotonic()
        status, told = cluster.ask("a", "POST", "/v1/tasks", task, timeout_s=20.0)
        assert time.monotonic() - began < 13.0, "the deadline of a request is 10 s"
        return status == 503 and told["outcome"] == "refused"

    eventually(refused, 60.0, "503 with outcome refused")
    assert cluster.ask("a", "GET", "/livez")[0] == 200
    assert cluster.ask("a", "GET", "/readyz")[0] == 503
