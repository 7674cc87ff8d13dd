"""Nobody stays behind, even if the program that started them is killed with kill -9.

Law: a process of its own holds the reading end of a pipe; when the last writing end closes, for whatever reason, it
kills every process group it was told of and not told to forget. It works on frozen ones too.
"""

import subprocess
import sys
from types import TracebackType
from typing import Self

ENDS_WITHIN_S = 10.0
_PROGRAM = """
import os, signal, sys
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
groups = set()
for line in sys.stdin:
    group = int(line[1:])
    groups.add(group) if line[0] == "+" else groups.discard(group)
for group in groups:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass
"""


class Guard:
    """Used with `with`, around all that is guarded."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None, "it was entered"
        assert self._process.stdin is not None, "it has a pipe"
        self._process.stdin.close()
        self._process.wait(ENDS_WITHIN_S)

    def watch(self, group: int) -> None:
        """A process group, by its number: it dies with us."""
        self._say(f"+{group}\n")

    def forget(self, group: int) -> None:
        """It is gone and reaped: its number may soon be another's."""
        self._say(f"-{group}\n")

    def _say(self, line: str) -> None:
        assert self._process is not None, "it was entered"
        assert self._process.stdin is not None, "it has a pipe"
        self._process.stdin.write(line.encode())
        self._process.stdin.flush()
