"""Promises broken on purpose: each function is one small mistake in our own classes, made in memory.

Law: a mistake somebody could make, not sabotage; its name says what the broken program does. `test_mutants.py` names
the check that notices.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from quorate.consensus import journal_recovery, lookup
from quorate.consensus.attempts import Attempts
from quorate.consensus.commands import Applied, Claim, Done, Finish, Outcome, Refused, Submit
from quorate.consensus.divergence import Divergence
from quorate.consensus.lead import LeaderClock
from quorate.consensus.machine import Machine, moves, sessions
from quorate.consensus.machine import attempts as machine_attempts
from quorate.consensus.machine import machine as machine_apply
from quorate.consensus.machine import submit as machine_submit
from quorate.consensus.machine.dedup import Dedup
from quorate.consensus.machine.store import Store
from quorate.consensus.proctor import Proctor
from quorate.consensus.proposer import Pending, Proposer
from quorate.consensus.raft import parts, recovery
from quorate.consensus.raft.core import Core
from quorate.consensus.raft.election import Elections
from quorate.consensus.raft.engine import Engine
from quorate.consensus.raft.following import Following
from quorate.consensus.raft.gate import Gate
from quorate.consensus.raft.installing import Installing
from quorate.consensus.raft.log import Log
from quorate.consensus.raft.reading import IndexReply, Reading
from quorate.consensus.raft.replication import Replication
from quorate.consensus.raft.standing import Standing
from quorate.consensus.reads import Reads
from quorate.scheduling.task import Task, TaskId

Patch = pytest.MonkeyPatch


def always(value: Any) -> Callable[..., Any]:
    """A function that says so whatever it is asked."""
    return lambda *_: value


# --- promise 1: acknowledged is flushed on a majority, and survives ---


def open_the_gate(patch: Patch) -> None:
    """A batch counts as durable when it is handed to the disk."""
    flush = Gate.flush

    def flush_and_believe(self: Gate) -> None:
        flush(self)
        if self.flushing:
            self.flushed(self._ticket)

    patch.setattr(Gate, "flush", flush_and_believe)


def acknowledge_unflushed(patch: Patch) -> None:
    """What is in memory counts as flushed."""
    believed = property(lambda self: self.last_index, always(None))
    patch.setattr(Log, "flushed_index", believed, raising=False)


def count_an_unflushed_leader(patch: Patch) -> None:
    """Two guards stand here (what the commit rule is shown, what is told as committed): both must fall."""

    def show_matches(self: Replication) -> None:
        for peer, progress in self.progress.items():
            self._engine.show_match(peer, progress.match if self.counts(peer) else 0)

    patch.setattr(Replication, "show_matches", show_matches)
    patch.setattr(Core, "commit_index", property(lambda self: self.engine.commit_index))


def commit_alone(patch: Patch) -> None:
    """Every follower counts as if it held everything."""

    def show_matches(self: Replication) -> None:
        for peer in self.progress:
            self._engine.show_match(peer, self._log.flushed_index)

    patch.setattr(Replication, "show_matches", show_matches)


def answer_before_it_is_applied(patch: Patch) -> None:
    """Sent to the leader is told as done."""
    sent = Proposer.sent

    def sent_and_done(self: Proposer, pending: Pending, now: float) -> None:
        sent(self, pending, now)
        if not pending.reserved:
            command = msgspec.msgpack.decode(msgspec.msgpack.decode(pending.data)[4])
            self.applied(pending.number, Done([command[1][0][0]]), 0)

    patch.setattr(Proposer, "sent", sent_and_done)


def forget_the_log_at_a_start(patch: Patch) -> None:
    """Recovery takes everything after the snapshot for a torn tail."""
    recover = journal_recovery.recover

    def forgetful(*args: Any) -> Any:
        log = recover(*args)
        log.entries = []
        return log

    patch.setattr(recovery, "recover", forgetful)


def drop_the_row_of_an_ended_task(patch: Patch) -> None:
    """What has ended leaves the table and never arrives in history."""
    end = moves._end

    def end_without_a_row(store: Store, task: Task, *rest: Any) -> None:
        end(store, task, *rest)
        store.rows.pop()

    patch.setattr(moves, "_end", end_without_a_row)


def commit_what_was_not_verified(patch: Patch) -> None:
    """A follower believes the leader's commit index about entries it has never compared (hole S1)."""
    accepts = Following.accepts

    def credulous(self: Following, frm: str, term: int) -> bool:
        accepted = accepts(self, frm, term)
        self._verified = max(self._verified, self._log.last_index)
        return accepted

    patch.setattr(Following, "accepts", credulous)


def grant_two_votes_in_a_term(patch: Patch) -> None:
    """A voter forgets whom it promised."""
    on_request_vote = Elections.on_request_vote

    def forgetful(self: Elections, frm: str, message: Any) -> None:
        self._log.vote = None
        on_request_vote(self, frm, message)

    patch.setattr(Elections, "on_request_vote", forgetful)


def let_a_wiped_disk_vote(patch: Patch) -> None:
    """A disk id means nothing: the name is enough."""
    patch.setattr(Standing, "voter", property(always(True)))
    patch.setattr(Standing, "counts", always(True))


def go_back_to_an_old_snapshot(patch: Patch) -> None:
    """A snapshot older than what is committed here is installed all the same (hole S8)."""
    on_chunk = Installing.on_chunk

    def on_any_chunk(self: Installing, frm: str, message: Any) -> None:
        patch.setattr(Core, "commit_index", property(always(0)))
        on_chunk(self, frm, message)

    patch.setattr(Installing, "on_chunk", on_any_chunk)


def vote_for_whom_lacks_entries(patch: Patch) -> None:
    patch.setattr(Elections, "_is_up_to_date", always(True))


# --- promises 2 and 3: one result, all or nothing, fences that rise ---


def forget_the_fence_check(patch: Patch) -> None:
    """A completion ends whatever attempt is running."""
    finish = machine_attempts.finish

    def finish_any(store: Store, command: Finish) -> Applied:
        task = store.tasks.records.get(command.task)
        return finish(store, replace(command, fence=task.fence) if task is not None else command)

    patch.setitem(machine_apply._APPLY, Finish, finish_any)


def claim_without_compare(patch: Patch) -> None:
    """Whatever the claimant saw, it gets the task."""
    claim = machine_attempts.claim

    def claim_any(store: Store, command: Claim) -> Applied:
        tasks = store.tasks.records
        seen = tuple((task, tasks[task].attempt if task in tasks else attempt) for task, attempt in command.wanted)
        for task, _ in seen:
            if task in tasks and tasks[task].state == "running":
                moves.put_back(store, tasks[task], "handed_back", "")
        return claim(store, replace(command, wanted=seen))

    patch.setitem(machine_apply._APPLY, Claim, claim_any)


def give_out_a_fence_again(patch: Patch) -> None:
    start = moves.start

    def start_without_counting(store: Store, *rest: Any) -> None:
        start(store, *rest)
        store.now.fence -= 1

    patch.setattr(moves, "start", start_without_counting)


def commit_the_result_without_what_was_staged(patch: Patch) -> None:
    """What cannot be carried out is left out, and the attempt succeeds."""
    examine = machine_submit.examine

    def examine_leniently(*args: Any) -> Any:
        plan = examine(*args)
        return machine_submit.Plan() if isinstance(plan, Refused) else plan

    patch.setattr(machine_attempts, "examine", examine_leniently)


def release_a_dependant_early(patch: Patch) -> None:
    """The first dependency that ends releases it."""
    place = moves.place

    def place_at_once(store: Store, task: Task, kind: str) -> None:
        task.unmet = 0
        place(store, task, kind)

    patch.setattr(machine_submit, "place", place_at_once)


# --- promise 4: the holder stops first ---


def trust_the_session_twice_as_long(patch: Patch) -> None:
    answered = Proctor._answered

    def trusting(self: Proctor, outcome: Outcome, sent_at: float, *rest: Any) -> None:
        answered(self, outcome, sent_at, *rest)
        if isinstance(outcome, Done):
            self._trusted_until += self._settings.session_ttl_s

    patch.setattr(Proctor, "_answered", trusting)


def ignore_the_clock_rate_bound(patch: Patch) -> None:
    answered = Proctor._answered

    def exact(self: Proctor, outcome: Outcome, sent_at: float, *rest: Any) -> None:
        answered(self, outcome, sent_at, *rest)
        if isinstance(outcome, Done):
            self._trusted_until = sent_at + self._settings.session_ttl_s

    patch.setattr(Proctor, "_answered", exact)


def trust_from_the_answer_on(patch: Patch) -> None:
    """Counted from when the renewal was answered, not from when it was sent."""
    step = Proctor.step

    def step_and_trust(self: Proctor, now: float) -> None:
        known = vars(self).setdefault("_known", self._trusted_until)
        if self._trusted_until != known:
            self._trusted_until = now + self._settings.session_ttl_s * (1.0 - self._settings.clock_rate_bound)
        vars(self)["_known"] = self._trusted_until
        step(self, now)

    patch.setattr(Proctor, "step", step_and_trust)


def count_leases_by_the_wall_clock(patch: Patch) -> None:
    def elapsed(self: LeaderClock) -> int:
        since: int = vars(self).setdefault("_since_wall", self._clock.wall_ms())
        return self._elapsed + max(0, self._clock.wall_ms() - since)

    patch.setattr(LeaderClock, "elapsed", elapsed)


def expire_sessions_early(patch: Patch) -> None:
    """The cluster gives away what a session holds after three quarters of its time."""
    first = sessions.first_to_expire

    def impatient(store: Store) -> Any:
        session = first(store)
        if session is None or session.expires_elapsed - session.ttl_ms // 4 > store.now.elapsed:
            return session
        return replace(session, expires_elapsed=store.now.elapsed)

    patch.setattr(sessions, "first_to_expire", impatient)


# --- promise 5: reads ---


def read_without_confirming_leadership(patch: Patch) -> None:
    patch.setattr(Replication, "echoed_by_majority", lambda self: self.probe)


def read_the_own_replica(patch: Patch) -> None:
    """Nobody is asked."""

    def read_index(self: Reading, reply: IndexReply) -> None:
        reply(self._core.commit_index)

    patch.setattr(Reading, "read_index", read_index)


def read_before_the_replica_has_it(patch: Patch) -> None:
    step = Reads.step
    patch.setattr(Reads, "step", lambda self, now, _: step(self, now, 1 << 60))


def read_before_the_own_term_has_committed(patch: Patch) -> None:
    patch.setattr(Engine, "first_of_term", property(always(0)))


def claim_a_stale_answer_is_fresh(patch: Patch) -> None:
    patch.setattr("quorate.consensus.raft.view.View.leader_contact", property(lambda self: self.clock.monotonic()))


# --- promises 6 and 7: asking again, and what an answer means ---


def forget_what_was_answered(patch: Patch) -> None:
    """The deduplication record is not kept."""
    patch.setattr(Dedup, "record", always(None))


def forget_keys(patch: Patch) -> None:
    patch.setattr(machine_submit, "_first_with_key", always(None))


def forget_keys_of_history(patch: Patch) -> None:
    patch.setattr(lookup, "_used_before", always(None))


def let_a_key_be_reused(patch: Patch) -> None:
    used_before = lookup._used_before

    def lenient(peer: Any, task: Any) -> Any:
        first = used_before(peer, task)
        return None if first is None else replace(first, digest=task.digest)

    patch.setattr(lookup, "_used_before", lenient)


def look_into_old_history(patch: Patch) -> None:
    """How far the submitter had read makes no difference."""
    submit = machine_submit.submit

    def credulous(store: Store, command: Submit) -> Applied:
        return submit(store, replace(command, looked_at=store.now.index))

    patch.setitem(machine_apply._APPLY, Submit, credulous)


def tell_unknown_as_refused(patch: Patch) -> None:
    expire = Proposer.expire

    def optimistic(self: Proposer, now: float) -> None:
        for pending in self._pending.values():
            pending.exposed = 0
        expire(self, now)

    patch.setattr(Proposer, "expire", optimistic)


def tell_refused_as_done(patch: Patch) -> None:
    applied = Proposer.applied
    patch.setattr(Proposer, "applied", lambda self, number, _, index: applied(self, number, Done(), index))


def never_answer(patch: Patch) -> None:
    """What is not done by its deadline is forgotten without a word."""
    expire = Proposer.expire

    def silent(self: Proposer, now: float) -> None:
        for pending in self._pending.values():
            pending.reply = always(None)
        expire(self, now)

    patch.setattr(Proposer, "expire", silent)


def take_one_refusal_for_all(patch: Patch) -> None:
    """A leader that turned an operation away clears what was sent to another one before."""
    not_taken = Proposer.not_taken

    def hasty(self: Proposer, numbers: Sequence[int], why: str, now: float) -> None:
        for number in numbers:
            if number in self._pending:
                self._pending[number].exposed = 1
        not_taken(self, numbers, why, now)

    patch.setattr(Proposer, "not_taken", hasty)


# --- promise 9: nothing in the log stops a peer ---


def raise_on_data(patch: Patch) -> None:
    """`apply` lets the decoder's exceptions out."""
    patch.setattr(machine_apply, "_UNREADABLE", ())


# --- what seeds found once ---


def begin_every_folder_as_life_1(patch: Patch) -> None:
    patch.setattr(parts, "_first_incarnation", always(1))


def report_a_mark_that_was_not_crossed(patch: Patch) -> None:
    applied = Divergence.applied

    def hasty(self: Divergence, before: int, index: int, machine: Machine) -> None:
        applied(self, -1 if not self.latest[0] else before, index, machine)

    patch.setattr(Divergence, "applied", hasty)


def start_nothing_while_a_completion_is_on_its_way(patch: Patch) -> None:
    compare = Attempts.compare

    def timid(self: Attempts, machine: Machine) -> None:
        if not self._finishing:
            compare(self, machine)

    patch.setattr(Attempts, "compare", timid)


def let_a_claim_overtake_its_submission(patch: Patch) -> None:
    claim = Attempts._claim

    def reserved(self: Attempts, wanted: list[tuple[TaskId, int]], offer: Any) -> None:
        claim(self, wanted, self._peer.proposer.offer_reserved)

    patch.setattr(Attempts, "_claim", reserved)
