"""Mistakes for checkers that no mutant of `quorate.netsim.mutants` shows as they need it, made in memory.

Law: each is a small patch of our own code that makes the peers do wrong; its name says what they then do. No checker
and no client is touched.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from quorate.consensus import lookup
from quorate.consensus.commands import Applied, Cancel, Done, RenewSession
from quorate.consensus.divergence import Divergence
from quorate.consensus.events import Event
from quorate.consensus.frames import Append, RequestVote
from quorate.consensus.journal import Journal
from quorate.consensus.machine import Machine, moves, sessions, tables
from quorate.consensus.machine import attempts as machine_attempts
from quorate.consensus.machine import machine as machine_apply
from quorate.consensus.machine import submit as machine_submit
from quorate.consensus.machine.store import Store
from quorate.consensus.peer import Peer
from quorate.consensus.planner import Planner
from quorate.consensus.proposer import Pending, Proposer
from quorate.consensus.raft import engine
from quorate.consensus.raft.election import Elections
from quorate.consensus.raft.following import Following
from quorate.consensus.raft.raft import Raft
from quorate.consensus.reactor import Reactor
from quorate.netsim.history import SimHistory
from quorate.scheduling.task import Task

Patch = pytest.MonkeyPatch


def always(value: Any) -> Callable[..., Any]:
    """A function that says so whatever it is asked."""
    return lambda *_, **__: value


class Numbered:
    """Objects by the order in which they were first seen: `first(x)` for what is to go wrong on one peer only."""

    def __init__(self) -> None:
        self._seen: list[object] = []

    def first(self, one: object) -> bool:
        if not any(one is seen for seen in self._seen):
            self._seen.append(one)
        return self._seen[0] is one


# --- Raft


def forget_what_was_committed(patch: Patch) -> None:
    """A leader that leads no more begins to count commits anew."""
    role_changed = Raft.role_changed

    def forgetful(self: Raft, role: str) -> None:
        if role != "leader" and self._leads:
            self._p.core.engine._sync._SyncObj__raftCommitIndex = self._p.core.log.base_index
        role_changed(self, role)

    patch.setattr(Raft, "role_changed", forgetful)


def vote_for_everybody(patch: Patch) -> None:
    """A voter forgets whom it has promised; and all wait equally long, so that two campaign at once."""
    on_request_vote = Elections.on_request_vote

    def forgetful(self: Elections, frm: str, message: RequestVote) -> None:
        self._log.vote = None
        on_request_vote(self, frm, message)

    patch.setattr(Elections, "on_request_vote", forgetful)
    patch.setattr(engine, "_Chance", SameChance)


class SameChance:
    def __init__(self, _entropy: object) -> None:
        self.random = always(0.5)


def store_other_bytes_than_were_sent(patch: Patch) -> None:
    """One follower changes what it writes."""
    take, numbered = Following._take, Numbered()

    def take_changed(self: Following, message: Append) -> bool:
        if numbered.first(self) and message.prev_index > 50:
            message = replace(message, entries=[(data + b"\0", index, term) for data, index, term in message.entries])
        return take(self, message)

    patch.setattr(Following, "_take", take_changed)


def cut_one_entry_too_many(patch: Patch) -> None:
    """The record of a cut names the entry before the first that conflicts."""
    cut = Journal.cut
    patch.setattr(Journal, "cut", lambda self, index, term_before: cut(self, index - 1, term_before))


# --- state


def apply_otherwise_on_one_peer(patch: Patch) -> None:
    apply, numbered = Machine.apply, Numbered()

    def apply_late(self: Machine, index: int, term: int, entry: bytes) -> Any:
        if index > 40 and numbered.first(self):
            self._store.now.elapsed += 1
        return apply(self, index, term, entry)

    patch.setattr(Machine, "apply", apply_late)


def leave_the_sessions_out_of_the_hash(patch: Patch) -> None:
    hash_of = tables.Table.hash_of
    patch.setattr(tables.Table, "hash_of", lambda self, record: 0 if self.name == "sessions" else hash_of(self, record))


def tell_what_ended_before_all_else(patch: Patch) -> None:
    """One peer tells the events of an entry in another order."""
    publish, numbered = Reactor.publish, Numbered()

    def publish_backwards(self: Reactor, index: int, events: Sequence[Event]) -> None:
        publish(self, index, events[::-1] if numbered.first(self) else events)

    patch.setattr(Reactor, "publish", publish_backwards)


# --- attempts and results


def take_from_the_living(patch: Patch) -> None:
    """A renewal puts back what the session holds, as if it had ended."""
    renew = sessions.renew

    def renew_emptied(store: Store, command: RenewSession) -> Applied:
        session = store.sessions.records.get(command.peer)
        for task in sessions.held_by(store, session)[:1] if session else ():
            moves.put_back(store, task, "requeued", "")
        return renew(store, command)

    patch.setitem(machine_apply._APPLY, RenewSession, renew_emptied)


def believe_that_states_differ(patch: Patch) -> None:
    """One peer does, without a reason."""
    applied, numbered = Divergence.applied, Numbered()

    def mistaken(self: Divergence, before: int, index: int, machine: Machine) -> None:
        applied(self, before, index, machine)
        if index == 100 and numbered.first(self):
            self._quarantine("a slip")

    patch.setattr(Divergence, "applied", mistaken)


# --- answers


def forget_keys(patch: Patch) -> None:
    """In the state, in history and among tasks submitted together."""
    patch.setattr(machine_submit, "_first_with_key", always(None))
    patch.setattr(lookup, "_used_before", always(None))


def answer_before_it_is_applied(patch: Patch) -> None:
    """Sent to the leader is told as done."""
    sent = Proposer.sent

    def sent_and_done(self: Proposer, pending: Pending, now: float) -> None:
        sent(self, pending, now)
        if not pending.reserved:
            command = msgspec.msgpack.decode(msgspec.msgpack.decode(pending.data)[4])
            if command[0] == "submit":
                self.applied(pending.number, Done([task[0] for task in command[1]]), 0)

    patch.setattr(Proposer, "sent", sent_and_done)


def say_cancelled_of_what_had_ended(patch: Patch) -> None:
    """A cancellation that comes too late is told as done."""
    cancel = machine_attempts.cancel

    def cancel_anything(store: Store, command: Cancel) -> Applied:
        cancel(store, command)
        return Done()

    patch.setitem(machine_apply._APPLY, Cancel, cancel_anything)


def answer_twice(patch: Patch) -> None:
    """What was answered is answered again when it is applied once more."""
    applied = Proposer.applied

    def applied_twice(self: Proposer, number: int, outcome: Applied, index: int) -> None:
        pending = self._pending.get(number)
        applied(self, number, outcome, index)
        if pending is not None and number % 20 == 0:
            pending.reply(outcome, index)

    patch.setattr(Proposer, "applied", applied_twice)


# --- going on


def wake_for_the_first_end_only(patch: Patch) -> None:
    """Of several tasks that end in one entry, who waits for the second is forgotten."""
    wake = Reactor._wake
    patch.setattr(Reactor, "_wake", lambda self, events: wake(self, events[:1]))


def wake_nobody_at_an_install(patch: Patch) -> None:
    """Whoever waits is not looked for in an installed snapshot."""
    patch.setattr(Reactor, "waited_for", always([]))


def claim_no_second_attempts(patch: Patch) -> None:
    """A task that was tried once is left to others, and they leave it too."""
    choose = Planner.choose
    patch.setattr(Planner, "choose", lambda self, *rest: [task for task in choose(self, *rest) if not task.attempt])


def stop_applying_on_one_peer(patch: Patch) -> None:
    may_apply, numbered = Peer._can_apply, Numbered()

    def can_apply(self: Peer) -> bool:
        return may_apply(self) and not (numbered.first(self) and self.machine.index > 60)

    patch.setattr(Peer, "_can_apply", can_apply)


def stamp_history_by_the_own_clock(patch: Patch) -> None:
    """One peer writes down when it heard of an end, not when it was."""
    append, numbered = SimHistory.append, Numbered()

    def append_late(self: SimHistory, index: int, rows: Sequence[Task]) -> None:
        append(
            self,
            index,
            [replace(row, ended_stamp=row.ended_stamp + 1) for row in rows] if numbered.first(self) else rows,
        )

    patch.setattr(SimHistory, "append", append_late)
