"""Generated orders are the same everywhere, and shaped like the real ones."""

import pytest

from examples.orders.generator import generate
from examples.orders.order import Kind, Order, read_ndjson, write_ndjson

COUNT = 3_000


@pytest.fixture(scope="module")
def submissions() -> list[Order]:
    return list(generate(COUNT, seed=7))


def share(orders: list[Order], count: int) -> float:
    return count / len(orders)


def test_a_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    first, again, other = (b"".join(write_ndjson(generate(200, seed))) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_as_many_different_orders_as_asked_for(submissions: list[Order]) -> None:
    assert len({order.number for order in submissions}) == COUNT


def test_a_repeat_is_the_same_order_unchanged_and_later(submissions: list[Order]) -> None:
    by_number: dict[str, list[Order]] = {}
    for order in submissions:
        by_number.setdefault(order.number, []).append(order)
    repeated = [orders for orders in by_number.values() if len(orders) > 1]
    assert 0.02 < share(submissions, len(repeated)) < 0.04
    assert all(first == second for first, second in repeated)


def test_every_kind_of_order_is_among_them(submissions: list[Order]) -> None:
    """In about the shares of the real shop."""
    assert 0.12 < share(submissions, sum(order.kind is Kind.CANCELLATION for order in submissions)) < 0.18
    assert 0.03 < share(submissions, sum(order.kind is Kind.WRITE_OFF for order in submissions)) < 0.07
    free = sum(order.kind is Kind.SALE and order.amount_cents == 0 for order in submissions)
    assert 0.01 < share(submissions, free) < 0.05
    assert 0.10 < share(submissions, sum(order.customer is None for order in submissions)) < 0.18
    assert 0.06 < share(submissions, sum(order.vip for order in submissions)) < 0.14
    assert 0.85 < share(submissions, sum(order.country == "United Kingdom" for order in submissions)) < 0.96
    assert len({order.country for order in submissions}) > 10


def test_orders_survive_their_file(submissions: list[Order]) -> None:
    lines = b"".join(write_ndjson(submissions)).splitlines()
    assert list(read_ndjson(lines)) == submissions


@pytest.mark.parametrize(
    ("line", "named"),
    [
        (b'{"number": "1"}', "placed_at"),
        (b"not json", "malformed"),
        (b'{"number":"1","placed_at":"x","customer":null,"country":"x","quantity":0,"amount_cents":1}', "quantity"),
        (
            b'{"number":"1","placed_at":"x","customer":null,"country":"x","quantity":1,"amount_cents":-1}',
            "amount_cents",
        ),
        (b'{"number":"","placed_at":"x","customer":null,"country":"x","quantity":1,"amount_cents":1}', "number"),
        (
            b'{"number":"1","placed_at":"x","customer":null,"country":"x","quantity":1,"amount_cents":1,"colour":"red"}',
            "colour",
        ),
    ],
)
def test_a_line_that_is_no_order_is_named(line: bytes, named: str) -> None:
    with pytest.raises(ValueError, match=f"line 2 .*{named}"):
        list(read_ndjson([b"", line]))
