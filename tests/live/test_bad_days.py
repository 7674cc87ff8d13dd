"""What real machines do to a peer: full and failing disks, damage, sleep. Each is defined, said in words, and harmless
to the others."""

import os
import resource
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live.processes import LiveCluster
from tests.polling import eventually

EXIT_FATAL = 70
MIB = 1024 * 1024

BREAKABLE_DISK = '''
"""A disk that fails when told to: every flush then reports EIO, as a dying device does."""
import errno, os, time
import quorate
from quorate.node.disk import KernelFlush
from quorate.node.disk_writer import OsFiles

@quorate.task("disk.here")
def here(): return True

if "BREAKABLE" in os.environ:
    KernelFlush.open = classmethod(lambda cls: None)
    def fail(*_): raise OSError(errno.EIO, os.strerror(errno.EIO))

    @quorate.task("disk.fail")
    def fail_from_now_on():
        OsFiles.fdatasync = OsFiles.fsync = OsFiles.pwritev = staticmethod(fail)
        time.sleep(60)
'''


def others_go_on(cluster: LiveCluster, without: str) -> None:
    for peer in cluster.ids:
        if peer != without:
            task = eventually(lambda peer=peer: accepted(cluster, peer), 30.0, f"{peer} accepts")  # type: ignore[misc]
            assert cluster.end_of(peer, task)["state"] == "succeeded"


def accepted(cluster: LiveCluster, peer: str) -> Any:
    status, told = cluster.ask(peer, "POST", "/v1/tasks", {"handler": "builtin.noop"})
    return told["id"] if status == 201 else None


def test_a_failed_flush_ends_the_peer_in_words_and_nothing_else(tmp_path: Path) -> None:
    """EIO. The flush is never tried again; the others go on. The task that only this peer could run waits and says
    why, and is run when such a peer is there again."""
    cluster = LiveCluster(tmp_path, more="modules: [breakable]\n")
    (tmp_path / "breakable.py").write_text(BREAKABLE_DISK)
    try:
        cluster.start("a", "c")
        cluster.start("b", env={"BREAKABLE": "1"})
        cluster.wait_until_ready()
        task = cluster.submitted("a", "disk.fail")
        assert cluster.ended("b") == EXIT_FATAL
        said = cluster.log("b")
        assert "disk_failed" in said
        assert "Input/output error" in said
        assert "Traceback" not in said
        others_go_on(cluster, without="b")
        eventually(lambda: cluster.task("c", task)["reason"] == "no_suitable_peer", 30.0, "it waits and says why")
        assert "disk.fail" in str(cluster.ask("c", "GET", f"/v1/tasks/{task}/why"))
        cluster.start("b", env={"BREAKABLE": "1"})
        assert cluster.ended("b", within_s=60.0) == EXIT_FATAL  # it has run again
        cluster.start("b")
        cluster.wait_until_ready("b")
    finally:
        cluster.stop()


def test_a_disk_without_room_for_another_byte_ends_the_peer_and_it_comes_back_when_there_is(
    cluster: LiveCluster,
) -> None:
    """Nothing acknowledged is lost, and the peer learns what it missed."""
    process = cluster.processes["b"]
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (256 * 1024, resource.RLIM_INFINITY))
    tasks = []

    def ended() -> bool:
        status, told = cluster.ask("a", "POST", "/v1/tasks", {"handler": "builtin.echo", "args": {"x": "y" * 20_000}})
        if status == 201:
            tasks.append(told["id"])
        return process.poll() is not None

    eventually(ended, 60.0, "b ends")
    assert process.returncode == EXIT_FATAL
    others_go_on(cluster, without="b")
    cluster.start("b")
    cluster.wait_until_ready("b")
    assert tasks
    assert {told.get("state") for told in cluster.ends_of("b", tasks).values()} == {"succeeded"}


@pytest.fixture
def filling_disk(tmp_path: Path) -> Iterator[Path]:
    """A file that takes 512 MiB of the disk when it is written to."""
    ballast = tmp_path / "ballast"
    if shutil.disk_usage(tmp_path).free < 2_048 * MIB:
        pytest.skip("2 GiB of free disk are needed")
    yield ballast
    ballast.unlink(missing_ok=True)


def test_below_the_free_space_floor_submissions_are_refused_and_what_runs_finishes(
    tmp_path: Path, filling_disk: Path
) -> None:
    """503, surely not done; ready again as soon as there is room."""
    floor = shutil.disk_usage(tmp_path).free - 256 * MIB
    cluster = LiveCluster(tmp_path, "a", more=f"limits: {{free_disk_bytes: {floor}}}\n")
    cluster.start()
    try:
        cluster.wait_until_ready()
        running = cluster.submitted("a", "builtin.sleep", args={"seconds": 4})
        with filling_disk.open("wb") as ballast:
            os.posix_fallocate(ballast.fileno(), 0, 512 * MIB)
        status, told = eventually(lambda: refused(cluster), 10.0, "submissions are refused")
        assert status == 503
        assert told["outcome"] == "refused"
        assert "disk" in told["detail"]
        assert not cluster.is_ready("a")
        assert cluster.end_of("a", running)["state"] == "succeeded"
        filling_disk.unlink()
        eventually(lambda: accepted(cluster, "a"), 10.0, "accepted again")
        assert cluster.is_ready("a")
    finally:
        cluster.stop()


def refused(cluster: LiveCluster) -> Any:
    status, told = cluster.ask("a", "POST", "/v1/tasks", {"handler": "builtin.noop"})
    return (status, told) if status != 201 else None


def test_an_emptied_folder_is_refilled_from_the_others_and_a_frozen_peer_delays_nobody(cluster: LiveCluster) -> None:
    """The way out of damage: the others give it everything, ended tasks included. And SIGSTOP is what an overloaded or
    sleeping machine looks like from outside."""
    task = cluster.submitted("a", "builtin.echo", args={"x": 1})
    cluster.end_of("a", task)
    cluster.kill("a")
    (cluster.folder / "data" / "a").rename(cluster.folder / "data" / "a.old")
    cluster.start("a")
    cluster.wait_until_ready("a")
    assert cluster.task("a", task)["result"] == {"x": 1}

    frozen = next(peer for peer in cluster.ids if peer != cluster.leader())
    cluster.signal(frozen, signal.SIGSTOP)
    try:
        others_go_on(cluster, without=frozen)
    finally:
        cluster.signal(frozen, signal.SIGCONT)
    eventually(lambda: cluster.is_ready(frozen), 30.0, "the thawed peer is ready again")
