"""`@quorate.task` leaves a function what it was and gives it a name."""

from typing import Any

import pytest

from quorate.context import NoContext
from quorate.scheduling.handler import BadArguments
from quorate.scheduling.task import Retry
from quorate.tasks import task


@task("orders.charge", retry=Retry(max=5, on=("GatewayDown",)), timeout=30, queue="money", priority=7)
def charge(order: str, cents: int = 1) -> dict[str, Any]:
    """Charges an order."""
    return {"order": order, "cents": cents}


@task("orders.sum")
def total(*cents: int) -> int:
    return sum(cents)


@task("orders.log")
async def write(**fields: str) -> int:
    return len(fields)


@task("orders.move")
def move(source: str, /, target: str, *, fast: bool = False) -> None: ...


def test_the_decorated_function_is_still_the_function() -> None:
    assert charge("o-1", cents=5) == {"order": "o-1", "cents": 5}
    assert charge.__doc__ == "Charges an order."
    assert charge.__name__ == "charge"
    assert charge.name == "orders.charge"


async def test_a_decorated_coroutine_function_can_still_be_awaited() -> None:
    assert await write(a="b") == 1


def test_a_request_is_the_task_object_with_what_was_declared() -> None:
    assert charge.request("o-1", cents=5) == {
        "handler": "orders.charge",
        "args": {"order": "o-1", "cents": 5},
        "queue": "money",
        "priority": 7,
        "timeout": 30,
        "retry": {"max": 5, "on": ["GatewayDown"]},
    }


def test_what_was_left_open_is_left_to_the_cluster() -> None:
    assert total.request(1, 2) == {"handler": "orders.sum", "args": [1, 2]}
    assert write.request(a="b") == {"handler": "orders.log", "args": {"a": "b"}}


def test_options_stand_above_what_was_declared() -> None:
    asked = charge.options(priority=50, key="o-1/charge", after=["x"]).request("o-1")
    assert asked["priority"] == 50
    assert (asked["key"], asked["after"], asked["queue"]) == ("o-1/charge", ["x"], "money")


def test_arguments_that_do_not_fit_are_refused_where_they_are_written() -> None:
    with pytest.raises(BadArguments, match=r"orders\.charge\(order: str.*missing a required argument: 'order'"):
        charge.request()  # type: ignore[call-arg]  # the refusal of this call is what is tested
    with pytest.raises(BadArguments, match="fast"):
        move.request("a", "b", fast=True)
    assert move.request("a", "b")["args"] == ["a", "b"]


def test_submitting_through_the_function_outside_a_handler_is_refused() -> None:
    with pytest.raises(NoContext):
        charge.submit("o-1")


def test_the_declared_retry_does_not_change_with_the_list_it_was_made_from() -> None:
    names = ["A"]

    @task("x.y", retry=Retry(max=1, on=names))  # type: ignore[arg-type]  # people write lists
    def work() -> None: ...

    names.append("B")
    assert work.handler.retry == Retry(max=1, on=("A",))


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("", {}, "handler name ''"),
        ("a b", {}, "handler name 'a b'"),
        ("x" * 129, {}, "1 to 128"),
        ("builtin.mine", {}, "Quorate's own"),
        ("a", {"timeout": -1}, "timeout"),
        ("a", {"timeout": float("nan")}, "timeout"),
        ("a", {"priority": 101}, "priority"),
        ("a", {"isolation": "fork"}, "isolation"),
    ],
)
def test_a_declaration_that_cannot_work_is_refused_at_once(name: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        task(name, **options)(lambda: None)


def test_a_generator_is_refused_because_nobody_would_run_it() -> None:
    def lazy() -> Any:
        yield 1

    with pytest.raises(ValueError, match="generator"):
        task("a")(lazy)
