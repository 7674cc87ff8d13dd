"""Which attempts ran where and when, told by the handlers themselves.

Law: a line is with the operating system before the step begins, and another one when it has ended; what a killed or
frozen process was doing is therefore exactly its begun lines without an end. One file per process, appended to by
nobody else.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from examples.orders.order import Step


class Begun(msgspec.Struct, frozen=True, tag="begun"):
    at_ns: int
    wall_ms: int
    """The same moment on the machine's wall clock, to be set beside what the cluster says."""
    peer: str
    pid: int
    step: Step
    number: str
    attempt: int
    fence: int


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    at_ns: int
    step: Step
    number: str
    fence: int
    error: str
    """The exception's type; "" where the step went well."""


AttemptLine = Begun | Ended
_DECODER: msgspec.json.Decoder[AttemptLine] = msgspec.json.Decoder(AttemptLine)


class AttemptLog:
    """The writing end of one process; safe to use from several threads (each line is one appending write)."""

    def __init__(self, folder: Path, peer: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._peer, self._pid = peer, os.getpid()
        self._file = os.open(folder / f"{peer}-{self._pid}.ndjson", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def close(self) -> None:
        os.close(self._file)

    @contextmanager
    def attempt(self, step: Step, number: str, attempt: int, fence: int) -> Iterator[None]:
        """Frames the body of a step with its two lines."""
        self._write(
            Begun(time.monotonic_ns(), time.time_ns() // 1_000_000, self._peer, self._pid, step, number, attempt, fence)
        )
        error = ""
        try:
            yield
        except BaseException as failure:
            error = type(failure).__name__
            raise
        finally:
            self._write(Ended(time.monotonic_ns(), step, number, fence, error))

    def _write(self, line: AttemptLine) -> None:
        os.write(self._file, msgspec.json.encode(line) + b"\n")


class AttemptReader:
    """Follows the files of all processes as they grow."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read_bytes: dict[Path, int] = {}
        self.begun: list[Begun] = []
        self.done: set[tuple[Step, str]] = set()
        """(step, order number) of steps that went well at least once."""
        self._running: dict[int, set[tuple[Step, str, int]]] = {}

    def follow(self) -> None:
        """Take in whatever was appended since the last call."""
        for path in sorted(self._folder.glob("*.ndjson")):
            with path.open("rb") as file:
                file.seek(self._read_bytes.get(path, 0))
                text = file.read()
            # A line still being written, or torn by a kill, is not a line.
            complete = text[: text.rfind(b"\n") + 1]
            self._read_bytes[path] = self._read_bytes.get(path, 0) + len(complete)
            pid = int(path.stem.rpartition("-")[2])
            for line in complete.splitlines():
                self._take(pid, _DECODER.decode(line))

    def running(self, pid: int) -> int:
        """Attempts that this process has begun and not ended."""
        return len(self._running.get(pid, ()))

    def _take(self, pid: int, line: AttemptLine) -> None:
        running = self._running.setdefault(pid, set())
        if isinstance(line, Begun):
            self.begun.append(line)
            running.add((line.step, line.number, line.fence))
            return
        running.discard((line.step, line.number, line.fence))
        if not line.error:
            self.done.add((line.step, line.number))
