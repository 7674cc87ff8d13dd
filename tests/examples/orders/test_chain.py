"""An order's tasks: one per step, each after the one before, the same whenever they are submitted."""

from examples.orders.chain import VIP_PRIORITY, tasks_of
from examples.orders.order import Order
from examples.orders.submission import BATCH_ORDERS, batches
from tests.examples.orders.records import CANCELLATION, GIFT, SALE, VIP_SALE, WRITE_OFF


def handlers(order: Order) -> list[str]:
    return [task["handler"] for task in tasks_of(order)]


def test_the_steps_of_each_kind() -> None:
    assert handlers(SALE) == ["orders.pay", "orders.reserve", "orders.ship"]
    assert handlers(GIFT) == ["orders.reserve", "orders.ship"]
    assert handlers(CANCELLATION) == ["orders.collect", "orders.restock", "orders.refund"]
    assert handlers(WRITE_OFF) == ["orders.write_off"]


def test_each_step_waits_for_the_one_before_and_is_told_its_result() -> None:
    pay, reserve, ship = tasks_of(SALE)
    assert "after" not in pay
    assert (reserve["after"], ship["after"]) == ([pay["ref"]], [reserve["ref"]])
    assert ship["args"]["because"] == {"$result": reserve["ref"], "path": "told"}


def test_vips_go_first_in_every_step() -> None:
    assert {task["priority"] for task in tasks_of(VIP_SALE)} == {VIP_PRIORITY}
    assert {task["priority"] for task in tasks_of(SALE)} == {0}


def test_a_repeat_is_the_same_request() -> None:
    assert tasks_of(SALE) == tasks_of(SALE)
    assert len({task["key"] for order in (SALE, GIFT, CANCELLATION) for task in tasks_of(order)}) == 8


def test_no_order_is_twice_in_one_batch_and_none_is_dropped() -> None:
    submissions = [SALE, GIFT, SALE, *[VIP_SALE] * 2, CANCELLATION]
    cut = list(batches(submissions))
    assert [order for batch in cut for order in batch] == submissions
    assert all(len({order.number for order in batch}) == len(batch) <= BATCH_ORDERS for batch in cut)


def test_only_the_steps_that_ask_the_gateway_retry() -> None:
    """Anything else that fails is a defect to be seen, not to be hidden by trying again."""
    assert [task["handler"] for task in tasks_of(SALE) + tasks_of(CANCELLATION) if "retry" in task] == [
        "orders.pay",
        "orders.refund",
    ]
