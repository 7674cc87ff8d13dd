"""A pool with a notebook, for tests: what ended, and how."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from quorate.node.registry import Registry
from quorate.node.workers.pool import WorkerPool
from quorate.scheduling.task import Attempt, Ending, Failed, Succeeded, TaskId
from tests.node.workers import handlers
from tests.polling import eventually_async


class Watched:
    """pool: the one under test. endings: (task, fence) -> every ending reported, in order."""

    pool: WorkerPool

    def __init__(self) -> None:
        self.endings: dict[tuple[str, int], list[Ending]] = {}
        self._waiting: dict[tuple[str, int], asyncio.Future[Ending]] = {}
        self._started = 0

    def on_done(self, task: TaskId, fence: int, ending: Ending) -> None:
        self.endings.setdefault((task, fence), []).append(ending)
        waiting = self._waiting.pop((task, fence), None)
        if waiting is not None and not waiting.done():
            waiting.set_result(ending)

    def start(self, handler: str, args: Any = None, **fields: Any) -> Attempt:
        self._started += 1
        attempt = attempt_of(handler, args, number=self._started, **fields)
        self.pool.start(attempt)
        return attempt

    async def ending(self, attempt: Attempt, within_s: float = 20.0) -> Ending:
        key = (attempt.task, attempt.fence)
        if key in self.endings:
            return self.endings[key][0]
        future = self._waiting.setdefault(key, asyncio.get_running_loop().create_future())
        async with asyncio.timeout(within_s):
            return await future

    async def run(self, handler: str, args: Any = None, **fields: Any) -> Ending:
        return await self.ending(self.start(handler, args, **fields))

    async def begun(self, *attempts: Attempt) -> None:
        """The handlers run: taken from the queue is not yet begun, and a stop in between is obeyed at once."""
        runs = [self.pool._runs[(attempt.task, attempt.fence)] for attempt in attempts]
        await self.until(lambda: all(run.began_at is not None for run in runs), "the handlers run")

    async def until(self, predicate: Callable[[], bool], what: str) -> None:
        async def look() -> bool:
            return predicate()

        await eventually_async(look, within_s=20, what=what)


def attempt_of(
    handler: str,
    args: Any = None,
    *,
    number: int = 1,
    timeout_s: float = 300.0,
    results: Mapping[str, Any] | None = None,
    attempt: int = 1,
    deadline_ms: int = 0,
) -> Attempt:
    task = f"01J00000000000000000{number:06d}"
    return Attempt(
        task=TaskId(task),
        handler=handler,
        args=msgspec.json.encode({} if args is None else args),
        attempt=attempt,
        fence=number,
        timeout_ms=round(timeout_s * 1000),
        deadline_ms=deadline_ms,
        results={TaskId(name): msgspec.json.encode(value) for name, value in (results or {}).items()},
        namespace="shop",
        queue="default",
        principal="ann",
        labels={"colour": "red"},
        trace="",
    )


@asynccontextmanager
async def watched_pool(
    *, threads: tuple[int, int] = (1, 4), processes: int = 2, registry: Registry | None = None
) -> AsyncIterator[Watched]:
    watched = Watched()
    if registry is None:
        registry = Registry()
        registry.load(handlers.__name__)
    loop = asyncio.get_running_loop()
    watched.pool = WorkerPool(registry, *threads, watched.on_done, loop, max_processes=processes)
    try:
        yield watched
    finally:
        for held in handlers.GATES.values():
            held.set()
        await watched.pool.stop(5.0)
        await watched.until(lambda: watched.pool.threads == 0, "every thread has left")
        handlers.GATES.clear()


def value_of(ending: Ending) -> Any:
    assert isinstance(ending, Succeeded), ending
    return msgspec.json.decode(ending.result)


def error_type(ending: Ending) -> str:
    assert isinstance(ending, Failed), ending
    return ending.error.type
