"""What real machines do to a peer: taken folders and ports, garbage, damage. Each is defined, said in words, and harmless to the others."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.processes import LiveCluster
from tests.polling import eventually


def run_peer(cluster: LiveCluster, peer: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "quorate.cli", "peer", str(cluster.file), peer]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=cluster.folder, check=False)


def test_a_second_process_on_a_data_folder_is_refused_and_the_first_unharmed(cluster: LiveCluster) -> None:
    """It names the folder and who has it."""
    second = run_peer(cluster, "a")
    assert second.returncode != 0
    assert "data/a" in second.stdout + second.stderr
    assert "Traceback" not in second.stdout + second.stderr
    assert cluster.is_ready("a")


def test_a_taken_port_is_said_in_words(tmp_path: Path) -> None:
    """Which address, and that something else listens there; no traceback."""
    cluster = LiveCluster(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", cluster.http_port["a"]))
        taken.listen()
        result = run_peer(cluster, "a")
    assert result.returncode != 0
    assert str(cluster.http_port["a"]) in result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr


@pytest.mark.parametrize(
    "garbage", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x80\x04\x95" + bytes(64), b"\xff" * 4096, b""]
)
def test_garbage_on_the_raft_port_is_closed_and_harms_nobody(cluster: LiveCluster, garbage: bytes) -> None:
    """Closed within the greeting's deadline, whatever it says or does not say."""
    with socket.create_connection(("127.0.0.1", cluster.raft_port["a"]), timeout=10) as stranger:
        if garbage:
            stranger.sendall(garbage)
        stranger.settimeout(10)
        try:
            while stranger.recv(4096):
                continue
        except ConnectionResetError:
            closed = True
        else:
            closed = True
    assert closed
    assert cluster.ask("a", "POST", "/v1/tasks", {"handler": "builtin.noop"})[0] == 201


def journals(cluster: LiveCluster, peer: str) -> list[Path]:
    return sorted((cluster.folder / "data" / peer).glob("journal-*"))


def test_damage_in_the_middle_of_a_journal_is_refused_loudly_and_the_others_go_on(cluster: LiveCluster) -> None:
    """What was acknowledged is never silently dropped: the file is named, and what to do."""
    for number in range(50):
        assert cluster.ask("a", "POST", "/v1/tasks", {"handler": "builtin.echo", "args": {"n": number}})[0] == 201
    cluster.kill("a")
    segment = journals(cluster, "a")[0]
    data = bytearray(segment.read_bytes())
    place = data.index(b"builtin.echo")
    data[place] ^= 0x01
    segment.write_bytes(data)
    result = run_peer(cluster, "a")
    told = result.stdout + result.stderr
    assert result.returncode != 0
    assert segment.name in told
    assert "Traceback" not in told
    assert cluster.ask("b", "POST", "/v1/tasks", {"handler": "builtin.noop"})[0] == 201


def test_a_peer_with_a_replaced_folder_is_refilled_from_the_others(cluster: LiveCluster) -> None:
    """The way out of damage: an empty folder, and the others give it everything, ended tasks included."""
    status, told = cluster.ask("a", "POST", "/v1/tasks", {"handler": "builtin.echo", "args": {"x": 1}})
    assert status == 201
    task = told["id"]
    assert cluster.ask("a", "GET", f"/v1/tasks/{task}?wait=10")[1]["state"] == "succeeded"
    cluster.kill("a")
    folder = cluster.folder / "data" / "a"
    folder.rename(cluster.folder / "data" / "a.old")
    cluster.start("a")
    cluster.wait_until_ready("a")
    status, told = cluster.ask("a", "GET", f"/v1/tasks/{task}")
    assert status == 200
    assert told["result"] == {"x": 1}


def test_a_frozen_peer_delays_nobody_for_long_and_comes_back(cluster: LiveCluster) -> None:
    """SIGSTOP is what an overloaded or sleeping machine looks like from outside."""
    leader = cluster.leader()
    frozen = next(peer for peer in cluster.ids if peer != leader)
    cluster.signal(frozen, signal.SIGSTOP)
    try:
        other = next(peer for peer in cluster.ids if peer != frozen)
        for _ in range(20):
            status, told = cluster.ask(other, "POST", "/v1/tasks", {"handler": "builtin.noop"})
            assert status == 201
            status, told = cluster.ask(other, "GET", f"/v1/tasks/{told['id']}?wait=20", timeout_s=25.0)
            assert told["state"] == "succeeded"
    finally:
        cluster.signal(frozen, signal.SIGCONT)
    eventually(lambda: cluster.is_ready(frozen), 20.0, "the thawed peer is ready again")
