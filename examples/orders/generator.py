"""Orders as a real shop gets them, from a seed.

Law: the same seed and count give the same bytes, everywhere. The shares and the spread of countries, amounts, regular
customers, cancellations, write-offs and free goods are those of a British online shop in 2011 ("Online Retail", D.
Chen, 2015, doi 10.24432/C5BW33, CC BY 4.0), rounded; the orders themselves are invented. Repeats are what the real
file cannot show: the same order submitted again, unchanged.

`python -m examples.orders.generator --orders 5000 --seed 2011 > orders.ndjson`
"""

import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random

import click

from examples.orders.order import Kind, Order, write_ndjson

# Invoices per country in the real year; what is rarer than these is left out.
COUNTRIES = {
    "United Kingdom": 23_534,
    "Germany": 603,
    "France": 462,
    "EIRE": 361,
    "Belgium": 119,
    "Spain": 105,
    "Netherlands": 101,
    "Switzerland": 74,
    "Portugal": 71,
    "Australia": 69,
    "Italy": 55,
    "Finland": 48,
    "Sweden": 46,
    "Norway": 40,
    "Channel Islands": 33,
    "Japan": 29,
    "Poland": 24,
    "Denmark": 21,
    "Unspecified": 13,
}
CANCELLATIONS = 0.15
WRITE_OFFS = 0.05
FREE_OF_CHARGE = 0.03
WITHOUT_ACCOUNT = 0.09
"""Of sales: together with write-offs, which never name a customer, the real file's 14 %."""
REPEATS = 0.03
REPEATED_WITHIN = 400
"""Submissions between an order and its repetition, at most."""
CUSTOMERS = 1_200
VIP_CUSTOMERS = 12
VIP_ORDERS = 0.10
MEDIAN_UNITS, SPREAD_UNITS = 150.0, 1.3
MEDIAN_PRICE_CENTS, SPREAD_PRICE = 290.0, 0.6
FIRST_NUMBER = 600_001
OPENING_DAY = datetime(2011, 1, 4, 8, 0)  # noqa: DTZ001 -- the shop's own local time, as on its invoices


def generate(count: int, seed: int) -> Iterator[Order]:
    """`count` different orders as they are submitted, and among them, unchanged, those that are submitted twice."""
    random = Random(seed)
    countries, weights = list(COUNTRIES), list(COUNTRIES.values())
    again: list[tuple[int, Order]] = []
    now = OPENING_DAY
    for position in range(count):
        now += timedelta(minutes=random.randint(0, 9))
        country = random.choices(countries, weights)[0]
        order = _order(random, FIRST_NUMBER + position, now, country)
        yield order
        if random.random() < REPEATS:
            again.append((position + random.randint(1, REPEATED_WITHIN), order))
        due = [repeat for repeat in again if repeat[0] <= position]
        again = [repeat for repeat in again if repeat[0] > position]
        yield from (order for _, order in due)
    yield from (order for _, order in again)


def _order(random: Random, number: int, at: datetime, country: str) -> Order:
    quantity = max(1, round(random.lognormvariate(0, SPREAD_UNITS) * MEDIAN_UNITS))
    price_cents = max(1, round(random.lognormvariate(0, SPREAD_PRICE) * MEDIAN_PRICE_CENTS))
    vip, customer = _customer(random)
    placed_at = at.isoformat(timespec="minutes")
    chance = random.random()
    if chance < CANCELLATIONS:
        part = max(1, quantity // 10)
        return Order(f"C{number}", placed_at, customer, country, part, part * price_cents, Kind.CANCELLATION, vip)
    if chance < CANCELLATIONS + WRITE_OFFS:
        return Order(str(number), placed_at, None, country, max(1, quantity // 5), 0, Kind.WRITE_OFF)
    if chance < CANCELLATIONS + WRITE_OFFS + FREE_OF_CHARGE:
        return Order(str(number), placed_at, customer, country, quantity, 0, Kind.SALE, vip)
    return Order(str(number), placed_at, customer, country, quantity, quantity * price_cents, Kind.SALE, vip)


def _customer(random: Random) -> tuple[bool, str | None]:
    """Whether it is a VIP, and who; a few customers order often, most once or twice."""
    chance = random.random()
    if chance < WITHOUT_ACCOUNT:
        return False, None
    if chance < WITHOUT_ACCOUNT + VIP_ORDERS:
        return True, str(12_000 + random.randrange(VIP_CUSTOMERS))
    rank = min(CUSTOMERS - 1, int(random.paretovariate(0.6)))
    return False, str(12_000 + VIP_CUSTOMERS + rank)


@click.command(help="Write seeded orders as NDJSON to standard output.")
@click.option("--orders", "count", type=click.IntRange(1, 1_000_000), default=5_000, show_default=True, envvar="ORDERS")
@click.option("--seed", type=int, default=2011, show_default=True, envvar="SEED")
def main(count: int, seed: int) -> None:
    sys.stdout.buffer.writelines(write_ndjson(generate(count, seed)))


if __name__ == "__main__":
    main()
