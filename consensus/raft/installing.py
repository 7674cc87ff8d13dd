"""A snapshot from the leader: received, checked, made durable, installed.

Laws:
- What is not newer than what is committed here is not needed: nothing ever goes back (S8).
- Nothing of it is believed before the last byte has been checked against its checksums and the index and term it was
  announced with.
- It is acknowledged when it is durable, installed and the log goes on from it. A log that matches beyond it is kept.
"""

from collections.abc import Callable, Iterator

import msgspec

from quorate.consensus.frames import SnapshotChunk, SnapshotReply
from quorate.consensus.ports import PeerId, Remove, Rename, Sync, Write
from quorate.consensus.raft.core import Core
from quorate.consensus.raft.following import Following
from quorate.consensus.raft.log import Config
from quorate.consensus.snapshot import (
    INCOMING,
    BadSnapshot,
    SnapshotHeader,
    SnapshotParser,
    read_snapshot,
    snapshot_name,
)

CHUNKS_PER_STEP = 4
"""Handed to the state machine in one step: small enough not to hold up a heartbeat."""


class Installer(msgspec.Struct, frozen=True):
    """The state machine's side: `begin`, `feed` for every chunk, `finish(index, term)`."""

    begin: Callable[[], None]
    feed: Callable[[bytes], None]
    finish: Callable[[int, int], None]


class _Incoming:
    def __init__(self, frm: PeerId, index: int, term: int, total: int) -> None:
        self.key = (index, term, total)
        self.frm = frm
        self.name = f"{INCOMING}{index:016x}.tmp"
        self.received = 0
        self.parser = SnapshotParser()
        self.header: SnapshotHeader | None = None
        self.chunks: Iterator[bytes] | None = None
        self.last: SnapshotChunk | None = None


class Installing:
    def __init__(
        self, core: Core, following: Following, installer: Installer, taken: Callable[[SnapshotHeader, int], None]
    ) -> None:
        """`taken(header, size)`: that snapshot is durable here now."""
        self._core = core
        self._engine = core.engine
        self._log = core.log
        self._gate = core.gate
        self._counters = core.counters
        self._points = core.points
        self._following = following
        self._installer = installer
        self._taken = taken
        self.incoming: _Incoming | None = None

    @property
    def busy(self) -> bool:
        """A whole snapshot waits to be handed to the state machine."""
        return self.incoming is not None and self.incoming.header is not None

    @property
    def ready(self) -> bool:
        """The next chunks can be handed on now."""
        return self.incoming is not None and self.incoming.chunks is not None

    # --- receiving ----------------------------------------------------------------------------------------------------

    def on_chunk(self, frm: PeerId, message: SnapshotChunk) -> None:
        if not self._following.accepts(frm, message.term):
            return
        durable = self._core.commit_index
        if message.index <= durable:
            self._give_up()
            self._following.installed(frm, durable, message.term)
            self._answer(frm, message, durable, -1)
            return
        key = (message.index, message.index_term, message.total)
        if self.incoming is None or self.incoming.key != key:
            if self.busy:
                return  # the one being installed first; the leader repeats itself
            self._give_up()
            self.incoming = _Incoming(frm, *key)
        incoming = self.incoming
        incoming.frm, incoming.last = frm, message
        if message.data and incoming.header is None and message.offset == incoming.received:
            self._receive(incoming, message)
        self._answer(frm, message, message.index, incoming.received)

    def _receive(self, incoming: _Incoming, message: SnapshotChunk) -> None:
        try:
            incoming.parser.feed(message.data)
            self._points.reach("install.receive")
            self._gate.write([Write(incoming.name, incoming.received, message.data)])
            incoming.received += len(message.data)
            if incoming.received >= message.total:
                incoming.header = self._checked(incoming)
                self._settle_file(incoming)
        except BadSnapshot:
            self._counters.transfers_broken += 1
            incoming.header = None
            self._give_up()
            incoming.received = 0

    def _checked(self, incoming: _Incoming) -> SnapshotHeader:
        header = incoming.parser.finish()
        if (self._core.cluster, *incoming.key[:2]) != (header.cluster, header.index, header.term):
            raise BadSnapshot(f"it is of entry {header.index} of cluster {header.cluster!r}, not what was announced")
        return header

    def _answer(self, frm: PeerId, message: SnapshotChunk, index: int, received: int) -> None:
        reply = SnapshotReply(
            term=self._engine.term,
            index=index,
            received=received,
            voter=self._core.standing.voter,
            epoch=message.epoch,
            probe=message.probe,
        )
        self._gate.send(frm, reply)

    def _give_up(self) -> None:
        if self.incoming is not None and self.incoming.header is None:
            self._gate.write([Remove(self.incoming.name)])
            self.incoming = None

    # --- installing ---------------------------------------------------------------------------------------------------

    def _settle_file(self, incoming: _Incoming) -> None:
        assert incoming.header is not None
        name = snapshot_name(incoming.header.index)
        self._points.reach("install.rename")
        self._gate.write([Sync(incoming.name), Rename(incoming.name, name)])
        self._gate.when_durable(lambda: self._begin(incoming))

    def _begin(self, incoming: _Incoming) -> None:
        assert incoming.header is not None
        self._points.reach("install.begin")
        self._taken(incoming.header, incoming.received)
        incoming.chunks = read_snapshot(self._core.disk, snapshot_name(incoming.header.index))
        self._installer.begin()

    def step(self) -> None:
        """A few chunks to the state machine; after the last one, the log goes on from the snapshot."""
        incoming = self.incoming
        if incoming is None or incoming.chunks is None or incoming.header is None:
            return
        for _ in range(CHUNKS_PER_STEP):
            chunk = next(incoming.chunks, None)
            if chunk is None:
                self._finish(incoming, incoming.header)
                return
            self._points.reach("install.feed")
            self._installer.feed(chunk)

    def _finish(self, incoming: _Incoming, header: SnapshotHeader) -> None:
        self.incoming = None
        if header.index <= self._engine.applied_index:
            return  # the log has overtaken it
        self._points.reach("install.finish")
        log = self._log
        if log.has(header.index) and log.term_at(header.index) == header.term:
            log.covered_to(header.index)
        else:
            log.reset(header.index, header.term, Config(header.config_index, header.disks))
        self._engine.jump_to(header.index)
        self._installer.finish(header.index, header.term)
        self._points.reach("install.done")
        self._counters.snapshots_installed += 1
        self._following.installed(incoming.frm, header.index, self._engine.term)
        if incoming.last is not None and incoming.last.term == self._engine.term:
            self._answer(incoming.frm, incoming.last, header.index, -1)
