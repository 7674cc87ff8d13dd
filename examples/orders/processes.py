"""The demo's processes: the gateway and the peers, killed, frozen and thawed like on a bad day.

Law: whatever happens to the demo, none of its processes outlives it, frozen ones included.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

STOP_PATIENCE_S = 10.0
ROOT = Path(__file__).resolve().parents[2]


class Processes:
    """Named child processes; each writes to its own log, appended to over its restarts."""

    def __init__(self, logs: Path) -> None:
        logs.mkdir(parents=True, exist_ok=True)
        self._logs = logs
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in self._children.values():
            if child.poll() is None:
                child.send_signal(signal.SIGCONT)
                child.terminate()
        for child in self._children.values():
            try:
                child.wait(STOP_PATIENCE_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

    def start(self, name: str, command: list[str], environment: Mapping[str, str]) -> int:
        """Start, or start again after `kill`; gives the process id."""
        # The peers import `examples.orders.handlers`, wherever the demo was started from.
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        with self.log(name).open("ab") as log:
            # A session of its own: Ctrl-C reaches the demo alone, which then stops its children in order.
            child = subprocess.Popen(
                command,
                env={**os.environ, **environment, "PYTHONPATH": path},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._children[name] = child
        return child.pid

    def log(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def pid(self, name: str) -> int:
        return self._children[name].pid

    def exited(self) -> dict[str, int]:
        """Name and exit code of those that are no longer there."""
        return {name: child.returncode for name, child in self._children.items() if child.poll() is not None}

    def kill(self, name: str) -> None:
        """kill -9; back only when the process is gone."""
        self._children[name].kill()
        self._children[name].wait()

    def freeze(self, name: str) -> None:
        """SIGSTOP: alive for the operating system, silent for everybody else."""
        self._children[name].send_signal(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        self._children[name].send_signal(signal.SIGCONT)


def peer_command(cluster_file: Path, peer: str) -> list[str]:
    """`quorate peer FILE ID`, with the `quorate` that belongs to this Python.

    Raises:
        FileNotFoundError: it is not installed.
    """
    beside = Path(sys.executable).with_name("quorate")
    found = str(beside) if beside.exists() else shutil.which("quorate")
    if found is None:
        raise FileNotFoundError(f"no `quorate` command beside {sys.executable} or on the PATH; `make venv` installs it")
    return [found, "peer", str(cluster_file), peer]


def gateway_command(port: int, ledger: Path, seed: int, *, key_check: bool) -> list[str]:
    command = [
        sys.executable,
        "-m",
        "examples.orders.gateway",
        "--port",
        str(port),
        "--ledger",
        str(ledger),
        "--seed",
        str(seed),
    ]
    return command if key_check else [*command, "--no-key-check"]
