"""An order, and the steps it goes through.

Law: the order number is the one name of an order everywhere: idempotency key of its tasks, of its payment, of its
stock movement and of its parcel. What happens to an order follows from its kind and its amount alone.
"""

import re
from collections.abc import Iterable, Iterator
from enum import StrEnum

import msgspec

# What a number may be made of, since it goes into names of tasks.
NUMBER_FORM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Kind(StrEnum):
    SALE = "sale"
    CANCELLATION = "cancellation"
    """Goods come back and money goes back; it has a number of its own and does not name the sale."""
    WRITE_OFF = "write_off"
    """Goods lost or damaged: they leave the shelf, nobody pays and nothing is sent."""


class Step(StrEnum):
    PAY = "pay"
    RESERVE = "reserve"
    SHIP = "ship"
    COLLECT = "collect"
    RESTOCK = "restock"
    REFUND = "refund"
    WRITE_OFF = "write_off"


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """One order. `quantity` counts units and is positive, `amount_cents` is never negative: the kind says which way
    they go.
    """

    number: str
    placed_at: str
    """Local time of the shop, ISO 8601 to the minute."""
    customer: str | None
    """None: bought without an account."""
    country: str
    quantity: int
    amount_cents: int
    kind: Kind = Kind.SALE
    vip: bool = False

    def __post_init__(self) -> None:
        if not NUMBER_FORM.fullmatch(self.number):
            raise ValueError(f"order number {self.number!r}: expected 1 to 64 letters, digits, `.`, `_` and `-`")
        if self.quantity <= 0:
            raise ValueError(
                f"order {self.number}: quantity is {self.quantity}, expected 1 or more: `kind` says which way they go"
            )
        if self.amount_cents < 0:
            raise ValueError(
                f"order {self.number}: amount_cents is {self.amount_cents}, "
                "expected 0 or more: `kind` says which way it goes"
            )


def steps_of(order: Order) -> tuple[Step, ...]:
    """The steps of an order, first to last. A cancellation goes the way of a sale backwards; where nothing is owed
    nothing is paid.
    """
    free = order.amount_cents == 0
    match order.kind:
        case Kind.SALE:
            return (Step.RESERVE, Step.SHIP) if free else (Step.PAY, Step.RESERVE, Step.SHIP)
        case Kind.CANCELLATION:
            return (Step.COLLECT, Step.RESTOCK) if free else (Step.COLLECT, Step.RESTOCK, Step.REFUND)
        case Kind.WRITE_OFF:
            return (Step.WRITE_OFF,)


def stock_change(order: Order) -> int:
    """Units by which the order changes what lies in its warehouse (there is one per country)."""
    return order.quantity if order.kind is Kind.CANCELLATION else -order.quantity


def write_ndjson(orders: Iterable[Order]) -> Iterator[bytes]:
    """One line per submission, newline included."""
    encoder = msgspec.json.Encoder()
    for order in orders:
        yield encoder.encode(order) + b"\n"


def read_ndjson(lines: Iterable[bytes]) -> Iterator[Order]:
    """Orders of an NDJSON file, a line each.

    Raises:
        ValueError: a line is no order; names the line.
    """
    decoder = msgspec.json.Decoder(Order)
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield decoder.decode(line)
        except (msgspec.DecodeError, ValueError) as error:
            raise ValueError(f"line {number} is no order: {error}") from error
