"""This process's own access to what the peers of the demo share: gateway, inventory, parcels, the log of attempts.

Law: opened once per process, by the first attempt that needs it and not by an import: a program that only names the
handlers has no shop.
"""

import os
import threading
from functools import cache
from pathlib import Path

from examples.orders.attempts import AttemptLog
from examples.orders.inventory import Inventory
from examples.orders.shipping import Shipping

FOLDER_VARIABLE = "ORDERS_FOLDER"
GATEWAY_VARIABLE = "ORDERS_GATEWAY"
PEER_VARIABLE = "ORDERS_PEER"
ATTEMPTS, INVENTORY, SHIPPING = "attempts", "inventory.sqlite", "shipping.sqlite"


class Shop:
    def __init__(self) -> None:
        folder = Path(os.environ[FOLDER_VARIABLE])
        self.gateway = os.environ[GATEWAY_VARIABLE]
        self.attempts = AttemptLog(folder / ATTEMPTS, os.environ[PEER_VARIABLE])
        self.inventory = Inventory(folder / INVENTORY)
        self.shipping = Shipping(folder / SHIPPING)


_FIRST = threading.Lock()
_opened = cache(Shop)


def open_shop() -> Shop:
    """The one of this process; safe from any thread."""
    with _FIRST:
        return _opened()
