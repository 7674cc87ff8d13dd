"""One process per data folder.

Law: whoever holds the lock is the only process that writes in the folder. The kernel gives the lock back when the
process ends, however it ends; children that were forked do not hold on to it.
"""

import fcntl
import os
from pathlib import Path

LOCK_NAME = "lock"

_held: set[int] = set()


def _forget_in_child() -> None:
    """A forked child shares the lock; it lets go, or a worker that outlives its peer would keep the folder shut."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_forget_in_child)


class FolderInUseError(Exception):
    """Another living process holds the folder."""


class FolderLock:
    """An exclusive lock on a folder, held from construction to `release()`."""

    def __init__(self, folder: Path) -> None:
        """Raises FolderInUseError naming the other process, or OSError when the folder cannot be written."""
        self._folder = folder
        self._descriptor = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            who = f"process {holder}" if holder else "another process"
            raise FolderInUseError(
                f"data folder {folder} is in use by {who}: one folder belongs to one running peer. "
                f"Stop that process, or give this peer a folder of its own."
            ) from None
        except OSError:
            os.close(self._descriptor)
            raise
        _held.add(self._descriptor)
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Give the folder back. The file stays: removing it would open a race between two that start."""
        if self._descriptor in _held:
            _held.discard(self._descriptor)
            os.close(self._descriptor)
