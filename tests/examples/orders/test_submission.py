"""Orders come in as fast as they are done, and no further than whoever brings about the mishaps lets them in."""

import asyncio
from typing import Any, cast

import msgspec

from examples.orders.api import Peers
from examples.orders.submission import BATCH_ORDERS, ORDERS_UNDER_WAY, Submission
from tests.examples.orders.records import SALE

TOTAL = 3 * ORDERS_UNDER_WAY
ORDERS = [msgspec.structs.replace(SALE, number=str(number)) for number in range(TOTAL)]


class TakesAll:
    """In place of `Peers`: acknowledges every task at once."""

    base = dict.fromkeys(("a", "b", "c"), "")

    async def submit(self, tasks: list[dict[str, Any]], first: str) -> list[str]:
        await asyncio.sleep(0)
        return [f"id-{task['ref']}" for task in tasks]


async def submitted_after(share: float, done: int) -> int:
    """How many come in until nothing more does."""
    submission = Submission(cast(Peers, TakesAll()), ORDERS, lambda: done)
    submission.let_in(share)
    running = asyncio.create_task(submission.run())
    before = -1
    while submission.orders_submitted > before:
        before = submission.orders_submitted
        for _ in range(10):
            await asyncio.sleep(0)
    running.cancel()
    return before


async def test_no_more_are_under_way_than_the_limit() -> None:
    assert await submitted_after(1.0, done=0) == ORDERS_UNDER_WAY


async def test_no_more_come_in_than_were_let_in() -> None:
    """So a peer that comes back finds work, however fast the others were."""
    assert await submitted_after(0.5, done=TOTAL) == TOTAL // 2 // BATCH_ORDERS * BATCH_ORDERS


async def test_all_come_in_once_all_are_let_in() -> None:
    assert await submitted_after(1.0, done=TOTAL) == TOTAL
