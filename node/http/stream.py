"""`GET /v1/events`: what happens, as server-sent events.

Laws: the id of an event is its address in the log, `index.n`, equal on all peers, so a reader may go on at another
one. Who asks for more than is
kept is told so first, by a `gap` event. A reader that falls behind further than the buffer is dropped; it can resume.
"""

import asyncio
import re
from collections.abc import Sequence
from typing import Final

import msgspec
from aiohttp import web

from quorate.consensus.events import SessionEvent, TaskEvent
from quorate.consensus.machine import Filter
from quorate.consensus.reactor import Stamped
from quorate.node.http.call import Call
from quorate.node.http.listing import FILTERS, filter_of
from quorate.node.http.problems import Problem, bad
from quorate.node.http.service import Service
from quorate.node.http.told import at, encode
from quorate.scheduling.task import State

HEARTBEAT_S: Final = 15.0
WRITE_BYTES: Final = 256 * 1024
RECONNECT_MS: Final = 1_000
_ADDRESS: Final = re.compile(r"(\d{1,19})\.(\d{1,9})", re.ASCII)


class TaskEventTold(msgspec.Struct):
    """A task came to `state`."""

    kind: str
    task: str
    namespace: str
    queue: str
    handler: str
    state: State
    at: str
    attempt: int
    fence: int
    peer: str | None
    detail: str


class SessionEventTold(msgspec.Struct):
    """A peer's life sign began, changed or ended."""

    kind: str
    peer: str
    incarnation: int
    at: str


class GapTold(msgspec.Struct):
    """Events after `after` are missing here. List what matters, then go on."""

    after: str
    detail: str


async def get_events(service: Service, call: Call) -> web.StreamResponse:
    asked = call.query(*FILTERS, "after")
    wanted = filter_of(asked)
    after = _address(call.request.headers.get("Last-Event-ID"), "Last-Event-ID") or _address(
        asked.get("after"), "after"
    )
    limit = service.settings.limits.event_streams
    if service.event_streams >= limit:
        raise Problem(
            429, "too-many", f"{limit} event streams are open at this peer already; ask another", retry_after_s=5
        )
    service.event_streams += 1
    try:
        return await _Stream(service, call, wanted).run(after)
    finally:
        service.event_streams -= 1


def _address(text: str | None, field: str) -> tuple[int, int] | None:
    if not text:
        return None
    found = _ADDRESS.fullmatch(text)
    if found is None:
        raise bad(field, f"got {text[:40]!r}, expected the id of an event, e.g. 1042.3")
    return int(found[1]), int(found[2])


class _Stream:
    def __init__(self, service: Service, call: Call, wanted: Filter) -> None:
        self._service = service
        self._call = call
        self._wanted = wanted
        self._all = wanted == Filter()
        self._limit = service.settings.limits.event_buffer_bytes
        self._buffer: list[bytes] = []
        self._size = 0
        self._some = asyncio.Event()
        headers = {**service.answers.common, "Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        self._response = web.StreamResponse(headers=headers)

    async def run(self, after: tuple[int, int] | None) -> web.StreamResponse:
        subscription = self._service.peer.subscribe(after, self._take)
        try:
            await self._response.prepare(self._call.request)
            opening = b"retry: %d\n\n" % RECONNECT_MS
            if subscription.gap and after is not None:
                told = GapTold(
                    f"{after[0]}.{after[1]}", "events after this one are no longer kept here; some are missing"
                )
                opening += b"event: gap\ndata: " + encode(told) + b"\n\n"
            await self._response.write(opening)
            with self._service.stopping.calls(self._some.set):
                while not self._service.stopping.begun:
                    await self._wait()
                    await self._write_taken()
            await self._response.write_eof()
            return self._response
        finally:
            subscription.close()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(HEARTBEAT_S):
                await self._some.wait()
        except TimeoutError:
            await self._response.write(b": still here\n\n")
        self._some.clear()

    async def _write_taken(self) -> None:
        while self._buffer:
            taken: list[bytes] = []
            size = 0
            while size < WRITE_BYTES and len(taken) < len(self._buffer):
                size += len(self._buffer[len(taken)])
                taken.append(self._buffer[len(taken)])
            del self._buffer[: len(taken)]
            await self._response.write(b"".join(taken))
            self._size -= size

    def _take(self, events: Sequence[Stamped]) -> None:
        """From the peer, in its step: rendered at once, because records change; never waits."""
        for index, n, event in events:
            if not self._all and not self._shows(event):
                continue
            text = _rendered(index, n, event)
            self._size += len(text)
            self._buffer.append(text)
        if self._size > self._limit:
            self._buffer.clear()
            transport = self._call.request.transport
            if transport is not None:
                transport.abort()
            return
        if self._buffer:
            self._some.set()

    def _shows(self, event: TaskEvent | SessionEvent) -> bool:
        if not isinstance(event, TaskEvent):
            return False
        wanted = self._wanted
        return (
            wanted.namespace in (None, event.namespace)
            and wanted.queue in (None, event.queue)
            and wanted.state in (None, event.state)
            and wanted.handler in (None, event.handler)
        )


def _rendered(index: int, n: int, event: TaskEvent | SessionEvent) -> bytes:
    if isinstance(event, TaskEvent):
        name, data = b"task", encode(_task_event(event))
    else:
        name, data = b"session", encode(SessionEventTold(event.kind, event.peer, event.incarnation, at(event.stamp)))
    return b"id: %d.%d\nevent: %b\ndata: %b\n\n" % (index, n, name, data)


def _task_event(event: TaskEvent) -> TaskEventTold:
    return TaskEventTold(
        event.kind,
        event.task,
        event.namespace,
        event.queue,
        event.handler,
        event.state,
        at(event.stamp),
        event.attempt,
        event.fence,
        event.peer or None,
        event.detail,
    )
