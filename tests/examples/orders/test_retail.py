"""Every oddity of the real file is handled on purpose and counted; every row ends in exactly one place."""

from pathlib import Path

import pytest

from examples.orders.order import Kind, Order, Step, steps_of
from examples.orders.retail import Oddities, read_retail

PER_INVOICE = "InvoiceNo,InvoiceDate,CustomerID,Country,Quantity,UnitPrice"
PER_ITEM = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"


def read(folder: Path, heading: str, *rows: str) -> tuple[list[Order], Oddities]:
    path = folder / "retail.csv"
    path.write_text("\n".join((heading, *rows)) + "\n", encoding="latin-1")
    return read_retail(path)


def test_a_plain_invoice(tmp_path: Path) -> None:
    orders, oddities = read(tmp_path, PER_INVOICE, "536365,12/1/2010 8:26,17850,United Kingdom,40,3.91")
    assert orders == [Order("536365", "2010-12-01T08:26", "17850", "United Kingdom", 40, 15_640, vip=True)]
    assert (oddities.rows, oddities.american_dates) == (1, 1)


@pytest.mark.parametrize("date", ["12/1/2010 8:26", "12/01/2010 08:26", "2010-12-01 08:26:00"])
def test_dates_are_read_month_first_with_or_without_zeros(tmp_path: Path, date: str) -> None:
    orders, _ = read(tmp_path, PER_INVOICE, f"536365,{date},17850,France,1,1")
    assert orders[0].placed_at.startswith("2010-12-01T08:26")


def test_a_cancellation_gives_money_and_goods_back(tmp_path: Path) -> None:
    (order,), oddities = read(tmp_path, PER_INVOICE, "C536379,12/1/2010 9:41,14527,United Kingdom,-2,27.5")
    assert (order.kind, order.quantity, order.amount_cents) == (Kind.CANCELLATION, 2, 5_500)
    assert steps_of(order) == (Step.COLLECT, Step.RESTOCK, Step.REFUND)
    assert (oddities.cancellations, oddities.cancelled_rows) == (1, 1)


def test_an_invoice_listed_twice_is_one_order_of_both_parts_submitted_twice(tmp_path: Path) -> None:
    """It was entered over the turn of a minute: dropping a part would lose goods, two orders would share a key."""
    orders, oddities = read(
        tmp_path,
        PER_INVOICE,
        "536591,12/1/2010 16:57,14606,United Kingdom,81,2",
        "536591,12/1/2010 16:58,14606,United Kingdom,12,3",
    )
    assert [(order.quantity, order.amount_cents) for order in orders] == [(93, 19_800)] * 2
    assert oddities.listed_twice == 1


def test_a_row_that_repeats_a_row_is_counted_once_and_submitted_again(tmp_path: Path) -> None:
    row = "536591,12/1/2010 16:57,14606,United Kingdom,81,2"
    orders, oddities = read(tmp_path, PER_INVOICE, row, row)
    assert [order.quantity for order in orders] == [81, 81]
    assert (oddities.identical_rows, oddities.listed_twice) == (1, 0)


@pytest.mark.parametrize("blank", ["(blank)", "", "  ", "nan"])
def test_a_blank_customer_buys_without_an_account_and_is_no_vip(tmp_path: Path, blank: str) -> None:
    (order,), oddities = read(tmp_path, PER_INVOICE, f"536365,12/1/2010 8:26,{blank},France,40,3.91")
    assert (order.customer, order.vip) == (None, False)
    assert (oddities.without_customer, oddities.blank_rows) == (1, 1)


def test_a_zero_price_is_shipped_and_never_charged(tmp_path: Path) -> None:
    (order,), oddities = read(tmp_path, PER_INVOICE, "536414,12/1/2010 11:52,(blank),United Kingdom,56,0")
    assert steps_of(order) == (Step.RESERVE, Step.SHIP)
    assert (oddities.free_of_charge, oddities.zero_price_rows) == (1, 1)


def test_a_negative_quantity_without_price_is_a_write_off(tmp_path: Path) -> None:
    (order,), oddities = read(tmp_path, PER_INVOICE, "536589,12/1/2010 16:50,(blank),United Kingdom,-10,0")
    assert (order.kind, order.quantity, steps_of(order)) == (Kind.WRITE_OFF, 10, (Step.WRITE_OFF,))
    assert oddities.write_offs == 1


@pytest.mark.parametrize("price", ["11062.06", "-11062.06"])
def test_bad_debt_is_set_aside(tmp_path: Path, price: str) -> None:
    orders, oddities = read(tmp_path, PER_INVOICE, f"A563185,8/12/2011 14:50,(blank),United Kingdom,1,{price}")
    assert (orders, oddities.bookkeeping) == ([], 1)


@pytest.mark.parametrize(
    "row",
    [
        "536365,12/1/2010 8:26,17850,France,-4,3.91",
        "C536365,12/1/2010 8:26,17850,France,4,3.91",
        "536365,12/1/2010 8:26,17850,France,0,3.91",
        "536365,12/1/2010 8:26,17850,France,4,-3.91",
        "X36365,12/1/2010 8:26,17850,France,4,3.91",
    ],
)
def test_what_does_not_fit_together_is_set_aside(tmp_path: Path, row: str) -> None:
    orders, oddities = read(tmp_path, PER_INVOICE, row)
    assert (orders, oddities.contradictory) == ([], 1)


@pytest.mark.parametrize(
    "row",
    [
        "536365,12/1/2010 8:26,17850,France,many,3.91",
        "536365,12/1/2010 8:26,17850,France,4,cheap",
        "536365,12/1/2010 8:26,17850,France,4,NaN",
        "536365,31/12/2010 8:26,17850,France,4,3.91",
        "536365,12/1/2010 8:26,17850",
        ",12/1/2010 8:26,17850,France,4,3.91",
    ],
)
def test_an_unreadable_row_is_set_aside_with_its_line(tmp_path: Path, row: str) -> None:
    orders, oddities = read(tmp_path, PER_INVOICE, "536364,12/1/2010 8:20,17850,France,4,3.91", row)
    assert [order.number for order in orders] == ["536364"]
    assert oddities.unreadable == 1
    assert oddities.unreadable_examples[0].startswith("line 3: ")


def test_per_item_rows_become_the_invoices_they_belong_to(tmp_path: Path) -> None:
    """Sums are exact; a Latin-1 pound sign in an unused description does no harm; a repeated line is two of the
    thing.
    """
    orders, oddities = read(
        tmp_path,
        PER_ITEM,
        "536365,85123A,HOLDER,6,12/1/2010 8:26,2.55,17850.0,United Kingdom",
        "536366,22633,WARMER \xa31,1,12/1/2010 8:28,0.1,13047,France",
        "536365,71053,LANTERN,6,12/1/2010 8:26,3.39,17850.0,United Kingdom",
        "536365,71053,LANTERN,6,12/1/2010 8:26,3.39,17850.0,United Kingdom",
    )
    assert [(order.number, order.customer, order.quantity, order.amount_cents) for order in orders] == [
        ("536365", "17850", 18, 5_598),
        ("536366", "13047", 1, 10),
    ]
    assert (oddities.rows, oddities.identical_items, oddities.listed_twice) == (4, 1, 0)


def test_per_item_rows_of_two_minutes_are_an_invoice_listed_twice(tmp_path: Path) -> None:
    orders, oddities = read(
        tmp_path,
        PER_ITEM,
        "536591,1,A,6,12/1/2010 16:57,1,14606,France",
        "536591,2,B,4,12/1/2010 16:58,1,14606,France",
    )
    assert [order.quantity for order in orders] == [10, 10]
    assert oddities.listed_twice == 1


def test_the_customers_who_spend_most_are_vips(tmp_path: Path) -> None:
    rows = [f"{number},12/1/2010 8:26,{number},France,1,{number}" for number in range(500_000, 500_100)]
    orders, _ = read(tmp_path, PER_INVOICE, *rows)
    assert [order.number for order in orders if order.vip] == ["500098", "500099"]


def test_another_table_is_refused_by_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a, b.*InvoiceNo.*UnitPrice"):
        read(tmp_path, "a,b", "1,2")
