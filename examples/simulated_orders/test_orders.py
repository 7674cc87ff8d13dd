"""What is expected of an order, whatever goes wrong: one charge, one reservation, one parcel.

pytest examples/simulated_orders -k naive --quorate-seeds 50      finds the mistake
pytest examples/simulated_orders -k mended --quorate-seeds 50     does not
"""

from types import ModuleType

import pytest

from examples.simulated_orders import mended, naive
from examples.simulated_orders.partners import partners
from quorate.testing import Cluster

ORDERS = [f"o-{n}" for n in range(1, 13)]
PARTNERS = ("bank", "warehouse", "carrier")


@pytest.fixture(params=[naive, mended], ids=["naive", "mended"])
def orders(request: pytest.FixtureRequest, cluster: Cluster) -> ModuleType:
    """The workflow under test, its partners replaced by ledgers of the simulated cluster."""
    for name in PARTNERS:
        setattr(partners, name, cluster.ledger(name))
    workflow: ModuleType = request.param
    cluster.register(workflow)
    return workflow


def test_every_order_is_charged_reserved_and_shipped_once(cluster: Cluster, orders: ModuleType) -> None:
    cluster.latency = (0.2, 2.0)  # partners take their time
    for order in ORDERS:
        cluster.options(key=order).submit(orders.place, order, 999)
    cluster.chaos(20)
    cluster.run(20)
    cluster.heal()
    cluster.run_until(lambda: all(cluster.effects("carrier.add", key=order) for order in ORDERS))
    cluster.run(10)
    for partner in PARTNERS:
        for order in ORDERS:
            assert len(cluster.effects(f"{partner}.add", key=order)) == 1, f"{partner}, {order}"


def test_a_frozen_peer_does_not_charge_twice(cluster: Cluster, orders: ModuleType) -> None:
    cluster.when("bank.look", lambda effect: cluster.freeze(effect.peer, for_s=20))
    cluster.options(key="o-1").submit(orders.place, "o-1", 999)
    cluster.run(30)
    assert len(cluster.effects("bank.add", key="o-1")) == 1
