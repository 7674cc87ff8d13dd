"""Taking in new tasks."""

import msgspec
import pytest

from quorate.consensus.commands import Again, Configure, Finish, Found, Limits, SetResult, Stage, Submit
from quorate.scheduling.task import State, TaskId
from tests.consensus.machine.log import START_MS, Log, check, id_of, new


def test_a_task_that_waits_for_nothing_is_ready_at_once() -> None:
    log = Log()
    assert log.submit(new(1)) == [id_of(1)]
    assert log.state(1) == "ready"
    assert log.kinds() == ["submitted"]


def test_where_a_task_begins_follows_from_what_was_asked() -> None:
    log = Log()
    log.submit(new(1, held=True), new(2, not_before_ms=START_MS + 60_000), new(3, after=(1,)), new(4))
    assert [log.state(number) for number in (1, 2, 3, 4)] == ["held", "scheduled", "blocked", "ready"]
    assert log.machine.counts() == {"default": {State.HELD: 1, State.SCHEDULED: 1, State.BLOCKED: 1, State.READY: 1}}
    check(log.machine)


def test_the_same_key_with_the_same_contents_is_the_first_task_also_after_it_has_ended() -> None:
    log = Log()
    log.open()
    log.submit(new(1, key="k", digest=b"x"))
    assert log.submit(new(2, key="k", digest=b"x")) == [id_of(1)]
    log.run(1)
    assert log.submit(new(3, key="k", digest=b"x")) == [id_of(1)]
    assert log.machine.last_seq == 1


def test_the_same_key_with_other_contents_is_refused() -> None:
    log = Log()
    log.submit(new(1, key="k", digest=b"x"))
    log.refused(Submit((new(2, key="k", digest=b"y"),)), "key_reused", "key")


def test_a_key_belongs_to_its_namespace() -> None:
    log = Log()
    log.submit(new(1, key="k", digest=b"x"))
    assert log.submit(new(2, key="k", digest=b"y", namespace="other")) == [id_of(2)]


def test_a_key_twice_in_one_request_is_one_task() -> None:
    log = Log()
    assert log.submit(new(1, key="k"), new(2, key="k")) == [id_of(1), id_of(1)]
    assert list(log.machine.tasks) == [id_of(1)]


def test_who_depends_on_a_repetition_depends_on_the_first_and_is_handed_its_result() -> None:
    log = Log()
    log.open()
    log.submit(new(1, key="k"))
    args = b'{"x":{"$result":"%s"}}'
    log.submit(new(2, key="k"), new(3, after=(2,), args=args % id_of(2).encode()))
    assert log.task(3).after == (id_of(1),)
    assert log.task(3).args == args % id_of(1).encode()
    log.run(1)
    assert log.machine.results_for(log.task(3)) == {id_of(1): b"1"}


def test_a_request_is_taken_whole_or_not_at_all() -> None:
    log = Log()
    log.submit(new(1))
    log.refused(Submit((new(2), new(1))), "duplicate_id", "id")
    log.refused(Submit((new(2), new(3, after=(9,)))), "unknown_dependency", "after")
    log.refused(Submit((new(2), new(2))), "duplicate_id", "id")


def test_an_id_that_has_ended_is_not_taken_again() -> None:
    log = Log()
    log.submit(new(1))
    log.cancel(1)
    log.refused(Submit((new(1),)), "duplicate_id", "id")


def test_tasks_that_wait_for_each_other_are_refused_and_the_cycle_is_named() -> None:
    log = Log()
    refusal = log.refused(Submit((new(1, after=(2,)), new(2, after=(3,)), new(3, after=(1,)))), "cycle", "after")
    assert f"{id_of(1)} -> {id_of(2)} -> {id_of(3)}" in refusal.detail
    log.refused(Submit((new(1, after=(1,)),)), "cycle", "after")


def test_dependencies_may_stand_later_in_the_request() -> None:
    log = Log()
    log.open()
    log.submit(new(1, after=(2,)), new(2))
    log.run(2)
    assert log.state(1) == "ready"


def test_live_tasks_and_bytes_are_limited() -> None:
    log = Log()
    log.done(Configure(Limits(live_tasks=2, live_bytes=100)))
    log.submit(new(1))
    log.refused(Submit((new(2), new(3))), "too_many_tasks")
    log.refused(Submit((new(2, args=b"x" * 99),)), "too_many_bytes")
    log.submit(new(2, args=b"x" * 98))
    log.cancel(1)
    log.refused(Submit((new(3, args=b"x"),)), "too_many_bytes")
    log.wait(16_000)
    log.submit(new(3, args=b"x"))
    check(log.machine)


def ended_long_ago(number: int = 1, **more: object) -> Log:
    """A log in which a task has ended and its stub is gone."""
    log = Log()
    log.open()
    log.submit(new(number, **more))
    log.run(number)
    log.wait(16_000)
    assert not log.machine.ended
    return log


def test_who_looked_into_history_before_a_stub_left_has_to_look_again() -> None:
    log = ended_long_ago(key="k")
    floor = log.machine.lookup_floor
    assert 0 < floor < log.machine.index
    log.refused(Submit((new(2, key="k"),), floor - 1), "stale_lookup")
    log.refused(Submit((new(2, after=(1,)),), floor - 1), "stale_lookup")
    log.done(Submit((new(2, key="k"),), floor))


def test_who_looks_nothing_up_needs_no_history() -> None:
    log = ended_long_ago()
    log.done(Submit((new(2), new(3, after=(2,))), 0))


def test_a_dependency_found_in_history_counts_as_ended_and_its_result_is_kept() -> None:
    log = ended_long_ago()
    found = (Found(id_of(1), State.SUCCEEDED, b"41"),)
    log.done(Submit((new(2, after=(1,)),), log.machine.index, found))
    assert log.state(2) == "ready"
    check(log.machine)
    log.wait(60_000)
    assert log.machine.results_for(log.task(2)) == {id_of(1): b"41"}
    log.cancel(2)
    assert id_of(1) not in log.machine.ended
    log.refused(Submit((new(3, after=(4,)),), log.machine.index, found), "unknown_dependency", "after")


def test_a_failed_dependency_found_in_history_fails_its_dependant_at_once() -> None:
    log = ended_long_ago()
    found = (Found(id_of(1), State.FAILED, None),)
    log.done(Submit((new(2, after=(1,)), new(3, after=(1,), run_after_failure=True)), log.machine.index, found))
    assert [log.state(2), log.state(3)] == ["failed", "ready"]
    assert log.kinds() == ["submitted", "submitted", "failed"]
    check(log.machine)


def test_a_dependency_that_is_found_but_lives_is_not_found() -> None:
    log = Log()
    log.refused(
        Submit((new(2, after=(1,)),), 1, (Found(id_of(1), State.RUNNING, None),)), "unknown_dependency", "after"
    )


def test_an_empty_request_is_done() -> None:
    log = Log()
    assert log.done(Submit(())) == []


# --- staged ---------------------------------------------------------------------------------------------------------
def test_what_an_attempt_staged_comes_with_its_result() -> None:
    log = Log()
    log.open()
    log.submit(new(1))
    fence = log.claim(1)
    ops = (Stage((new(2), new(3, after=(1, 2)))), SetResult(b"7"))
    assert log.done(Finish(id_of(1), fence, ops)) == []
    assert [log.state(number) for number in (1, 2, 3)] == ["succeeded", "ready", "blocked"]
    log.run(2)
    assert log.machine.results_for(log.task(3)) == {id_of(1): b"7", id_of(2): b"1"}
    check(log.machine)


def test_if_something_staged_is_refused_nothing_of_it_happens_and_the_attempt_fails_naming_it() -> None:
    log = Log()
    log.open()
    log.submit(new(1))
    fence = log.claim(1)
    ops = (Stage((new(2),)), Stage((new(3, after=(9,)),)), SetResult(b"7"))
    assert log.done(Finish(id_of(1), fence, ops)) == ["staged_refused", "unknown_dependency"]
    record = log.machine.ended[id_of(1)].record
    assert record is not None
    assert record.error is not None
    assert (record.state, record.error.type, record.error.code) == ("failed", "StagedRefused", "unknown_dependency")
    assert record.result is None
    assert not log.machine.tasks


def test_a_stale_lookup_of_what_was_staged_leaves_the_attempt_running() -> None:
    log = ended_long_ago()
    log.open()
    log.submit(new(2))
    fence = log.claim(2)
    log.refused(Finish(id_of(2), fence, (Stage((new(3, key="k"),)), SetResult(b"1"))), "stale_lookup")
    log.done(Finish(id_of(2), fence, (Stage((new(3, key="k"),), log.machine.index), SetResult(b"1"))))


# --- again ----------------------------------------------------------------------------------------------------------
def failed_once() -> Log:
    log = Log()
    log.open()
    log.submit(new(1, key="k"))
    log.claim(1)
    log.fail(1)
    return log


def test_a_failed_task_gets_a_fresh_round_with_its_id_its_place_and_its_count_of_attempts() -> None:
    log = failed_once()
    log.done(Again(id_of(1)))
    task = log.task(1)
    assert (task.state, task.seq, task.attempt, task.failures, task.error) == ("ready", 1, 1, 0, None)
    check(log.machine)
    log.run(1)
    assert log.machine.ended[id_of(1)].state == "succeeded"
    check(log.machine)


def test_a_fresh_round_is_also_given_from_the_record_in_history() -> None:
    log = failed_once()
    record = msgspec.msgpack.encode(log.changes[-1].ended[0])
    log.wait(16_000)
    log.refused(Again(id_of(1)), "not_found")
    log.refused(Again(id_of(1), record, log.machine.lookup_floor - 1), "stale_lookup")
    log.done(Again(id_of(1), record, log.machine.index))
    assert log.state(1) == "ready"
    assert log.machine.by_key("default", "k") == id_of(1)
    check(log.machine)


@pytest.mark.parametrize(
    "change", [{"id": id_of(2)}, {"seq": 99}, {"seq": 0}, {"fence": 99}, {"attempt": 9}, {"moments": 1 << 40}]
)
def test_a_record_that_cannot_be_ours_is_refused(change: dict[str, object]) -> None:
    log = failed_once()
    record = log.changes[-1].ended[0]
    log.wait(16_000)
    for name, value in change.items():
        setattr(record, name, value)
    log.refused(Again(id_of(1), msgspec.msgpack.encode(record), log.machine.index), "malformed", "record")
    log.refused(Again(id_of(1), b"\x91" * 5_000, log.machine.index), "malformed", "record")


def test_only_what_failed_gets_another_round() -> None:
    log = Log()
    log.open()
    log.submit(new(1), new(2))
    log.refused(Again(id_of(1)), "not_ended")
    log.run(1)
    log.refused(Again(id_of(1)), "not_failed")
    log.refused(Again(TaskId("nobody")), "not_found")


def test_those_that_wait_on_wait_for_the_fresh_round_too() -> None:
    log = Log()
    log.open()
    log.submit(new(1), new(2), new(3, after=(1, 2), run_after_failure=True))
    log.claim(1)
    log.fail(1)
    assert log.task(3).unmet == 1
    log.done(Again(id_of(1)))
    assert log.task(3).unmet == 2
    log.run(1)
    assert log.state(3) == "blocked"
    log.run(2)
    assert log.state(3) == "ready"
    check(log.machine)


def test_a_task_that_failed_with_its_dependency_waits_for_the_fresh_round_of_both() -> None:
    log = Log()
    log.open()
    log.submit(new(1), new(2, after=(1,)))
    log.claim(1)
    log.fail(1)
    assert log.state(2) == "failed"
    log.done(Again(id_of(1)))
    log.done(Again(id_of(2)))
    assert log.state(2) == "blocked"
    log.run(1)
    assert log.state(2) == "ready"
    check(log.machine)
