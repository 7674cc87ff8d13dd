"""What live chaos has started never outlives it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.polling import eventually

PROGRAM = """
import subprocess, sys
from quorate.netsim.live.guard import Guard
with Guard() as guard:
    children = [subprocess.Popen(["sleep", "600"], start_new_session=True) for _ in range(3)]
    for child in children:
        guard.watch(child.pid)
    children[0].kill()
    children[0].wait()
    guard.forget(children[0].pid)
    print(*[child.pid for child in children], flush=True)
    sys.stdin.read()
"""


def state(pid: int) -> str:
    """As the kernel tells it: T is stopped; "" where there is no such process, or only its name."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    letter = told.rpartition(")")[2].split()[0]
    return "" if letter == "Z" else letter


def begin() -> tuple[subprocess.Popen[str], list[int]]:
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    assert program.stdout is not None
    return program, [int(pid) for pid in program.stdout.readline().split()]


def end(program: subprocess.Popen[str]) -> None:
    program.communicate()


def test_whoever_is_guarded_dies_with_a_program_that_is_killed() -> None:
    """kill -9 leaves no time to clean up; and one of them cannot act, because it is stopped."""
    program, (gone, frozen, alive) = begin()
    os.kill(frozen, signal.SIGSTOP)
    eventually(lambda: state(frozen) == "T", within_s=5.0)
    assert not state(gone)
    assert state(alive) not in ("", "T")
    program.kill()
    eventually(lambda: not state(frozen) and not state(alive), within_s=10.0)
    end(program)


def test_a_block_that_ends_in_order_takes_along_whoever_was_not_forgotten() -> None:
    program, (_, one, other) = begin()
    end(program)
    eventually(lambda: not state(one) and not state(other), within_s=10.0)
    assert program.returncode == 0
