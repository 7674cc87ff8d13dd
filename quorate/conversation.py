"""One client's side of its talk with a cluster: calls, keys, and the ends it waits for.

Law: what both clients do is done here once. A submission leaves with a key, so that every repetition is the same
submission. Used from one event loop; `prepare` alone may be called from any thread.
"""

import asyncio
import weakref
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from quorate.awaiting import Awaiter, Ended
from quorate.calls import WAIT_S, Calls
from quorate.errors import QuorateError
from quorate.protocol.access import Access
from quorate.protocol.asked import Keys, encoded
from quorate.protocol.refs import with_ids
from quorate.protocol.told import TaskInfo

TIMEOUT_S = 30.0
CONNECT_TIMEOUT_S = 10.0
MAP_LINES = 1_000
"""Tasks of a stream that are sent together."""
MANY = 10_000
"""Tasks that may be submitted as one."""

AnyFuture = Future[TaskInfo] | asyncio.Future[TaskInfo]


class Prepared:
    """Task objects ready to be sent: each with its key, and as JSON."""

    __slots__ = ("bodies", "tasks")

    def __init__(self, tasks: list[Mapping[str, Any]]) -> None:
        self.tasks = tasks
        self.bodies = encoded(tasks)

    @property
    def keys(self) -> list[str]:
        return [task["key"] for task in self.tasks]


class Conversation:
    def __init__(self, access: Access, timeout_s: float, connect_s: float) -> None:
        self.calls = Calls(access, timeout_s, connect_s)
        self.awaiter = Awaiter(self.calls)
        self._make_key = Keys()

    async def close(self) -> None:
        await self.awaiter.close()
        await self.calls.close()

    def prepare(self, tasks: Iterable[Mapping[str, Any]]) -> Prepared:
        """Raises TypeError or ValueError if a task is not JSON."""
        return Prepared([task if task.get("key") else {**task, "key": self._make_key()} for task in tasks])

    async def submit(self, prepared: Prepared) -> list[str]:
        """All or none; the ids in order. Raises ValueError for none or more than `MANY`."""
        count = len(prepared.bodies)
        if count == 1:
            return [(await self.calls.submit(prepared.bodies[0])).id]
        if not 1 <= count <= MANY:
            raise ValueError(f"got {count} tasks, expected 1 to {MANY} to be submitted as one; `map` takes any number")
        return [task.id for task in await self.calls.submit_all(prepared.bodies)]

    async def submit_stream(self, prepared: Prepared) -> list[str]:
        """Any number, batch by batch; the first that is refused ends it, and those before it are accepted."""
        ids: list[str] = []
        named: dict[str, str] = {}
        for begun in range(0, len(prepared.tasks), MAP_LINES):
            tasks = prepared.tasks[begun : begun + MAP_LINES]
            bodies = prepared.bodies[begun : begun + MAP_LINES]
            if named:
                bodies = encoded(with_ids(task, named) for task in tasks)
            accepted = await self.calls.submit_lines(bodies, begun)
            named |= {task["ref"]: known for task, known in zip(tasks, accepted, strict=True) if task.get("ref")}
            ids += accepted
        return ids

    async def run(self, prepared: Prepared) -> TaskInfo:
        """Submit one and wait for its end, in one request where it is quick."""
        task = await self.calls.submit(prepared.bodies[0], wait_s=WAIT_S)
        while not task.has_ended:
            task = await self.calls.task(task.id, wait_s=WAIT_S)
        return task

    def watch(self, futures: Sequence[tuple[str, AnyFuture]]) -> None:
        """Settle each future with the end of its task, or with why that cannot be learned.

        Nobody watches what nobody holds.
        """
        for task, future in futures:
            self.awaiter.watch(task, Settling(future))


class Settling:
    """Settles a future, as long as somebody holds it."""

    __slots__ = ("_future",)

    def __init__(self, future: AnyFuture) -> None:
        self._future = weakref.ref(future)

    @property
    def wanted(self) -> bool:
        future = self._future()
        return future is not None and not future.done()

    def __call__(self, ended: Ended) -> None:
        future = self._future()
        if future is None or future.done():
            return
        if isinstance(ended, QuorateError):
            future.set_exception(ended)
        else:
            future.set_result(ended)
