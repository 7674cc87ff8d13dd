"""Flushing a file without a thread: the kernel does it and rings an eventfd.

Law: one flush at a time; its result is asked once, after the bell. Where the kernel, the machine type or a sandbox
does not offer it, `open` says None and a thread does the work.

Why: a thread that comes back from fdatasync must win the interpreter back from the loop. When the loop is never idle,
and gives the interpreter away for moments only (each socket call does), a waiting thread can lose that race for
seconds (CPython issue 7946); a flush, and with it every acknowledgement of this peer, would then wait as long.
io_submit(2) with IOCB_CMD_FDSYNC (Linux 4.18) needs no race, and is two thread switches faster when idle.
"""

import ctypes
import errno
import os
import platform
import select
from typing import NamedTuple

_FDSYNC = 3
_RING_THE_BELL = 1  # IOCB_FLAG_RESFD


class _Calls(NamedTuple):
    """Numbers of the system calls, for which there are no functions in the C library."""

    setup: int
    destroy: int
    getevents: int
    submit: int


_CALLS = {
    "x86_64": _Calls(206, 207, 208, 209),
    "aarch64": _Calls(setup=0, destroy=1, submit=2, getevents=4),
}


class _Request(ctypes.Structure):
    """struct iocb of linux/aio_abi.h on a little-endian machine."""

    _fields_ = (
        ("data", ctypes.c_uint64),
        ("key", ctypes.c_uint32),
        ("rw_flags", ctypes.c_int32),
        ("opcode", ctypes.c_uint16),
        ("priority", ctypes.c_int16),
        ("descriptor", ctypes.c_uint32),
        ("buffer", ctypes.c_uint64),
        ("size", ctypes.c_uint64),
        ("offset", ctypes.c_int64),
        ("reserved", ctypes.c_uint64),
        ("flags", ctypes.c_uint32),
        ("bell", ctypes.c_uint32),
    )


class _Event(ctypes.Structure):
    """struct io_event."""

    _fields_ = (
        ("data", ctypes.c_uint64),
        ("request", ctypes.c_uint64),
        ("result", ctypes.c_int64),
        ("result2", ctypes.c_int64),
    )


class KernelFlush:
    """`bell`: a descriptor that becomes readable when the flush is done."""

    def __init__(self, calls: _Calls) -> None:
        """Raises OSError if the kernel refuses."""
        self._calls = calls
        # PyDLL keeps the interpreter during the call, which is right here: none of these calls ever waits.
        self._system = ctypes.PyDLL(None, use_errno=True).syscall
        self._system.restype = ctypes.c_long
        self._context = ctypes.c_ulong(0)
        self._call(calls.setup, ctypes.c_long(1), ctypes.byref(self._context))
        self.bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._request = _Request(opcode=_FDSYNC, flags=_RING_THE_BELL, bell=self.bell)
        self._requests = (ctypes.POINTER(_Request) * 1)(ctypes.pointer(self._request))
        self._events = (_Event * 1)()

    @classmethod
    def open(cls) -> "KernelFlush | None":
        calls = _CALLS.get(platform.machine())
        if calls is None:
            return None
        try:
            return cls(calls)
        except OSError:
            return None

    def start(self, descriptor: int) -> bool:
        """Begin to make the file's data durable, as fdatasync(2). False: not now, do it otherwise."""
        self._request.descriptor = descriptor
        try:
            return self._call(self._calls.submit, self._context, ctypes.c_long(1), self._requests) == 1
        except OSError:
            return False

    def result(self) -> int:
        """After the bell: 0, or the errno of the failure."""
        os.eventfd_read(self.bell)
        got = self._call(
            self._calls.getevents,
            self._context,
            ctypes.c_long(1),
            ctypes.c_long(1),
            self._events,
            ctypes.c_void_p(None),
        )
        if got != 1:
            return errno.EIO
        return -min(0, int(self._events[0].result))

    def wait(self) -> int:
        """Block until the flush that was started is done; its result."""
        select.select([self.bell], [], [])
        return self.result()

    def close(self) -> None:
        self._call(self._calls.destroy, self._context)
        os.close(self.bell)

    def _call(self, number: int, *arguments: object) -> int:
        returned = int(self._system(ctypes.c_long(number), *arguments))
        if returned < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        return returned
