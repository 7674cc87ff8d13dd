"""What is read from the machine."""

from hypothesis import given
from hypothesis import strategies as st

from quorate.consensus.machine import Filter
from quorate.scheduling.task import State
from tests.consensus.machine.log import TTL_MS, Log, id_of, new


def five() -> Log:
    log = Log()
    log.submit(
        new(1, queue="slow"), new(2, held=True), new(3, handler="g"), new(4, namespace="n"), new(5, queue="slow")
    )
    return log


def test_tasks_are_selected_by_every_filter_oldest_first() -> None:
    machine = five().machine
    for wanted, numbers in (
        (Filter(), [1, 2, 3, 4, 5]),
        (Filter(queue="slow"), [1, 5]),
        (Filter(state=State.HELD), [2]),
        (Filter(handler="g"), [3]),
        (Filter(namespace="n"), [4]),
        (Filter(namespace="n", queue="slow"), []),
    ):
        assert [task.id for task in machine.select(wanted, 0, 10).tasks] == [id_of(number) for number in numbers]
        newest = machine.select_newest(wanted, 1 << 40, 10).tasks
        assert [task.id for task in newest] == [id_of(number) for number in reversed(numbers)]


def test_a_selection_goes_on_where_it_stopped_by_limit_or_by_scan() -> None:
    machine = five().machine
    first = machine.select(Filter(), 0, 2)
    assert [task.seq for task in first.tasks] == [1, 2]
    assert first.stopped_at == 2
    rest = machine.select(Filter(), first.stopped_at, 10)
    assert ([task.seq for task in rest.tasks], rest.stopped_at) == ([3, 4, 5], None)
    bounded = machine.select(Filter(handler="g"), 0, 10, scan=2)
    assert (bounded.tasks, bounded.stopped_at) == ([], 2)
    assert [task.seq for task in machine.select_newest(Filter(), 4, 2).tasks] == [3, 2]


@given(st.lists(st.tuples(st.integers(-100, 100), st.sampled_from("ghi"), st.integers(0, 400_000)), max_size=30))
def test_the_ready_head_is_in_total_order_over_all_handlers(asked: list[tuple[int, str, int]]) -> None:
    log = Log()
    keys = []
    for number, (priority, handler, gap_ms) in enumerate(asked, start=1):
        log.wall_ms += gap_ms
        log.submit(new(number, priority=priority, handler=handler))
        keys.append((log.wall_ms - priority * 10_000, number, handler))
    for handlers in (("g",), ("i", "g"), ("g", "h", "i", "g")):
        expected = [id_of(number) for _, number, handler in sorted(keys) if handler in handlers]
        assert [task.id for task in log.machine.ready_head(handlers, 100)] == expected
        assert [task.id for task in log.machine.ready_head(handlers, 3)] == expected[:3]


def test_the_next_due_times_are_those_at_which_something_is_due() -> None:
    log = Log()
    assert log.machine.next_due() == (None, None)
    log.submit(new(1, not_before_ms=log.wall_ms + 60_000))
    start_ms = log.task(1).not_before_ms
    assert log.machine.next_due() == (None, start_ms)
    assert not log.machine.due(1 << 40, start_ms - 1)
    assert log.machine.due(0, start_ms)
    log.open()
    assert log.machine.next_due() == (log.elapsed + TTL_MS, start_ms)
    assert log.machine.due(log.elapsed + TTL_MS, 0)
    log.submit(new(2, timeout_ms=10))
    log.claim(2)
    assert log.machine.next_due()[0] == min(
        log.elapsed + TTL_MS - 2, log.elapsed + 10 + log.machine.limits.attempt_grace_ms
    )


def test_a_task_is_found_by_its_key_as_long_as_the_machine_knows_it() -> None:
    log = Log()
    log.submit(new(1, key="k"))
    assert log.machine.by_key("default", "k") == id_of(1)
    log.cancel(1)
    assert log.machine.by_key("default", "k") == id_of(1)
    log.wait(16_000)
    assert log.machine.by_key("default", "k") is None
