"""Attempts under fences."""

from typing import Any

import msgspec
import pytest

from quorate.consensus.commands import (
    Cancel,
    Claim,
    Configure,
    Done,
    Finish,
    GiveBack,
    Limits,
    MakeReady,
    SetError,
    SetResult,
    Stage,
    Staged,
)
from quorate.scheduling.task import Moment, Retry, TaskError
from tests.consensus.machine.log import START_MS, Log, check, id_of, new

BROKEN = SetError(TaskError("Broken", "it broke"), 1_000)


def running(**more: object) -> Log:
    """A log with task 1 running on peer a."""
    log = Log()
    log.open()
    log.submit(new(1, **more))
    log.claim(1)
    return log


def test_of_two_claims_for_the_same_attempt_one_is_granted() -> None:
    log = Log()
    log.open("a")
    log.open("b")
    log.submit(new(1))
    change = log.entry([log.op(Claim(peer, 1, ((id_of(1), 0),)), peer) for peer in "ba"])
    assert [outcome for *_, outcome in change.answers] == [Done(["1"]), Done([""])]
    assert log.task(1).peer == "b"


def test_a_claim_that_saw_fewer_attempts_is_not_granted() -> None:
    log = running()
    log.done(Finish(id_of(1), 1, (GiveBack("full"),)))
    assert log.done(Claim("a", 1, ((id_of(1), 0),))) == [""]
    assert log.done(Claim("a", 1, ((id_of(1), 1),))) == ["2"]


def test_each_wanted_task_is_decided_alone() -> None:
    log = Log()
    log.open()
    log.submit(new(1), new(2, held=True), new(3))
    wanted = tuple((id_of(number), 0) for number in (1, 2, 9, 3, 1))
    assert log.done(Claim("a", 1, wanted)) == ["1", "", "", "2", ""]


def test_a_peer_holds_no_more_than_its_slots() -> None:
    log = Log()
    log.open(slots=2)
    log.submit(new(1), new(2), new(3))
    wanted = tuple((id_of(number), 0) for number in (1, 2, 3))
    assert log.done(Claim("a", 1, wanted)) == ["1", "2", ""]
    log.succeed(1)
    assert log.done(Claim("a", 1, wanted)) == ["", "", "3"]
    check(log.machine)


def test_without_a_living_session_nothing_is_granted() -> None:
    log = Log()
    log.submit(new(1))
    log.refused(Claim("a", 1, ((id_of(1), 0),)), "no_session")
    log.open("a", 2)
    log.refused(Claim("a", 1, ((id_of(1), 0),)), "no_session")


def test_fences_strictly_rise_over_all_tasks() -> None:
    log = Log()
    log.open()
    log.submit(new(1), new(2))
    fences = []
    for number in (1, 2, 1, 2, 1):
        fences.append(log.claim(number))
        log.done(Finish(id_of(number), fences[-1], (GiveBack("full"),)))
    assert fences == [1, 2, 3, 4, 5]


def test_a_result_ends_the_task_and_goes_to_history_complete() -> None:
    log = running(labels={"b": "1", "a": "2"})
    log.succeed(1, b"42")
    (row,) = log.changes[-1].ended
    assert (row.state, row.result, row.attempt, row.fence, row.peer, row.end_seq) == ("succeeded", b"42", 1, 1, "a", 1)
    assert log.machine.ended[id_of(1)].record == row
    assert not log.machine.tasks
    check(log.machine)


def test_a_finish_that_comes_twice_changes_nothing_the_second_time() -> None:
    log = running()
    log.succeed(1)
    log.refused(Finish(id_of(1), 1, (SetResult(b"2"),)), "stale_fence", "fence")
    assert log.machine.ended[id_of(1)].result == b"1"


@pytest.mark.parametrize("fence", [0, 2])
def test_only_the_current_fence_ends_an_attempt(fence: int) -> None:
    running().refused(Finish(id_of(1), fence, (SetResult(b"2"),)), "stale_fence", "fence")


@pytest.mark.parametrize(
    "ops", [(), (SetResult(b"1"), SetResult(b"2")), (Stage(()),), (Stage(()), BROKEN), (Stage(()), GiveBack("full"))]
)
def test_an_attempt_has_exactly_one_ending_and_stages_only_with_a_result(ops: tuple[Staged, ...]) -> None:
    running().refused(Finish(id_of(1), 1, ops), "malformed", "ops")


def test_what_is_given_back_is_ready_again_and_counts_as_nothing() -> None:
    log = running(priority=5)
    log.done(Finish(id_of(1), 1, (GiveBack("draining"),)))
    task = log.task(1)
    assert (task.state, task.peer, task.failures, task.deaths, task.attempt) == ("ready", "", 0, 0, 1)
    check(log.machine)


def test_a_failed_attempt_is_tried_again_after_the_given_delay_as_often_as_max_says() -> None:
    log = running(retry=Retry(max=2))
    for _ in range(2):
        log.fail(1, retry_ms=1_000)
        assert log.state(1) == "scheduled"
        log.wait(998)
        assert log.state(1) == "scheduled"
        log.wait(0)
        assert log.state(1) == "ready"
        log.claim(1)
    log.fail(1, retry_ms=1_000)
    assert log.state(1) == "failed"
    assert log.changes[-1].ended[0].failures == 3
    check(log.machine)


def test_an_error_that_is_not_retried_fails_the_task_although_retries_are_left() -> None:
    log = running(retry=Retry(max=2))
    log.fail(1, retry_ms=None)
    assert log.state(1) == "failed"


def test_a_retry_without_delay_is_ready_in_the_same_entry() -> None:
    log = running(retry=Retry(max=1))
    log.fail(1, retry_ms=0)
    assert log.kinds() == ["retrying", "ready"]


def test_an_attempt_over_its_timeout_and_grace_is_taken_away_and_counts_as_a_failure() -> None:
    log = running(timeout_ms=2_000, retry=Retry(max=1, schedule=(3,)))
    log.wait(4_000)
    log.open("a")
    log.wait(2_990)
    assert log.state(1) == "running"
    log.wait(10)
    assert log.state(1) == "scheduled"
    error = log.task(1).error
    assert error is not None
    assert error.type == "TimeoutError"
    log.refused(Finish(id_of(1), 1, (SetResult(b"2"),)), "stale_fence", "fence")
    assert log.machine.sessions["a"].running == 0
    check(log.machine)


def test_an_attempt_without_timeout_runs_as_long_as_its_session() -> None:
    log = running(timeout_ms=0)
    for _ in range(1_000):
        log.wait(4_000)
        log.open("a")
    assert log.state(1) == "running"


@pytest.mark.parametrize("state", ["held", "scheduled", "blocked", "ready", "running"])
def test_a_task_is_cancelled_at_once_in_every_live_state(state: str) -> None:
    log = Log()
    log.open()
    asked: dict[str, dict[str, Any]] = {
        "held": {"held": True},
        "scheduled": {"not_before_ms": START_MS * 2},
        "blocked": {"after": (2,)},
    }
    log.submit(new(2), new(1, **asked.get(state, {})))
    if state == "running":
        log.claim(1)
    assert log.state(1) == state
    log.done(Cancel(id_of(1), "enough"))
    assert log.state(1) == "cancelled"
    assert log.changes[-1].ended[0].reason == "enough"
    event = log.changes[-1].events[0]
    assert (event.kind, event.peer) == ("cancelled", "a" if state == "running" else "")
    check(log.machine)


def test_cancelled_again_is_done_and_otherwise_ended_is_refused() -> None:
    log = Log()
    log.open()
    log.submit(new(1), new(2))
    log.run(1)
    log.cancel(2)
    log.cancel(2)
    log.refused(Cancel(id_of(1)), "already_ended")
    log.refused(Cancel(id_of(3)), "not_found")


def test_the_completion_of_a_cancelled_task_is_refused() -> None:
    log = running()
    log.cancel(1)
    log.refused(Finish(id_of(1), 1, (SetResult(b"2"),)), "stale_fence", "fence")


def test_a_held_task_runs_only_after_it_is_set_ready_perhaps_later() -> None:
    log = Log()
    log.submit(new(1, held=True), new(2, held=True), new(3, held=True, after=(1,)))
    log.done(MakeReady(id_of(1)))
    log.done(MakeReady(id_of(2), log.wall_ms + 60_000))
    log.done(MakeReady(id_of(3)))
    assert [log.state(number) for number in (1, 2, 3)] == ["ready", "scheduled", "blocked"]
    log.wait(60_000)
    assert log.state(2) == "ready"
    check(log.machine)


def test_what_is_not_held_cannot_be_set_ready() -> None:
    log = Log()
    log.submit(new(1), new(2))
    log.cancel(2)
    log.refused(MakeReady(id_of(1)), "not_held")
    log.refused(MakeReady(id_of(2)), "already_ended")
    log.refused(MakeReady(id_of(3)), "not_found")


def test_the_timeline_keeps_the_last_64_moments_and_counts_them_all() -> None:
    log = running()
    for _ in range(100):
        log.done(Finish(id_of(1), log.task(1).fence, (GiveBack("full"),)))
        log.claim(1)
    task = log.task(1)
    moments = msgspec.msgpack.decode(b"\xdc\x00\x40" + task.timeline, type=list[Moment])
    assert task.moments == 202
    assert [moment.kind for moment in moments[-2:]] == ["handed_back", "running"]
    assert [moment.attempt for moment in moments[-2:]] == [100, 101]
    check(log.machine)


def test_limits_are_data_in_the_log() -> None:
    log = Log()
    log.done(Configure(Limits(live_tasks=7)))
    assert log.machine.limits.live_tasks == 7
    check(log.machine)


def test_the_history_floor_follows_count_and_age() -> None:
    log = running()
    log.succeed(1)
    log.submit(new(2), new(3))
    log.cancel(2)
    log.cancel(3)
    assert log.machine.history_floor() == (0, log.wall_ms - 7 * 24 * 3_600_000)
    log.done(Configure(Limits(history_rows=2, history_ms=1_000)))
    assert log.machine.history_floor() == (1, log.wall_ms - 1_000)
