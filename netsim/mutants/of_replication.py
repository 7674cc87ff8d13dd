"""Mistakes in replication: what counts as held, what is cut, what is installed."""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from quorate.consensus.raft.compaction import Compaction
from quorate.consensus.raft.core import Core
from quorate.consensus.raft.following import Following
from quorate.consensus.raft.gate import Gate
from quorate.consensus.raft.installing import Installing
from quorate.consensus.raft.log import Config, Log
from quorate.consensus.raft.replication import Replication
from quorate.netsim.patch import Patching


def always(value: Any) -> Callable[..., Any]:
    """A function that says so whatever it is asked."""
    return lambda *_: value


# --- flushed before promised (S12) ---


def open_the_gate(patch: Patching) -> None:
    """A batch counts as durable when it is handed to the disk."""
    flush = Gate.flush

    def flush_and_believe(self: Gate) -> None:
        flush(self)
        if self.flushing:
            self.flushed(self._ticket)

    patch.setattr(Gate, "flush", flush_and_believe)


def acknowledge_unflushed(patch: Patching) -> None:
    """What is in memory counts as flushed."""
    believed = property(lambda self: self.last_index, always(None))
    patch.setattr(Log, "flushed_index", believed, raising=False)


def count_an_unflushed_leader(patch: Patching) -> None:
    """A leader counts its own disk before it has flushed. Two guards stand here (what the commit rule is shown, what is
    told as committed): both fall.
    """

    def show_matches(self: Replication) -> None:
        for peer, progress in self.progress.items():
            self._engine.show_match(peer, progress.match if self.counts(peer) else 0)

    patch.setattr(Replication, "show_matches", show_matches)
    patch.setattr(Core, "commit_index", property(lambda self: self.engine.commit_index))


def commit_alone(patch: Patching) -> None:
    """Every follower counts as if it held everything."""

    def show_matches(self: Replication) -> None:
        for peer in self.progress:
            self._engine.show_match(peer, self._log.flushed_index)

    patch.setattr(Replication, "show_matches", show_matches)


# --- what is committed, what is cut (S1, S2) ---


def commit_what_was_not_verified(patch: Patching) -> None:
    """A follower believes the leader's commit index about entries it has never compared."""
    accepts = Following.accepts

    def credulous(self: Following, frm: str, term: int) -> bool:
        accepted = accepts(self, frm, term)
        self._verified = max(self._verified, self._log.last_index)
        return accepted

    patch.setattr(Following, "accepts", credulous)


def commit_on_a_slice_of_a_snapshot(patch: Patching) -> None:
    """The announcement of a snapshot commits whatever the receiver has (S1)."""
    on_chunk = Installing.on_chunk

    def commit_first(self: Installing, frm: str, message: Any) -> None:
        self._engine.commit_to(min(message.index, self._log.last_index))
        on_chunk(self, frm, message)

    patch.setattr(Installing, "on_chunk", commit_first)


def cut_what_matches(patch: Patching) -> None:
    """Whatever stands behind the entry before an append gives way to it, equal or not (S2)."""

    def take(self: Following, message: Any) -> bool:
        log = self._log
        first = max(message.prev_index, log.base_index, self._engine.commit_index) + 1
        entries = message.entries[first - message.prev_index - 1 :]
        if entries and log.has(first):
            log.cut_from(first)
        for command, index, term in entries:
            log.add(command, index, term)
        return True

    patch.setattr(Following, "_take", take)


# --- snapshots (S4, S8, S13) ---


class _KnowsNoCommit:
    """A core to which nothing is committed."""

    commit_index = 0

    def __init__(self, core: Core) -> None:
        self._core = core

    def __getattr__(self, name: str) -> Any:
        return getattr(self._core, name)


def go_back_to_an_old_snapshot(patch: Patching) -> None:
    """A snapshot older than what is committed here is installed all the same (S8). Two guards stand here (when it
    arrives, when it is put into place): both fall.
    """
    on_chunk, finish = Installing.on_chunk, Installing._finish

    def on_any_chunk(self: Installing, frm: str, message: Any) -> None:
        core = self._core
        self._core = _KnowsNoCommit(core)  # type: ignore[assignment]  # stands in for a core
        on_chunk(self, frm, message)
        self._core = core

    def finish_any(self: Installing, incoming: Any, header: Any) -> None:
        if header.index <= self._engine.applied_index:
            self._log.reset(header.index, header.term, Config(header.config_index, header.disks))
            self._engine._sync._SyncObj__raftLastApplied = 0
        finish(self, incoming, header)

    patch.setattr(Installing, "on_chunk", on_any_chunk)
    patch.setattr(Installing, "_finish", finish_any)


def drop_the_log_behind_a_snapshot(patch: Patching) -> None:
    """What the log holds beyond an installed snapshot is thrown away though it matches (S8)."""
    finish = Installing._finish

    def finish_and_drop(self: Installing, incoming: Any, header: Any) -> None:
        if header.index > self._engine.applied_index:
            self._log.reset(header.index, header.term, Config(header.config_index, header.disks))
        finish(self, incoming, header)

    patch.setattr(Installing, "_finish", finish_and_drop)


def trim_before_the_snapshot_is_durable(patch: Patching) -> None:
    """The log is dropped when a snapshot is begun (S4)."""
    start = Compaction._start

    def start_and_drop(self: Compaction) -> None:
        start(self)
        assert self._taking is not None
        index = self._taking.header.index
        self._log.forget_to(index)
        self._gate.write(self._journal.drop_to(index))

    patch.setattr(Compaction, "_start", start_and_drop)


def keep_the_snapshot_in_memory(patch: Patching) -> None:
    """The file never gets its name, and the log is dropped nevertheless (S13)."""
    slice_ = Compaction._slice

    def slice_without_rename(self: Compaction, taking: Any) -> None:
        written = self._gate.write
        self._gate.write = lambda ops: written([op for op in ops if type(op).__name__ != "Rename"])  # type: ignore[method-assign]  # for this one call
        slice_(self, taking)
        self._gate.write = written  # type: ignore[method-assign]  # as it was

    patch.setattr(Compaction, "_slice", slice_without_rename)


# --- acknowledgements (S14, L1) ---


def count_a_stale_acknowledgement(patch: Patching) -> None:
    """Whatever a follower once acknowledged counts now. Two guards stand here (the term, the flight): both fall."""
    on_append_reply = Replication.on_append_reply

    def credulous(self: Replication, frm: str, message: Any) -> bool:
        if message.ok and message.term < self._engine.term and self._engine.leading:
            message = replace(message, term=self._engine.term, epoch=self.progress[frm].epoch)
        return on_append_reply(self, frm, message)

    patch.setattr(Replication, "on_append_reply", credulous)


def keep_a_log_that_contradicts_a_snapshot(patch: Patching) -> None:
    """Whatever stands in the log where a snapshot ends is taken for what it ends with."""
    reset = Log.reset

    def lenient(self: Log, index: int, term: int, config: Config) -> None:
        if self.has(index):
            self.covered_to(index)
        else:
            reset(self, index, term, config)

    patch.setattr(Log, "reset", lenient)


def count_entries_of_earlier_terms(patch: Patching) -> None:
    """What a majority holds is committed, whatever its term (Raft, figure 8)."""
    show_matches = Replication.show_matches

    def count(self: Replication) -> None:
        show_matches(self)
        if self._engine.leading:
            own = self._log.flushed_index
            held = [min(one.match, own) if self.counts(peer) else 0 for peer, one in self.progress.items()]
            self._engine.commit_to(sorted([own, *held], reverse=True)[self._wire.majority - 1])

    patch.setattr(Replication, "show_matches", count)
