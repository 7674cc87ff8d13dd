"""Reading a journal at start.

Laws:
- What was flushed is never dropped: a record that is not whole is a torn tail only if a sector of it never reached
  the disk and no later record was written after it was flushed. Everything else is damage, and refused.
- A torn tail was never acknowledged: it is dropped, with all that was written after it.
"""

from collections.abc import Iterator

import msgspec

from quorate.consensus.journal import EMPTY, Segment, Tail, segment_name, segment_number
from quorate.consensus.journal_format import (
    CUT,
    ENTRY,
    INDEX,
    INDEX_TERM,
    RESET,
    SECTOR,
    Changed,
    Position,
    Record,
    SegmentHeader,
    marks_beyond,
    position,
    read_header,
    read_record,
    segment_of,
)
from quorate.consensus.ports import Disk, Write

Entry = tuple[bytes, int, int]
"""(command, index, term), as PySyncObj keeps them."""

WAY_OUT = (
    "This disk may hold acknowledged entries, so nothing is dropped by itself. Restore the data folder from a copy of "
    "the disk; or, if the other peers are a healthy majority, empty this folder and start again: the peer then joins "
    "anew and learns everything from them."
)


class DamagedJournal(Exception):
    """Flushed bytes have changed or are gone. Names the file and the offset, and the way out."""

    def __init__(self, name: str, offset: int, what: str) -> None:
        super().__init__(f"{name} is damaged at offset {offset}: {what}. {WAY_OUT}")
        self.name = name
        self.offset = offset


class ForeignJournal(Exception):
    """The files belong to another cluster or disk."""


class RecoveredLog(msgspec.Struct):
    base_index: int
    base_term: int
    """The entry before the first one of the log."""
    entries: list[Entry]
    tail: Tail
    dropped_bytes: int
    """Size of the torn tail (0: none)."""


class _File(msgspec.Struct):
    name: str
    number: int
    data: bytes
    header: SegmentHeader


def recover(disk: Disk, cluster: str, disk_id: str, covered: int, flushed: Position) -> RecoveredLog:
    """The log as it was flushed. `covered`: index of the newest whole snapshot (1: none). `flushed`: up to where it
    was, at least, as the folder remembers (0: nowhere).

    The log may begin after `covered`, if older segments are gone that were flushed once: the caller refuses that.
    Raises DamagedJournal, ForeignJournal, OSError.
    """
    names = [name for name in disk.names() if segment_number(name) is not None]
    files = {file.number: file for file in _read(disk, names)}
    for file in files.values():
        _check_owner(file, cluster, disk_id)
    chain, dropped = _newest_chain(files, covered, flushed)
    if not chain and not flushed:
        highest = max((segment_number(name) or 0 for name in names), default=0)
        tail = msgspec.structs.replace(EMPTY, next_number=highest + 1, stale=tuple(names))
        return RecoveredLog(EMPTY.last_index, EMPTY.last_term, [], tail, dropped)
    if not chain or chain[-1].number < segment_of(flushed):
        raise DamagedJournal(segment_name(segment_of(flushed)), 0, "the file, which was flushed, is gone or empty")
    recovered = _Replay(chain, names, flushed).run()
    recovered.dropped_bytes += dropped
    return recovered


def _read(disk: Disk, names: list[str]) -> Iterator[_File]:
    for name in names:
        number = segment_number(name)
        assert number is not None
        data = disk.read(name)
        header = read_header(data, number)
        if isinstance(header, Changed):
            raise DamagedJournal(name, 0, header.what)
        if isinstance(header, SegmentHeader):
            yield _File(name, number, data, header)
        elif not header.nothing and marks_beyond(data, number, SECTOR - 8) >= position(number, SECTOR):
            raise DamagedJournal(name, 0, "the header of the file is gone")


def _newest_chain(files: dict[int, _File], covered: int, flushed: Position) -> tuple[list[_File], int]:
    """From the newest file back to the oldest it leads to, in order; and the size of what was torn off after it.

    A torn batch may have left a file whose predecessor never got its header. Nothing in it was flushed.
    """
    dropped = 0
    left = dict(files)
    while left:
        chain = [left.pop(max(left))]
        while chain[0].header.previous in left:
            chain.insert(0, left.pop(chain[0].header.previous))
        missing = chain[0].header.previous
        if not missing or chain[0].header.last_index <= covered or _proves_flushed(chain, missing, flushed):
            return chain, dropped
        dropped += sum(len(file.data.rstrip(b"\0")) for file in chain)
    return [], dropped


def _proves_flushed(chain: list[_File], number: int, flushed: Position) -> bool:
    marks = (max(file.header.mark, marks_beyond(file.data, file.number, SECTOR - 8)) for file in chain)
    return max(flushed, *marks) >= position(number, SECTOR)


def _check_owner(file: _File, cluster: str, disk_id: str) -> None:
    header = file.header
    if (header.cluster, header.disk) != (cluster, disk_id):
        raise ForeignJournal(
            f"{file.name} was written by disk {header.disk} of cluster {header.cluster!r}; this folder is disk "
            f"{disk_id} of cluster {cluster!r}. Files of two data folders were mixed: put each back where it was."
        )


class _Replay:
    def __init__(self, chain: list[_File], names: list[str], flushed: Position) -> None:
        self._chain = chain
        self._names = names
        first = chain[0].header
        self._base = (first.last_index, first.last_term)
        self._entries: list[Entry] = []
        self._term, self._vote = first.term, first.vote
        self._proven = flushed
        self._bounds = {after.header.previous: after.header.previous_end for after in chain[1:]}

    def run(self) -> RecoveredLog:
        end, dropped, kept = 0, 0, 0
        for place, file in enumerate(self._chain):
            self._check_continues(file)
            later = self._chain[place + 1 :]
            self._proven = max(self._proven, file.header.mark)
            bound = later[0].header.previous_end if later else len(file.data)
            end, whole = self._replay(file, bound)
            kept = place + 1
            if not whole:
                self._refuse_flushed(file, end, later)
                dropped = len(file.data[end:].rstrip(b"\0")) + sum(len(torn.data.rstrip(b"\0")) for torn in later)
                break
        chain = self._chain[:kept]
        self._refuse_cut_short(chain[-1])
        segments = tuple(Segment(file.number, file.header.last_index) for file in chain)
        keep = {file.name for file in chain}
        tail = Tail(
            segments=segments,
            end=end,
            next_number=max(segment_number(name) or 0 for name in self._names) + 1,
            last_index=self._last()[0],
            last_term=self._last()[1],
            term=self._term,
            vote=self._vote,
            mark=self._proven,
            unproven=tuple(self._unproven(chain, end)),
            stale=tuple(name for name in self._names if name not in keep),
        )
        return RecoveredLog(*self._base, self._entries, tail, dropped)

    def _unproven(self, chain: list[_File], end: int) -> Iterator[Write]:
        """The same bytes again where nothing proves a flush: a killed process may have left them in memory."""
        for file in chain:
            upto = end if file is chain[-1] else self._bounds[file.number]
            start = max(self._proven - position(file.number, 0), 0)
            if start < upto:
                yield Write(file.name, start, file.data[start:upto])

    def _last(self) -> tuple[int, int]:
        return self._entries[-1][1:] if self._entries else self._base

    def _check_continues(self, file: _File) -> None:
        header = file.header
        said = (header.last_index, header.last_term, header.term, header.vote)
        if said != (*self._last(), self._term, self._vote):
            raise DamagedJournal(file.name, 0, f"it does not continue the file before it: it says {said}")

    def _replay(self, file: _File, bound: int) -> tuple[int, bool]:
        """Take in records up to `bound`. Returns where they end, and whether that is all there was."""
        offset = SECTOR
        while offset < bound:
            found = read_record(file.data, file.number, offset)
            if isinstance(found, Record):
                self._proven = max(self._proven, found.mark)
                self._take(file, offset, found)
                offset = found.end
                continue
            if isinstance(found, Changed):
                raise DamagedJournal(file.name, offset, found.what)
            return offset, found.nothing and bound == len(file.data)
        return offset, True

    def _refuse_cut_short(self, last: _File) -> None:
        """A file has its size before anything in it counts as flushed."""
        if len(last.data) < last.header.size and self._proven >= position(last.number, SECTOR):
            what = f"it has {len(last.data)} bytes and was made with {last.header.size}"
            raise DamagedJournal(last.name, len(last.data), what)

    def _refuse_flushed(self, file: _File, offset: int, later: list[_File]) -> None:
        """What is not whole at `offset` must not be covered by anybody's mark."""
        mark = max(self._proven, marks_beyond(file.data, file.number, offset))
        for other in later:
            mark = max(mark, other.header.mark, marks_beyond(other.data, other.number, SECTOR - 8))
        if mark > position(file.number, offset):
            raise DamagedJournal(file.name, offset, "records that were flushed are not there any more")

    def _take(self, file: _File, offset: int, record: Record) -> None:
        payload = record.payload
        last_index, _ = self._last()
        if record.kind == ENTRY:
            index, term = INDEX_TERM.unpack_from(payload)
            if index != last_index + 1:
                raise DamagedJournal(file.name, offset, f"entry {index} follows entry {last_index}")
            self._entries.append((payload[INDEX_TERM.size :], index, term))
        elif record.kind == CUT:
            index, term_before = INDEX_TERM.unpack_from(payload)
            if index > last_index:
                raise DamagedJournal(file.name, offset, f"a cut at {index} of a log that ends at {last_index}")
            del self._entries[max(index - self._base[0] - 1, 0) :]
            if index <= self._base[0]:  # a cut of entries that older segments, dropped since, had held
                self._base = (index - 1, term_before)
        elif record.kind == RESET:
            self._base = INDEX_TERM.unpack_from(payload)
            self._entries.clear()
        else:
            (self._term,) = INDEX.unpack_from(payload)
            self._vote = payload[INDEX.size :].decode() or None
