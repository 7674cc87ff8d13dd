"""The journal: what this disk has promised, in append-only segments.

Laws:
- Every change of the log, the term or the vote is one record, written in the order it happened; nothing written is
  ever changed.
- `take()` hands over what is to be written, `flushed()` tells that the last of it is durable; nothing else happens in
  between.
- A start never writes into an old segment: it begins a new one that says where the old one ends.
"""

import functools
from collections.abc import Sequence

import msgspec

from quorate.consensus.journal_format import (
    CUT,
    ENTRY,
    INDEX,
    INDEX_TERM,
    RESET,
    SECTOR,
    VOTE,
    Position,
    SegmentHeader,
    encode_header,
    encode_record,
    position,
    record_bytes,
)
from quorate.consensus.points import UNWATCHED, Points
from quorate.consensus.ports import Create, DiskOp, Remove, Write

PREFIX = "journal-"


def segment_name(number: int) -> str:
    return f"{PREFIX}{number:016x}"


@functools.lru_cache(maxsize=256)
def segment_number(name: str) -> int | None:
    """Of a journal file; None for any other name. The same few names are asked for with every batch."""
    digits = name.removeprefix(PREFIX)
    if digits == name or len(digits) != 16 or set(digits) - set("0123456789abcdef"):
        return None
    return int(digits, 16)


class Segment(msgspec.Struct, frozen=True):
    number: int
    last_index: int
    """Last index of the log when it was begun: the log after it does not need older segments."""


class Tail(msgspec.Struct, frozen=True):
    """Where the journal stands: where a new segment goes on."""

    segments: tuple[Segment, ...]
    end: int
    """Offset in the last segment at which its records end."""
    next_number: int
    last_index: int
    last_term: int
    term: int
    vote: str | None
    mark: Position
    """Everything before it was flushed before the last process ended."""
    unproven: tuple[Write, ...]
    """What was read and may not be flushed: written once more."""
    stale: tuple[str, ...]
    """Files left behind by a torn batch or an interrupted removal."""


EMPTY = Tail((), 0, 1, 1, 0, 0, None, 0, (), ())
"""The log of PySyncObj begins with index 1 of term 0, which is nowhere written and everywhere the same."""


class Journal:
    def __init__(self, cluster: str, disk: str, segment_bytes: int, tail: Tail, points: Points = UNWATCHED) -> None:
        self._reach = points.reach
        self._cluster = cluster
        self._disk = disk
        self._segment_bytes = segment_bytes
        self._segments = list(tail.segments)
        self._last_index, self._last_term = tail.last_index, tail.last_term
        self.term, self.vote = tail.term, tail.vote
        self._mark = self._taken = tail.mark
        self._ops: list[DiskOp] = [*tail.unproven, *(Remove(name) for name in tail.stale)]
        self._buffer: list[bytes] = []
        self._buffer_at = 0
        self._number = self._segments[-1].number if self._segments else 0
        self._offset = tail.end
        self._room = 0
        self._prepared = 0
        self._next_number = tail.next_number
        self.written_bytes = 0
        """Of records, since this object was made."""
        self._begin_segment(0)

    # --- records -----------------------------------------------------------------------------------------------------

    def append(self, index: int, term: int, command: bytes) -> None:
        self._reach("journal.append")
        self._put(ENTRY, INDEX_TERM.pack(index, term) + command)
        self._last_index, self._last_term = index, term

    def cut(self, index: int, term_before: int) -> None:
        """Entries from `index` on are void; `term_before` is the term of the one before."""
        self._reach("journal.cut")
        self._put(CUT, INDEX_TERM.pack(index, term_before))
        self._last_index, self._last_term = index - 1, term_before

    def reset(self, index: int, term: int) -> None:
        """All entries are void; the log goes on after `index`, which a snapshot covers."""
        self._reach("journal.reset")
        self._put(RESET, INDEX_TERM.pack(index, term))
        self._last_index, self._last_term = index, term

    def promise(self, term: int, vote: str | None) -> None:
        if vote is None:
            self._reach("term.save")
        else:
            self._reach("vote.save")
        self._put(VOTE, INDEX.pack(term) + (vote or "").encode())
        self.term, self.vote = term, vote

    def _put(self, kind: int, payload: bytes) -> None:
        size = record_bytes(len(payload))
        if self._offset + size > self._room:
            self._reach("journal.rotate")
            self._begin_segment(size)
        at = position(self._number, self._offset)
        self._buffer.append(encode_record(kind, payload, at, self._mark))
        self._offset += size
        self.written_bytes += size

    def _begin_segment(self, first_record_bytes: int) -> None:
        self._close_buffer()
        number = self._next_number
        self._room = max(self._segment_bytes, SECTOR + first_record_bytes)
        header = SegmentHeader(
            cluster=self._cluster,
            disk=self._disk,
            segment=number,
            previous=self._number,
            previous_end=self._offset,
            size=self._room,
            mark=self._mark,
            last_index=self._last_index,
            last_term=self._last_term,
            term=self.term,
            vote=self.vote,
        )
        if self._prepared != number or self._room != self._segment_bytes:
            self._ops.append(Create(segment_name(number), self._room))
        self._buffer = [encode_header(header)]
        self._buffer_at, self._offset = 0, SECTOR
        self._number = number
        self._next_number = number + 1
        self._segments.append(Segment(number, self._last_index))

    def _close_buffer(self) -> None:
        if self._buffer:
            self._ops.append(Write(segment_name(self._number), self._buffer_at, b"".join(self._buffer)))
            self._buffer = []
        self._buffer_at = self._offset

    # --- to the disk -------------------------------------------------------------------------------------------------

    @property
    def pending(self) -> bool:
        return bool(self._ops or self._buffer)

    def take_now(self) -> list[DiskOp]:
        """Everything recorded since the last call, in order, to be written before what others write now."""
        self._close_buffer()
        ops, self._ops = self._ops, []
        return ops

    def take(self) -> list[DiskOp]:
        """The same; with it the batch is complete that the next `flushed()` speaks of."""
        ops = self.take_now()
        self._taken = position(self._number, self._offset)
        return ops

    def flushed(self) -> None:
        """What the last `take()` returned is durable."""
        self._mark = self._taken

    @property
    def taken(self) -> Position:
        """Where the last `take()` ends."""
        return self._taken

    def prepare(self) -> list[DiskOp]:
        """The next segment, zero-filled ahead of need once the current one is half full."""
        if self._prepared == self._next_number or self._offset < self._segment_bytes // 2:
            return []
        self._reach("journal.prepare")
        self._prepared = self._next_number
        return [Create(segment_name(self._prepared), self._segment_bytes)]

    def drop_to(self, index: int) -> list[DiskOp]:
        """Remove the segments that hold nothing after `index`."""
        needless = 0
        while needless + 1 < len(self._segments) and self._segments[needless + 1].last_index <= index:
            needless += 1
        if needless:
            self._reach("journal.trim")
        dropped, self._segments = self._segments[:needless], self._segments[needless:]
        return [Remove(segment_name(segment.number)) for segment in dropped]

    @property
    def segments(self) -> Sequence[Segment]:
        return self._segments
