"""Handlers that misbehave, and handlers that are not there, on real peers."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.processes import LiveCluster
from tests.polling import eventually

HANDLERS = """
import os, subprocess, time
import quorate

@quorate.task("mine.deaf")
def deaf(): time.sleep(20)

@quorate.task("mine.hog", isolation="process")
def hog(pidfile):
    with open(pidfile, "w") as file: file.write(str(os.getpid()))
    while True: pass

@quorate.task("mine.dies", isolation="process")
def dies(): os._exit(3)

@quorate.task("mine.staged")
def staged(big):
    quorate.current().submit("builtin.echo", text="x" * big)

if "ONLY_HERE" in os.environ:
    @quorate.task("mine.special")
    def special(): return os.environ["ONLY_HERE"]
"""


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveCluster]:
    """b starts as the only peer that has `mine.special`."""
    folder = tmp_path_factory.mktemp("handlers")
    (folder / "mine.py").write_text(HANDLERS)
    cluster = LiveCluster(folder, more="modules: [mine]\nlimits: {args_bytes: 10000}\ntimeouts: {stop_s: 3}\n")
    cluster.start("a", "c")
    cluster.start("b", env={"ONLY_HERE": "b"})
    try:
        cluster.wait_until_ready()
        yield cluster
    finally:
        cluster.stop()


def test_a_handler_that_ignores_its_timeout_is_written_off(peers: LiveCluster) -> None:
    """The attempt fails when its time is over, not when the handler deigns to end; the peer goes on."""
    began = time.monotonic()
    told = peers.end_of("a", peers.submitted("a", "mine.deaf", timeout=1))
    assert time.monotonic() - began < 15.0
    assert (told["state"], told["error"]["type"]) == ("failed", "TimeoutError")
    assert peers.end_of("a", peers.submitted("a", "builtin.noop"))["state"] == "succeeded"


def test_an_isolated_handler_is_killed_when_its_time_is_over(peers: LiveCluster, tmp_path: Path) -> None:
    """Its process is gone, though it never looked up."""
    pidfile = tmp_path / "pid"
    told = peers.end_of("a", peers.submitted("a", "mine.hog", timeout=5, args={"pidfile": str(pidfile)}))
    assert (told["state"], told["error"]["type"]) == ("failed", "TimeoutError")
    pid = int(pidfile.read_text())
    eventually(lambda: not alive(pid), 10.0, "the process is gone")


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "zombie" not in Path(f"/proc/{pid}/status").read_text()


def test_a_handler_whose_process_dies_fails_its_attempt_and_nothing_else(peers: LiveCluster) -> None:
    told = peers.end_of("a", peers.submitted("a", "mine.dies"))
    assert told["state"] == "failed"
    assert "exit code 3" in told["error"]["message"]


def test_what_a_handler_stages_is_held_to_the_limits_of_the_file(peers: LiveCluster) -> None:
    """args_bytes is 10,000 here."""
    told = peers.end_of("a", peers.submitted("a", "mine.staged", args={"big": 9_000}))
    assert told["state"] == "succeeded", told
    told = peers.end_of("a", peers.submitted("a", "mine.staged", args={"big": 11_000}))
    assert (told["state"], told["error"]["type"]) == ("failed", "StagingRefused")
    assert "10,000" in told["error"]["message"]


def test_a_task_only_one_peer_can_run_waits_for_it_with_words(peers: LiveCluster) -> None:
    """Run there while it lives; while it is away the task waits and says for what; a peer that joins runs it."""
    told = peers.end_of("a", peers.submitted("a", "mine.special"))
    assert (told["peer"], told["result"]) == ("b", "b")
    peers.signal("b", signal.SIGTERM)
    assert peers.ended("b") == 0
    eventually(lambda: not member(peers, "b")["session"], 20.0, "b has taken leave")
    task = peers.submitted("a", "mine.special")
    told = peers.task("c", task)
    assert (told["state"], told["reason"]) == ("ready", "no_suitable_peer")
    status, why = peers.ask("c", "GET", f"/v1/tasks/{task}/why")
    assert status == 200
    assert "mine.special" in why["why"]
    peers.start("b", env={"ONLY_HERE": "again"})
    told = peers.end_of("c", task, within_s=60.0)
    assert (told["peer"], told["result"]) == ("b", "again")
    peers.wait_until_ready("b")


def member(cluster: LiveCluster, peer: str) -> dict[str, object]:
    return next(one for one in cluster.view("a")["peers"] if one["id"] == peer)


def test_a_stopping_peer_hands_back_what_does_not_end_in_time(peers: LiveCluster) -> None:
    """SIGTERM: exit code 0 within stop_s (3), and what it ran goes on elsewhere at once, not when its session ends."""
    tasks = [peers.submitted("a", "builtin.sleep", args={"seconds": 6}) for _ in range(6)]
    eventually(lambda: any(peers.task("b", task)["peer"] == "a" for task in tasks), 20.0, "a runs one of them")
    peers.signal("a", signal.SIGTERM)
    began = time.monotonic()
    assert peers.ended("a") == 0, peers.log("a")
    assert time.monotonic() - began < 8.0
    handed_back = [
        told for told in (peers.task("b", task) for task in tasks) if told["attempt"] > 1 or not told["peer"]
    ]
    assert handed_back
    for told in peers.ends_of("b", tasks).values():
        assert told["state"] == "succeeded"
        assert told["peer"] in ("b", "c")
    peers.start("a")
    peers.wait_until_ready("a")
