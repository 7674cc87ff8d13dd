"""The cluster as a `concurrent.futures.Executor`."""

import threading
from concurrent.futures import CancelledError, as_completed, wait

import pytest

import quorate
from quorate import Executor, TaskFailed
from quorate.client import Client
from tests.quorate.fake_cluster import FakeCluster


@quorate.task("shop.add")
def add(first: int, second: int) -> int:
    return first + second


def test_futures_of_the_standard_library_are_what_comes_back(client: Client) -> None:
    with Executor(client) as pool:
        futures = [pool.submit("builtin.echo", n) for n in range(5)]
        assert {tuple(future.result()) for future in as_completed(futures, timeout=5)} == {(n,) for n in range(5)}


def test_map_gives_results_in_order(client: Client) -> None:
    with Executor(client) as pool:
        assert list(pool.map("builtin.echo", [1, 2, 3], "abc", timeout=5)) == [[1, "a"], [2, "b"], [3, "c"]]
        assert list(pool.map("builtin.echo", [])) == []


def test_a_failure_is_the_futures_exception(client: Client) -> None:
    with Executor(client) as pool:
        assert isinstance(pool.submit("builtin.fail").exception(timeout=5), TaskFailed)


def test_cancelling_a_future_cancels_the_task(cluster: FakeCluster, client: Client) -> None:
    pool = Executor(client)
    future = pool.submit("builtin.sleep")
    assert future.cancel()
    assert cluster.tasks[future.handle.id]["state"] == "cancelled"
    with pytest.raises(CancelledError):
        future.result(timeout=5)
    assert not pool.submit("builtin.noop").handle.cancel()


def test_shutdown_waits_for_all_and_takes_nothing_more(cluster: FakeCluster, client: Client) -> None:
    pool = Executor(client)
    future = pool.submit("builtin.sleep")
    threading.Timer(0.1, lambda: cluster.finish(future.handle.id, result=1)).start()
    pool.shutdown()
    assert future.result(timeout=0) == 1
    with pytest.raises(RuntimeError, match="shut down"):
        pool.submit("builtin.noop")


def test_shutdown_can_cancel_what_has_not_ended(cluster: FakeCluster, client: Client) -> None:
    pool = Executor(client)
    futures = [pool.submit("builtin.sleep") for _ in range(3)]
    pool.shutdown(wait=True, cancel_futures=True)
    assert {task["state"] for task in cluster.tasks.values()} == {"cancelled"}
    assert wait(futures, timeout=5).not_done == set()


def test_options_hold_for_every_task(cluster: FakeCluster, client: Client) -> None:
    with Executor(client, {"queue": "bulk"}) as pool:
        future = pool.submit("builtin.noop")
    assert cluster.tasks[future.handle.id]["queue"] == "bulk"


def test_a_function_without_a_name_in_the_cluster_is_refused(client: Client) -> None:
    pool = Executor(client)
    with pytest.raises(TypeError, match=r"@quorate\.task"):
        pool.submit(len, [])  # type: ignore[call-overload]


def test_a_declared_function_is_submitted_by_its_name(cluster: FakeCluster, client: Client) -> None:
    pool = Executor(client)
    future = pool.submit(add, 1, second=2)
    assert cluster.tasks[future.handle.id]["args"] == {"first": 1, "second": 2}
    pool.shutdown(cancel_futures=True)
