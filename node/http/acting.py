"""What can be done to a task: let it go, cancel it, try it again. Each answers with the task as it then stands."""

from aiohttp import web

from quorate.consensus.commands import Cancel, MakeReady
from quorate.node.http.call import Call
from quorate.node.http.decode import decode
from quorate.node.http.model import CancelAsked, NothingAsked, ReadyAsked
from quorate.node.http.problems import Problem
from quorate.node.http.reading import check_id
from quorate.node.http.service import Service
from quorate.node.http.submission import milliseconds
from quorate.scheduling.task import State


async def make_ready(service: Service, call: Call) -> web.StreamResponse:
    call.query()
    check_id(call)
    asked = decode(await call.optional_json_body(), ReadyAsked)
    not_before_ms = milliseconds(asked.not_before, "not_before") if asked.not_before else None
    try:
        index = await service.asking.call(MakeReady(call.task, not_before_ms), call.timeout_s())
    except Problem as refused:
        raise _known_to_history(service, call, refused) from refused
    return service.task_answer(service.find(call.task), call, index)


async def cancel(service: Service, call: Call) -> web.StreamResponse:
    call.query()
    check_id(call)
    asked = decode(await call.optional_json_body(), CancelAsked)
    try:
        index = await service.asking.call(Cancel(call.task, asked.reason), call.timeout_s())
    except Problem as refused:
        told = _known_to_history(service, call, refused)
        if told is refused or service.find(call.task).state is not State.CANCELLED:
            raise told from refused
        index = service.peer.machine.index  # cancelled already: the same answer as the first time
    return service.task_answer(service.find(call.task), call, index)


async def retry(service: Service, call: Call) -> web.StreamResponse:
    call.query()
    check_id(call)
    decode(await call.optional_json_body(), NothingAsked)
    index = await service.asking.retry(call.task, call.timeout_s())
    return service.task_answer(service.find(call.task), call, index)


def _known_to_history(service: Service, call: Call, refused: Problem) -> Problem:
    """The state soon forgets what has ended, history does not: who comes late is told what he would have been told
    early."""
    known = service.peer.find(call.task) if refused.kind == "not_found" else None
    if known is None:
        return refused
    return Problem(409, "already_ended", f"task {known.id} has ended; its state is {known.state}")
