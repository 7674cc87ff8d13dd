"""Executing batches on one folder, durably.

Law: when `execute` returns, every operation of its batches is durable; when it raises, nothing may be assumed and the
writer is not used again.
"""

import errno
import os
from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import msgspec

from quorate.consensus.ports import Create, DiskOp, Remove, Rename, Sync, Write

MAX_OPEN_FILES = 64

_ZEROS = bytes(1024 * 1024)
_MAX_BUFFERS = 512  # of one pwritev; the kernel's limit is 1,024


class Files(Protocol):
    """The part of `os` the flusher uses, so that tests can make it fail."""

    def open(self, path: str, flags: int, mode: int, /) -> int: ...
    def close(self, fd: int, /) -> None: ...
    def pwrite(self, fd: int, data: bytes, offset: int, /) -> int: ...
    def pwritev(self, fd: int, buffers: Sequence[bytes], offset: int, flags: int, /) -> int: ...
    def fdatasync(self, fd: int, /) -> None: ...
    def fsync(self, fd: int, /) -> None: ...
    def rename(self, old: str, new: str, /) -> None: ...
    def unlink(self, path: str, /) -> None: ...


class OsFiles:
    """The real ones."""

    def open(self, path: str, flags: int, mode: int, /) -> int:
        return os.open(path, flags, mode)

    def rename(self, old: str, new: str, /) -> None:
        os.rename(old, new)

    def unlink(self, path: str, /) -> None:
        os.unlink(path)

    close = staticmethod(os.close)
    pwrite = staticmethod(os.pwrite)
    pwritev = staticmethod(os.pwritev)
    fdatasync = staticmethod(os.fdatasync)
    fsync = staticmethod(os.fsync)


class Batch(msgspec.Struct, frozen=True):
    ticket: int
    ops: tuple[DiskOp, ...]
    size_bytes: int
    appends_to: str
    """The one file this batch does nothing but write to, or ""."""


class FolderWriter:
    """Executes batches on a folder and makes them durable. Not thread-safe: it belongs to the flusher."""

    def __init__(self, folder: Path, files: Files, known: set[str]) -> None:
        self._folder = folder
        self._files = files
        self._known = known
        """Names that are durably in the folder."""
        self._open: OrderedDict[str, int] = OrderedDict()
        self._dirty: dict[str, None] = {}
        self._folder_dirty = False
        self._folder_descriptor = files.open(str(folder), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, 0)
        self._flags_flush = getattr(os, "RWF_DSYNC", 0)

    def execute(self, batches: Sequence[Batch]) -> None:
        """All of it durable on return. Raises OSError naming the file and what was tried."""
        ops = [op for batch in batches for op in batch.ops]
        if batches[0].appends_to:
            self._append(batches[0].appends_to, [op for op in ops if type(op) is Write])
        else:
            for op in ops:
                self._do(op)
        for name in list(self._dirty):
            self._sync(name)
        if self._folder_dirty:
            self._sync_folder()
        while len(self._open) > MAX_OPEN_FILES:
            self._files.close(self._open.popitem(last=False)[1])

    def close(self) -> None:
        for descriptor in (*self._open.values(), self._folder_descriptor):
            self._files.close(descriptor)
        self._open.clear()

    def ready(self, name: str) -> bool:
        """Is the file open, so that writing to it touches nothing else?"""
        return name in self._open and not self._folder_dirty

    def write(self, batches: Sequence[Batch]) -> int:
        """Only write batches that append to one file; the descriptor to flush. Raises OSError."""
        name = batches[0].appends_to
        for batch in batches:
            for op in batch.ops:
                if isinstance(op, Write):
                    self._write(name, op.offset, op.data)
        del self._dirty[name]
        return self._descriptor(name)

    def failed_flush(self, batches: Sequence[Batch], code: int) -> OSError:
        """How to tell that the flush of what `write` wrote failed."""
        return self._named(OSError(code, os.strerror(code)), "flushing", batches[0].appends_to)

    def _append(self, name: str, writes: list[Write]) -> None:
        """Writes to one file; in one system call with the flush if they follow each other."""
        follow = all(before.offset + len(before.data) == after.offset for before, after in pairwise(writes))
        if not follow or not self._flags_flush:
            for write in writes:
                self._write(name, write.offset, write.data)
            return
        buffers = [write.data for write in writes]
        if len(buffers) > _MAX_BUFFERS:
            buffers = [b"".join(buffers)]
        offset = writes[0].offset
        wanted = sum(map(len, buffers))
        descriptor = self._descriptor(name)
        try:
            written = self._files.pwritev(descriptor, buffers, offset, self._flags_flush)
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:
                raise self._named(error, "writing", name) from error
            self._flags_flush = 0
            written = 0
        if written < wanted:
            self._write(name, offset + written, b"".join(buffers)[written:])

    def _do(self, op: DiskOp) -> None:
        match op:
            case Write(name, offset, data):
                self._write(name, offset, data)
            case Sync(name):
                if name in self._dirty:
                    self._sync(name)
                if self._folder_dirty:
                    self._sync_folder()
            case Create(name, size):
                self._create(name, size)
            case Rename(old, new):
                self._rename(old, new)
            case Remove(name):
                self._remove(name)

    def _write(self, name: str, offset: int, data: bytes) -> None:
        descriptor = self._descriptor(name)
        self._dirty[name] = None
        try:
            while data:
                written = self._files.pwrite(descriptor, data, offset)
                if written == 0:
                    raise OSError(errno.EIO, "the write took no bytes")
                offset += written
                data = data[written:]
        except OSError as error:
            raise self._named(error, "writing", name) from error

    def _create(self, name: str, size: int) -> None:
        """Real zeros, not a hole: a later write then changes no metadata, and its flush is one disk write."""
        self._forget(name)
        self._open_file(name, os.O_TRUNC)
        offset = 0
        while offset < size:
            chunk = _ZEROS[: size - offset]
            self._write(name, offset, chunk)
            offset += len(chunk)
        self._dirty[name] = None

    def _rename(self, old: str, new: str) -> None:
        if old in self._dirty:  # a name must never point at bytes that are not there yet
            self._sync(old)
        try:
            self._files.rename(str(self._folder / old), str(self._folder / new))
        except OSError as error:
            raise self._named(error, f"renaming to {new}", old) from error
        self._forget(new)
        if old in self._open:
            self._open[new] = self._open.pop(old)
        self._known.discard(old)
        self._known.add(new)
        self._sync_folder()

    def _remove(self, name: str) -> None:
        self._forget(name)
        self._known.discard(name)
        try:
            self._files.unlink(str(self._folder / name))
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._named(error, "removing", name) from error
        self._folder_dirty = True

    def _sync(self, name: str) -> None:
        try:
            self._files.fdatasync(self._descriptor(name))
        except OSError as error:
            raise self._named(error, "flushing", name) from error
        del self._dirty[name]

    def _sync_folder(self) -> None:
        try:
            self._files.fsync(self._folder_descriptor)
        except OSError as error:
            raise self._named(error, "flushing", ".") from error
        self._folder_dirty = False

    def _descriptor(self, name: str) -> int:
        descriptor = self._open.get(name)
        if descriptor is None:
            return self._open_file(name, 0)
        self._open.move_to_end(name)
        return descriptor

    def _open_file(self, name: str, flags: int) -> int:
        try:
            descriptor = self._files.open(
                str(self._folder / name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | flags, 0o600
            )
        except OSError as error:
            raise self._named(error, "opening", name) from error
        self._open[name] = descriptor
        if name not in self._known:
            self._known.add(name)
            self._folder_dirty = True
        return descriptor

    def _forget(self, name: str) -> None:
        self._dirty.pop(name, None)
        descriptor = self._open.pop(name, None)
        if descriptor is not None:
            self._files.close(descriptor)

    def _named(self, error: OSError, doing: str, name: str) -> OSError:
        reason = error.strerror or str(error)
        advice = "; free some space and start the peer again" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        return OSError(error.errno, f"{doing} failed: {reason}{advice}", str(self._folder / name))
