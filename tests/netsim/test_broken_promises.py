"""Every promise broken on purpose, and the named test that then fails.

Law: a test that stays green while its promise is broken tests nothing. Each mutant is made in memory, and the test
named beside it must fail, with the words it is to fail with. That the tests pass without is what the rest of the suite
shows. What of the simulator catches each mutant is in `test_mutants.py`.
"""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import msgspec
import pytest

from quorate.netsim.mutants import MUTANTS as MADE
from quorate.netsim.mutants.of_working import start_nothing_while_a_completion_is_on_its_way
from tests.consensus import test_proposer
from tests.consensus.machine import test_attempts, test_dedup, test_dependants, test_submit
from tests.consensus.raft import test_following, test_founding, test_holes_replication, test_holes_votes, test_leading
from tests.netsim import test_found as found
from tests.netsim import test_promises as promises

broken = SimpleNamespace(
    **{name: mutant.make for name, mutant in MADE.items()},
    start_nothing_while_a_completion_is_on_its_way=start_nothing_while_a_completion_is_on_its_way,
)


def given(test: Callable[[Any], None], value: object) -> Callable[[], None]:
    """One case of a parametrized test."""

    def case() -> None:
        test(value)

    case.__name__ = f"{test.__name__}-{value}" if isinstance(value, str | float) else test.__name__
    return case


class Mutant(NamedTuple):
    promise: str
    broken: Callable[[pytest.MonkeyPatch], None]
    check: Callable[[], None]
    told: str | None = None
    """What the failing check says, as a regular expression."""
    raises: type[Exception] = AssertionError


FLUSHED = promises.test_promise_1_no_answer_comes_before_a_majority_has_flushed
POWER_LOSS = promises.test_promise_1_an_acknowledged_task_survives_power_loss_of_all_peers_at_once
SAME_KEY = promises.test_promise_6_the_same_key_gives_the_first_answer_on_any_peer_and_after_everything_restarted
DISTRUST = promises.test_promise_4_a_peer_distrusts_its_session_before_the_cluster_gives_its_work_away


def marks_are_compared() -> None:
    with pytest.MonkeyPatch.context() as patch:
        found.test_peers_that_start_from_snapshots_report_no_hash_of_a_mark_they_have_not_crossed(patch)


MUTANTS = [
    Mutant("1", broken.open_the_gate, FLUSHED),
    Mutant("1", broken.acknowledge_unflushed, FLUSHED),
    Mutant(
        "1",
        broken.count_an_unflushed_leader,
        promises.test_promise_1_a_leader_does_not_count_its_own_disk_before_it_has_flushed,
    ),
    Mutant("1", broken.commit_alone, FLUSHED),
    Mutant("1", broken.answer_before_it_is_applied, FLUSHED),
    Mutant("1", broken.forget_the_log_at_a_start, POWER_LOSS),
    Mutant(
        "1",
        broken.commit_what_was_not_verified,
        test_following.test_what_another_leader_verified_is_not_verified_for_this_one,
    ),
    Mutant(
        "1",
        broken.grant_two_votes_in_a_term,
        test_holes_votes.test_l3_ours_repeats_its_vote_to_the_same_candidate_and_to_nobody_else,
    ),
    Mutant("1", broken.vote_for_whom_lacks_entries, test_leading.test_nobody_promises_a_vote_to_whom_lacks_entries),
    Mutant(
        "1",
        broken.let_a_wiped_disk_vote,
        promises.test_a_wiped_disk_does_not_vote_under_its_old_name_until_the_majority_has_taken_it_back,
    ),
    Mutant("1", broken.let_a_wiped_disk_vote, test_founding.test_votes_from_another_disk_of_a_voter_are_not_counted),
    Mutant("1", broken.go_back_to_an_old_snapshot, test_holes_replication.test_s8_ours_never_goes_back),
    Mutant(
        "2",
        broken.forget_the_fence_check,
        promises.test_promise_2_a_result_under_an_old_fence_does_not_end_the_newer_attempt,
        "has ended the task",
    ),
    Mutant("2", broken.claim_without_compare, test_attempts.test_of_two_claims_for_the_same_attempt_one_is_granted),
    Mutant(
        "2",
        broken.commit_the_result_without_what_was_staged,
        test_submit.test_if_something_staged_is_refused_nothing_of_it_happens_and_the_attempt_fails_naming_it,
    ),
    Mutant(
        "2", broken.release_a_dependant_early, test_dependants.test_a_task_runs_only_when_all_it_waits_for_has_ended
    ),
    Mutant(
        "3",
        broken.give_out_a_fence_again,
        promises.test_promise_2_and_3_a_frozen_worker_that_comes_back_cannot_commit_and_its_fence_is_lower,
    ),
    Mutant("4", broken.trust_the_session_twice_as_long, given(DISTRUST, 0.001)),
    Mutant("4", broken.ignore_the_clock_rate_bound, given(DISTRUST, 0.001)),
    Mutant("4", broken.trust_from_the_answer_on, given(DISTRUST, 0.1)),
    Mutant("4", broken.expire_sessions_early, given(DISTRUST, 0.001)),
    Mutant(
        "4",
        broken.count_leases_by_the_wall_clock,
        given(promises.test_promise_4_a_wall_clock_that_jumps_an_hour_takes_nothing_from_anybody, 3_600_000),
    ),
    Mutant(
        "5", broken.read_without_confirming_leadership, promises.test_promise_5_a_cut_off_leader_gives_no_read_point
    ),
    Mutant("5", broken.read_the_own_replica, promises.test_promise_5_a_cut_off_follower_gives_no_read_point),
    Mutant(
        "5",
        broken.read_before_the_replica_has_it,
        promises.test_promise_5_a_replica_that_lags_answers_only_when_it_has_caught_up,
    ),
    Mutant(
        "5",
        broken.read_before_the_own_term_has_committed,
        test_leading.test_a_new_leader_gives_no_index_before_it_has_committed_in_its_own_term,
    ),
    Mutant("5", broken.claim_a_stale_answer_is_fresh, promises.test_promise_5_a_stale_answer_states_its_age),
    Mutant(
        "6",
        broken.forget_keys,
        test_submit.test_the_same_key_with_the_same_contents_is_the_first_task_also_after_it_has_ended,
    ),
    Mutant("6", broken.forget_keys_of_history, SAME_KEY),
    Mutant("6", broken.let_a_key_be_reused, SAME_KEY),
    Mutant(
        "6", broken.look_into_old_history, test_submit.test_who_looked_into_history_before_a_stub_left_has_to_look_again
    ),
    Mutant(
        "6",
        broken.forget_what_was_answered,
        test_dedup.test_an_operation_that_comes_again_changes_nothing_and_is_told_the_same,
    ),
    Mutant(
        "7",
        broken.tell_unknown_as_refused,
        promises.test_promise_7_a_leader_that_is_cut_off_with_the_request_says_unknown,
    ),
    Mutant(
        "7",
        broken.tell_refused_as_done,
        promises.test_promise_7_what_the_state_refuses_is_told_as_refused_and_nothing_has_changed,
    ),
    Mutant("7", broken.never_answer, promises.test_promise_7_a_cut_off_peer_says_refused_within_the_deadline),
    Mutant("7", broken.take_one_refusal_for_all, test_proposer.test_one_refusal_does_not_clear_an_earlier_sending),
    Mutant(
        "9",
        broken.raise_on_data,
        given(promises.test_promise_9_nothing_that_reaches_the_log_can_stop_a_peer, b"\xc1"),
        None,
        msgspec.DecodeError,
    ),
    Mutant(
        "found",
        broken.begin_every_folder_as_life_1,
        found.test_a_wiped_peer_is_never_given_the_answers_of_its_earlier_life,
    ),
    Mutant("found", broken.report_a_mark_that_was_not_crossed, marks_are_compared),
    Mutant(
        "found",
        broken.start_nothing_while_a_completion_is_on_its_way,
        found.test_an_attempt_granted_inside_a_snapshot_is_started_though_another_completion_is_on_its_way,
    ),
    Mutant(
        "found",
        broken.let_a_claim_overtake_its_submission,
        found.test_a_task_is_running_when_its_submission_is_answered_on_an_idle_cluster,
    ),
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: f"{m.promise}-{m.broken.__name__}-{m.check.__name__[:40]}")
def test_the_check_fails_when_its_promise_is_broken(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise nobody would notice if it were."""
    mutant.broken(monkeypatch)
    with pytest.raises(mutant.raises, match=mutant.told):
        mutant.check()


def test_every_promise_has_a_mutant() -> None:
    """Of those that are built: recurring tasks (8) are not."""
    assert {mutant.promise for mutant in MUTANTS} == {"1", "2", "3", "4", "5", "6", "7", "9", "found"}
