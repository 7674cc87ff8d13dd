"""The peers as processes: started as a user starts them, killed, frozen, and never left behind.

Law: used with `with`; whatever ends the block, every process it started is gone and reaped, frozen ones included. If
this program itself is killed, its guard kills them.
"""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from quorate.netsim.live.guard import Guard

OWN_VARIABLES = "QUORATE_"
"""What the caller's environment says to `quorate` is not meant for these peers."""


class Processes:
    """Named children; each writes to its own log in `logs`, appended to over its lives."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._guard = Guard()
        self.frozen: set[str] = set()

    def __enter__(self) -> Self:
        self._guard.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill(*self._children)
        self._guard.__exit__(kind, error, trace)

    def start(self, name: str, cluster_file: Path, environment: Mapping[str, str], before: list[str]) -> int:
        """`quorate peer FILE ID` under this Python; gives the process id. `before`: a command that becomes this one."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(OWN_VARIABLES)}
        with self.log_file(name).open("ab") as log:
            # A session of its own: Ctrl-C reaches this program alone, which then ends its children in order.
            child = subprocess.Popen(
                [*before, sys.executable, "-m", "quorate.cli", "peer", str(cluster_file), name],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=cluster_file.parent,
                env={**inherited, "PYTHONPATH": _python_path(), **environment},
                start_new_session=True,
            )
        self._guard.watch(child.pid)
        self._children[name] = child
        self.frozen.discard(name)
        return child.pid

    def kill(self, *names: str) -> None:
        """kill -9, all in the same instant; back only when they are gone. Whoever has ended already stays so."""
        for name in names:
            self._children[name].kill()
        for name in names:
            self._children[name].wait()
            self._guard.forget(self._children[name].pid)
            self.frozen.discard(name)

    def freeze(self, name: str) -> None:
        """SIGSTOP: alive for the kernel, silent for everybody else."""
        self._children[name].send_signal(signal.SIGSTOP)
        self.frozen.add(name)

    def thaw(self, name: str) -> None:
        self._children[name].send_signal(signal.SIGCONT)
        self.frozen.discard(name)

    def limit_file_size(self, name: str, size_bytes: int | None) -> None:
        """No file of the process may grow beyond; None: as large as it likes. Only a soft limit is set, so that it can
        be lifted."""
        child = self._children[name]
        if child.poll() is not None:
            return
        _, hard = resource.prlimit(child.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (hard if size_bytes is None else size_bytes, hard))

    def exit_code(self, name: str) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self._children[name].poll()

    def running(self) -> list[str]:
        return sorted(name for name, child in self._children.items() if child.poll() is None)

    def log_file(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def log(self, name: str) -> str:
        path = self.log_file(name)
        return path.read_text(errors="replace") if path.exists() else ""


def _python_path() -> str:
    """Where this program's own `quorate` lies comes first, so that the peers run the very same one."""
    here = Path(__file__).absolute()
    root = next(above for above in here.parents if (above / "quorate" / "__init__.py").is_file())
    return os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
