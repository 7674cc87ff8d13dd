"""Every mutant, and what catches it.

Law: each is caught by at least one directed scenario or profile, or the hunt fails. A seed that is named is one known
to show it; when it no longer does, the others of that profile are tried.
"""

from collections.abc import Callable
from typing import NamedTuple

from quorate.netsim.mutants import of_applying as a
from quorate.netsim.mutants import of_elections as e
from quorate.netsim.mutants import of_handlers as h
from quorate.netsim.mutants import of_replication as r
from quorate.netsim.mutants import of_working as w
from quorate.netsim.patch import Patching


class Mutant(NamedTuple):
    """`hole`: of the table in consensus/DESIGN.md ("" if none). `scenarios`: directed ones, by name. `seeds`: profiles,
    each with a seed known to show it.
    """

    make: Callable[[Patching], None]
    hole: str
    scenarios: tuple[str, ...]
    seeds: tuple[tuple[str, int], ...] = ()

    @property
    def name(self) -> str:
        return self.make.__name__

    @property
    def breaks(self) -> str:
        """In words."""
        return " ".join((self.make.__doc__ or "").split())


_ALL = (
    Mutant(r.open_the_gate, "S12", ("both_followers_disks_stand_still",), (("slow-disks", 0),)),
    Mutant(r.acknowledge_unflushed, "S12", ("both_followers_disks_stand_still",), (("plain", 0),)),
    Mutant(r.count_an_unflushed_leader, "S12", ("the_leaders_disk_and_one_other_stand_still",)),
    Mutant(e.vote_before_it_is_flushed, "S12", ("a_voter_that_loses_its_power_after_the_vote",)),
    Mutant(a.believe_changed_bytes, "S12", ("a_byte_of_the_journal_changes",), (("sick-disks", 7),)),
    Mutant(r.commit_alone, "", ("both_followers_disks_stand_still",), (("plain", 0),)),
    Mutant(r.commit_what_was_not_verified, "S1", ("a_heartbeat_over_a_dead_tail",)),
    Mutant(r.commit_on_a_slice_of_a_snapshot, "S1", ("a_snapshot_for_a_dead_tail",), (("installs", 2),)),
    Mutant(r.cut_what_matches, "S2", ("a_leftover_of_entries_that_match",)),
    Mutant(a.drop_the_log_after_a_snapshot_at_a_start, "S3", ("restarted_behind_a_snapshot",), (("compaction", 0),)),
    Mutant(
        r.trim_before_the_snapshot_is_durable,
        "S4",
        ("killed_again_and_again_while_it_takes_snapshots",),
        (("kill-anywhere", 2), ("alone", 3)),
    ),
    Mutant(e.change_two_things_at_once, "S5", ("two_disks_replaced_at_once",)),
    Mutant(w.number_questions_from_one, "S6", ("a_read_answered_for_an_earlier_life",)),
    Mutant(a.live_again_under_the_same_number, "S6", ("a_request_of_a_life_that_died",), (("plain", 1),)),
    Mutant(e.forget_a_configuration_at_a_start, "S7", ("a_restart_with_a_disk_that_was_taken_back",)),
    Mutant(r.go_back_to_an_old_snapshot, "S8", ("a_leftover_of_an_old_snapshot",)),
    Mutant(r.drop_the_log_behind_a_snapshot, "S8", ("a_snapshot_behind_a_longer_log",)),
    Mutant(
        a.run_an_entry_again_after_an_error, "S9, S10", ("an_error_in_the_middle_of_an_entry", "a_caller_that_raises")
    ),
    Mutant(a.pass_over_without_counting, "S11", ("a_dependant_of_two",), (("plain", 0),)),
    Mutant(r.keep_the_snapshot_in_memory, "S13", ("restarted_behind_a_snapshot",), (("compaction", 0),)),
    Mutant(r.count_a_stale_acknowledgement, "S14", ("an_acknowledgement_of_another_term",)),
    Mutant(e.count_a_vote_as_often_as_it_comes, "S15", ("one_voter_answers_again_and_again",)),
    Mutant(a.believe_a_damaged_snapshot, "L5", ("a_byte_of_a_snapshot_changes",)),
    Mutant(e.grant_two_votes_in_a_term, "", ("two_candidates_of_one_term",)),
    Mutant(e.vote_for_whom_lacks_entries, "", ("a_candidate_that_lacks_entries",)),
    Mutant(e.let_a_wiped_disk_vote, "", ("a_wiped_disk_is_asked_for_its_vote",)),
    Mutant(a.forget_the_log_at_a_start, "", ("power_loss_of_all_at_once",), (("power", 0),)),
    Mutant(a.begin_every_folder_as_life_1, "", ("a_request_of_a_life_that_died",), (("wiped", 1),)),
    Mutant(a.raise_on_data, "", ("bytes_that_are_no_entry",)),
    Mutant(a.report_a_mark_that_was_not_crossed, "", ("marks_before_a_snapshot",)),
    Mutant(a.forget_what_was_answered, "", ("an_outcome_inside_a_snapshot",)),
    Mutant(a.forget_keys, "", ("the_same_key_again_and_again",), (("plain", 0),)),
    Mutant(a.forget_keys_of_history, "", ("the_same_key_again_and_again",)),
    Mutant(a.let_a_key_be_reused, "", ("the_same_key_again_and_again",)),
    Mutant(a.look_into_old_history, "", ("a_submission_that_comes_late",)),
    Mutant(a.answer_before_it_is_applied, "", ("both_followers_disks_stand_still",), (("plain", 0),)),
    Mutant(a.tell_unknown_as_refused, "", ("a_leader_cut_off_with_a_request",)),
    Mutant(a.tell_refused_as_done, "", ("what_the_state_refuses",), (("plain", 0),)),
    Mutant(a.never_answer, "", ("a_leader_cut_off_with_a_request",), (("plain", 0),)),
    Mutant(a.take_one_refusal_for_all, "", ("one_refusal_of_two_sendings",)),
    Mutant(w.forget_the_fence_check, "", ("a_result_under_an_old_fence",)),
    Mutant(w.claim_without_compare, "", ("two_peers_claim_at_once",), (("plain", 1),)),
    Mutant(w.give_out_a_fence_again, "", (), (("plain", 0),)),
    Mutant(w.commit_the_result_without_what_was_staged, "", ("a_staged_submission_that_is_refused",)),
    Mutant(w.release_a_dependant_early, "", ("a_dependant_of_two",), (("plain", 0),)),
    Mutant(w.run_after_every_failure, "", (), (("plain", 2), ("compaction", 0))),
    Mutant(w.recall_no_dependant, "", ("a_dependency_that_gets_another_round",)),
    Mutant(w.tell_no_dependant, "", ("a_dependant_of_two",), (("plain", 0),)),
    Mutant(w.drop_the_row_of_an_ended_task, "", (), (("plain", 0),)),
    Mutant(w.drop_a_timer, "", ("a_failed_attempt_is_tried_again",), (("plain", 0),)),
    Mutant(w.lose_a_wakeup, "", ("somebody_waits",), (("plain", 0),)),
    Mutant(w.let_a_claim_overtake_its_submission, "", ("a_task_runs_when_its_submission_is_answered",)),
    Mutant(w.trust_the_session_twice_as_long, "", ("a_holder_cut_off_with_a_slow_clock",)),
    Mutant(w.ignore_the_clock_rate_bound, "", ("a_holder_cut_off_with_a_slow_clock",)),
    Mutant(w.trust_from_the_answer_on, "", ("a_holder_cut_off_with_a_slow_clock",)),
    Mutant(w.count_leases_by_the_wall_clock, "", ("a_wall_clock_that_jumps",), (("clocks", 1),)),
    Mutant(w.expire_sessions_early, "", ("a_holder_cut_off_with_a_slow_clock",)),
    Mutant(w.never_expire_a_session, "", ("a_holder_that_never_comes_back",)),
    Mutant(w.read_without_confirming_leadership, "", ("a_cut_off_leader_is_asked",)),
    Mutant(e.lead_without_a_majority, "", ("a_leader_that_hears_nobody",)),
    Mutant(w.take_any_answer_for_an_echo, "", ("old_answers_reach_a_leader_that_is_cut_off",)),
    Mutant(w.read_the_own_replica, "", ("a_cut_off_follower_is_asked",), (("plain", 1),)),
    Mutant(w.read_before_the_replica_has_it, "", ("a_replica_that_lags_is_asked",), (("slow-disks", 0),)),
    Mutant(w.read_before_the_own_term_has_committed, "", ("a_new_leader_is_asked_before_it_has_committed",)),
    Mutant(w.claim_a_stale_answer_is_fresh, "", ("the_age_of_a_cut_off_peer",)),
    Mutant(w.read_with_a_gap_in_history, "", ("a_peer_that_lost_its_history_is_asked",)),
    Mutant(w.take_an_older_answer, "", ("a_read_beside_an_older_question",)),
    Mutant(w.join_a_probe_that_is_out, "", ("reads_that_come_one_after_the_other",)),
    Mutant(r.count_entries_of_earlier_terms, "", ("an_entry_of_an_earlier_term_on_a_majority",)),
    Mutant(e.write_no_vote, "", ("a_voter_that_is_restarted_after_the_vote",)),
    Mutant(r.keep_a_log_that_contradicts_a_snapshot, "", ("a_snapshot_into_a_dead_tail",)),
    Mutant(h.begin_without_a_trusted_session, "", ("a_grant_to_a_peer_that_stood_still",)),
    Mutant(h.begin_an_attempt_twice, "", (), (("plain", 0),)),
    Mutant(h.let_what_was_taken_away_run_on, "", (), (("long-work", 0),)),
    Mutant(h.keep_the_loss_of_a_session_secret, "", (), (("handover", 0),)),
    Mutant(h.never_take_an_attempt_away, "", ("a_handler_that_never_ends",)),
    Mutant(h.forget_a_result_somebody_waits_for, "", ("a_dependant_that_waits_long_for_another",)),
    Mutant(h.hand_over_no_results, "", (), (("plain", 0),)),
    Mutant(h.never_try_again, "", (), (("plain", 0),)),
    Mutant(h.cry_wolf, "", (), (("plain", 0),)),
)

MUTANTS: dict[str, Mutant] = {mutant.name: mutant for mutant in _ALL}
"""By name."""
