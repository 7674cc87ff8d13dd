"""A writer that never stops, to see from outside when the cluster takes writes.

Law: only a write that began after an incident proves that the cluster led again; an answer still on its way when it
happened proves nothing.
"""

import asyncio
import time
from typing import NamedTuple

from examples.orders.api import Peers

EVERY_S = 0.1
PATIENCE_S = 2.5


class Acknowledgement(NamedTuple):
    began_s: float
    ended_s: float


class Probe:
    """One writer per peer, each with one write under way; times are of the machine's monotonic clock."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers
        self.acknowledgements: list[Acknowledgement] = []

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            for peer in self._peers.base:
                group.create_task(self._through(peer))

    async def led_again(self, since_s: float, within_s: float) -> float | None:
        """Seconds from `since_s` to the first acknowledgement of a write that began later; None: none in time."""
        while time.monotonic() < since_s + within_s:
            ended = [one.ended_s for one in reversed(self.acknowledgements[-100:]) if one.began_s >= since_s]
            if ended:
                return min(ended) - since_s
            await asyncio.sleep(0.01)
        return None

    async def _through(self, peer: str) -> None:
        number = 0
        while True:
            number += 1
            began_s = time.monotonic()
            if await self._peers.write_once(peer, f"probe/{peer}/{number}", PATIENCE_S):
                self.acknowledgements.append(Acknowledgement(began_s, time.monotonic()))
            await asyncio.sleep(EVERY_S)
