"""Submits the orders through all peers, batch by batch.

Law: a batch goes to the peers in turn, and to the next one if its own does not answer; keys make that safe. No more
orders are under way than `ORDERS_UNDER_WAY`, as in a shop where orders come in all day: there is always a queue for
VIPs to pass, and never one without bounds. Beyond that, whoever brings about the mishaps says how many may come in:
however fast the cluster is, there is work left for a peer that comes back.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator

from examples.orders.api import Peers
from examples.orders.chain import tasks_of
from examples.orders.order import Order, Step, steps_of

BATCH_ORDERS = 50
ORDERS_UNDER_WAY = 1_000
LOOK_EVERY_S = 0.05

Acknowledged = list[tuple[Step, str, str]]


def batches(submissions: Iterable[Order]) -> Iterator[list[Order]]:
    """Cut into batches of at most `BATCH_ORDERS`, no order twice in one: within a request a name means one task."""
    batch: list[Order] = []
    numbers: set[str] = set()
    for order in submissions:
        if len(batch) == BATCH_ORDERS or order.number in numbers:
            yield batch
            batch, numbers = [], set()
        batch.append(order)
        numbers.add(order.number)
    if batch:
        yield batch


class Submission:
    """The submitting side of the demo; `acknowledged` grows as answers come in."""

    def __init__(self, peers: Peers, submissions: list[Order], orders_done: Callable[[], int]) -> None:
        self._peers = peers
        self._batches = batches(submissions)
        self._orders_done = orders_done
        self._seen: set[str] = set()
        self._total = len({order.number for order in submissions})
        self._share = 0.0
        self.acknowledged: Acknowledged = []

    @property
    def orders_submitted(self) -> int:
        """Different orders that were handed to a peer so far."""
        return len(self._seen)

    def let_in(self, share: float) -> None:
        """From now on this share of the orders, from 0 to 1, may come in."""
        self._share = share

    async def run(self) -> None:
        """Until everything is acknowledged: one batch under way per peer."""
        async with asyncio.TaskGroup() as group:
            for peer in self._peers.base:
                group.create_task(self._through(peer))

    async def _through(self, peer: str) -> None:
        for batch in self._batches:
            # Orders are done by other processes, which set no event here.
            while not self._room_for(batch):  # noqa: ASYNC110
                await asyncio.sleep(LOOK_EVERY_S)
            self._seen.update(order.number for order in batch)
            names = [(step, order.number) for order in batch for step in steps_of(order)]
            ids = await self._peers.submit([task for order in batch for task in tasks_of(order)], first=peer)
            self.acknowledged += [(step, number, task) for (step, number), task in zip(names, ids, strict=True)]

    def _room_for(self, batch: list[Order]) -> bool:
        submitted = len(self._seen.union(order.number for order in batch))
        return submitted <= self._share * self._total and submitted - self._orders_done() <= ORDERS_UNDER_WAY
