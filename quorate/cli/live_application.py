"""The application that peers serve during live chaos: its handlers say what really ran.

Law: a line is with the kernel before an attempt does anything else, appended in one write to a file of this process
alone; so what was run is known whatever happens to the process next, and whatever the cluster says.
"""

import errno
import itertools
import os
import threading
import time
from functools import cache
from pathlib import Path

import msgspec

import quorate

_calls = itertools.count(1)
_appending = threading.Lock()


def _append(line: bytes) -> None:
    """Raises OSError where the disk is full, and then nothing was appended."""
    with _appending:
        file = _opened()
        before = os.fstat(file).st_size
        if os.write(file, line) != len(line):
            os.ftruncate(file, before)
            raise OSError(errno.ENOSPC, "the line about this attempt was written in part")


@cache
def _opened() -> int:
    name = f"{os.environ['QUORATE_LIVE_PEER']}-{os.getpid()}-{time.time_ns()}.jsonl"
    path = Path(os.environ["QUORATE_LIVE_EFFECTS"]) / name
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)


@quorate.task("chaos.record")
def record(seconds: float, failures: int) -> dict[str, str | int]:
    """Writes down that it runs, takes its time, fails in its first attempts, and gives the name of this very run."""
    context = quorate.current()
    run = f"{os.getpid()}-{time.monotonic_ns()}-{next(_calls)}"
    effect = {
        "type": "begun",
        "peer": os.environ["QUORATE_LIVE_PEER"],
        "pid": os.getpid(),
        "run": run,
        "task": context.task,
        "attempt": context.attempt,
        "fence": context.fence,
        "at_ns": time.monotonic_ns(),
    }
    _append(msgspec.json.encode(effect) + b"\n")
    context.cancelled.wait(seconds)
    fails = context.attempt <= failures
    over = {"type": "over", "run": run, "how": "failed" if fails else "succeeded", "at_ns": time.monotonic_ns()}
    _append(msgspec.json.encode(over) + b"\n")
    if fails:
        raise RuntimeError("asked to fail")
    return {"run": run, "fence": context.fence}
