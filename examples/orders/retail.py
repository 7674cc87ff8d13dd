"""Reads the "Online Retail" CSV of the UCI Machine Learning Repository (doi 10.24432/C5BW33), per item or summed per
invoice.

Law: every row ends in exactly one place: in an order, or set aside under a name; `Oddities` counts each departure
from the plain case, and how it was handled stands beside the counter. Nothing is guessed silently.
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from examples.orders.order import NUMBER_FORM, Kind, Order

NEEDED = ("InvoiceNo", "InvoiceDate", "CustomerID", "Country", "Quantity", "UnitPrice")
PER_ITEM_COLUMN = "StockCode"
BLANK = frozenset({"", "(blank)", "nan", "null", "none"})
# The best fiftieth of the named customers, by what they spent over the file, goes first.
VIP_SHARE = 50


@dataclass(slots=True)
class Oddities:
    """What was not plain, how often, and (in the words of `explained`) what was done about it."""

    rows: int = 0
    cancelled_rows: int = 0
    cancellations: int = 0
    listed_twice: int = 0
    identical_rows: int = 0
    identical_items: int = 0
    blank_rows: int = 0
    without_customer: int = 0
    zero_price_rows: int = 0
    free_of_charge: int = 0
    write_offs: int = 0
    american_dates: int = 0
    bookkeeping: int = 0
    contradictory: int = 0
    unreadable: int = 0
    unreadable_examples: list[str] = field(default_factory=list)

    def explained(self) -> list[tuple[str, int, str]]:
        """(what, how many, what was done), in the order of a report."""
        return [
            ("rows read", self.rows, "as the file has them"),
            (
                "rows with a C number",
                self.cancelled_rows,
                f"{self.cancellations:,} cancellations: collected, restocked, refunded",
            ),
            (
                "invoices listed twice",
                self.listed_twice,
                "one invoice over the turn of a minute: parts added, submitted twice under one key",
            ),
            ("rows that repeat a row", self.identical_rows, "counted once in the order, submitted again under its key"),
            ("item lines that repeat a line", self.identical_items, "kept: the same thing scanned twice"),
            (
                "rows without a customer",
                self.blank_rows,
                f"{self.without_customer:,} orders served as bought without an account, never VIP",
            ),
            (
                "rows with a zero price",
                self.zero_price_rows,
                f"{self.free_of_charge:,} orders free of charge (the gateway must not hear of them),"
                f" {self.write_offs:,} write-offs",
            ),
            ("write-offs (negative, zero price)", self.write_offs, "taken off the shelf, not paid, not shipped"),
            (
                "American dates (month/day/year)",
                self.american_dates,
                "read as month first, with or without leading zeros",
            ),
            ("bookkeeping (A numbers: bad debt)", self.bookkeeping, "set aside: no goods, no order"),
            ("contradictory invoices", self.contradictory, "set aside: sign, number and price do not fit together"),
            ("unreadable rows", self.unreadable, "set aside: " + ("; ".join(self.unreadable_examples) or "none")),
        ]


@dataclass(slots=True)
class _Row:
    invoice: str
    at: datetime
    customer: str | None
    country: str
    quantity: int
    amount: Decimal
    """Units times price, with the sign of the units."""
    identity: tuple[str, ...]


@dataclass(slots=True)
class _Invoice:
    """All that the file says under one number."""

    first: _Row
    quantity: int = 0
    amount: Decimal = Decimal(0)
    customer: str | None = None
    submissions: int = 1
    seen: set[tuple[str, ...]] = field(default_factory=set)
    minutes: set[datetime] = field(default_factory=set)

    def add(self, row: _Row) -> None:
        self.quantity += row.quantity
        self.amount += row.amount
        self.customer = self.customer or row.customer
        self.seen.add(row.identity)
        self.minutes.add(row.at)


def read_retail(path: Path) -> tuple[list[Order], Oddities]:
    """Submissions in the order of the file's invoices (an order submitted twice stands in it twice), and what was odd.

    Raises:
        ValueError: the file is not the "Online Retail" table; names the missing columns.
        OSError: it cannot be read.
    """
    # Only the unused Description ever holds bytes that are not UTF-8 (a Latin-1 pound sign), hence `replace`.
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        table = csv.DictReader(file)
        missing = [name for name in NEEDED if name not in (table.fieldnames or ())]
        if missing:
            raise ValueError(
                f"{path}: got the columns {', '.join(table.fieldnames or ['(none)'])}, without {', '.join(missing)}; "
                'expected the "Online Retail" CSV, a row per item or per invoice'
            )
        oddities = Oddities()
        per_item = PER_ITEM_COLUMN in (table.fieldnames or ())
        invoices = _by_invoice(_rows(table, oddities), oddities, per_item=per_item)
    return list(_submissions(invoices, oddities)), oddities


def _rows(table: "csv.DictReader[str]", oddities: Oddities) -> Iterator[_Row]:
    for record in table:
        oddities.rows += 1
        try:
            yield _row(record, oddities)
        except (ValueError, InvalidOperation) as error:
            oddities.unreadable += 1
            if len(oddities.unreadable_examples) < 3:
                oddities.unreadable_examples.append(f"line {table.line_num}: {_reason(error)}")


def _reason(error: Exception) -> str:
    # Decimal's own words are a list of internal signals.
    return "UnitPrice is no number" if isinstance(error, InvalidOperation) else str(error)


def _row(record: dict[str, Any], oddities: Oddities) -> _Row:
    # A row that is too short has None in its last columns: `.strip` on it would hide the line behind an AttributeError.
    if any(record[name] is None for name in NEEDED):
        raise ValueError("fewer columns than the heading")
    text = {name: record[name].strip() for name in NEEDED}
    invoice = text["InvoiceNo"].upper()
    if not NUMBER_FORM.fullmatch(invoice):
        raise ValueError(f"InvoiceNo is {invoice[:64]!r}, expected letters and digits")
    quantity = int(text["Quantity"])
    price = Decimal(text["UnitPrice"])
    if not price.is_finite():
        raise ValueError(f"UnitPrice is {text['UnitPrice']!r}, expected a number")
    at, american = _date(text["InvoiceDate"])
    customer = _customer(text["CustomerID"])
    oddities.american_dates += american
    oddities.cancelled_rows += invoice.startswith("C")
    oddities.blank_rows += customer is None
    oddities.zero_price_rows += price == 0
    return _Row(
        invoice=invoice,
        at=at,
        customer=customer,
        country=text["Country"] or "Unspecified",
        quantity=quantity,
        amount=quantity * price,
        identity=tuple(value for value in record.values() if isinstance(value, str)),
    )


def _date(text: str) -> tuple[datetime, bool]:
    """The time, and whether it was written the American way."""
    if "/" not in text:
        return datetime.fromisoformat(text), False
    # strptime takes 12/1/2010 8:26 and 12/01/2010 08:26 alike.
    return datetime.strptime(text, "%m/%d/%Y %H:%M"), True  # noqa: DTZ007 -- the shop's own local time, as on its invoices


def _customer(text: str) -> str | None:
    if text.lower() in BLANK:
        return None
    # Tables that passed through a spreadsheet say 17850.0.
    return text.removesuffix(".0")


def _by_invoice(rows: Iterable[_Row], oddities: Oddities, *, per_item: bool) -> list[_Invoice]:
    invoices: dict[str, _Invoice] = {}
    for row in rows:
        invoice = invoices.get(row.invoice)
        if invoice is None:
            invoice = invoices[row.invoice] = _Invoice(row)
        elif row.identity in invoice.seen:
            if not per_item:
                oddities.identical_rows += 1
                invoice.submissions += 1
                continue
            oddities.identical_items += 1
        invoice.add(row)
    for invoice in invoices.values():
        parts = len(invoice.minutes) if per_item else len(invoice.seen)
        oddities.listed_twice += parts > 1
        invoice.submissions += parts - 1
    return list(invoices.values())


def _submissions(invoices: list[_Invoice], oddities: Oddities) -> Iterator[Order]:
    best = _best_customers(invoices)
    for invoice in invoices:
        kind = _kind(invoice, oddities)
        if kind is None:
            continue
        order = Order(
            number=invoice.first.invoice,
            placed_at=invoice.first.at.isoformat(timespec="minutes"),
            customer=invoice.customer,
            country=invoice.first.country,
            quantity=abs(invoice.quantity),
            amount_cents=int((abs(invoice.amount) * 100).to_integral_value(ROUND_HALF_UP)),
            kind=kind,
            vip=invoice.customer in best,
        )
        oddities.cancellations += kind is Kind.CANCELLATION
        oddities.write_offs += kind is Kind.WRITE_OFF
        oddities.without_customer += order.customer is None
        oddities.free_of_charge += kind is Kind.SALE and order.amount_cents == 0
        for _ in range(invoice.submissions):
            yield order


def _kind(invoice: _Invoice, oddities: Oddities) -> Kind | None:
    """What the invoice is, or None where it is set aside (and counted)."""
    first = invoice.first.invoice[0]
    if first == "A":
        oddities.bookkeeping += 1
        return None
    if first == "C" and invoice.quantity < 0 and invoice.amount <= 0:
        return Kind.CANCELLATION
    if first.isdigit() and invoice.quantity < 0 and invoice.amount == 0:
        return Kind.WRITE_OFF
    if first.isdigit() and invoice.quantity > 0 and invoice.amount >= 0:
        return Kind.SALE
    oddities.contradictory += 1
    return None


def _best_customers(invoices: list[_Invoice]) -> frozenset[str]:
    spent: dict[str, Decimal] = {}
    for invoice in invoices:
        if invoice.customer is not None:
            spent[invoice.customer] = spent.get(invoice.customer, Decimal(0)) + invoice.amount
    ranked = sorted(spent, key=lambda customer: (-spent[customer], customer))
    return frozenset(ranked[: max(1, len(ranked) // VIP_SHARE)]) if ranked else frozenset()
