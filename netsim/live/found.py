"""Processes of a cluster that somebody else started, found and signalled from outside.

Laws
- A process is a peer's if it holds the lock of that peer's data folder, and only as long as it does: it is looked up
  anew before every signal.
- Whoever is frozen goes on by himself after a while, even if this program is killed meanwhile: a second process sees
  to it.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

LOCK_NAME = "lock"
"""As `quorate.node.folder_lock` names it."""
LOCKS = Path("/proc/locks")
SPARE_S = 2.0
"""So much longer than meant may a peer stay frozen if this program dies."""
_THAW = "import os, signal, sys, time; time.sleep(float(sys.argv[2])); os.kill(int(sys.argv[1]), signal.SIGCONT)"


class NotHere(Exception):
    """The peer's process is not on this machine, or not ours to signal."""


def process_of(data: Path, locks: Path = LOCKS) -> int:
    """The id of the process that holds the data folder. Raises NotHere in words."""
    try:
        at = (data / LOCK_NAME).stat()
        lines = locks.read_text().splitlines()
    except OSError as error:
        raise NotHere(f"{error.filename}: {error.strerror}") from error
    place = f"{os.major(at.st_dev):02x}:{os.minor(at.st_dev):02x}:{at.st_ino}"
    holders = [fields[4] for line in lines if (fields := line.split())[1:2] == ["FLOCK"] and fields[5] == place]
    if len(holders) != 1 or int(holders[0]) <= 1:
        raise NotHere(f"no process of this machine holds {data}")
    pid = int(holders[0])
    try:
        os.kill(pid, 0)
    except PermissionError as error:
        raise NotHere(f"process {pid}, which holds {data}, belongs to another user") from error
    except ProcessLookupError as error:
        raise NotHere(f"process {pid}, which held {data}, has just ended") from error
    return pid


class Frozen:
    """One peer, frozen while the block runs."""

    def __init__(self, data: Path, for_s: float) -> None:
        """Raises NotHere."""
        self.pid = process_of(data)
        self._guard = subprocess.Popen(
            [sys.executable, "-c", _THAW, str(self.pid), str(for_s + SPARE_S)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # what ends this program must not end it
        )

    def __enter__(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def __exit__(self, *_: object) -> None:
        try:
            os.kill(self.pid, signal.SIGCONT)
        except ProcessLookupError:
            pass  # somebody ended it meanwhile
        finally:
            self._guard.kill()
            self._guard.wait()


def kill(data: Path) -> int:
    """kill -9; the process id it had. Raises NotHere."""
    pid = process_of(data)
    os.kill(pid, signal.SIGKILL)
    return pid
