"""The same steps, mended: both the question and the deed show the fence of the attempt.

Who asks with a fence shuts out every earlier attempt: should one of them wake up between its question and its deed, the
deed is refused.
"""

import quorate
from examples.simulated_orders.partners import partners


@quorate.task("mended.charge")
def charge(order: str, cents: int) -> None:
    fence = quorate.current().fence
    if not partners.bank.look(order, fence=fence):
        partners.bank.add(order, fence=fence, cents=cents)


@quorate.task("mended.reserve")
def reserve(order: str) -> None:
    fence = quorate.current().fence
    if not partners.warehouse.look(order, fence=fence):
        partners.warehouse.add(order, fence=fence, pieces=1)


@quorate.task("mended.ship")
def ship(order: str) -> None:
    fence = quorate.current().fence
    if not partners.carrier.look(order, fence=fence):
        partners.carrier.add(order, fence=fence, parcel=order)


@quorate.task("mended.place")
def place(order: str, cents: int) -> None:
    """The three steps come about with this attempt's success, or not at all."""
    charged = charge.submit(order, cents)
    reserved = quorate.current().submit(reserve.options(after=[charged]), order)
    quorate.current().submit(ship.options(after=[reserved]), order)
