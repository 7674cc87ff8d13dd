"""Mistakes in attempts, leases, dependants, history and reads."""

from typing import Any

from msgspec.structs import replace

from quorate.consensus.attempts import Attempts
from quorate.consensus.commands import Applied, Claim, Done, Finish, Outcome, Refused
from quorate.consensus.gap import HistoryGap
from quorate.consensus.lead import LeaderClock
from quorate.consensus.machine import Machine, dependants, moves, sessions
from quorate.consensus.machine import attempts as machine_attempts
from quorate.consensus.machine import machine as machine_apply
from quorate.consensus.machine import submit as machine_submit
from quorate.consensus.machine.store import Store
from quorate.consensus.machine.timers import Timers
from quorate.consensus.ports import PeerId
from quorate.consensus.proctor import Proctor
from quorate.consensus.raft.engine import Engine
from quorate.consensus.raft.progress import Progress
from quorate.consensus.raft.reading import IndexReply, Reading
from quorate.consensus.raft.replication import Replication
from quorate.consensus.raft.view import View
from quorate.consensus.reactor import Reactor
from quorate.consensus.reads import Reads
from quorate.netsim.mutants.of_replication import always
from quorate.netsim.patch import Patching
from quorate.scheduling.task import Task, TaskId

# --- one result, all or nothing, fences that rise ---


def forget_the_fence_check(patch: Patching) -> None:
    """A completion ends whatever attempt is running."""
    finish = machine_attempts.finish

    def finish_any(store: Store, command: Finish) -> Applied:
        task = store.tasks.records.get(command.task)
        return finish(store, replace(command, fence=task.fence) if task is not None else command)

    patch.setitem(machine_apply._APPLY, Finish, finish_any)


def claim_without_compare(patch: Patching) -> None:
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


def give_out_a_fence_again(patch: Patching) -> None:
    """The counter of fences stands still."""
    start = moves.start

    def start_without_counting(store: Store, *rest: Any) -> None:
        start(store, *rest)
        store.now.fence -= 1

    patch.setattr(moves, "start", start_without_counting)


def commit_the_result_without_what_was_staged(patch: Patching) -> None:
    """What cannot be carried out is left out, and the attempt succeeds."""
    examine = machine_submit.examine

    def examine_leniently(*args: Any) -> Any:
        plan = examine(*args)
        return machine_submit.Plan() if isinstance(plan, Refused) else plan

    patch.setattr(machine_attempts, "examine", examine_leniently)


def release_a_dependant_early(patch: Patching) -> None:
    """Nothing is waited for."""
    place = moves.place

    def place_at_once(store: Store, task: Task, kind: str) -> None:
        task.unmet = 0
        place(store, task, kind)

    patch.setattr(machine_submit, "place", place_at_once)


def run_after_every_failure(patch: Patching) -> None:
    """A task that needs the success of another runs when that one has failed."""
    patch.setattr(dependants, "stands_in_the_way", always(False))


def recall_no_dependant(patch: Patching) -> None:
    """A failed task gets another round, and who has heard of its end does not wait for the next one."""
    patch.setattr(machine_submit, "recall", always(None))


def tell_no_dependant(patch: Patching) -> None:
    """Who waits for an ended task is not told."""
    patch.setattr(dependants, "unblock", always(None))


def drop_the_row_of_an_ended_task(patch: Patching) -> None:
    """What has ended leaves the table and never arrives in history."""
    end = moves._end

    def end_without_a_row(store: Store, task: Task, *rest: Any) -> None:
        end(store, task, *rest)
        store.rows.pop()

    patch.setattr(moves, "_end", end_without_a_row)


def drop_a_timer(patch: Patching) -> None:
    """The pause before the next attempt never ends."""
    add, remove = Timers.add, Timers.remove

    def add_others(self: Timers, task: Task) -> None:
        if self._kind(task) is not self.retries:
            add(self, task)

    def remove_others(self: Timers, task: Task) -> None:
        if self._kind(task) is not self.retries:
            remove(self, task)

    patch.setattr(Timers, "add", add_others)
    patch.setattr(Timers, "remove", remove_others)


def lose_a_wakeup(patch: Patching) -> None:
    """Who waits for a task is not told of its end."""
    patch.setattr(Reactor, "_wake", always(None))


def start_nothing_while_a_completion_is_on_its_way(patch: Patching) -> None:
    """Attempts granted inside a snapshot wait until nothing is being reported, and nobody looks again."""
    compare = Attempts.compare

    def timid(self: Attempts, machine: Machine) -> None:
        if not self._finishing:
            compare(self, machine)

    patch.setattr(Attempts, "compare", timid)


def let_a_claim_overtake_its_submission(patch: Patching) -> None:
    """The claim that belongs to a submission has room of its own, ahead of it."""
    claim = Attempts._claim

    def reserved(self: Attempts, wanted: list[tuple[TaskId, int]], _offer: Any) -> None:
        claim(self, wanted, self._peer.proposer.offer_reserved)

    patch.setattr(Attempts, "_claim", reserved)


# --- the holder stops first ---


def trust_the_session_twice_as_long(patch: Patching) -> None:
    """A renewal is good for two."""
    answered = Proctor._answered

    def trusting(self: Proctor, outcome: Outcome, sent_at: float, *rest: Any) -> None:
        answered(self, outcome, sent_at, *rest)
        if isinstance(outcome, Done):
            self._trusted_until += self._settings.session_ttl_s

    patch.setattr(Proctor, "_answered", trusting)


def ignore_the_clock_rate_bound(patch: Patching) -> None:
    """All clocks run alike."""
    answered = Proctor._answered

    def exact(self: Proctor, outcome: Outcome, sent_at: float, *rest: Any) -> None:
        answered(self, outcome, sent_at, *rest)
        if isinstance(outcome, Done):
            self._trusted_until = sent_at + self._settings.session_ttl_s

    patch.setattr(Proctor, "_answered", exact)


def trust_from_the_answer_on(patch: Patching) -> None:
    """Counted from when the renewal was answered, not from when it was sent."""
    step = Proctor.step

    def step_and_trust(self: Proctor, now: float) -> None:
        known = vars(self).setdefault("_known", self._trusted_until)
        if self._trusted_until != known:
            self._trusted_until = now + self._settings.session_ttl_s * (1.0 - self._settings.clock_rate_bound)
        vars(self)["_known"] = self._trusted_until
        step(self, now)

    patch.setattr(Proctor, "step", step_and_trust)


def count_leases_by_the_wall_clock(patch: Patching) -> None:
    """Leases and timers of the state run by the leader's wall clock."""

    def elapsed(self: LeaderClock) -> int:
        since: int = vars(self).setdefault("_since_wall", self._clock.wall_ms())
        return self._elapsed + max(0, self._clock.wall_ms() - since)

    patch.setattr(LeaderClock, "elapsed", elapsed)


def expire_sessions_early(patch: Patching) -> None:
    """The cluster gives away what a session holds after three quarters of its time."""
    first = sessions.first_to_expire

    def impatient(store: Store) -> Any:
        session = first(store)
        if session is None or session.expires_elapsed - session.ttl_ms // 4 > store.now.elapsed:
            return session
        return replace(session, expires_elapsed=store.now.elapsed)

    patch.setattr(sessions, "first_to_expire", impatient)


def never_expire_a_session(patch: Patching) -> None:
    """What a dead peer held stays its own."""
    patch.setattr(sessions, "first_to_expire", always(None))


# --- reads ---


def read_without_confirming_leadership(patch: Patching) -> None:
    """A leader takes itself for one as long as nobody tells it otherwise."""
    patch.setattr(Replication, "echoed_by_majority", lambda self: self.probe)


def take_any_answer_for_an_echo(patch: Patching) -> None:
    """Whatever a follower answers confirms the newest question too."""
    heard = Replication._heard

    def heard_all(self: Replication, frm: PeerId, progress: Progress, *, voter: bool, probe: int) -> None:
        heard(self, frm, progress, voter=voter, probe=max(probe, self.probe))

    patch.setattr(Replication, "_heard", heard_all)


def read_the_own_replica(patch: Patching) -> None:
    """Nobody is asked."""

    def read_index(self: Reading, reply: IndexReply) -> None:
        reply(self._core.commit_index)

    patch.setattr(Reading, "read_index", read_index)


def read_before_the_replica_has_it(patch: Patching) -> None:
    """The read point is given out when it is known."""
    step = Reads.step
    patch.setattr(Reads, "step", lambda self, now, _: step(self, now, 1 << 60))


def read_before_the_own_term_has_committed(patch: Patching) -> None:
    """A new leader believes its own commit index."""
    patch.setattr(Engine, "first_of_term", property(always(0)))


def number_questions_from_one(patch: Patching) -> None:
    """Each life of a follower numbers its questions anew: an answer to an earlier life is taken for its own (S6)."""
    begin = Reading.__init__

    def from_one(self: Reading, *args: Any) -> None:
        begin(self, *args)
        self._next_question = 0

    patch.setattr(Reading, "__init__", from_one)


def claim_a_stale_answer_is_fresh(patch: Patching) -> None:
    """The age of an answer is told as nothing."""
    patch.setattr(View, "leader_contact", property(lambda self: self.clock.monotonic()))


def read_with_a_gap_in_history(patch: Patching) -> None:
    """A peer answers though it has not yet got back what it had lost."""
    patch.setattr(HistoryGap, "closed", property(always(True)))


def take_an_older_answer(patch: Patching) -> None:
    """A read asked for while a question is out is answered with it."""

    def join(self: Reads, deadline: float, reply: Any) -> None:
        (self._asked or self._waiting).append((deadline, reply))

    patch.setattr(Reads, "add", join)


def join_a_probe_that_is_out(patch: Patching) -> None:
    """A read is confirmed by a probe that was sent before it was asked for."""
    lead = Reading._lead

    def joining(self: Reading, now: float) -> None:
        if self._rounds:
            self._rounds[-1].replies.extend(self._take_waiting())
        lead(self, now)

    patch.setattr(Reading, "_lead", joining)
