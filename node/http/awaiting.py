"""`POST /v1/tasks/wait`: the ends of many tasks on one connection, one line per task as it ends.

Laws: every id gets exactly one line: the task when it has ended, a problem if there is none, and the task as it is
when the wait is over. What
waits to be written is ids, not records, so a slow reader costs little.
"""

import asyncio
from collections.abc import Callable, Sequence

import msgspec
from aiohttp import web

from quorate.node.http.answers import NDJSON
from quorate.node.http.call import Call
from quorate.node.http.decode import decode
from quorate.node.http.model import WaitAsked
from quorate.node.http.problems import ProblemTold, bad, no_such_task, too_large
from quorate.node.http.reading import read_point
from quorate.node.http.service import Service
from quorate.node.http.told import encode
from quorate.scheduling.task import Task, TaskId

LINES_AT_ONCE = 200
"""Thousands of ids must not hold up the loop: it gets its turn after so many, whether or not the socket has room."""


class NoSuchTask(msgspec.Struct):
    """The line of an id without a task; its members as in RFC 9457."""

    id: str
    status: int
    problem: ProblemTold


async def post_wait(service: Service, call: Call) -> web.StreamResponse:
    call.query()
    call.timeout_s()
    asked = decode(await call.json_body(), WaitAsked)
    limit = service.settings.limits.request_tasks
    if len(asked.ids) > limit:
        raise too_large("ids", f"got {len(asked.ids):,} ids, expected at most {limit:,}; ask several times")
    ids = [TaskId(task) for task in asked.ids]
    if len(set(ids)) < len(ids):
        raise bad("ids", "an id stands here twice; name every task once")
    index, _ = await read_point(service, call, None)
    with service.ends.places(len(ids)):
        return await _Waiting(service, call, index).run(ids, call.bounded_wait_s(asked.wait))


class _Waiting:
    def __init__(self, service: Service, call: Call, index: int) -> None:
        self._service = service
        self._call = call
        headers = {**service.answers.common, "Content-Type": NDJSON, "Quorate-Index": str(index)}
        self._response = web.StreamResponse(headers=headers)
        self._loop = asyncio.get_running_loop()
        self._stops: list[Callable[[], None]] = []
        """Ends each wait."""
        self._ended: list[TaskId] = []
        self._some = asyncio.Event()

    async def run(self, ids: Sequence[TaskId], wait_s: float) -> web.StreamResponse:
        await self._response.prepare(self._call.request)
        left = dict.fromkeys(ids)
        over = self._loop.call_later(wait_s, self._some.set)
        until = self._loop.time() + wait_s
        try:
            for start in range(0, len(ids), LINES_AT_ONCE):
                missing = self._wait_for(ids[start : start + LINES_AT_ONCE])
                for task in missing:
                    del left[task]
                await self._write([_no_such_task(task) for task in missing])
                await asyncio.sleep(0)
            with self._service.stopping.calls(self._some.set):
                while left and self._loop.time() < until and not self._service.stopping.begun:
                    await self._some.wait()
                    self._some.clear()
                    await self._tell_ended(left)
        finally:
            over.cancel()
            for stop in self._stops:
                stop()
        await self._tell(list(left))
        await self._response.write_eof()
        return self._response

    def _wait_for(self, ids: Sequence[TaskId]) -> list[TaskId]:
        """Those that do not exist."""
        peer = self._service.peer
        missing = [task for task in ids if peer.find(task) is None]
        self._stops += [peer.wait(task, self._woken) for task in ids if task not in missing]
        return missing

    def _woken(self, task: Task) -> None:
        self._ended.append(task.id)
        self._some.set()

    async def _tell_ended(self, left: dict[TaskId, None]) -> None:
        while self._ended:
            now, self._ended = self._ended, []
            for task in now:
                left.pop(task, None)
            await self._tell(now)

    async def _tell(self, ids: Sequence[TaskId]) -> None:
        for start in range(0, len(ids), LINES_AT_ONCE):
            await self._write([self._line(task) for task in ids[start : start + LINES_AT_ONCE]])
            await asyncio.sleep(0)

    def _line(self, task: TaskId) -> bytes:
        found = self._service.peer.find(task)
        return _no_such_task(task) if found is None else self._service.rendered(found)

    async def _write(self, lines: Sequence[bytes]) -> None:
        if lines:
            await self._response.write(b"\n".join(lines) + b"\n")


def _no_such_task(task: TaskId) -> bytes:
    problem = no_such_task(task)
    return encode(NoSuchTask(task, problem.status, problem.told()))
