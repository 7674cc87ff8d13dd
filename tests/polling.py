"""Waiting in tests.

Law: a test waits for a fact with a deadline, never for a time. This is the only file of the tests that may sleep.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

POLL_EVERY_S = 0.01

T = TypeVar("T")


def eventually(predicate: Callable[[], T], within_s: float, what: str = "the awaited fact") -> T:
    """The first true value of `predicate()`, or an AssertionError naming `what` after `within_s` seconds.

    An AssertionError inside the predicate means "not yet"; any other exception ends the wait at once.
    """
    deadline = time.monotonic() + within_s
    last: object
    while True:
        try:
            seen = predicate()
        except AssertionError as failure:
            last = failure
        else:
            if seen:
                return seen
            last = seen
        if time.monotonic() >= deadline:
            raise _too_late(what, within_s, last)
        time.sleep(POLL_EVERY_S)


async def eventually_async(predicate: Callable[[], Awaitable[T]], within_s: float, what: str = "the awaited fact") -> T:
    """`eventually` for a coroutine function: leaves the loop free between two looks and ends a look that hangs."""
    last: object = "no answer"
    limit = asyncio.timeout(within_s)
    try:
        async with limit:
            while True:
                try:
                    seen = await predicate()
                except AssertionError as failure:
                    last = failure
                else:
                    if seen:
                        return seen
                    last = seen
                await asyncio.sleep(POLL_EVERY_S)
    except TimeoutError:
        if not limit.expired():
            raise
        raise _too_late(what, within_s, last) from None


def _too_late(what: str, within_s: float, last: object) -> AssertionError:
    return AssertionError(f"not within {within_s:g} s: {what} (last seen: {last!r})")
