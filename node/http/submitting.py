"""`POST /v1/tasks`: one task object, or many that stand or fall together. (Streams: `ndjson.py`.)"""

import asyncio
from collections.abc import Sequence
from typing import Final

from aiohttp import web

from quorate.node.http.answers import JSON, NDJSON, Headers
from quorate.node.http.call import Call
from quorate.node.http.decode import decode, is_many
from quorate.node.http.handlers import check_handlers
from quorate.node.http.model import TaskAsked, TasksAsked
from quorate.node.http.ndjson import post_stream
from quorate.node.http.problems import too_large
from quorate.node.http.service import Service
from quorate.node.http.submission import Submitted, many, one
from quorate.node.http.told import encode, task_told
from quorate.scheduling.task import TaskId

SLICE: Final = 200
"""Tasks rendered before the loop gets a turn again."""
REPLAYED: Final = "Idempotent-Replayed"


async def post_tasks(service: Service, call: Call) -> web.StreamResponse:
    call.query()
    by = Submitted(
        call.principal,
        call.trace(),
        round(service.settings.attempt_timeout_s * 1000),
        service.settings.limits.args_bytes,
    )
    if call.content_type() == NDJSON:
        return await post_stream(service, call, by)
    timeout_s = call.timeout_s()
    wait_s = call.preferred_wait_s()
    key = call.idempotency_key()
    body = await call.json_body()
    if is_many(body):
        return await _post_many(service, call, decode(body, TasksAsked), key, by, timeout_s, wait_s)
    asked = decode(body, TaskAsked)
    task = one(asked, key, by, {}, service.peer.new_id)
    await check_handlers(service, (asked,), ("",), timeout_s)
    (stored,), index = await service.asking.submit((task,), timeout_s)
    if wait_s:
        await service.ends.all_of((stored,), call.bounded_wait_s(wait_s))
    headers = {"Location": f"/v1/tasks/{stored}"}
    if stored != task.id:
        headers[REPLAYED] = "true"
    return service.task_answer(service.find(stored), call, index, status=201, headers=headers)


async def _post_many(
    service: Service, call: Call, asked: TasksAsked, key: str, by: Submitted, timeout_s: float, wait_s: float
) -> web.StreamResponse:
    limit = service.settings.limits.request_tasks
    if len(asked.tasks) > limit:
        fix = "send fewer, or a stream (application/x-ndjson)"
        raise too_large("tasks", f"got {len(asked.tasks):,} tasks, expected at most {limit:,}; {fix}")
    tasks = await many(asked.tasks, key, by, service.peer.new_id)
    await check_handlers(service, asked.tasks, [f"tasks[{n}]." for n in range(len(tasks))], timeout_s)
    ids, index = await service.asking.submit(tasks, timeout_s)
    if wait_s:
        await service.ends.all_of(ids, call.bounded_wait_s(wait_s))
    headers = {**service.answers.common, "Content-Type": JSON, "Quorate-Index": str(index)}
    if call.waited:
        headers["Preference-Applied"] = call.waited
    if any(stored != task.id for stored, task in zip(ids, tasks, strict=True)):
        headers[REPLAYED] = "true"
    return await _told_in_slices(service, call, ids, headers)


async def _told_in_slices(service: Service, call: Call, ids: Sequence[TaskId], headers: Headers) -> web.StreamResponse:
    """Results of many tasks may be large together: no more is rendered than the client has room for."""
    service.find(ids[0])
    response = web.StreamResponse(status=201, headers=headers)
    await response.prepare(call.request)
    opening = b'{"tasks":['
    for start in range(0, len(ids), SLICE):
        machine = service.peer.machine
        found = [service.peer.find(task) for task in ids[start : start + SLICE]]
        await response.write(
            opening + b",".join(encode(task_told(task, machine)) for task in found if task is not None)
        )
        await asyncio.sleep(0)
        opening = b","
    await response.write_eof(b"]}")
    return response
