"""The data folder, and the order in which it is written.

Law: batches are executed one after the other in the order they were submitted, and a ticket is reported only when
everything in its batch, and in every batch before it, is durable. The first error ends it: it is reported once,
nothing is executed afterwards, and no flush is ever tried again (after a failed fsync the kernel may have dropped the
pages it could not write, and a second one would lie).

Theory of operation. One flight at a time; what is submitted meanwhile waits for the next. A small append to an open
file, which is nearly everything a peer writes, is copied into the page cache by the loop thread itself (microseconds)
and flushed by the kernel, which rings when it is done (`kernel_flush` says why). Everything else goes to a thread.
Batches that wait together are merged when all of them only write to one and the same file; their writes are then
flushed together, in no order among themselves, so a crash may leave a later one without an earlier one, exactly as it
may with two pages of one write.
"""

import asyncio
import contextlib
import errno
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from quorate.consensus.ports import DiskOp, Rename, Sync, Write
from quorate.node.disk_writer import Batch, Files, FolderWriter, OsFiles
from quorate.node.folder_lock import LOCK_NAME, FolderLock
from quorate.node.kernel_flush import KernelFlush

MAX_WAITING_BYTES = 256 * 1024 * 1024
"""Submitted and not yet durable. A peer bounds its own batches far below; beyond this the disk has stopped keeping
up."""
MAX_MERGED_BYTES = 8 * 1024 * 1024
MAX_LOOP_WRITE_BYTES = 512 * 1024
"""What the loop thread may copy into the page cache at once (about 0.1 ms)."""
FREE_SPACE_KNOWN_FOR_S = 1.0

_OTHERS_IN_FOLDER = (LOCK_NAME, "history.sqlite")  # kept in the same folder by other parts of `node`


class AsyncFlush(Protocol):
    """As `KernelFlush`."""

    bell: int

    def start(self, descriptor: int, /) -> bool: ...
    def result(self) -> int: ...
    def wait(self) -> int: ...
    def close(self) -> None: ...


def open_disk(
    folder: Path,
    loop: asyncio.AbstractEventLoop,
    on_flushed: Callable[[list[int]], None],
    on_failed: Callable[[OSError], None],
) -> "FolderDisk":
    """The real disk, in the fastest way this machine offers. Raises FolderInUseError or OSError."""
    return FolderDisk(folder, loop, on_flushed, on_failed, OsFiles(), KernelFlush.open())


class FolderDisk:
    """`ports.Disk` on one folder, which it locks for this process.

    `on_flushed(tickets)` and `on_failed(error)` are called on the loop, never from inside `submit`; the tickets of one
    flight come as one list. `on_failed` comes at most once, and no ticket after it. `kernel`: None if the thread is to
    flush.
    """

    def __init__(
        self,
        folder: Path,
        loop: asyncio.AbstractEventLoop,
        on_flushed: Callable[[list[int]], None],
        on_failed: Callable[[OSError], None],
        files: Files,
        kernel: AsyncFlush | None,
    ) -> None:
        """Raises FolderInUseError, or OSError when the folder cannot be made or written."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = FolderLock(folder)
        self._folder = folder
        self._loop = loop
        self._on_flushed = on_flushed
        self._on_failed = on_failed
        self._waiting: deque[Batch] = deque()
        self._waiting_bytes = 0
        self._flying: list[Batch] = []
        self._in_kernel = False
        self._failure: OSError | None = None
        self._closed = False
        self._free_bytes = 0
        self._free_known_until = 0.0
        self._writer = FolderWriter(folder, files, set(self.names()))
        self._kernel = kernel
        if kernel is not None:
            loop.add_reader(kernel.bell, self._rung)
        self._work: queue.SimpleQueue[list[Batch] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="quorate-flusher", daemon=True)
        self._thread.start()

    # --- what the peer calls, on the loop thread ---------------------------------------------------------------------

    def names(self) -> list[str]:
        """The files here, sorted, without those other parts keep here."""
        with os.scandir(self._folder) as entries:
            return sorted(e.name for e in entries if e.is_file() and not e.name.startswith(_OTHERS_IN_FOLDER))

    def read(self, name: str) -> bytes:
        return (self._folder / _plain(name)).read_bytes()

    def read_at(self, name: str, offset: int, size: int) -> bytes:
        descriptor = os.open(self._folder / _plain(name), os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.pread(descriptor, size, offset)
        finally:
            os.close(descriptor)

    def submit(self, ticket: int, ops: Sequence[DiskOp]) -> None:
        """Hand a batch over; returns at once. Raises ValueError for a name that is not a plain file name."""
        batch = _batch(ticket, ops)
        if self._failure is not None or self._closed:
            return
        self._waiting.append(batch)
        self._waiting_bytes += batch.size_bytes
        if self._waiting_bytes > MAX_WAITING_BYTES:
            waiting, limit = self._waiting_bytes >> 20, MAX_WAITING_BYTES >> 20
            words = f"the disk does not keep up: {waiting} MiB wait to be flushed (limit {limit} MiB)"
            self._fail(OSError(errno.EBUSY, words, str(self._folder)))
        elif not self._flying:
            self._take_off()

    def waiting_bytes(self) -> int:
        """Submitted and not yet reported as flushed."""
        return self._waiting_bytes

    def free_bytes(self) -> int:
        now = time.monotonic()
        if now >= self._free_known_until:
            state = os.statvfs(self._folder)
            self._free_bytes = state.f_bavail * state.f_frsize
            self._free_known_until = now + FREE_SPACE_KNOWN_FOR_S
        return self._free_bytes

    def close(self) -> None:
        """Execute what was submitted, stop the thread, give the folder back. Blocks until then; no callback comes
        afterwards."""
        if self._closed:
            return
        self._closed = True
        if self._kernel is not None:
            self._loop.remove_reader(self._kernel.bell)
            if self._in_kernel and self._kernel.wait() != 0:
                self._waiting.clear()
            self._kernel.close()
        if self._failure is None and self._waiting:
            self._work.put(list(self._waiting))
        self._work.put(None)
        self._thread.join()
        self._writer.close()
        self._lock.release()

    # --- one flight, on the loop thread -----------------------------------------------------------------------------

    def _take_off(self) -> None:
        """Begin to execute what waits, as much of it as may go together."""
        first = self._waiting[0]
        small = self._kernel is not None and first.appends_to != "" and self._writer.ready(first.appends_to)
        self._flying = self._gather(MAX_LOOP_WRITE_BYTES if small else MAX_MERGED_BYTES)
        if not small or sum(batch.size_bytes for batch in self._flying) > MAX_LOOP_WRITE_BYTES:
            self._work.put(self._flying)
            return
        try:
            descriptor = self._writer.write(self._flying)
        except OSError as error:
            self._fail(error)
            return
        self._in_kernel = self._kernel is not None and self._kernel.start(descriptor)
        if not self._in_kernel:
            self._work.put(self._flying)  # the same bytes once more, and no flush was tried yet

    def _gather(self, limit_bytes: int) -> list[Batch]:
        """The first waiting batch, and those after it that may be merged with it."""
        together = [self._waiting.popleft()]
        name = together[0].appends_to
        size_bytes = together[0].size_bytes
        while name and self._waiting and self._waiting[0].appends_to == name:
            size_bytes += self._waiting[0].size_bytes
            if size_bytes > limit_bytes:
                break
            together.append(self._waiting.popleft())
        return together

    def _rung(self) -> None:
        assert self._kernel is not None
        code = self._kernel.result()
        self._in_kernel = False
        if code == 0:
            self._landed()
        else:
            self._fail(self._writer.failed_flush(self._flying, code))

    def _landed(self) -> None:
        landed, self._flying = self._flying, []
        if self._failure is not None or self._closed:
            return
        self._waiting_bytes -= sum(batch.size_bytes for batch in landed)
        if self._waiting:
            self._take_off()
        self._on_flushed([batch.ticket for batch in landed])

    def _fail(self, error: OSError) -> None:
        if self._failure is None:
            self._failure = error
            self._loop.call_soon(self._on_failed, error)

    # --- the flusher thread -----------------------------------------------------------------------------------------

    def _run(self) -> None:
        while (batches := self._work.get()) is not None:
            try:
                for mergeable in _mergeable(batches):
                    self._writer.execute(mergeable)
            except OSError as error:
                self._tell(self._fail, error)
                return
            except Exception as error:  # noqa: BLE001 - a flusher that dies silently would leave its peer waiting
                self._tell(self._fail, OSError(errno.EIO, f"the flusher failed: {error!r}", str(self._folder)))
                return
            self._tell(self._landed)

    def _tell(self, callback: Callable[..., None], *values: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to tell
            self._loop.call_soon_threadsafe(callback, *values)


def _mergeable(batches: list[Batch]) -> list[list[Batch]]:
    """As they came if they were gathered for one flight; else (the last ones, at the end) one by one."""
    name = batches[0].appends_to
    if name and all(batch.appends_to == name for batch in batches):
        return [batches]
    return [[batch] for batch in batches]


def _batch(ticket: int, ops: Sequence[DiskOp]) -> Batch:
    size_bytes = 0
    for op in ops:
        match op:
            case Write(name, _, data):
                size_bytes += len(data)
                _plain(name)
            case Rename(old, new):
                _plain(old)
                _plain(new)
            case _:
                _plain(op.name)
    return Batch(ticket, tuple(ops), size_bytes, _appends_to(ops))


def _appends_to(ops: Sequence[DiskOp]) -> str:
    """The file, if the batch is writes to one file and nothing else but a Sync of it as the last word."""
    if not ops or not isinstance(ops[0], Write):
        return ""
    name = ops[0].name
    last = ops[-1]
    writes = ops[:-1] if isinstance(last, Sync) and last.name == name else ops
    return name if all(isinstance(op, Write) and op.name == name for op in writes) else ""


def _plain(name: str) -> str:
    if not name or "/" in name or "\0" in name or name in (".", "..") or name.startswith(_OTHERS_IN_FOLDER):
        raise ValueError(f"{name!r} is not a plain file name of the data folder")
    return name
