"""What peer and child process say to each other: length, then msgpack.

Law: plain data both ways; no bytes from the other side are ever code. A frame's length is checked before memory is
taken.
"""

import os
from collections.abc import Callable
from typing import TypeVar

import msgspec

from quorate.node.staging import StagingRules
from quorate.scheduling.task import Attempt, Ending

FRAME_MAX_BYTES = 256 * 1024 * 1024
"""Far above what limits on arguments and results allow: a longer frame is a broken pipe, not a big task."""
_HEADER_BYTES = 4


class Hello(msgspec.Struct, frozen=True, tag=True):
    """First word to a child. `parent`: the process id it must not outlive."""

    parent: int
    import_path: list[str]
    modules: list[str]
    result_max_bytes: int
    staging: StagingRules


class Begin(msgspec.Struct, frozen=True, tag=True):
    attempt: Attempt


class Tell(msgspec.Struct, frozen=True, tag=True):
    """To the attempt that runs: told to stop."""

    fence: int
    cancelled: str
    lost: str


class Ready(msgspec.Struct, frozen=True, tag=True):
    """From the child: its modules are loaded. `problem`: why not, "" if they are."""

    problem: str


class Ended(msgspec.Struct, frozen=True, tag=True):
    ending: Ending


ToChild = Hello | Begin | Tell
FromChild = Ready | Ended

T = TypeVar("T")


def frame(message: ToChild | FromChild) -> bytes:
    body = msgspec.msgpack.encode(message)
    return len(body).to_bytes(_HEADER_BYTES) + body


def read_frame(fd: int, decode: Callable[[bytes], T]) -> T | None:
    """The next message, blocking; None at the end of the stream. Raises msgspec.DecodeError on what is no frame of
    ours."""
    header = _read_exactly(fd, _HEADER_BYTES)
    if header is None:
        return None
    size = int.from_bytes(header)
    if size > FRAME_MAX_BYTES:
        raise msgspec.DecodeError(f"a frame of {size} bytes, at most {FRAME_MAX_BYTES}")
    body = _read_exactly(fd, size)
    return None if body is None else decode(body)


def _read_exactly(fd: int, size: int) -> bytes | None:
    parts: list[bytes] = []
    while size:
        part = os.read(fd, min(size, 1 << 20))
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


decode_to_child = msgspec.msgpack.Decoder(ToChild).decode
decode_from_child = msgspec.msgpack.Decoder(FromChild).decode
