"""Every checker is seen to catch a mistake, and to say nothing of a sound run.

Law: a checker that cannot fire checks nothing. Each row plants one mistake, plays one scenario with all checkers in
place, and demands that the named checker is the one that raises.
"""

from collections.abc import Callable
from typing import NamedTuple

import pytest

from quorate.consensus.commands import Done
from quorate.netsim.checkers import Record, standard
from quorate.netsim.checkers.progress import Progress
from quorate.netsim.checkers.reads import ReadsSeeAcknowledged
from quorate.netsim.checkers.story import Story
from quorate.netsim.mutants import of_applying, of_handlers, of_replication, of_working
from quorate.netsim.play import play
from quorate.netsim.scenario import Conditions, Fault, Load, Scenario
from quorate.netsim.violation import Violation
from quorate.netsim.world import World
from quorate.scheduling.task import TaskId
from tests.netsim.checkers import mistakes


def several(do: str, on: str, at: tuple[float, ...], for_s: float) -> tuple[Fault, ...]:
    return tuple(Fault(at=each, do=do, on=(on,), for_s=for_s) for each in at)


QUIET = Scenario(name="quiet", seed=3, seconds=5.0, load=Load(rate=25.0))
LEADER_DIES = Scenario(
    name="the leader dies", seed=5, seconds=6.0, load=Load(rate=20.0), faults=several("kill", "leader", (2.0,), 2.0)
)
ALL_DIE = Scenario(
    name="all die at once", seed=5, seconds=6.0, load=Load(rate=20.0), faults=several("kill", "all", (3.0,), 0.5)
)
CUT_OFF = Scenario(
    name="the leader is cut off",
    seed=1,
    seconds=9.0,
    load=Load(rate=25.0),
    faults=several("partition", "leader", (2.0, 5.0), 2.0),
)
FROZEN = Scenario(
    name="peers freeze while they work",
    seed=2,
    seconds=20.0,
    load=Load(rate=15.0),
    conditions=Conditions(run_s=(0.5, 3.0)),
    faults=(*several("freeze", "follower", (2.0,), 7.0), *several("freeze", "leader", (11.0,), 7.0)),
)
IMPATIENT = Scenario(
    name="the leader freezes for longer than clients wait",
    seed=4,
    seconds=6.0,
    load=Load(rate=40.0),
    conditions=Conditions(deadline_s=0.3),
    faults=several("freeze", "leader", (1.5, 2.3, 3.1, 3.9, 4.7), 0.5),
)
LEFT_BEHIND = Scenario(
    name="a follower is away until only a snapshot helps",
    seed=7,
    seconds=10.0,
    load=Load(rate=30.0),
    conditions=Conditions(run_s=(0.5, 2.0), snapshot_entries=30, keep_entries=3),
    faults=several("partition", "follower", (2.0, 6.0), 2.5),
)
SCENARIOS = (QUIET, LEADER_DIES, ALL_DIE, CUT_OFF, FROZEN, IMPATIENT, LEFT_BEHIND)


class Planted(NamedTuple):
    checker: str
    mistake: Callable[[pytest.MonkeyPatch], None]
    scenario: Scenario


PLANTED = [
    Planted("never_back", mistakes.forget_what_was_committed, CUT_OFF),
    Planted("equal_events", mistakes.tell_what_ended_before_all_else, QUIET),
    Planted("log_matching", mistakes.store_other_bytes_than_were_sent, QUIET),
    Planted("committed_for_good", mistakes.cut_one_entry_too_many, CUT_OFF),
    Planted("flushed_majority", of_replication.commit_alone, QUIET),
    Planted("one_leader", mistakes.vote_for_everybody, LEADER_DIES),
    Planted("leader_completeness", of_applying.forget_the_log_at_a_start, ALL_DIE),
    Planted("equal_states", mistakes.apply_otherwise_on_one_peer, QUIET),
    Planted("full_states", mistakes.leave_the_sessions_out_of_the_hash, QUIET),
    Planted("rising_fences", of_working.give_out_a_fence_again, QUIET),
    Planted("one_holder", mistakes.take_from_the_living, QUIET),
    Planted("one_result", of_working.forget_the_fence_check, FROZEN),
    Planted("retries_kept", of_handlers.never_try_again, QUIET),
    Planted("begun_rightly", of_handlers.begin_an_attempt_twice, QUIET),
    Planted("begun_rightly", of_handlers.hand_over_no_results, QUIET),
    Planted("handlers_stopped", of_handlers.let_what_was_taken_away_run_on, FROZEN),
    Planted("handlers_warned", of_handlers.keep_the_loss_of_a_session_secret, FROZEN),
    Planted("no_false_alarm", mistakes.believe_that_states_differ, QUIET),
    Planted("dependencies", of_working.release_a_dependant_early, QUIET),
    Planted("trust_ends_first", of_working.trust_the_session_twice_as_long, FROZEN),
    Planted("never_doubled", mistakes.forget_keys, QUIET),
    Planted("accepted_kept", mistakes.answer_before_it_is_applied, QUIET),
    Planted("refused_never_applied", of_applying.tell_unknown_as_refused, IMPATIENT),
    Planted("answered_once", of_applying.never_answer, CUT_OFF),
    Planted("answered_once", mistakes.answer_twice, QUIET),
    Planted("reads_see_acknowledged", of_working.read_the_own_replica, CUT_OFF),
    Planted("linearizable", mistakes.say_cancelled_of_what_had_ended, QUIET),
    Planted("waiters_woken", mistakes.wake_for_the_first_end_only, IMPATIENT),
    Planted("waiters_woken", mistakes.wake_nobody_at_an_install, LEFT_BEHIND),
    Planted("claimed_in_time", mistakes.claim_no_second_attempts, QUIET),
    Planted("replicas_converge", mistakes.stop_applying_on_one_peer, QUIET),
    Planted("tasks_end", of_working.tell_no_dependant, QUIET),
    Planted("histories_equal", of_working.drop_the_row_of_an_ended_task, QUIET),
    Planted("histories_equal", mistakes.stamp_history_by_the_own_clock, QUIET),
]


@pytest.mark.parametrize("planted", PLANTED, ids=lambda p: f"{p.checker}-{p.mistake.__name__}")
def test_the_named_checker_raises_when_its_promise_is_broken(planted: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not just some checker: the one that says what went wrong."""
    planted.mistake(monkeypatch)
    violation = play(planted.scenario).violation
    assert violation is not None, "nobody noticed"
    assert violation.check == planted.checker, str(violation)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_all_checkers_are_silent_on_a_sound_run(scenario: Scenario) -> None:
    """What raises above raises because of the mistake."""
    outcome = play(scenario)
    assert outcome.violation is None
    assert outcome.report.accepted > 0
    assert all(outcome.report.checks.values()), "a checker never looked"


def test_every_standard_checker_has_a_planted_mistake() -> None:
    assert {checker.name for checker in standard(World(1), Record())} == {planted.checker for planted in PLANTED}


def test_a_mistake_is_told_at_the_moment_it_can_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Safety is not left to the end: it is where the run stands that helps to find the cause."""
    of_replication.commit_alone(monkeypatch)
    violation = play(QUIET).violation
    assert violation is not None
    assert violation.at < 2.0


def test_a_read_answered_from_a_state_that_lags_is_seen() -> None:
    """The point it was given may be right and the replica not yet there."""
    story, record = Story(Progress()), Record()
    story.accepted[TaskId("T")] = 7
    record.tell(record.ask("a", 1, "submit", "k", 1.0), Done(["T"]), 7)
    read = record.begin_read("b")
    record.end_read(read, 9, 6)
    with pytest.raises(Violation, match="answered from a state at 6; entry 7 was acknowledged"):
        ReadsSeeAcknowledged(story, record).end()
