"""`GET /v1/tasks`: live tasks and history as one list, newest first.

Laws: the order is that of acceptance (`seq`), which never changes, so pages are stable while tasks come and end.
The live part is read first: a
task that ends in between is then seen twice, not missed, and its ended record wins.
"""

import asyncio
import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from aiohttp import web

from quorate.consensus.machine import Filter
from quorate.node.http.call import Call
from quorate.node.http.names import HandlerName, Word
from quorate.node.http.problems import bad
from quorate.node.http.reading import read_point
from quorate.node.http.service import Service
from quorate.node.http.told import encode, task_told
from quorate.scheduling.task import ENDED, State, Task, TaskId

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 1_000
FILTERS: Final = ("namespace", "queue", "state", "handler")
FIRST_PAGE: Final = 1 << 62
"""Above every `seq`."""


async def list_tasks(service: Service, call: Call) -> web.StreamResponse:
    asked = call.query(*FILTERS, "limit", "cursor", "consistency")
    wanted = filter_of(asked)
    limit = _limit(asked.get("limit"))
    before_seq = _before(asked.get("cursor"))
    index, headers = await read_point(service, call, asked.get("consistency"))
    found = await _merged(service, wanted, before_seq, limit + 1)
    page = _fitting(service, found[:limit])
    cursor = encode(_cursor(found[len(page) - 1].seq)) if len(found) > len(page) else b"null"
    body = b'{"tasks":[' + b",".join(page) + b'],"cursor":' + cursor + b"}"
    return service.answers.json(body, index=index, headers=headers)


def _fitting(service: Service, found: Sequence[Task]) -> list[bytes]:
    """Rendered, as many as a page may hold; at least one if there is any."""
    machine = service.peer.machine
    page: list[bytes] = []
    size = 0
    for task in found:
        size += len(task.args) + len(task.result or b"")
        if page and size > service.settings.limits.page_bytes:
            break
        page.append(encode(task_told(task, machine)))
    return page


async def _merged(service: Service, wanted: Filter, before_seq: int, limit: int) -> list[Task]:
    floor = service.peer.machine.history_floor()
    found: dict[TaskId, Task] = {}
    if wanted.state not in ENDED:
        found = {task.id: task for task in await _live(service, wanted, before_seq, limit)}
    if wanted.state is None or wanted.state in ENDED:
        ended = await service.history(wanted, before_seq, limit, floor)
        found.update((task.id, task) for task in ended)
    return sorted(found.values(), key=lambda task: task.seq, reverse=True)[:limit]


async def _live(service: Service, wanted: Filter, before_seq: int, limit: int) -> list[Task]:
    """Looked for slice by slice; the loop gets a turn between two."""
    found: list[Task] = []
    below: int | None = before_seq
    while below is not None and len(found) < limit:
        slice_ = service.peer.machine.select_newest(wanted, below, limit - len(found))
        found += slice_.tasks
        below = slice_.stopped_at
        if below is not None and len(found) < limit:
            await asyncio.sleep(0)
    return found


def filter_of(asked: Mapping[str, str]) -> Filter:
    """Raises Problem naming the query parameter."""
    for name, kind in (("namespace", Word), ("queue", Word), ("handler", HandlerName)):
        if name in asked:
            _check_form(name, asked[name], kind)
    return Filter(asked.get("namespace"), asked.get("queue"), _state(asked.get("state")), asked.get("handler"))


def _check_form(name: str, value: str, kind: object) -> None:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        raise bad(name, f"got {value[:100]!r}, which cannot be the name of a {name}") from None


def _state(text: str | None) -> State | None:
    if text is None:
        return None
    try:
        return State(text)
    except ValueError:
        raise bad("state", f"got {text[:40]!r}, expected one of {', '.join(State)}") from None


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and 1 <= int(text) <= MAX_LIMIT):
        raise bad("limit", f"got {text[:20]!r}, expected a whole number from 1 to {MAX_LIMIT}")
    return int(text)


def _cursor(seq: int) -> str:
    return urlsafe_b64encode(seq.to_bytes(8)).rstrip(b"=").decode()


def _before(cursor: str | None) -> int:
    if cursor is None:
        return FIRST_PAGE
    try:
        data = urlsafe_b64decode(cursor.encode("ascii") + b"=")
    except (binascii.Error, ValueError):
        data = b""
    if len(data) != 8 or _cursor(int.from_bytes(data)) != cursor:
        raise bad(
            "cursor",
            "this is no cursor of a list; send back what the last page gave, or leave it out for the first page",
        )
    return int.from_bytes(data)
