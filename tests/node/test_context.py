"""What a handler sees and may ask for."""

import contextvars
import threading
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from quorate.node import context as contexts
from quorate.node.context import Context, NoContext, current
from quorate.node.staging import STAGED_MAX_BYTES, StagingRefused, StagingRules
from tests.node.workers.handlers import add
from tests.node.workers.pools import attempt_of


def context_of(handler: str, **fields: Any) -> Context:
    return Context(attempt_of(handler, **fields), StagingRules())


@pytest.fixture
def context() -> Context:
    return context_of("t.add")


def test_there_is_no_context_outside_a_handler_nor_in_threads_that_were_not_given_it(context: Context) -> None:
    with pytest.raises(NoContext):
        current()
    token = contexts.enter(context)
    try:
        seen: list[object] = []

        def look() -> None:
            try:
                seen.append(current())
            except NoContext as error:
                seen.append(error)

        inherited = contextvars.copy_context()
        for target in (look, lambda: inherited.run(look)):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()
        assert isinstance(seen[0], NoContext)
        assert seen[1] is context
    finally:
        contexts.leave(token)


def test_notices_read_like_events_and_keep_their_first_reason(context: Context) -> None:
    assert not context.cancelled
    assert not context.cancelled.wait(0)
    context.cancelled.tell("timeout")
    context.cancelled.tell("cancelled")
    assert context.cancelled.is_set()
    assert context.cancelled.wait()
    assert context.cancelled.reason == "timeout"
    assert not context.lost


@pytest.mark.parametrize("notice", ["cancelled", "lost"])
def test_sleep_ends_early_on_either_notice(context: Context, notice: str) -> None:
    assert context.sleep(0.001)
    teller = threading.Timer(0.05, getattr(context, notice).tell, ["because"])
    teller.start()
    assert not context.sleep(3600)
    teller.join()


def test_the_deadline_is_the_earlier_of_the_attempts_and_the_tasks() -> None:
    now_ms = int(time.time() * 1000)
    by_timeout = context_of("t.add", timeout_s=10, deadline_ms=now_ms + 60_000).deadline
    by_task = context_of("t.add", timeout_s=60, deadline_ms=now_ms + 10_000).deadline
    for deadline in (by_timeout, by_task):
        assert 9 < deadline.remaining_s <= 10.1
        assert deadline.at is not None
        assert 9 < (deadline.at - datetime.now(UTC)).total_seconds() <= 10.1
    without = context_of("t.add", timeout_s=0).deadline
    assert without.remaining_s == float("inf")
    assert without.at is None
    assert context_of("t.add", deadline_ms=now_ms - 1).deadline.remaining_s == 0


def test_a_staged_task_belongs_to_its_submitter_and_inherits_the_namespace(context: Context) -> None:
    handle = context.submit("t.add", a=1)
    (staged,) = context.staged
    assert (staged.id, staged.handler, staged.args) == (handle.id, "t.add", b'{"a":1}')
    assert (staged.principal, staged.namespace) == ("ann", "shop")


def test_every_attempt_of_a_task_stages_under_the_same_ids_so_none_can_stage_twice() -> None:
    first, second = (context_of("t.add", attempt=attempt) for attempt in (1, 2))
    ids = [[made.submit("t.add", a=n).id for n in range(3)] for made in (first, second)]
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 3


def test_a_staged_task_may_wait_for_another_and_use_its_result(context: Context) -> None:
    first = context.submit("t.add", a=1)
    reference = {"$result": first.id}
    context.submit(add.options(after=[first], priority=3, labels={"k": "v"}), reference)
    second = context.staged[1]
    assert second.after == (first.id,)
    assert second.priority == 3
    assert first.id.encode() in second.args


def test_waiting_inside_for_what_was_staged_raises_at_once(context: Context) -> None:
    with pytest.raises(RuntimeError, match="awaited inside"):
        context.submit("t.add", a=1).result(timeout=5)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"priority": 101}, "priority"),
        ({"priority": "high"}, "priority"),
        ({"queue": "no spaces"}, "queue"),
        ({"namespace": ""}, "namespace"),
        ({"timeout": -1.0}, "timeout"),
        ({"not_before": "2030-01-01T00:00:00"}, "not_before"),
        ({"not_before": "soon"}, "not_before"),
        ({"after": ["o-1"]}, "after[0]"),
        ({"key": "k" * 257}, "key"),
        ({"retry": {"max": -1}}, "retry.max"),
        ({"labels": {str(n): "" for n in range(65)}}, "labels"),
        ({"compensate": {"handler": "x"}}, "compensate"),
        ({"ref": "a"}, "ref"),
    ],
)
def test_a_field_that_cannot_be_is_refused_by_name_and_nothing_is_staged(
    context: Context, options: dict[str, Any], field: str
) -> None:
    with pytest.raises(StagingRefused) as caught:
        context.submit(add.options(**options), 1)
    assert caught.value.field == field
    assert context.staged == ()


def test_sizes_and_values_are_checked_when_staged(context: Context) -> None:
    for value in (object(), "x" * 256 * 1024, "\ud800"):
        with pytest.raises(StagingRefused) as caught:
            context.submit("t.show", value=value)
        assert caught.value.field == "args"
    with pytest.raises(StagingRefused, match="handler"):
        context.submit("no spaces")
    with pytest.raises(StagingRefused, match="positions or keywords"):
        context.submit("t.add", 1, b=2)
    assert context.staged == ()


def test_one_attempt_stages_at_most_what_one_request_may_carry(context: Context) -> None:
    value = "x" * 200_000
    fit = STAGED_MAX_BYTES // 200_050
    for _ in range(fit):
        context.submit("t.show", value=value)
    with pytest.raises(StagingRefused, match="together"):
        context.submit("t.show", value=value)
    assert len(context.staged) == fit


def test_the_log_says_which_attempt_speaks(context: Context) -> None:
    bound = context.log._context
    assert (bound["task"], bound["attempt"], bound["handler"]) == (context.task, 1, "t.add")
