"""`quorate netsim live`: chaos on real processes, and drills of a cluster that somebody else runs."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live.processes import ROOT, LiveCluster
from tests.polling import eventually

SEED = "1"
LIVE = [sys.executable, "-m", "quorate.cli", "netsim", "live"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def live(folder: Path, *options: str, within_s: float = 240.0) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*LIVE, *options],
        capture_output=True,
        text=True,
        timeout=within_s,
        check=False,
        cwd=folder,
        env={**ENVIRONMENT, "TMPDIR": str(folder)},
    )


def peers_in(folder: Path) -> list[int]:
    """Processes whose command line speaks of this folder."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and str(folder).encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return found


@pytest.mark.slow  # 16 s of real faults, and the time to come up and to settle
@pytest.mark.timeout(300)
def test_after_kills_freezes_cuts_and_lost_disks_every_promise_was_kept(tmp_path: Path) -> None:
    """And nothing is left behind but what was asked for."""
    kept, drawn = tmp_path / "kept", tmp_path / "run.html"
    options = ["--seconds", "16", "--seed", SEED, "--rate", "30", "-o", "json"]
    ran = live(tmp_path, *options, "--keep", str(kept), "--html", str(drawn))
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    told = json.loads(ran.stdout)
    assert told["held"]
    assert told["seed"] == int(SEED)
    assert sum(row["struck"] for row in told["faults"]) >= 6
    assert told["requests"]["submit done"] > 50
    checks = {row["check"]: row for row in told["checks"]}
    not_met = {name for name, row in checks.items() if not row["looked_at"]}
    assert not_met <= {"damage_is_refused", "refused_is_never_applied", "cancelled_stays_cancelled"}, not_met
    assert checks["client_history_is_linearizable"]["verdict"] == "kept"
    assert "No promise was broken" in drawn.read_text("utf-8")
    assert not peers_in(tmp_path)
    again = [sys.executable, "-m", "quorate.cli", "netsim", "check", str(kept / "history.jsonl")]
    checked = subprocess.run(
        [*again, "--model", "submissions"], capture_output=True, text=True, check=False, env=ENVIRONMENT
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.slow  # the peers have to come up before they can be left behind
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_whoever_stops_a_run_leaves_no_process_and_no_folder_behind(tmp_path: Path, number: signal.Signals) -> None:
    running = subprocess.Popen(
        [*LIVE, "--seconds", "60", "--faults", "freeze", "--seed", SEED],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**ENVIRONMENT, "TMPDIR": str(tmp_path)},
    )
    assert running.stderr is not None
    said = [next(running.stderr), next(running.stderr)]
    assert "frozen" in said[1]
    assert len(peers_in(tmp_path)) == 3
    running.send_signal(number)
    rest = running.communicate(timeout=30)[1]
    assert running.returncode == 130, rest
    assert not peers_in(tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_done_is_refused_in_words_and_nothing_is_started(tmp_path: Path) -> None:
    for options, words in (
        (["--faults", "kill,flood"], "'flood'"),
        (["--faults", ","], "got none"),
        (["--peers", "2"], "--peers"),
        (["--keep", str(tmp_path)], "exists"),
        (["--means", "namespaces", "--faults", "slow"], "with namespaces"),
    ):
        refused = live(tmp_path, *options)
        assert refused.returncode == 1, options
        assert words in refused.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.slow  # six seconds of cuts
@pytest.mark.timeout(200)
def test_with_root_packets_are_really_lost_and_the_machine_is_as_before(tmp_path: Path) -> None:
    """A network namespace for each peer: no address, cable or namespace of the run is left."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        refused = live(tmp_path, "--means", "namespaces", "--seconds", "6")
        assert refused.returncode == 1
        assert "network namespaces need" in refused.stderr
        return
    before = links_and_namespaces()
    options = ["--means", "namespaces", "--faults", "partition", "--seconds", "8", "--seed", SEED, "-o", "json"]
    ran = live(tmp_path, *options)
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    told = json.loads(ran.stdout)
    assert "namespace" in told["means"]
    assert sum(row["struck"] for row in told["faults"]) >= 1
    assert told["requests"]["submit done"] > 10
    assert links_and_namespaces() == before


def links_and_namespaces() -> tuple[set[str], set[str]]:
    words = [["ip", "-br", "link"], ["ip", "netns", "list"]]
    links, namespaces = (
        {
            line.split()[0]
            for line in subprocess.run(one, capture_output=True, text=True, check=True).stdout.splitlines()
        }
        for one in words
    )
    return links, namespaces


# --- drills -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def drillable(tmp_path: Path) -> Iterator[LiveCluster]:
    cluster = LiveCluster(tmp_path, more="drills: {allowed: true}\n")
    cluster.start()
    try:
        cluster.wait_until_ready()
        yield cluster
    finally:
        cluster.stop()


def tasks_of(cluster: LiveCluster) -> list[Any]:
    status, told = cluster.ask("a", "GET", "/v1/tasks?limit=1000")
    assert status == 200, told
    return list(told["tasks"])


def test_a_cluster_that_does_not_say_it_may_be_drilled_is_not_touched(cluster: LiveCluster) -> None:
    refused = live(cluster.folder, "--cluster", str(cluster.file), "--seconds", "5")
    assert refused.returncode == 1
    assert "`drills.allowed: true`" in refused.stderr
    assert "nothing was done" in refused.stderr
    assert tasks_of(cluster) == []


@pytest.mark.slow  # eight seconds of a drill
def test_a_drill_freezes_one_peer_at_a_time_and_leaves_all_running(drillable: LiveCluster) -> None:
    """The same processes as before, all ready, and nothing but tasks of the namespace `drill`."""
    before = {peer: process.pid for peer, process in drillable.processes.items()}
    ran = live(drillable.folder, "--cluster", str(drillable.file), "--seconds", "10", "--seed", "5", "-o", "json")
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    told = json.loads(ran.stdout)
    (row,) = told["faults"]
    assert row["fault"] == "freeze"
    assert row["struck"] >= 1
    assert told["means"] == "signals to a, b, c"
    assert {check["verdict"] for check in told["checks"]} <= {"kept", "nothing to look at"}
    assert {peer: process.pid for peer, process in drillable.processes.items()} == before
    assert all(process.poll() is None for process in drillable.processes.values())
    eventually(lambda: all(map(drillable.is_ready, drillable.ids)), 10.0, "all are ready")
    namespaces = {task["namespace"] for task in tasks_of(drillable)}
    assert namespaces == {"drill"}


def test_a_drill_refuses_what_the_file_or_the_state_of_the_cluster_forbids(drillable: LiveCluster) -> None:
    file = str(drillable.file)
    for options, words in (
        (["--faults", "kill"], "`drills.restarted: true`"),
        (["--faults", "partition"], "cannot be done to a running cluster from outside"),
        (["--keep", "somewhere"], "a drill starts none"),
    ):
        refused = live(drillable.folder, "--cluster", file, *options)
        assert refused.returncode == 1
        assert words in refused.stderr, refused.stderr
    drillable.kill("c")
    refused = live(drillable.folder, "--cluster", file, "--seconds", "5")
    assert refused.returncode == 1
    assert "peer c" in refused.stderr
    assert "Nothing was done to the cluster" in refused.stderr
    assert tasks_of(drillable) == []
