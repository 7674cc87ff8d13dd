"""A handle is a promise of an end: it can be waited for, alone or in a crowd, from any thread, process or peer."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import quorate
import quorate.handle
from quorate import CannotConnect, NotFound, State, TaskCancelled, TaskFailed
from quorate.client import Client
from tests.polling import eventually
from tests.quorate.fake_cluster import FakeCluster

ROOT = Path(__file__).resolve().parents[2]


def test_a_result_is_awaited(cluster: FakeCluster, client: Client) -> None:
    handle = client.submit("builtin.sleep", seconds=1)
    assert not handle.done()
    threading.Timer(0.1, lambda: cluster.finish(handle.id, result=42)).start()
    assert handle.result(timeout=5) == 42
    assert handle.done()
    assert handle.exception() is None
    assert handle.state is State.SUCCEEDED


def test_a_wait_that_is_over_leaves_the_task_alone(cluster: FakeCluster, client: Client) -> None:
    handle = client.submit("builtin.sleep", seconds=1)
    with pytest.raises(TimeoutError, match=handle.id):
        handle.result(timeout=0.05)
    assert handle.state is State.RUNNING
    cluster.finish(handle.id, result="late")
    assert handle.result(timeout=5) == "late"


def test_a_failed_task_tells_its_error(client: Client) -> None:
    handle = client.submit("builtin.fail")
    with pytest.raises(TaskFailed, match="it broke") as failed:
        handle.result(timeout=5)
    assert (failed.value.task, failed.value.type, failed.value.message) == (handle.id, "Boom", "it broke")
    assert "Traceback" in failed.value.traceback
    assert isinstance(handle.exception(timeout=5), TaskFailed)


def test_a_cancelled_task_tells_why(client: Client) -> None:
    handle = client.submit("builtin.sleep")
    assert handle.cancel("changed my mind")
    with pytest.raises(TaskCancelled, match="changed my mind"):
        handle.result(timeout=5)


def test_run_raises_what_the_task_came_to(client: Client) -> None:
    with pytest.raises(TaskFailed, match="it broke"):
        client.run("builtin.fail")


def test_one_request_awaits_thousands(cluster: FakeCluster, client: Client) -> None:
    handles = client.submit_many([{"handler": "builtin.echo", "args": [n]} for n in range(3_000)])
    assert [handle.result(timeout=10) for handle in handles] == [[n] for n in range(3_000)]
    assert cluster.peers[0].paths() == ["POST /v1/tasks", "POST /v1/tasks/wait"]


def test_results_are_gathered_in_the_order_of_the_handles(cluster: FakeCluster, client: Client) -> None:
    handles = [client.submit("builtin.echo", n) for n in range(20)]
    assert quorate.gather(handles, timeout=5) == [[n] for n in range(20)]
    assert cluster.peers[0].paths().count("POST /v1/tasks/wait") == 1


def test_handles_come_back_as_their_tasks_end(cluster: FakeCluster, client: Client) -> None:
    slow = client.submit("builtin.sleep")
    quick = client.submit("builtin.noop")
    failed = client.submit("builtin.fail")
    order = quorate.as_completed([slow, quick, failed], timeout=5)
    assert {next(order).id, next(order).id} == {quick.id, failed.id}
    cluster.finish(slow.id)
    assert next(order) is slow
    assert next(order, None) is None


def test_as_completed_says_when_the_time_is_over(client: Client) -> None:
    handles = [client.submit("builtin.noop"), client.submit("builtin.sleep")]
    with pytest.raises(TimeoutError):
        list(quorate.as_completed(handles, timeout=0.1))


def test_a_handle_works_through_another_peer_when_its_own_dies(cluster: FakeCluster, client: Client) -> None:
    """The peer that took the task, and that we wait at, is killed in the middle of the wait."""
    handle = client.submit("builtin.sleep")
    future = handle.future()
    eventually(lambda: "POST /v1/tasks/wait" in cluster.peers[0].paths(), within_s=5)
    cluster.kill(cluster.peers[0])
    eventually(lambda: "POST /v1/tasks/wait" in cluster.peers[1].paths(), within_s=5)
    cluster.finish(handle.id, result="done elsewhere")
    assert future.result(5).result == "done elsewhere"
    assert handle.result(timeout=5) == "done elsewhere"


def test_a_wait_nobody_can_answer_ends_and_can_be_begun_again(cluster: FakeCluster) -> None:
    with Client(cluster.endpoints, timeout=0.3, connect_timeout=0.3) as client:
        handle = client.submit("builtin.noop")
        for peer in cluster.peers:
            peer.script.extend(["drop"] * 1_000)
        with pytest.raises(CannotConnect):
            handle.result(timeout=5)
        for peer in cluster.peers:
            peer.script.clear()
        assert handle.result(timeout=5) is None


def test_a_task_that_is_not_there_hinders_nobody(cluster: FakeCluster, client: Client) -> None:
    present = client.submit("builtin.noop")
    absent = client.handle("qt1.01ARZ3NDEKTSV4RRFFQ69G5FAV.")
    quorate.handle.await_all([absent, present])
    assert present.result(timeout=5) is None
    with pytest.raises(NotFound):
        absent.result(timeout=5)


def test_many_scattered_waits_share_few_requests(cluster: FakeCluster, client: Client) -> None:
    handles = [client.submit("builtin.sleep") for _ in range(40)]
    futures = [handle.future() for handle in handles]
    for handle in handles:
        cluster.finish(handle.id, result=1)
    assert {future.result(10).result for future in futures} == {1}


def test_a_token_survives_the_process(cluster: FakeCluster, client: Client) -> None:
    """Made here, used by a process that knows nothing but the token and where the peers are."""
    handle = client.options(key="schlüssel/7").submit("builtin.echo", n=7)
    program = (
        "import sys, json, quorate; h = quorate.Client().handle(sys.argv[1]);"
        " print(json.dumps([h.id, h.key, h.result(timeout=10), h.token]))"
    )
    environment = {**os.environ, "QUORATE_ENDPOINTS": ",".join(cluster.endpoints)}
    ran = subprocess.run(
        [sys.executable, "-c", program, handle.token],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == [handle.id, "schlüssel/7", {"n": 7}, handle.token]
    assert ran.stderr == "", "a client that is not closed ends in silence"


@pytest.mark.parametrize(
    "token", ["", "abc", "qt1.short.", "qt0.01ARZ3NDEKTSV4RRFFQ69G5FAV.", "qt1.01ARZ3NDEKTSV4RRFFQ69G5FAV.%"]
)
def test_what_is_no_token_is_refused(client: Client, token: str) -> None:
    with pytest.raises(ValueError, match="token"):
        client.handle(token)


def test_threads_share_a_client(client: Client) -> None:
    results: list[object] = []
    threads = [threading.Thread(target=lambda n=n: results.append(client.run("builtin.echo", n))) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results, key=str) == sorted(([n] for n in range(16)), key=str)


def test_a_forked_child_has_a_client_and_keys_of_its_own(cluster: FakeCluster) -> None:
    program = (
        "import os, quorate; c = quorate.Client(); a = c.submit('builtin.echo', 1); pid = os.fork();"
        " b = c.submit('builtin.echo', 2); b.result(10);"
        " print(b.key, flush=True); os._exit(0) if pid == 0 else os.waitpid(pid, 0); c.close()"
    )
    environment = {**os.environ, "QUORATE_ENDPOINTS": ",".join(cluster.endpoints)}
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert len(set(ran.stdout.split())) == 2
    assert len(cluster.tasks) == 3


def test_dropped_handles_are_not_awaited_for_ever(
    cluster: FakeCluster, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits for what is said again with every piece of a wait, and what nobody holds any more is left out."""
    monkeypatch.setattr("quorate.calls.WAIT_S", 0.05)
    kept = client.submit("builtin.sleep")
    both = [kept, client.submit("builtin.sleep")]
    quorate.handle.await_all(both)
    eventually(lambda: len(cluster.awaited) == 2, within_s=5)
    both.clear()
    eventually(lambda: cluster.awaited == [kept.id], within_s=5)
