"""The gateway as a process: with its key check the money balances whatever goes wrong, without it the books fail."""

import http.client
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from examples.orders.books import Books, Finding, money_moved_once
from examples.orders.cluster_file import free_ports
from examples.orders.gateway_client import GatewayDown, request_payment
from examples.orders.ledger import Deed, read_ledger
from examples.orders.order import Order
from examples.orders.processes import Processes, gateway_command
from tests.examples.orders.records import balanced_books
from tests.polling import eventually

ORDERS = tuple(Order(str(number), "2011-01-04T09:00", None, "France", 1, 100 + number) for number in range(400))


def pay_until_answered(address: str, order: Order) -> str:
    while True:
        try:
            return request_payment(address, "/charges", order.number, order.amount_cents, because="")
        except GatewayDown:
            continue


def answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", "/livez")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def books_after_paying(folder: Path, *, key_check: bool) -> tuple[Finding, Books]:
    (port,) = free_ports(1)
    ledger = folder / "ledger.ndjson"
    with Processes(folder / "logs") as processes:
        processes.start("gateway", gateway_command(port, ledger, seed=5, key_check=key_check), {})
        eventually(lambda: answers(port), within_s=20, what="the gateway answers")
        with ThreadPoolExecutor(32) as pool:
            list(pool.map(lambda order: pay_until_answered(f"127.0.0.1:{port}", order), ORDERS))
    books = msgspec.structs.replace(balanced_books(), orders=ORDERS, ledger=tuple(read_ledger(ledger)))
    return money_moved_once(books), books


def test_with_the_key_check_every_order_is_charged_once(tmp_path: Path) -> None:
    """Though answers were lost and callers asked again."""
    finding, books = books_after_paying(tmp_path, key_check=True)
    assert finding.ok, finding.says
    assert sum(line.deed is Deed.REPEATED for line in books.ledger) > 0


def test_without_the_key_check_the_books_fail(tmp_path: Path) -> None:
    """So the check can fail, and it is the key that keeps it from failing."""
    finding, _ = books_after_paying(tmp_path, key_check=False)
    assert not finding.ok
    assert "times charge" in finding.says
