"""`quorate up` runs all peers of a file as processes, and leaves none behind."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.polling import eventually

ROOT = Path(__file__).resolve().parents[3]


def write_cluster(folder: Path) -> Path:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(6)]
    ports = [server.getsockname()[1] for server in held]
    for server in held:
        server.close()
    lines = ["cluster: together", "peers:"]
    for peer, raft, http in zip("abc", ports[:3], ports[3:], strict=True):
        lines += [f"  - id: {peer}", f"    raft: 127.0.0.1:{raft}", f"    http: 127.0.0.1:{http}", f"    data: {peer}"]
    file = folder / "cluster.yaml"
    file.write_text("\n".join(lines) + "\n")
    return file


def quorate(*args: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "quorate.cli", *map(str, args)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def children_of(process: int) -> set[int]:
    return set(map(int, Path(f"/proc/{process}/task/{process}/children").read_text().split()))


def runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow  # three real peers start, elect and stop
def test_all_peers_run_until_ctrl_c_and_then_none(tmp_path: Path) -> None:
    file, log = write_cluster(tmp_path), tmp_path / "up.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "quorate.cli", "up", str(file)], cwd=ROOT, stdout=out, stderr=out
        )
    peers: set[int] = set()
    try:
        eventually(lambda: "Try in another terminal" in log.read_text(), within_s=60, what="the cluster is up")
        peers = children_of(process.pid)
        assert len(peers) == 3
        ran = quorate("--cluster", file, "submit", "builtin.echo", "hello=world", "--wait", "-o", "json")
        assert ran.returncode == 0, ran.stderr
        assert '"result":{"hello":"world"}' in ran.stdout
        os.kill(min(peers), signal.SIGKILL)
        eventually(lambda: "was killed by signal 9; 2 go on" in log.read_text(), within_s=10, what="one death is told")
        assert quorate("--cluster", file, "submit", "builtin.noop", "--wait").returncode == 0
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert not any(map(runs, peers))
    finally:
        process.kill()
        process.wait()
        for peer in filter(runs, peers):
            os.kill(peer, signal.SIGKILL)


def test_a_cluster_file_that_cannot_work_starts_nothing(tmp_path: Path) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text("cluster: together\npeers: []\nworker: 3\n")
    for command in ("up", "doctor"):
        ran = quorate(command, file)
        assert ran.returncode == 1
        assert "worker" in ran.stdout + ran.stderr
        assert "Traceback" not in ran.stderr
