"""Those that wait for a task."""

from quorate.consensus.commands import Again, Submit
from tests.consensus.machine.log import Log, check, content, copy_of, id_of, new

BUDGET = 1_000


def test_a_task_runs_only_when_all_it_waits_for_has_ended() -> None:
    log = Log()
    log.open()
    log.submit(new(1), new(2), new(3, after=(1, 2)))
    log.run(1)
    assert log.state(3) == "blocked"
    log.run(2)
    assert log.kinds() == ["succeeded", "ready"]
    assert log.machine.results_for(log.task(3)) == {id_of(1): b"1", id_of(2): b"1"}


def test_a_failed_dependency_fails_what_waits_and_is_named_down_the_whole_chain() -> None:
    log = Log()
    log.open()
    log.submit(new(1), *[new(number, after=(number - 1,)) for number in range(2, 50)])
    log.claim(1)
    log.fail(1)
    rows = log.changes[-1].ended
    assert [row.id for row in rows] == [id_of(number) for number in range(1, 50)]
    for row, cause in zip(rows[1:], rows, strict=False):
        assert row.error is not None
        assert (row.error.type, row.reason) == ("DependencyFailed", f"dependency_failed: {cause.id}")
        assert cause.id in row.error.message
    check(log.machine)


def test_a_cancelled_dependency_does_as_a_failed_one() -> None:
    log = Log()
    log.submit(new(1), new(2, after=(1,)), new(3, after=(1,), held=True), new(4, after=(1,), run_after_failure=True))
    log.cancel(1)
    assert [log.state(number) for number in (2, 3, 4)] == ["failed", "failed", "ready"]


def test_a_task_that_runs_after_failure_sees_only_the_results_there_are() -> None:
    log = Log()
    log.open()
    log.submit(new(1), new(2), new(3, after=(1, 2), run_after_failure=True))
    log.cancel(1)
    log.run(2)
    assert log.machine.results_for(log.task(3)) == {id_of(2): b"1"}


def test_a_released_task_with_an_earliest_time_ahead_is_scheduled() -> None:
    log = Log()
    log.open()
    log.submit(new(1), new(2, after=(1,), not_before_ms=log.wall_ms + 60_000))
    log.run(1)
    assert log.kinds() == ["succeeded", "scheduled"]
    log.wait(60_000)
    assert log.state(2) == "ready"


def test_a_result_is_kept_until_the_last_dependant_has_ended() -> None:
    log = Log()
    log.open()
    log.submit(new(1), new(2, after=(1,)), new(3, after=(1,)))
    log.run(1)
    log.open()
    log.wait(60_000)
    assert id_of(1) in log.machine.ended
    log.cancel(2)
    assert log.machine.results_for(log.task(3)) == {id_of(1): b"1"}
    log.cancel(3)
    assert id_of(1) not in log.machine.ended
    check(log.machine)


def wide(count: int) -> Log:
    """Task 1 runs, `count` others wait for it."""
    log = Log()
    log.open()
    log.submit(new(1), *[new(number, after=(1,)) for number in range(2, count + 2)])
    log.claim(1)
    return log


def test_a_crowd_of_dependants_is_released_a_thousand_per_entry_in_order() -> None:
    log = wide(2_500)
    log.succeed(1)
    assert log.machine.ready_count == BUDGET
    assert log.machine.due(log.elapsed, log.wall_ms)
    assert log.tasks_of("ready") == [id_of(number) for number in range(2, BUDGET + 2)]
    log.entry([])
    assert log.machine.ready_count == 2 * BUDGET
    log.entry([])
    assert log.machine.ready_count == 2_500
    assert not log.machine.due(log.elapsed, log.wall_ms)
    check(log.machine)


def test_a_state_restored_in_the_middle_of_a_crowd_goes_on_where_the_other_was() -> None:
    log = wide(2_500)
    log.succeed(1)
    log.submit(new(9_000, after=(1,)))
    other = copy_of(log.machine, 100_000)
    while log.machine.due(log.elapsed, log.wall_ms):
        log.entry([])
        other.apply(len(log.entries), 1, log.entries[-1])
        assert other.dump() == log.machine.dump()
    assert log.machine.ready_count == 2_501


def test_a_task_submitted_while_the_crowd_is_told_hears_of_it_too() -> None:
    log = wide(1_500)
    log.succeed(1)
    log.submit(new(9_000, after=(1,)))
    log.entry([])
    assert log.state(9_000) == "ready"
    check(log.machine)


def test_a_fresh_round_in_the_middle_of_a_failing_crowd_leaves_the_rest_waiting() -> None:
    log = wide(1_500)
    log.fail(1)
    log.done(Again(id_of(1)))
    assert len(log.machine.tasks) == 1 + 500
    log.claim(1)
    log.succeed(1)
    log.wait(0)
    assert log.machine.ready_count == 500
    check(log.machine)


def test_a_restored_state_spends_its_budget_as_the_other_does() -> None:
    """Also where places in line have become void: tasks that live again, stubs that are kept."""
    log = Log()
    log.open()
    log.submit(*[new(number) for number in range(1, 1_201)])
    for number in range(1, 1_201, 2):
        log.cancel(number)
    log.submit(*[new(2_000 + number, after=(number,), run_after_failure=True) for number in range(1, 101, 2)])
    log.claim(2)
    log.fail(2)
    log.done(Again(id_of(2)))
    log.claim(2)
    log.fail(2)
    log.wait(14_000)
    other = copy_of(log.machine)
    for _ in range(5):
        log.wait(700)
        other.apply(len(log.entries), 1, log.entries[-1])
        assert other.dump() == log.machine.dump()


def test_a_refused_submission_with_dependencies_leaves_no_trace_among_them() -> None:
    log = Log()
    log.submit(new(1))
    before = content(log.machine)
    log.refused(Submit((new(2, after=(1,)), new(3, after=(7,)))), "unknown_dependency", "after")
    assert content(log.machine) == before
    assert list(log.machine.dependants_of(id_of(1))) == []


def test_a_task_retried_while_others_are_still_told_does_not_wait_for_word_it_has_had() -> None:
    """Word goes round in the order of acceptance, and its place is passed: it would stay blocked for ever."""
    log = Log()
    log.open()
    log.submit(new(1), *[new(number, after=(1,)) for number in range(2, 8 * BUDGET)])
    log.run(1)
    assert log.state(2) == "ready"
    log.claim(2)
    log.fail(2)
    log.done(Again(id_of(2)))
    assert log.state(8 * BUDGET - 1) == "blocked", "all have been told already: this shows nothing"
    while log.state(8 * BUDGET - 1) == "blocked":
        log.wait(1)
    assert log.state(2) == "ready"
    check(log.machine)


def test_a_task_retried_behind_an_obstacle_it_has_heard_of_fails_again() -> None:
    log = Log()
    log.submit(new(1), *[new(number, after=(1,)) for number in range(2, 8 * BUDGET)])
    log.cancel(1)
    assert log.state(2) == "failed"
    log.done(Again(id_of(2)))
    assert log.state(8 * BUDGET - 1) == "blocked", "all have been told already: this shows nothing"
    assert log.state(2) == "failed"
    while log.state(8 * BUDGET - 1) == "blocked":
        log.wait(1)
    assert log.state(2) == "failed"
