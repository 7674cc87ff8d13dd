"""Taking snapshots, and dropping what they cover.

Laws:
- The cut is the state at one applied index; it is walked in slices beside applying, written aside, flushed, renamed.
- Only when the new file is durable are older files, segments and entries dropped, and never what a transfer still
  needs.
"""

from collections.abc import Callable
from typing import Protocol

from quorate.consensus.journal import Journal
from quorate.consensus.ports import Remove, Rename, Sync, Write
from quorate.consensus.raft.core import Core
from quorate.consensus.snapshot import SnapshotHeader, SnapshotWriter, snapshot_name


class Walk(Protocol):
    """A consistent cut of the state at the index at which it was begun."""

    def chunk(self, limit_bytes: int) -> bytes | None:
        """The next slice of about that size; None: that was all."""


class _Taking:
    def __init__(self, header: SnapshotHeader, walk: Walk) -> None:
        self.header = header
        self.walk = walk
        self.writer = SnapshotWriter()
        self.name = f"{snapshot_name(header.index)}.tmp"


class Compaction:
    def __init__(
        self, core: Core, journal: Journal, begin_walk: Callable[[], Walk], needed: Callable[[], list[int]]
    ) -> None:
        """`needed`: indexes of the snapshots that are being sent."""
        self._cluster = core.cluster
        self._settings = core.settings
        self._snapshot_entries = core.settings.snapshot_entries
        self._snapshot_bytes = core.settings.snapshot_bytes
        self._engine = core.engine
        self._log = core.log
        self._journal = journal
        self._gate = core.gate
        self._counters = core.counters
        self._points = core.points
        self._begin_walk = begin_walk
        self._needed = needed
        self._taking: _Taking | None = None
        self._wanted = False
        self._slice_is_durable = False
        self._drop_due = True
        self.newest = (0, 0, 0)
        """Index, term and size of the newest durable snapshot."""
        self._kept: list[int] = []
        """Older ones that a transfer held when they were superseded."""
        self._written_before = 0

    def opened(self, header: SnapshotHeader | None, size: int, backlog_bytes: int) -> None:
        """What was found at start: the newest snapshot, and how much log lies after it."""
        self._written_before = -backlog_bytes
        if header is not None:
            self.newest = (header.index, header.term, size)

    @property
    def log_bytes(self) -> int:
        """Journal written since the last snapshot, or since the start."""
        return self._journal.written_bytes - self._written_before

    @property
    def ready(self) -> bool:
        """The next slice may be taken: the last one is on the disk."""
        return self._taking is not None and self._slice_is_durable

    def now(self) -> None:
        """Take one at the next step, whatever the sizes."""
        self._wanted = True

    def step(self) -> None:
        if self._taking is None:
            if self._due():
                self._start()
        elif self._slice_is_durable:
            self._slice(self._taking)
        if self._drop_due:
            self._drop()

    def _due(self) -> bool:
        index, _, size = self.newest
        least = self._snapshot_bytes
        applied = self._engine.applied_index
        wanted = (
            applied - (index or 1) >= self._snapshot_entries
            or self._journal.written_bytes - self._written_before >= (size if size > least else least)
            or self._wanted
        )
        return wanted and applied > max(index, 1) and self._log.has(applied)

    def _start(self) -> None:
        self._wanted = False
        index = self._engine.applied_index
        config = self._log.config_at(index)
        header = SnapshotHeader(self._cluster, index, self._log.term_at(index), config.index, config.disks)
        self._taking = _Taking(header, self._begin_walk())
        self._written_before = self._journal.written_bytes
        self._points.reach("snapshot.begin")
        self._write(self._taking, self._taking.writer.begin(header))

    def _write(self, taking: _Taking, data: bytes) -> None:
        self._gate.write([Write(taking.name, taking.writer.size - len(data), data)])
        self._slice_is_durable = False
        self._gate.when_durable(self._slice_flushed)

    def _slice_flushed(self) -> None:
        self._slice_is_durable = True

    def _slice(self, taking: _Taking) -> None:
        chunk = taking.walk.chunk(self._settings.walk_bytes)
        if chunk is not None:
            self._points.reach("snapshot.chunk")
            self._write(taking, taking.writer.chunk(chunk))
            return
        self._write(taking, taking.writer.end())
        header, size = taking.header, taking.writer.size
        self._points.reach("snapshot.rename")
        self._gate.write([Sync(taking.name), Rename(taking.name, snapshot_name(header.index))])
        self._taking = None
        self._gate.when_durable(lambda: self._took(header, size))

    def _took(self, header: SnapshotHeader, size: int) -> None:
        self._points.reach("snapshot.taken")
        self._counters.snapshots_taken += 1
        self.durable(header, size)

    def abandon(self) -> None:
        """The state was replaced while we walked it."""
        if self._taking is not None:
            self._gate.write([Remove(self._taking.name)])
            self._taking = None

    # --- dropping -----------------------------------------------------------------------------------------------------

    def durable(self, header: SnapshotHeader, size: int) -> None:
        """A snapshot stands on the disk: taken here, or received."""
        if header.index <= self.newest[0]:
            return
        if self.newest[0]:
            self._kept.append(self.newest[0])
        self.newest = (header.index, header.term, size)
        self._drop_due = True

    def _drop(self) -> None:
        """What the newest snapshot covers and nobody needs any more."""
        in_use = self._needed()
        self._drop_due = bool(in_use)
        for index in [index for index in self._kept if index not in in_use]:
            self._points.reach("snapshot.drop")
            self._kept.remove(index)
            self._gate.write([Remove(snapshot_name(index))])
        floor = self._kept_from(min([self.newest[0], self._engine.applied_index, *in_use]))
        if floor <= self._log.base_index:
            return
        self._points.reach("compaction.trim")
        self._log.forget_to(floor)
        removals = self._journal.drop_to(floor)
        if removals:
            self._gate.write(removals)

    def _kept_from(self, covered: int) -> int:
        """The last entry that may go although a peer that lags a little might ask for it."""
        lowest = max(covered - self._settings.keep_entries, self._log.base_index)
        room = self._settings.keep_bytes
        for index in range(min(covered, self._log.last_index), lowest, -1):
            room -= len(self._log.entry(index)[0])
            if room < 0:
                return index
        return lowest
