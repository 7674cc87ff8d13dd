"""What becomes of one attempt: from its arguments to its ending."""

from typing import Any

import pytest

from quorate.node.context import Context
from quorate.node.registry import Registry
from quorate.node.staging import StagingRules
from quorate.node.workers.perform import perform
from quorate.scheduling.task import Ending, Failed, Returned, Succeeded
from tests.node.workers import handlers
from tests.node.workers.pools import attempt_of, error_type, value_of

PARENT = "01J00000000000000000000009"


@pytest.fixture(scope="module")
def registry() -> Registry:
    made = Registry()
    made.load(handlers.__name__)
    return made


def run(registry: Registry, name: str, args: Any = None, **fields: Any) -> Ending:
    attempt = attempt_of(name, args, **fields)
    handler = registry.get(name)
    assert handler is not None
    return perform(handler, attempt, Context(attempt, StagingRules()), 256 * 1024)


def test_an_object_is_keywords_and_an_array_positions(registry: Registry) -> None:
    assert value_of(run(registry, "t.add", {"a": 2, "b": 3})) == 5
    assert value_of(run(registry, "t.add", {"a": 2})) == 3
    assert value_of(run(registry, "t.add", [2, 3])) == 5
    assert value_of(run(registry, "t.spread", [1, 2, 3])) == [1, 2, 3]


@pytest.mark.parametrize(
    ("args", "named"),
    [
        ({"b": 1}, "a"),
        ({"a": 1, "c": 2}, "c"),
        ([1, 2, 3], "too many"),
        ([], "a"),
    ],
)
def test_arguments_that_do_not_fit_fail_the_attempt_by_name_and_nothing_is_called(
    registry: Registry, args: Any, named: str
) -> None:
    ending = run(registry, "t.add", args)
    assert error_type(ending) == "BadArguments"
    assert isinstance(ending, Failed)
    assert "t.add(a: int, b: int = 1)" in ending.error.message
    assert named in ending.error.message


def test_results_of_dependencies_stand_in_for_their_references(registry: Registry) -> None:
    reference = {"$result": PARENT, "path": "items.1"}
    ending = run(registry, "t.show", {"value": [reference]}, results={PARENT: {"items": [7, 8]}})
    assert value_of(ending) == [8]


def test_a_missing_result_or_path_fails_the_attempt_by_name(registry: Registry) -> None:
    absent = run(registry, "t.show", {"value": {"$result": PARENT}})
    no_path = run(registry, "t.show", {"value": {"$result": PARENT, "path": "x"}}, results={PARENT: {}})
    assert error_type(absent) == error_type(no_path) == "MissingResult"
    assert isinstance(absent, Failed)
    assert PARENT in absent.error.message


def test_an_exception_becomes_type_message_code_and_a_traceback_of_the_users_own_frames(registry: Registry) -> None:
    ending = run(registry, "t.raise")
    assert isinstance(ending, Failed)
    error = ending.error
    assert (error.type, error.message, error.code) == ("GatewayDown", "the gateway is down", "E42")
    assert "handlers.py" in error.traceback
    assert "perform.py" not in error.traceback


def test_a_handler_that_exits_fails_like_any_other(registry: Registry) -> None:
    assert error_type(run(registry, "t.exit")) == "SystemExit"


def test_an_error_can_always_be_stored_however_long_and_odd_its_message(registry: Registry) -> None:
    ending = run(registry, "t.surrogate")
    assert isinstance(ending, Failed)
    text = ending.error.message + ending.error.traceback
    assert text.encode("utf-8")
    assert len(ending.error.message) < 20_000


def test_a_result_beyond_the_limit_or_beyond_json_fails_by_name(registry: Registry) -> None:
    assert error_type(run(registry, "t.large", {"size": 256 * 1024})) == "ResultTooLarge"
    assert isinstance(run(registry, "t.large", {"size": 256 * 1024 - 2}), Succeeded)
    assert error_type(run(registry, "t.object")) == "ResultNotSerializable"


def test_an_async_handler_runs_with_its_context(registry: Registry) -> None:
    attempt = attempt_of("t.async_facts")
    task, fence, _ = value_of(run(registry, "t.async_facts"))
    assert (task, fence) == (attempt.task, attempt.fence)


def test_staged_tasks_travel_with_success_and_are_gone_with_failure(registry: Registry) -> None:
    ending = run(registry, "t.stage", {"many": 3})
    assert isinstance(ending, Succeeded)
    assert [task.id for task in ending.staged] == value_of(ending)
    assert len({task.id for task in ending.staged}) == 3
    again = run(registry, "t.stage", {"many": 3})
    assert again.staged == ending.staged if isinstance(again, Succeeded) else False


def test_what_a_stopped_attempt_raises_is_the_stop_not_a_failure(registry: Registry) -> None:
    attempt = attempt_of("t.wait")
    context = Context(attempt, StagingRules())
    context.cancelled.tell("cancelled")
    handler = registry.get("t.wait")
    assert handler is not None
    assert perform(handler, attempt, context, 1024) == Returned("cancelled")
