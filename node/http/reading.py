"""Reads of one task: the task, whether it exists, its timeline, and why it is where it is.

Law: linearizable unless the caller says `consistency=stale`, and then the answer states its age. One read point per
request.
"""

from aiohttp import web

from quorate.node.http.answers import Headers
from quorate.node.http.call import Call, seconds
from quorate.node.http.model import MAX_WAIT_S
from quorate.node.http.problems import bad, no_such_task
from quorate.node.http.service import CONSISTENCIES, STALE, Service
from quorate.node.http.told import encode, has_ended, timeline_told, why_told
from quorate.scheduling.ulid import is_task_id


async def read_point(service: Service, call: Call, consistency: str | None) -> tuple[int, Headers]:
    """(log index the answer reflects, headers that say so). Raises Problem without a quorum."""
    if consistency is not None and consistency not in CONSISTENCIES:
        raise bad("consistency", f"got {consistency[:40]!r}, expected one of {', '.join(CONSISTENCIES)}")
    if consistency == STALE:
        call.timeout_s()
        status = service.peer.status()
        return status.applied_index, {"Quorate-Stale-Seconds": f"{status.stale_s:.3f}"}
    return await service.asking.read(call.timeout_s()), {}


def check_id(call: Call) -> None:
    if not is_task_id(call.argument):
        raise no_such_task(call.argument)


async def get_task(service: Service, call: Call) -> web.StreamResponse:
    asked = call.query("wait", "consistency")
    wait_s = seconds(asked["wait"], "wait", 0.0, MAX_WAIT_S) if "wait" in asked else call.preferred_wait_s()
    check_id(call)
    index, headers = await read_point(service, call, asked.get("consistency"))
    task = service.find(call.task)
    if wait_s and not has_ended(task):
        await service.ends.all_of([task.id], call.bounded_wait_s(wait_s))
        task = service.find(call.task)
        index = service.peer.machine.index
    return service.task_answer(task, call, index, headers=headers)


async def head_task(service: Service, call: Call) -> web.StreamResponse:
    asked = call.query("consistency")
    check_id(call)
    index, headers = await read_point(service, call, asked.get("consistency"))
    service.find(call.task)
    return service.answers.json(b"", index=index, headers=headers)


async def get_timeline(service: Service, call: Call) -> web.StreamResponse:
    asked = call.query("consistency")
    check_id(call)
    index, headers = await read_point(service, call, asked.get("consistency"))
    return service.answers.json(encode(timeline_told(service.find(call.task))), index=index, headers=headers)


async def get_why(service: Service, call: Call) -> web.StreamResponse:
    asked = call.query("consistency")
    check_id(call)
    index, headers = await read_point(service, call, asked.get("consistency"))
    told = why_told(service.find(call.task), service.peer.machine)
    return service.answers.json(encode(told), index=index, headers=headers)
