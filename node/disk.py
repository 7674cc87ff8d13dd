"""The data folder, written by one flusher thread.

Law: batches are executed one after the other in the order they were submitted, and a ticket is reported only when
everything in its batch, and in every batch before it, is durable. The first error ends it: it is reported once,
nothing is executed afterwards, and no flush is ever tried again (after a failed fsync the kernel may have dropped the
pages it could not write, and a second one would lie).

Theory of operation. Each system call of the flusher gives the interpreter away and has to win it back from a busy
loop thread, so what counts is their number: an ordinary journal append is one `pwritev` with RWF_DSYNC, which writes
and flushes at once. Batches that wait together are merged when all of them only write to one and the same file; their
writes are then flushed together, in no order among themselves, so a crash may leave a later one without an earlier
one, exactly as it may with two pages of one write.
"""

import contextlib
import errno
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from quorate.consensus.ports import DiskOp, Rename, Sync, Write
from quorate.node.disk_writer import Batch, Files, FolderWriter, OsFiles
from quorate.node.folder_lock import LOCK_NAME, FolderLock

MAX_WAITING_BYTES = 256 * 1024 * 1024
"""Submitted and not yet durable. A peer bounds its own batches far below; beyond this the disk has stopped keeping
up."""
MAX_MERGED_BYTES = 8 * 1024 * 1024
FREE_SPACE_KNOWN_FOR_S = 1.0

_OTHERS_IN_FOLDER = (LOCK_NAME, "history.sqlite")  # kept in the same folder by other parts of `node`
_NONE_YET = Batch(0, (), 0, "")  # a mark, never executed: nothing was waiting


class FolderDisk:
    """`ports.Disk` on one folder, which it locks for this process.

    `on_flushed(tickets)` and `on_failed(error)` are called through `call_soon`, normally `loop.call_soon_threadsafe`;
    all tickets that finished since the last call come as one list. `on_failed` comes at most once, and no ticket
    after it.
    """

    def __init__(
        self,
        folder: Path,
        call_soon: Callable[[Callable[[], None]], object],
        on_flushed: Callable[[list[int]], None],
        on_failed: Callable[[OSError], None],
        files: Files | None = None,
    ) -> None:
        """Raises FolderInUseError, or OSError when the folder cannot be made or written."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = FolderLock(folder)
        self._folder = folder
        self._call_soon = call_soon
        self._on_flushed = on_flushed
        self._on_failed = on_failed
        self._waiting: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        self._waiting_bytes = 0
        self._finished: deque[Batch] = deque()
        self._delivery_asked = False
        self._failure: OSError | None = None
        self._failure_told = False
        self._closed = False
        self._free_bytes = 0
        self._free_known_until = 0.0
        self._writer = FolderWriter(folder, files or OsFiles(), set(self.names()))
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
        """Hand a batch to the flusher; returns at once. Raises ValueError for a name that is not a plain file name."""
        batch = _batch(ticket, ops)
        if self._failure is not None:
            return
        self._waiting_bytes += batch.size_bytes
        if self._waiting_bytes > MAX_WAITING_BYTES:
            waiting, limit = self._waiting_bytes >> 20, MAX_WAITING_BYTES >> 20
            words = f"the disk does not keep up: {waiting} MiB wait to be flushed (limit {limit} MiB)"
            self._fail(OSError(errno.EBUSY, words, str(self._folder)))
            return
        self._waiting.put(batch)

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
        """Execute what was submitted, stop the thread, give the folder back. Blocks until then; again is harmless."""
        if self._closed:
            return
        self._closed = True
        self._waiting.put(None)
        self._thread.join()
        self._writer.close()
        self._lock.release()

    # --- the flusher thread -------------------------------------------------------------------------------------------

    def _run(self) -> None:
        following: Batch | None = self._waiting.get()
        while following is not None and self._failure is None:
            together, following = self._gather(following)
            try:
                self._writer.execute(together)
            except OSError as error:
                self._fail(error)
                return
            except Exception as error:  # noqa: BLE001 - a flusher that dies silently would leave its peer waiting
                self._fail(OSError(errno.EIO, f"the flusher failed: {error!r}", str(self._folder)))
                return
            self._finished.extend(together)
            self._ask_delivery()
            if following is _NONE_YET:
                following = self._waiting.get()

    def _gather(self, first: Batch) -> tuple[list[Batch], Batch | None]:
        """`first` with the waiting batches that may be merged with it, and what comes after them (None: the end)."""
        together = [first]
        size_bytes = first.size_bytes
        while first.appends_to and size_bytes < MAX_MERGED_BYTES:
            try:
                following = self._waiting.get_nowait()
            except queue.Empty:
                break
            if following is None or following.appends_to != first.appends_to:
                return together, following
            together.append(following)
            size_bytes += following.size_bytes
        return together, _NONE_YET

    def _fail(self, error: OSError) -> None:
        self._failure = error
        self._ask_delivery()

    def _ask_delivery(self) -> None:
        if self._delivery_asked:
            return
        self._delivery_asked = True
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to tell
            self._call_soon(self._deliver)

    # --- back on the loop thread --------------------------------------------------------------------------------------

    def _deliver(self) -> None:
        # The order matters: a ticket finished after the loop below is seen because the flag was lowered first.
        self._delivery_asked = False
        failure = self._failure
        tickets: list[int] = []
        while self._finished:
            batch = self._finished.popleft()
            self._waiting_bytes -= batch.size_bytes
            tickets.append(batch.ticket)
        if self._failure_told:
            return
        if tickets:
            self._on_flushed(tickets)
        if failure is not None:
            self._failure_told = True
            self._on_failed(failure)


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
