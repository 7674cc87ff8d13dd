"""The handlers that are always there, for trying out and for tests.

Law: they promise what the contract says and reach the outside world only where the cluster file allows it:
`builtin.http` calls what is on its list, `builtin.shell` exists only where it is switched on.
"""

import math
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from typing import Any

from quorate.node.builtin_http import HttpCaller
from quorate.node.config import ClusterConfig
from quorate.node.context import current
from quorate.scheduling.handler import Handler

OUTPUT_MAX_BYTES = 64 * 1024
"""Of each stream of a shell command; the end is kept, where the error is."""
SHELL_POLL_S = 0.1


class CommandFailed(Exception):
    """A shell command ended with something else than 0. `code`: its exit code, negative for a signal."""

    def __init__(self, code: int, stderr: str) -> None:
        super().__init__(stderr or f"exit code {code}")
        self.code = code


def builtin_handlers(config: ClusterConfig) -> Iterator[Handler]:
    yield Handler("builtin.echo", echo)
    yield Handler("builtin.noop", noop)
    yield Handler("builtin.sleep", sleep)
    yield Handler("builtin.fail", fail)
    yield Handler("builtin.http", HttpCaller(config.http_allow).call)
    if config.builtin_shell:
        yield Handler("builtin.shell", run_command)


def echo(*_positions: Any, **_keywords: Any) -> Any:
    """Its arguments, as they came."""
    return current().args


def noop(*_positions: Any, **_keywords: Any) -> None:
    """Nothing, for any arguments."""


def sleep(seconds: object) -> None:
    """Wakes at once when it is cancelled. Fails with ValueError on what is no length of time."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds) or seconds < 0:
        raise ValueError(f"seconds: got {seconds!r}, expected a number from 0 up")
    if not current().sleep(seconds):
        raise InterruptedError(f"told to stop: {current().told_to_stop}")


def fail(message: str = "failed on request", type: str = "Failure", times: object = None) -> dict[str, int]:  # noqa: A002 - the contract's name
    """Fails the first `times` attempts (left out: every attempt) with an error of that type and message, then
    succeeds."""
    attempt = current().attempt
    if times is not None and (isinstance(times, bool) or not isinstance(times, int)):
        raise ValueError(f"times: got {times!r}, expected a whole number")
    if times is not None and attempt > times:
        return {"attempt": attempt}
    raise _error_class(type)(message)


def _error_class(name: object) -> type[Exception]:
    if not isinstance(name, str) or not name.isidentifier():
        raise ValueError(f"type: got {name!r}, expected the name of an error class")
    return type(name, (Exception,), {})


def run_command(command: str) -> dict[str, Any]:
    """`/bin/sh -c command` in a process group of its own, which is killed when the task is cancelled or out of time."""
    context = current()
    # Files, not pipes: what the command prints beyond the limit costs disk, not memory, and its children cannot hold us
    # up.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            ["/bin/sh", "-c", command], stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
        )
        try:
            code = _wait(process)
        finally:
            _kill_group(process)
        if code is None:
            raise InterruptedError(f"told to stop: {context.told_to_stop}")
        stdout, stderr = _end_of(out), _end_of(err)
    if code != 0:
        raise CommandFailed(code, stderr)
    return {"code": code, "stdout": stdout, "stderr": stderr}


def _wait(process: "subprocess.Popen[bytes]") -> int | None:
    """Its exit code; None when the attempt was told to stop."""
    while True:
        try:
            return process.wait(SHELL_POLL_S)
        except subprocess.TimeoutExpired:
            if current().told_to_stop:
                return None


def _kill_group(process: "subprocess.Popen[bytes]") -> None:
    """Also what the command left running."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    finally:
        process.wait()


def _end_of(file: Any) -> str:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - OUTPUT_MAX_BYTES))
    return str(file.read().decode("utf-8", "replace"))
