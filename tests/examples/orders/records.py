"""Books that balance, as the demo's processes would have written them; tests plant one error each."""

from examples.orders.attempts import Begun
from examples.orders.books import Books, TaskAnswer
from examples.orders.faults import Fault
from examples.orders.inventory import Movement
from examples.orders.ledger import Deed, LedgerLine, Motion
from examples.orders.order import Kind, Order, Step, steps_of, stock_change
from examples.orders.shipping import Parcel

SALE = Order("1001", "2011-01-04T09:00", "12000", "France", 10, 2_500)
VIP_SALE = Order("1002", "2011-01-04T09:01", "12001", "France", 4, 9_900, vip=True)
GIFT = Order("1003", "2011-01-04T09:02", None, "Japan", 3, 0)
CANCELLATION = Order("C1004", "2011-01-04T09:03", "12000", "France", 2, 500, Kind.CANCELLATION)
WRITE_OFF = Order("1005", "2011-01-04T09:04", None, "Japan", 5, 0, Kind.WRITE_OFF)
ORDERS = (SALE, VIP_SALE, GIFT, CANCELLATION, WRITE_OFF)
STEP_MS = 1_000
VIP_WAIT_MS, OTHER_WAIT_MS = 10, 400

MOTIONS = {Step.PAY: Motion.CHARGE, Step.REFUND: Motion.REFUND}
MOVES = {Step.RESERVE, Step.RESTOCK, Step.WRITE_OFF}


def balanced_books() -> Books:
    """Every order done once, each step a second after the one before; the sale was submitted twice."""
    ledger: list[LedgerLine] = []
    movements: list[Movement] = []
    parcels: list[Parcel] = []
    tasks: list[TaskAnswer] = []
    begun: list[Begun] = []
    stock = {"France": 100, "Japan": 100}
    closing = dict(stock)
    fence = 0
    for order in ORDERS:
        told, at_ms = "", 0
        closing[order.country] += stock_change(order)
        for step in steps_of(order):
            because, ready_ms, at_ms, fence = told, at_ms, at_ms + STEP_MS, fence + 1
            at_ns = at_ms * 1_000_000
            wait_ms = VIP_WAIT_MS if order.vip else OTHER_WAIT_MS
            number = order.number
            if step in MOTIONS:
                told = f"receipt-{fence}"
                motion, cents = MOTIONS[step], order.amount_cents
                ledger.append(LedgerLine(at_ns, motion, number, number, cents, because, Deed.MOVED, Fault.NONE, told))
            elif step in MOVES:
                told = f"movement-{fence}"
                change = stock_change(order)
                movements.append(Movement(told, number, step, order.country, change, because, fence, at_ns))
            else:
                told = f"parcel-{fence}"
                parcels.append(Parcel(told, number, step, order.country, because, fence, at_ns))
            tasks.append(TaskAnswer(f"id-{number}-{step}", step, number, "succeeded", 0, at_ms, 1, fence, told))
            begun.append(Begun(at_ns, ready_ms + wait_ms, "a", 7, step, number, 1, fence))
    acknowledged = [(task.step, task.number, task.id) for task in tasks]
    acknowledged += [told for told in acknowledged if told[1] == SALE.number]
    return Books(
        orders=ORDERS,
        acknowledged=tuple(acknowledged),
        ledger=tuple(ledger),
        opening_stock=stock,
        closing_stock=closing,
        movements=tuple(movements),
        parcels=tuple(parcels),
        answers=dict.fromkeys(("a", "b", "c"), tuple(tasks)),
        begun=tuple(begun),
    )
