"""Charge the card, reserve the stock, ship: each step asks first whether it has been done. It looks right."""

import quorate
from examples.simulated_orders.partners import partners


@quorate.task("naive.charge")
def charge(order: str, cents: int) -> None:
    if not partners.bank.look(order):
        partners.bank.add(order, cents=cents)


@quorate.task("naive.reserve")
def reserve(order: str) -> None:
    if not partners.warehouse.look(order):
        partners.warehouse.add(order, pieces=1)


@quorate.task("naive.ship")
def ship(order: str) -> None:
    if not partners.carrier.look(order):
        partners.carrier.add(order, parcel=order)


@quorate.task("naive.place")
def place(order: str, cents: int) -> None:
    """The three steps come about with this attempt's success, or not at all."""
    charged = charge.submit(order, cents)
    reserved = quorate.current().submit(reserve.options(after=[charged]), order)
    quorate.current().submit(ship.options(after=[reserved]), order)
