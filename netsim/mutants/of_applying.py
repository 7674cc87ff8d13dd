"""Mistakes in starting, reading files, applying entries and answering requests."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from quorate.consensus import journal_format, journal_recovery, lookup, snapshot
from quorate.consensus.commands import Applied, Done, Submit
from quorate.consensus.divergence import Divergence
from quorate.consensus.machine import Machine, restore
from quorate.consensus.machine import machine as machine_apply
from quorate.consensus.machine import submit as machine_submit
from quorate.consensus.machine.dedup import Dedup
from quorate.consensus.machine.restore import Restoring
from quorate.consensus.machine.store import Store
from quorate.consensus.proposer import Pending, Proposer
from quorate.consensus.raft import parts, recovery
from quorate.consensus.raft.engine import Engine
from quorate.consensus.raft.log import REGULAR
from quorate.consensus.raft.raft import Raft
from quorate.consensus.snapshot import SnapshotParser
from quorate.netsim.mutants.of_replication import always
from quorate.netsim.patch import Patching

# --- starting (S3, S6, S12, L5) ---


def forget_the_log_at_a_start(patch: Patching) -> None:
    """Recovery takes everything after the snapshot for a torn tail."""
    recover = journal_recovery.recover

    def forgetful(*args: Any) -> Any:
        log = recover(*args)
        log.entries = []
        return log

    patch.setattr(recovery, "recover", forgetful)


def drop_the_log_after_a_snapshot_at_a_start(patch: Patching) -> None:
    """Where there is a snapshot, the journal is not asked whether it goes on from it (S3)."""
    patch.setattr(recovery, "_continues", always(False))


def believe_changed_bytes(patch: Patching) -> None:
    """No record of the journal has a checksum (S12)."""
    patch.setattr(journal_format, "crc32", always(0))


def believe_a_damaged_snapshot(patch: Patching) -> None:
    """No frame of a snapshot has a checksum, and neither the digest at its end nor the hash of the state in it is
    compared (L5). Three guards: all fall.
    """
    take = SnapshotParser._frame

    def credulous(self: SnapshotParser, kind: int, payload: bytes, chunks: list[bytes]) -> None:
        take(self, kind, self._digest.digest() if kind == snapshot._END else payload, chunks)

    patch.setattr(snapshot, "crc32", always(0))
    patch.setattr(SnapshotParser, "_frame", credulous)
    patch.setattr(restore, "DamagedSnapshot", _Ignored)
    finish = Restoring.finish

    def finish_anyhow(self: Restoring) -> Store:
        try:
            return finish(self)
        except _Ignored:
            return self.store

    patch.setattr(Restoring, "finish", finish_anyhow)


class _Ignored(Exception):
    """In place of the word that a snapshot is damaged."""


def live_again_under_the_same_number(patch: Patching) -> None:
    """A restarted process numbers its operations from one, as its last life did (S6)."""
    next_life = parts._next_life

    def same(found: Any, given: Any) -> Any:
        identity = next_life(found, given)
        return identity if found is None else replace(identity, incarnation=found.incarnation)

    patch.setattr(parts, "_next_life", same)


def begin_every_folder_as_life_1(patch: Patching) -> None:
    """A wiped disk begins to count its lives anew."""
    patch.setattr(parts, "_first_incarnation", always(1))


# --- applying (S9, S10, S11) ---


def run_an_entry_again_after_an_error(patch: Patching) -> None:
    """An entry counts as applied when it has come through (S9, S10). Two guards stand here (it is counted before it
    runs, the peer stops): both fall.
    """

    def apply(self: Engine, command: bytes, index: int) -> None:
        self._sync._SyncObj__doApplyCommand(command)
        self._sync._SyncObj__raftLastApplied = index

    step = Raft.step

    def undeterred(self: Raft) -> None:
        self._applying = None
        step(self)

    patch.setattr(Engine, "apply", apply)
    patch.setattr(Raft, "step", undeterred)


def pass_over_without_counting(patch: Patching) -> None:
    """What is no regular command is skipped, and all after it is counted one short (S11)."""

    def apply(self: Engine, command: bytes, _index: int) -> None:
        if command[:1] == REGULAR:
            self._sync._SyncObj__raftLastApplied += 1
        self._sync._SyncObj__doApplyCommand(command)

    patch.setattr(Engine, "apply", apply)


def raise_on_data(patch: Patching) -> None:
    """`apply` lets the decoder's exceptions out."""
    patch.setattr(machine_apply, "_UNREADABLE", ())


def report_a_mark_that_was_not_crossed(patch: Patching) -> None:
    """A peer that started from a snapshot reports its hash for a mark before it."""
    applied = Divergence.applied

    def hasty(self: Divergence, before: int, index: int, machine: Machine) -> None:
        applied(self, -1 if not self.latest[0] else before, index, machine)

    patch.setattr(Divergence, "applied", hasty)


# --- asking again ---


def forget_what_was_answered(patch: Patching) -> None:
    """The deduplication record is not kept."""
    patch.setattr(Dedup, "record", always(None))


def forget_keys(patch: Patching) -> None:
    """A key of a live task is as good as new."""
    patch.setattr(machine_submit, "_first_with_key", always(None))


def forget_keys_of_history(patch: Patching) -> None:
    """A key of an ended task is as good as new."""
    patch.setattr(lookup, "_used_before", always(None))


def let_a_key_be_reused(patch: Patching) -> None:
    """Of an ended task's key nobody compares what it was used for."""
    used_before = lookup._used_before

    def lenient(peer: Any, task: Any) -> Any:
        first = used_before(peer, task)
        return None if first is None else replace(first, digest=task.digest)

    patch.setattr(lookup, "_used_before", lenient)


def look_into_old_history(patch: Patching) -> None:
    """How far the submitter had read makes no difference."""
    submit = machine_submit.submit

    def credulous(store: Store, command: Submit) -> Applied:
        return submit(store, replace(command, looked_at=store.now.index))

    patch.setitem(machine_apply._APPLY, Submit, credulous)


# --- what is told ---


def answer_before_it_is_applied(patch: Patching) -> None:
    """Sent to the leader is told as done."""
    sent = Proposer.sent

    def sent_and_done(self: Proposer, pending: Pending, now: float) -> None:
        sent(self, pending, now)
        if not pending.reserved:
            command = msgspec.msgpack.decode(msgspec.msgpack.decode(pending.data)[4])
            self.applied(pending.number, Done([command[1][0][0]]), 0)

    patch.setattr(Proposer, "sent", sent_and_done)


def tell_unknown_as_refused(patch: Patching) -> None:
    """What may stand in a log is told as surely not done."""
    expire = Proposer.expire

    def optimistic(self: Proposer, now: float) -> None:
        for pending in self._pending.values():
            pending.exposed = 0
        expire(self, now)

    patch.setattr(Proposer, "expire", optimistic)


def tell_refused_as_done(patch: Patching) -> None:
    """What the state refused is told as done."""
    applied = Proposer.applied

    def cheerful(self: Proposer, number: int, outcome: Applied, index: int) -> None:
        applied(self, number, outcome if isinstance(outcome, Done) else Done(["0" * 26]), index)

    patch.setattr(Proposer, "applied", cheerful)


def never_answer(patch: Patching) -> None:
    """What is not done by its deadline is forgotten without a word."""
    expire = Proposer.expire

    def silent(self: Proposer, now: float) -> None:
        for pending in self._pending.values():
            pending.reply = always(None)
        expire(self, now)

    patch.setattr(Proposer, "expire", silent)


def take_one_refusal_for_all(patch: Patching) -> None:
    """A leader that turned an operation away clears what was sent to another one before."""
    not_taken = Proposer.not_taken

    def hasty(self: Proposer, numbers: Sequence[int], why: str, now: float) -> None:
        for number in numbers:
            if number in self._pending:
                self._pending[number].exposed = 1
        not_taken(self, numbers, why, now)

    patch.setattr(Proposer, "not_taken", hasty)
