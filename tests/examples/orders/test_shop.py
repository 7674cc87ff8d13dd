"""Shelves and parcels: once per order, however often, by whomever; a stale holder changes nothing."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from examples.orders.fenced import StaleFence
from examples.orders.inventory import Inventory, NoSuchWarehouse
from examples.orders.order import Step
from examples.orders.shipping import Shipping


@pytest.fixture
def inventory(tmp_path: Path) -> Iterator[Inventory]:
    inventory = Inventory(tmp_path / "inventory.sqlite")
    inventory.open_with({"France": 100})
    yield inventory
    inventory.close()


@pytest.fixture
def shipping(tmp_path: Path) -> Iterator[Shipping]:
    shipping = Shipping(tmp_path / "shipping.sqlite")
    yield shipping
    shipping.close()


def test_goods_move_once_however_often_asked(inventory: Inventory) -> None:
    first = inventory.move(Step.RESERVE, "1", "France", -10, "receipt", fence=1)
    again = inventory.move(Step.RESERVE, "1", "France", -10, "receipt", fence=2)
    assert first == again
    assert inventory.stock() == {"France": 90}
    assert len(inventory.movements()) == 1


def test_a_stale_holder_moves_nothing(inventory: Inventory) -> None:
    """Also where the newer holder failed before its effect."""
    with pytest.raises(NoSuchWarehouse):
        inventory.move(Step.RESERVE, "1", "Atlantis", -10, "", fence=2)
    inventory.move(Step.RESERVE, "2", "France", -10, "", fence=5)
    with pytest.raises(StaleFence, match="fence 4, but 5"):
        inventory.move(Step.RESERVE, "2", "France", -10, "", fence=4)
    assert inventory.stock() == {"France": 90}


def test_an_unknown_warehouse_changes_nothing(inventory: Inventory) -> None:
    with pytest.raises(NoSuchWarehouse, match="Atlantis"):
        inventory.move(Step.RESERVE, "1", "Atlantis", -10, "", fence=1)
    assert (inventory.stock(), inventory.movements()) == ({"France": 100}, [])


def test_no_shelf_goes_below_zero(inventory: Inventory) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        inventory.move(Step.RESERVE, "1", "France", -101, "", fence=1)
    assert (inventory.stock(), inventory.movements()) == ({"France": 100}, [])


def test_threads_and_processes_share_the_shelf(inventory: Inventory, tmp_path: Path) -> None:
    """Two connections, as two peers have, and eight threads: every order moves once."""
    other = Inventory(tmp_path / "inventory.sqlite")
    with ThreadPoolExecutor(8) as pool:
        moves = [
            pool.submit(store.move, Step.RESERVE, str(number), "France", -1, "", 1)
            for number in range(50)
            for store in (inventory, other)
        ]
        assert len({move.result() for move in moves}) == 50
    other.close()
    assert inventory.stock() == {"France": 50}


def test_an_order_has_one_parcel(shipping: Shipping) -> None:
    first = shipping.send(Step.SHIP, "1", "France", "movement-1", fence=1)
    again = shipping.send(Step.SHIP, "1", "France", "movement-1", fence=2)
    assert first == again
    assert [(parcel.id, parcel.because) for parcel in shipping.parcels()] == [(first, "movement-1")]


def test_a_stale_holder_sends_nothing(shipping: Shipping) -> None:
    shipping.send(Step.SHIP, "1", "France", "", fence=2)
    with pytest.raises(StaleFence):
        shipping.send(Step.SHIP, "1", "France", "", fence=1)
    assert len(shipping.parcels()) == 1
