"""What the machine itself can do, measured in the same run.

Law: probed with the calls the peers make, on the disk they use; and while a figure is taken, what everybody else on the
machine used meanwhile is subtracted, not guessed.
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.figure import Machine
from quorate.node.flush_probe import flush_latency

ROUND_TRIPS = 2_000
SPIN_S = 0.5
TICKS_S = os.sysconf("SC_CLK_TCK")
NOT_BUSY = (3, 4)
"""Of the `cpu` line of /proc/stat: idle, iowait."""
COUNTED = 8
"""... and what is counted at all: user, nice, system, idle, iowait, irq, softirq, steal. The rest is in these."""

_SPIN = f"""
import time
end = time.monotonic() + {SPIN_S}
while time.monotonic() < end:
    pass
print(time.process_time())
"""
_ECHO = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as end:
    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while data := end.recv(4096):
        end.sendall(data)
"""


def flush_ms(folder: Path) -> float:
    """fdatasync of an append as the log makes it, median."""
    return flush_latency(folder).p50_ms


def round_trip_us() -> float:
    """256 bytes to another process over loopback TCP and back, median."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        child = subprocess.Popen([sys.executable, "-c", _ECHO, str(server.getsockname()[1])])
        end, _ = server.accept()
    took: list[float] = []
    with end:
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(ROUND_TRIPS):
            began = time.perf_counter()
            end.sendall(bytes(256))
            end.recv(4096)
            took.append(time.perf_counter() - began)
    child.wait()
    return sorted(took)[len(took) // 2] * 1e6


def idle_cores() -> float:
    """What as many spinning processes as there are cores get of them."""
    command = [sys.executable, "-S", "-c", _SPIN]
    spinning = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(os.cpu_count() or 1)]
    got_s = sum(float(child.communicate()[0]) for child in spinning)
    return min(float(len(spinning)), got_s / SPIN_S)


class Meanwhile:
    """What was used while it was open. `machine` and `own_cores` may be asked when it is closed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._flush_before_ms = flush_ms(folder)
        self._began = _Reading()

    def close(self) -> None:
        ended = _Reading()
        wall_s = ended.at - self._began.at
        self.own_cores = (ended.own_s - self._began.own_s) / wall_s
        others = max(0.0, (ended.busy_s - self._began.busy_s) / wall_s - self.own_cores)
        cores_left = max(0.05, (os.cpu_count() or 1) - others)
        self.machine = Machine(
            cores_left=round(cores_left, 2),
            # The lesser: what we have just started ourselves may still be writing.
            flush_ms=round(min(self._flush_before_ms, flush_ms(self._folder)), 3),
        )


@contextmanager
def meanwhile(folder: Path) -> Iterator[Meanwhile]:
    watching = Meanwhile(folder)
    yield watching
    watching.close()


class _Reading:
    def __init__(self) -> None:
        self.at = time.monotonic()
        fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1 : COUNTED + 1]]
        self.busy_s = sum(ticks for n, ticks in enumerate(fields) if n not in NOT_BUSY) / TICKS_S
        self.own_s = _cpu_s_of_tree(os.getpid())


def _cpu_s_of_tree(root: int) -> float:
    """CPU time of a process and all its descendants, those that ended included."""
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        process = int(entry.name)
        parents[process] = int(fields[1])
        ticks[process] = sum(map(int, fields[11:15]))  # utime, stime, and those of children waited for
    return sum(ticks[process] for process in ticks if _descends(process, root, parents)) / TICKS_S


def _descends(process: int, root: int, parents: dict[int, int]) -> bool:
    while process not in (root, 0):
        process = parents.get(process, 0)
    return process == root


def resident_mb(process: int) -> float:
    """Memory a process holds (VmRSS), in MB of 1,000,000 bytes."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise ValueError(f"process {process} tells no VmRSS")
