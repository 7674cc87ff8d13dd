"""Bytes of a snapshot file: the state at one log index.

Laws:
- A file of that name is complete: it is written aside, flushed, and renamed.
- Every frame has a checksum, and the last one a digest of the whole; nothing is believed before both are checked.

Frame: length u32, checksum u32, kind u8, payload. A header, any number of chunks, an end.
"""

import hashlib
import struct
from collections.abc import Iterator
from zlib import crc32

import msgspec

from quorate.consensus.ports import Disk

MAGIC = b"QRTSNAP1"
PREFIX = "snapshot-"
INCOMING = "incoming-"
_HEADER, _CHUNK, _END = 1, 2, 3
_FRAME = struct.Struct("<IIB")
MAX_FRAME_PAYLOAD = 64 * 1024 * 1024
READ_BYTES = 1024 * 1024


class BadSnapshot(Exception):
    """Not a complete, unchanged snapshot. Says where and why."""


class SnapshotHeader(msgspec.Struct, frozen=True, array_like=True):
    """`index` and `term`: of the last entry it contains; `config_index` and `disks`: the configuration in force."""

    cluster: str
    index: int
    term: int
    config_index: int
    disks: dict[str, str]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(SnapshotHeader)


def snapshot_name(index: int) -> str:
    return f"{PREFIX}{index:016x}"


def snapshot_index(name: str) -> int | None:
    """Of a snapshot file; None for any other name."""
    digits = name.removeprefix(PREFIX)
    if digits == name or len(digits) != 16 or set(digits) - set("0123456789abcdef"):
        return None
    return int(digits, 16)


class SnapshotWriter:
    """The bytes of one snapshot, frame by frame, in order."""

    def __init__(self) -> None:
        self._digest = hashlib.blake2b(digest_size=32)
        self.size = 0

    def begin(self, header: SnapshotHeader) -> bytes:
        return self._count(MAGIC + _frame(_HEADER, _encoder.encode(header)))

    def chunk(self, data: bytes) -> bytes:
        return self._count(_frame(_CHUNK, data))

    def end(self) -> bytes:
        return self._count(_frame(_END, self._digest.digest()))

    def _count(self, data: bytes) -> bytes:
        self._digest.update(data)
        self.size += len(data)
        return data


def _frame(kind: int, payload: bytes) -> bytes:
    return _FRAME.pack(len(payload), crc32(payload, kind), kind) + payload


class SnapshotParser:
    """Takes the bytes in slices of any size, gives the chunks. Raises BadSnapshot at the first byte that is wrong."""

    def __init__(self) -> None:
        self.header: SnapshotHeader | None = None
        self.complete = False
        self._digest = hashlib.blake2b(digest_size=32)
        self._rest = bytearray()
        self._offset = 0
        self._magic_seen = False

    def feed(self, data: bytes) -> list[bytes]:
        self._rest += data
        chunks: list[bytes] = []
        if not self._magic_seen:
            if len(self._rest) < len(MAGIC):
                return chunks
            if not self._rest.startswith(MAGIC):
                raise BadSnapshot("it does not begin like a snapshot")
            self._take(len(MAGIC))
            self._magic_seen = True
        while len(self._rest) >= _FRAME.size:
            length, check, kind = _FRAME.unpack_from(self._rest)
            if length > MAX_FRAME_PAYLOAD or self.complete:
                raise BadSnapshot(f"no frame can stand at offset {self._offset}")
            if len(self._rest) < _FRAME.size + length:
                break
            payload = bytes(self._rest[_FRAME.size : _FRAME.size + length])
            if crc32(payload, kind) != check:
                raise BadSnapshot(f"the frame at offset {self._offset} fails its checksum")
            self._frame(kind, payload, chunks)
            self._take(_FRAME.size + length)
        return chunks

    def _frame(self, kind: int, payload: bytes, chunks: list[bytes]) -> None:
        if kind == _HEADER and self.header is None:
            self.header = _decoder.decode(payload)
        elif kind == _CHUNK and self.header is not None:
            chunks.append(payload)
        elif kind == _END and self.header is not None and payload == self._digest.digest():
            self.complete = True
        else:
            raise BadSnapshot(f"the frame at offset {self._offset} does not belong there, or the digest differs")

    def _take(self, size: int) -> None:
        self._digest.update(self._rest[:size])
        del self._rest[:size]
        self._offset += size

    def finish(self) -> SnapshotHeader:
        """After the last byte."""
        if not self.complete or self._rest or self.header is None:
            raise BadSnapshot(f"it ends at offset {self._offset}, before it is complete")
        return self.header


def read_snapshot(disk: Disk, name: str) -> Iterator[bytes]:
    """The chunks of a file, in order. Raises BadSnapshot, OSError."""
    parser = SnapshotParser()
    offset = 0
    while data := disk.read_at(name, offset, READ_BYTES):
        offset += len(data)
        yield from parser.feed(data)
    parser.finish()


def check_snapshot(disk: Disk, name: str) -> tuple[SnapshotHeader, int]:
    """Every byte of it, before anything is believed. Its header and its size. Raises BadSnapshot, OSError."""
    parser = SnapshotParser()
    offset = 0
    while data := disk.read_at(name, offset, READ_BYTES):
        offset += len(data)
        parser.feed(data)
    return parser.finish(), offset
