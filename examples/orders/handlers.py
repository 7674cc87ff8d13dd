"""What the peers run; the cluster file lists this module.

Law: a handler may run more than once, so each of these has its effect once per order: the gateway by its idempotency
key, the warehouse and the parcels by the order number, both turning away a holder whose fence is stale. None keeps
anything in memory between attempts.

Each step is handed what the step before told (`because`): a parcel names the movement that it carries, a movement the
receipt that paid for it.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import quorate
from examples.orders.gateway_client import request_payment
from examples.orders.order import Step
from examples.orders.shop import open_shop

# The warehouse's robot and the label printer take their time, as they do everywhere.
PICKING_S = 0.06
LABEL_S = 0.05


@quorate.task("orders.pay")
def pay(order: str, cents: int) -> dict[str, str]:
    """Charge the customer."""
    with _attempt(Step.PAY, order):
        return {"told": request_payment(open_shop().gateway, "/charges", order, cents, because="")}


@quorate.task("orders.reserve")
def reserve(order: str, warehouse: str, quantity: int, because: str) -> dict[str, str]:
    """Take the goods off the shelf."""
    return _move(Step.RESERVE, order, warehouse, -quantity, because)


@quorate.task("orders.ship")
def ship(order: str, country: str, because: str) -> dict[str, str]:
    """Send the parcel to the customer."""
    return _send(Step.SHIP, order, country, because)


@quorate.task("orders.collect")
def collect(order: str, country: str) -> dict[str, str]:
    """Have what was cancelled brought back."""
    return _send(Step.COLLECT, order, country, because="")


@quorate.task("orders.restock")
def restock(order: str, warehouse: str, quantity: int, because: str) -> dict[str, str]:
    """Put what came back onto the shelf."""
    return _move(Step.RESTOCK, order, warehouse, quantity, because)


@quorate.task("orders.refund")
def refund(order: str, cents: int, because: str) -> dict[str, str]:
    """Give the money back."""
    with _attempt(Step.REFUND, order):
        return {"told": request_payment(open_shop().gateway, "/refunds", order, cents, because)}


@quorate.task("orders.write_off")
def write_off(order: str, warehouse: str, quantity: int) -> dict[str, str]:
    """Take lost or damaged goods off the shelf."""
    return _move(Step.WRITE_OFF, order, warehouse, -quantity, because="")


def _move(step: Step, order: str, warehouse: str, change: int, because: str) -> dict[str, str]:
    with _attempt(step, order) as fence:
        time.sleep(PICKING_S)
        return {"told": open_shop().inventory.move(step, order, warehouse, change, because, fence)}


def _send(step: Step, order: str, country: str, because: str) -> dict[str, str]:
    with _attempt(step, order) as fence:
        time.sleep(LABEL_S)
        return {"told": open_shop().shipping.send(step, order, country, because, fence)}


@contextmanager
def _attempt(step: Step, order: str) -> Iterator[int]:
    """Log the attempt; gives its fence."""
    context = quorate.current()
    with open_shop().attempts.attempt(step, order, context.attempt, context.fence):
        yield context.fence
