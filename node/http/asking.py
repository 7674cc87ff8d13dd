"""The peer's answers as something to await.

Law: every question has a deadline and is answered by it: by the peer, or, should the peer not get to it, by us, a
grace later. Whoever goes
away stops waiting; what he asked for goes on.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, TypeVar

from quorate.consensus.commands import Command, Done, Outcome, Unknown
from quorate.node.http.ports import PeerPort, Wake
from quorate.node.http.problems import Problem, from_outcome, no_quorum
from quorate.scheduling.task import NewTask, Task, TaskId

T = TypeVar("T")

GRACE_S: Final = 1.0


class Asking:
    def __init__(self, peer: PeerPort, wake: Wake, loop: asyncio.AbstractEventLoop) -> None:
        self._peer = peer
        self._wake = wake
        self._loop = loop

    async def submit(self, tasks: Sequence[NewTask], timeout_s: float) -> tuple[list[TaskId], int]:
        """(ids in order, log index). Raises Problem."""
        outcome, index = await self.outcome_of_submit(tasks, timeout_s)
        if not isinstance(outcome, Done):
            raise from_outcome(outcome)
        return [TaskId(task) for task in outcome.value], index

    def outcome_of_submit(self, tasks: Sequence[NewTask], timeout_s: float) -> Awaitable[tuple[Outcome, int]]:
        deadline = self._peer.now() + timeout_s
        return self._outcome(lambda reply: self._peer.submit(tasks, deadline, reply), timeout_s)

    async def call(self, command: Command, timeout_s: float) -> int:
        """The log index at which it was done. Raises Problem."""
        deadline = self._peer.now() + timeout_s
        return await self._index(lambda reply: self._peer.call(command, deadline, reply), timeout_s)

    async def retry(self, task: TaskId, timeout_s: float) -> int:
        deadline = self._peer.now() + timeout_s
        return await self._index(lambda reply: self._peer.retry(task, deadline, reply), timeout_s)

    async def read(self, timeout_s: float) -> int:
        """The log index from which the own replica answers linearizably. Raises Problem without a quorum."""
        answer: asyncio.Future[int | None] = self._loop.create_future()
        self._peer.read(self._peer.now() + timeout_s, lambda index: _settle(answer, index))
        self._wake()
        index = await self._by(answer, timeout_s, None)
        if index is None:
            raise no_quorum()
        return index

    async def _index(self, start: Callable[[Callable[[Outcome, int], None]], None], timeout_s: float) -> int:
        outcome, index = await self._outcome(start, timeout_s)
        if not isinstance(outcome, Done):
            raise from_outcome(outcome)
        return index

    async def _outcome(
        self, start: Callable[[Callable[[Outcome, int], None]], None], timeout_s: float
    ) -> tuple[Outcome, int]:
        answer: asyncio.Future[tuple[Outcome, int]] = self._loop.create_future()
        start(lambda outcome, index: _settle(answer, (outcome, index)))
        self._wake()
        return await self._by(answer, timeout_s, _NO_ANSWER)

    async def _by(self, answer: asyncio.Future[T], timeout_s: float, otherwise: T) -> T:
        if answer.done():
            return answer.result()
        guard = self._loop.call_later(timeout_s + GRACE_S, _settle, answer, otherwise)
        try:
            return await answer
        finally:
            guard.cancel()


_NO_ANSWER: Final[tuple[Outcome, int]] = (Unknown("this peer did not get to it within the deadline"), 0)


def _settle(answer: asyncio.Future[T], value: T) -> None:
    if not answer.done():
        answer.set_result(value)


class Stopping:
    """Ends what would otherwise wait on: a server that stops answers its waiters as things stand."""

    def __init__(self) -> None:
        self.begun = False
        self._calls: set[Callable[[], None]] = set()

    def begin(self) -> None:
        self.begun = True
        for call in list(self._calls):
            call()

    @contextmanager
    def calls(self, call: Callable[[], None]) -> Iterator[None]:
        """`call` is called when stopping begins while this is open, at once if it has begun."""
        if self.begun:
            call()
        self._calls.add(call)
        try:
            yield
        finally:
            self._calls.discard(call)


class Ends:
    """Awaited ends of tasks, all requests together, up to a limit."""

    def __init__(self, peer: PeerPort, limit: int, stopping: Stopping, loop: asyncio.AbstractEventLoop) -> None:
        self._peer = peer
        self._stopping = stopping
        self._limit = limit
        self._loop = loop
        self.waiting = 0

    @contextmanager
    def places(self, count: int) -> Iterator[None]:
        """Raises Problem (429) when so many more would be too many."""
        if self.waiting + count > self._limit:
            detail = f"{self.waiting:,} tasks of {self._limit:,} are awaited here already; ask another peer"
            raise Problem(429, "too-many", detail, retry_after_s=1)
        self.waiting += count
        try:
            yield
        finally:
            self.waiting -= count

    async def all_of(self, tasks: Sequence[TaskId], seconds: float) -> None:
        """Until every task has ended or the time is over."""
        if seconds <= 0:
            return
        with self.places(len(tasks)):
            left = len(tasks)
            done: asyncio.Future[None] = self._loop.create_future()

            def woken(_task: Task) -> None:
                nonlocal left
                left -= 1
                if not left:
                    _settle(done, None)

            stops = [self._peer.wait(task, woken) for task in tasks]
            guard = self._loop.call_later(seconds, _settle, done, None)
            try:
                with self._stopping.calls(lambda: _settle(done, None)):
                    await done
            finally:
                guard.cancel()
                for stop in stops:
                    stop()
