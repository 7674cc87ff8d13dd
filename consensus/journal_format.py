"""Bytes of a journal file.

Laws:
- A file is a header of one sector and then records, each starting at a multiple of 8. Checksums cover the position,
  so that bytes found elsewhere than where they were written are no record.
- A sector (512 bytes) reaches the disk whole or not at all; before, it is zero. In every sector a record touches it
  has a byte that is not zero: hence a record that fails its checksum was either written in part (a sector of it is
  all zero) or has changed on the disk.
- Every record carries a mark: the position up to which the journal was known to be flushed when it was written.

Record: length u32, header checksum u32 | type u8, mask u8, 2 zero bytes, payload checksum u32 | mark u64 | payload |
1 to 8 trailer bytes.
"""

import struct
from zlib import crc32

import msgspec

SECTOR = 512
MAGIC = b"QRTJRNL1"

ENTRY, CUT, VOTE, RESET = 1, 2, 3, 4

Position = int
"""Segment number and offset in it, comparable."""

_LENGTH_AND_CHECK = struct.Struct("<II")
_REST = struct.Struct("<BB2xIQ")
_POSITION = struct.Struct("<Q")
HEADER_BYTES = 24
TRAILER = b"\xa5" * 8
_ZERO_SECTOR = bytes(SECTOR)
INDEX_TERM = struct.Struct("<QQ")
INDEX = struct.Struct("<Q")
_MASKS = [bytes(value ^ mask for value in range(256)) for mask in range(256)]


def position(segment: int, offset: int) -> Position:
    return segment << 32 | offset


def segment_of(at: Position) -> int:
    return at >> 32


def record_bytes(payload_bytes: int) -> int:
    """Room a record takes: header, payload, and 1 to 8 bytes up to the next multiple of 8."""
    return HEADER_BYTES + (payload_bytes | 7) + 1


def encode_record(kind: int, payload: bytes, at: Position, mark: Position) -> bytes:
    check = crc32(payload)
    mask = 0
    if len(payload) > SECTOR:
        mask = _mask_for(payload, at & 0xFFFFFFFF)
        if mask:
            payload = payload.translate(_MASKS[mask])
    rest = _REST.pack(kind, mask, check, mark)
    length = len(payload)
    head = _LENGTH_AND_CHECK.pack(length, _header_check(at, length, rest))
    return b"".join((head, rest, payload, TRAILER[length & 7 :]))


def _header_check(at: Position, length: int, rest: bytes) -> int:
    return crc32(rest, crc32(_POSITION.pack(at), length))


def _mask_for(payload: bytes, offset: int) -> int:
    """A value which, added without carry to every byte, leaves no whole sector of the payload zero."""
    first = -(offset + HEADER_BYTES) % SECTOR
    inner = [payload[at : at + SECTOR] for at in range(first, len(payload) - SECTOR + 1, SECTOR)]
    if _ZERO_SECTOR not in inner:
        return 0
    taken = {sector[0] for sector in inner if sector.count(sector[0]) == SECTOR}
    return next((value for value in range(1, 256) if value not in taken), 0)


class Record(msgspec.Struct, frozen=True):
    kind: int
    payload: bytes
    mark: Position
    end: int
    """Offset of the first byte after it."""


class Missing(msgspec.Struct, frozen=True):
    """Nothing was written here, or not all of it reached the disk."""

    nothing: bool
    """No byte from here to the end of the file is set."""


class Changed(msgspec.Struct, frozen=True):
    """It was written whole and is not what was written."""

    what: str


def read_record(data: bytes, segment: int, offset: int) -> Record | Missing | Changed:
    """What stands at `offset` of the file of that number."""
    head_end = offset + HEADER_BYTES
    if head_end > len(data):
        return Missing(not data[offset:].strip(b"\0"))
    if _lacks_a_sector(data, offset, head_end):
        return Missing(not data[offset:].strip(b"\0"))
    length, header_check = _LENGTH_AND_CHECK.unpack_from(data, offset)
    rest = data[offset + 8 : head_end]
    if header_check != _header_check(position(segment, offset), length, rest):
        return Changed("the header of a record fails its checksum")
    kind, mask, check, mark = _REST.unpack(rest)
    end = offset + record_bytes(length)
    payload = data[head_end : head_end + length]
    if mask:
        payload = payload.translate(_MASKS[mask])
    if end <= len(data) and crc32(payload) == check and data[head_end + length : end] == TRAILER[length & 7 :]:
        return Record(kind, payload, mark, end)
    if end > len(data) or _lacks_a_sector(data, offset, end):
        return Missing(nothing=False)
    return Changed("the contents of a record fail their checksum")


def _lacks_a_sector(data: bytes, start: int, end: int) -> bool:
    at = start
    while at < end:
        upto = min(end, (at // SECTOR + 1) * SECTOR)
        if not any(data[at:upto]):
            return True
        at = upto
    return False


def marks_beyond(data: bytes, segment: int, offset: int) -> Position:
    """The greatest mark of any record found anywhere after `offset` (0: no record there)."""
    greatest = 0
    end = len(data.rstrip(b"\0"))
    at = offset + 8
    while at < end:
        found = read_record(data, segment, at) if data[at : at + 8] != bytes(8) else None
        if isinstance(found, Record):
            greatest = max(greatest, found.mark)
            at = found.end
        else:
            at += 8
    return greatest


class SegmentHeader(msgspec.Struct, frozen=True, array_like=True):
    """What a segment says of itself, and of the log before it: enough to drop every older segment."""

    cluster: str
    disk: str
    segment: int
    previous: int
    """Number of the segment before it (0: none)."""
    previous_end: int
    """Where the records of that one end."""
    size: int
    """Bytes of the file, made before anything was written to it."""
    mark: Position
    last_index: int
    last_term: int
    """Last entry of the log before this segment."""
    term: int
    vote: str | None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(SegmentHeader)
_HEADER_PREFIX = struct.Struct("<8sIIQ")


def encode_header(header: SegmentHeader) -> bytes:
    payload = _encoder.encode(header)
    room = SECTOR - _HEADER_PREFIX.size
    if len(payload) > room:
        raise ValueError(f"cluster and peer names are too long for a journal header: {header.cluster!r}")
    filled = payload.ljust(room, b"\xa5")
    check = _file_check(len(payload), header.segment, filled)
    return _HEADER_PREFIX.pack(MAGIC, len(payload), check, header.segment) + filled


def _file_check(length: int, segment: int, filled: bytes) -> int:
    return crc32(filled, crc32(_POSITION.pack(segment), length))


def read_header(data: bytes, segment: int) -> SegmentHeader | Missing | Changed:
    sector = data[:SECTOR]
    if len(sector) < SECTOR or sector == _ZERO_SECTOR:
        return Missing(not data.strip(b"\0"))
    magic, length, check, number = _HEADER_PREFIX.unpack_from(sector)
    filled = sector[_HEADER_PREFIX.size :]
    if magic != MAGIC or number != segment or _file_check(length, segment, filled) != check:
        return Changed("the header of the file fails its checksum")
    return _decoder.decode(filled[:length])
